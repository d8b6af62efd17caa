//! One flashing, on a thread of its own: attempts, and the steps of an attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use espflash::connection::Port;
use tokio::sync::mpsc;

use super::chip::{Chip, ChipError, Part};
use super::layout::{Area, Layout, RECORD, SECTOR, TABLE, TABLE_LENGTH};
use super::log::{self, Evidence};
use super::{DeployError, SerialOptions};
use crate::board::Mac;
use crate::board::serial::{PortGuard, SerialPort};
use crate::digest::Sha;
use crate::event::{Event, OnEvent};

/// Where the first boot stage of an ESP32-S3 lies. Source: ESP-IDF, "Bootloader".
const BOOTLOADER: u32 = 0;

/// All that the thread at the port needs.
pub(super) struct Job {
    pub(super) port: SerialPort,
    pub(super) mac: Option<Mac>,
    pub(super) options: SerialOptions,
    pub(super) bytes: Vec<u8>,
    pub(super) elf_sha256: Sha,
    pub(super) needs_log: bool,
    pub(super) guard: PortGuard,
}

/// What became of it.
pub(super) struct Flashed {
    pub(super) mac: Mac,
    pub(super) written: u64,
    pub(super) unchanged: u64,
    pub(super) attempts: u32,
    pub(super) evidence: Evidence,
}

/// Tells the thread at the port, when it is dropped, that nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `job` on a thread of its own, whose events are passed on here.
pub(super) async fn run(job: Job, on_event: OnEvent<'_>) -> Result<Flashed, DeployError> {
    let waiting = Waiting(Arc::default());
    let is_over = Arc::clone(&waiting.0);
    let (events, mut happened) = mpsc::unbounded_channel();
    let thread = tokio::task::spawn_blocking(move || job.flash(&is_over, &events));
    while let Some(event) = happened.recv().await {
        on_event(&event);
    }
    match thread.await {
        Ok(flashed) => flashed,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

impl Job {
    fn flash(
        self,
        is_over: &AtomicBool,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<Flashed, DeployError> {
        let is_over = || is_over.load(Ordering::Relaxed);
        let attempts = self.options.attempts.max(1);
        let mut attempt = 1;
        loop {
            match self.attempt(&is_over, events) {
                Ok((mac, written, unchanged, serial)) => {
                    let evidence = match self.needs_log {
                        true => {
                            let limit = self.options.restart;
                            log::read(&self.port, serial, self.elf_sha256, limit, &is_over)
                        }
                        false => Evidence::None,
                    };
                    drop(self.guard);
                    return Ok(Flashed { mac, written, unchanged, attempts: attempt, evidence });
                }
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Again(error)) => {
                    let reason = crate::story::one_line(&error);
                    if attempt >= attempts || is_over() {
                        let port = self.port.path.display().to_string();
                        return Err(DeployError::Serial { port, attempts: attempt, reason });
                    }
                    attempt += 1;
                    let event = Event::FlashRetry { attempt, of: attempts, reason };
                    let _ = events.send(event); // the receiver waits for this thread
                }
            }
        }
    }

    /// One attempt, from the reset into the loader to the reset out of it.
    fn attempt(
        &self,
        is_over: &dyn Fn() -> bool,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<(Mac, u64, u64, Port), Trouble> {
        let mut chip = Chip::connect(&self.port, self.options.baud, self.options.silence)?;
        let mac = chip.mac()?;
        if let Some(expected) = self.mac.filter(|&expected| expected != mac) {
            let place = self.port.path.display().to_string();
            // The wrong board goes on with what it did.
            let _ = chip.boot();
            let (found, expected) = (mac.to_string(), expected.to_string());
            return Err(DeployError::WrongBoard { place, found, expected }.into());
        }
        let parts = self.parts(&mut chip)?;
        let mut work = Vec::new();
        for part in &parts {
            let ranges = match self.options.always {
                true => std::iter::once(0..part.bytes.len() as u32).collect(),
                false => chip.difference(part)?,
            };
            work.push((part, ranges));
        }
        let all: u64 = parts.iter().map(|part| part.bytes.len() as u64).sum();
        let total =
            work.iter().flat_map(|(_, ranges)| ranges).map(|range| u64::from(range.end - range.start)).sum();
        let mut sent = 0;
        let mut on_bytes = |bytes: u32| {
            sent += u64::from(bytes);
            let _ = events.send(Event::Uploading { sent, total }); // the receiver waits for this thread
        };
        for (part, ranges) in &work {
            chip.write(part, ranges, is_over, &mut on_bytes)?;
            // Before the next part, so that no slot is chosen whose contents are not proved.
            chip.verify(part)?;
        }
        Ok((mac, total, all - total, chip.boot()?))
    }

    /// What the flash is to hold, in the order in which it is written: the choice of the slot last, so that a flasher that
    /// is killed leaves the old choice.
    fn parts(&self, chip: &mut Chip) -> Result<Vec<Part>, Trouble> {
        let options = &self.options;
        let table = match &options.partition_table {
            Some(table) => table.clone(),
            None => chip.read(TABLE, TABLE_LENGTH)?,
        };
        let (layout, port) = (Layout::read(&table), self.port.path.display().to_string());
        let slot = options.slot.label();
        let Some(Area { offset, size }) = layout.slot(options.slot) else {
            return Err(DeployError::NoSlot { port, slot }.into());
        };
        if self.bytes.len() > size as usize {
            return Err(DeployError::TooLarge { slot, length: self.bytes.len(), size }.into());
        }
        let mut parts = Vec::new();
        let extra = [(BOOTLOADER, &options.bootloader), (TABLE, &options.partition_table)];
        for (offset, bytes) in extra {
            if let Some(bytes) = bytes {
                parts.push(Part { offset, bytes: bytes.clone() });
            }
        }
        parts.push(Part { offset, bytes: self.bytes.clone() });
        if let Some(choice) = layout.choice {
            let records = [chip.read(choice.offset, RECORD)?, chip.read(choice.offset + SECTOR, RECORD)?];
            if let Some((place, record)) = layout.choose(options.slot, [&records[0], &records[1]]) {
                parts.push(Part { offset: choice.offset + place, bytes: record.to_vec() });
            }
        }
        // Loaders write words.
        for part in &mut parts {
            part.bytes.resize(part.bytes.len().next_multiple_of(4), 0xFF);
        }
        Ok(parts)
    }
}

/// What ends an attempt.
enum Trouble {
    /// Another attempt would end in the same.
    Final(DeployError),
    Again(ChipError),
}

impl From<DeployError> for Trouble {
    fn from(error: DeployError) -> Self {
        Self::Final(error)
    }
}

impl From<ChipError> for Trouble {
    fn from(error: ChipError) -> Self {
        match error {
            ChipError::Port(error) => Self::Final(error.into()),
            ChipError::WrongChip(_) | ChipError::Secure => {
                Self::Final(DeployError::Chip { reason: error.to_string() })
            }
            error => Self::Again(error),
        }
    }
}
