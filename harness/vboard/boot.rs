//! One boot of the board: what runs, since when and why, and what has been asked of it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::cpu::{Cpu, End};
use super::emulator::PowerOnError;
use super::flash::Flash;
use super::image_format::{EspImage, NotAnImage};
use super::log::Log;
use super::mailbox::{Firmware, Status};
use super::otadata::{self, State};
use super::params::Params;
use super::partitions::Slot;
use super::recordings::Kept;
use super::runs::Runs;
use crate::board::Panic;
use crate::digest::Sha;
use crate::story;

/// [`Status::run_state`] while a run is under way.
const RUNNING: u32 = 1;

/// The board between two resets.
#[derive(Debug)]
pub struct Boot {
    /// Differs for each boot of each board.
    pub id: u32,
    pub reason: ResetReason,
    pub since: Instant,
    pub app: Result<App, NoApp>,
    /// How the boot before this one ended, if it ended badly.
    pub panic: Option<Panic>,
    params: Mutex<Params>,
    runs: Mutex<Runs>,
    recording: Mutex<Kept>,
}

/// The application that runs.
#[derive(Debug)]
pub struct App {
    pub slot: Slot,
    pub version: String,
    pub elf_sha256: Sha,
    pub firmware: Arc<Firmware>,
    pub cpu: Arc<Cpu>,
}

/// Why no application runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoApp(pub String);

/// Why the board started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// Power or the reset button.
    PowerOn,
    Software,
    Panic,
    Watchdog,
}

impl ResetReason {
    pub const fn text(self) -> &'static str {
        match self {
            Self::PowerOn => "power-on",
            Self::Software => "software",
            Self::Panic => "panic",
            Self::Watchdog => "watchdog",
        }
    }
}

impl Boot {
    /// A boot that begins now.
    pub fn new(id: u32, reason: ResetReason, app: Result<App, NoApp>, panic: Option<Panic>) -> Self {
        Self {
            id,
            reason,
            since: Instant::now(),
            app,
            panic,
            params: Mutex::default(),
            runs: Mutex::default(),
            recording: Mutex::default(),
        }
    }

    /// Board time since boot. Without an application it is the time of the host.
    pub fn uptime_ns(&self) -> u64 {
        let status = self.app.as_ref().ok().and_then(|app| app.status().ok());
        status.map_or_else(|| self.since.elapsed().as_nanos() as u64, |status| status.now_ns)
    }

    /// The parameters as they were last set.
    pub fn params(&self) -> MutexGuard<'_, Params> {
        self.params.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The measured runs of this boot.
    pub fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recording that the firmware keeps.
    pub fn recording(&self) -> MutexGuard<'_, Kept> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// The application of `loaded` once it came up.
    pub fn new(loaded: Loaded, firmware: Arc<Firmware>) -> Self {
        let Loaded { slot, version, elf_sha256, cpu } = loaded;
        Self { slot, version, elf_sha256, firmware, cpu }
    }

    /// # Errors
    ///
    /// The error of the operating system.
    pub fn status(&self) -> io::Result<Status> {
        self.cpu.mailbox().status()
    }
}

/// What to report of the boot `boot_id`, in which `app` came up if it did, after it ended in `end`.
pub fn post_mortem(boot_id: u32, end: &End, app: Option<&App>) -> Panic {
    let pattern_id = |index: u32| {
        let pattern = app.and_then(|app| app.firmware.patterns.get(index as usize));
        pattern.map(|pattern| pattern.id.clone()).unwrap_or_default()
    };
    let status = app.and_then(|app| app.status().ok());
    if let End::Panic(record) = end {
        let run = status.filter(|status| status.run_state == RUNNING);
        return Panic {
            reason: record.reason_text(),
            pattern: pattern_id(record.pattern),
            frame: record.frame,
            run_frame: run.map(|run| i64::from(record.frame) - i64::from(run.run_first_sequence)),
            pc: record.pc,
            value: record.value,
            boot_id,
        };
    }
    Panic {
        reason: story::one_line(end),
        pattern: status.map(|status| pattern_id(status.current_pattern)).unwrap_or_default(),
        frame: status.map_or(0, |status| status.next_sequence),
        run_frame: None,
        pc: 0,
        value: 0,
        boot_id,
    }
}

/// An image on its way up.
#[derive(Debug)]
pub struct Loaded {
    pub slot: Slot,
    pub version: String,
    pub elf_sha256: Sha,
    pub cpu: Arc<Cpu>,
}

/// What the boot loader does: chooses the slot, checks its image, and lets the CPU begin. If the chosen image is
/// unfit the other slot's is taken.
///
/// An image that was pending (it died, or the board was reset, before it came up for the first time) is declared
/// aborted first.
pub fn load(flash: &mut Flash, qemu: &Path, log: &Arc<Log>) -> Result<Loaded, NoApp> {
    if !flash.has_table() {
        return Err(NoApp("the flash does not hold the partition table of this board".to_owned()));
    }
    if otadata::chosen(flash).is_some_and(|record| record.state == State::Pending) {
        log.push("boot: the new image did not come up; going back to the one before");
        note(flash, State::Aborted, log);
    }
    let chosen = otadata::boot_slot(flash);
    let mut reasons = Vec::new();
    for slot in [chosen, chosen.other()] {
        match load_slot(flash, slot, qemu, log) {
            Ok(loaded) => {
                let is_new = otadata::chosen(flash).is_some_and(|record| record.state == State::New);
                if slot == chosen && is_new {
                    note(flash, State::Pending, log);
                }
                log.push(format!("boot: {} {}", slot.label(), loaded.version));
                return Ok(loaded);
            }
            Err(unfit) => reasons.push(format!("{}: {}", slot.label(), story::one_line(&unfit))),
        }
    }
    Err(NoApp(reasons.join("; ")))
}

/// Notes that the chosen image came up.
pub fn confirm(flash: &mut Flash, log: &Log) {
    if otadata::chosen(flash).is_some_and(|record| record.state == State::Pending) {
        note(flash, State::Valid, log);
    }
}

fn note(flash: &mut Flash, state: State, log: &Log) {
    let noted = otadata::note(flash, state).map_err(io::Error::other).and_then(|()| flash.save());
    if let Err(e) = noted {
        log.push(format!("boot: cannot save the flash: {e}"));
    }
}

#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Image(#[from] NotAnImage),
    #[error(transparent)]
    PowerOn(#[from] PowerOnError),
}

fn load_slot(flash: &Flash, slot: Slot, qemu: &Path, log: &Arc<Log>) -> Result<Loaded, Unfit> {
    let image = EspImage::parse(flash.read(slot.partition()))?;
    let cpu = Cpu::power_on(qemu, &image, Arc::clone(log))?;
    Ok(Loaded { slot, version: image.version, elf_sha256: image.elf_sha256, cpu: Arc::new(cpu) })
}
