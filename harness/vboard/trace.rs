//! Watching the emulator execute one run, instruction by instruction.
//!
//! QEMU translates the program in blocks. It tells each block's instructions when it translates it and the block's name
//! whenever it enters it, so what was executed is known exactly and no instruction costs more than its share of a line.
//! Single steps through a debugger would cost two messages each; a plug-in of QEMU would be quicker, but has to be
//! compiled for the QEMU that is installed, with headers that its packages do not bring.
//!
//! The warm-up is not watched: the firmware does it as a command of its own, and between the two the emulator is told to
//! begin.
//!
//! A run that is watched counts the same as one that is not: time is the number of instructions, and the log is the
//! emulator's affair.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::cpu::{Cpu, End};
use super::image_format::EspImage;
use super::log::Log;
use super::mailbox::{Command, CommandResult, Part, STIMULUS_RECORDING};
use super::monitor::Monitor;
use crate::audio::Recording;
use crate::blame::Blame;
use crate::board::{AudioSource, RunOrder, Stimulus};
use crate::digest::Sha;
use crate::story;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// Instructions that are executed one after the other once the first one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Different from every other block's of this run.
    pub id: u32,
    /// At least one.
    pub instructions: Vec<Instruction>,
}

/// An instruction at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub address: u32,
    /// Where the one behind it lies.
    pub next: u32,
    pub kind: Kind,
}

/// What an instruction means for the stack of calls and for the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Calculates, loads, stores, or jumps within a function or to its successor.
    Other,
    /// Jumps and keeps where to return to.
    Call,
    /// Jumps back to where a call kept.
    Return,
    /// Reads the counter that frame times are made of.
    ReadsClock,
}

/// A run that was watched to its end.
#[derive(Clone, Debug)]
pub struct Traced<S> {
    /// What the watcher made of it.
    pub state: S,
    /// What the firmware itself counted for drawing, in instructions, of each recorded frame.
    pub render_ticks: Vec<u32>,
    pub elf_sha256: Sha,
}

/// Why a run could not be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    #[error("cannot read the image {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is not an image for the virtual board: {reason}")]
    Image { path: PathBuf, reason: String },
    #[error("cannot start the emulator: {reason}")]
    Start { reason: String },
    #[error("the image has no pattern {pattern}; it has {known}")]
    NoPattern { pattern: String, known: String },
    #[error("the firmware died: {reason}")]
    Died { reason: String },
    #[error("the firmware refused the run")]
    Refused,
    #[error("cannot make the emulator tell what it executes: {reason}")]
    Mute { reason: String },
    /// An emulator of another version may log in another way.
    #[error("cannot read what the emulator says of its execution: {line:?}")]
    Line { line: String },
}

impl TraceError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { .. } | Self::Start { .. } | Self::Mute { .. } | Self::Line { .. } => {
                Blame::Configuration
            }
            Self::Image { .. } | Self::NoPattern { .. } | Self::Refused => Blame::Input,
            Self::Died { .. } => Blame::Firmware,
        }
    }
}

/// Boots the image in the file `bin` on an emulated CPU of its own, does the run `order` there (`recording` is its
/// stimulus, if that is one), and calls `on_block` with `state` and each block that is executed after the warm-up, in
/// order.
///
/// # Errors
///
/// See [`TraceError`].
pub async fn trace<S: Send + 'static>(
    qemu: &Path,
    bin: &Path,
    order: &RunOrder<'_>,
    recording: Option<&Recording>,
    state: S,
    on_block: fn(&mut S, &Arc<Block>),
) -> Result<Traced<S>, TraceError> {
    let unreadable = |source| TraceError::Unreadable { path: bin.to_owned(), source };
    let bytes = std::fs::read(bin).map_err(unreadable)?;
    let unfit = |reason| TraceError::Image { path: bin.to_owned(), reason };
    let image = EspImage::parse(&bytes).map_err(|e| unfit(e.to_string()))?;
    let log = Arc::new(Log::default());
    let (ended, watched) = oneshot::channel();
    let mut watcher = Watcher::new(state, on_block, Arc::clone(&log));
    let listen = move |pipe| {
        watcher.read(BufReader::with_capacity(BUFFER, pipe));
        let _ = ended.send(watcher.finish()); // nobody waits for it after an error
    };
    let (cpu, monitor) = Cpu::power_on_traced(qemu, &image, Arc::clone(&log), listen)
        .map_err(|e| TraceError::Start { reason: story::one_line(&e) })?;
    let ran = run(&cpu, &monitor, order, recording).await;
    let render_ticks = ran.map_err(|failed| failed.explained(&log))?;
    tokio::task::spawn_blocking(move || cpu.stop())
        .await
        .map_err(|e| TraceError::Start { reason: e.to_string() })?;
    let state = watched.await.map_err(|e| TraceError::Start { reason: e.to_string() })??;
    Ok(Traced { state, render_ticks, elf_sha256: image.elf_sha256 })
}

enum Failed {
    Ended(Arc<End>),
    Other(TraceError),
}

impl Failed {
    fn explained(self, log: &Log) -> TraceError {
        match self {
            Self::Ended(end) => match &*end {
                // It complains and goes when it is given what it does not know.
                End::Exited { .. } => {
                    let said = log.lines().pop().map_or_else(String::new, |line| format!("; {line}"));
                    TraceError::Died { reason: format!("{end}{said}") }
                }
                end => TraceError::Died { reason: story::one_line(end) },
            },
            Self::Other(error) => error,
        }
    }
}

async fn run(
    cpu: &Cpu,
    monitor: &Monitor,
    order: &RunOrder<'_>,
    recording: Option<&Recording>,
) -> Result<Vec<u32>, Failed> {
    let RunOrder { pattern, seed, warmup, frames, stimulus, audio } = *order;
    let firmware = cpu.booted().await.map_err(Failed::Ended)?;
    let ids = || firmware.patterns.iter().map(|pattern| pattern.id.as_str());
    let Some(place) = ids().position(|id| id == pattern) else {
        let known = ids().collect::<Vec<_>>().join(", ");
        return Err(Failed::Other(TraceError::NoPattern { pattern: pattern.to_owned(), known }));
    };
    if audio == AudioSource::Samples && !firmware.can_listen {
        return Err(Failed::Other(TraceError::Refused));
    }
    if let Some(recording) = recording {
        let bytes = recording.bytes().into();
        cpu.command(Command::Recording { bytes }).await.map_err(Failed::Ended)?;
    }
    let (pattern, stimulus) = (place as u32, stimulus_word(stimulus));
    let command = |part| Command::Run { part, pattern, seed, warmup, frames, stimulus, run_id: 1, audio };
    let warm = cpu.command(command(Part::WarmUp)).await.map_err(Failed::Ended)?;
    if warm.status.result != CommandResult::Done {
        return Err(Failed::Other(TraceError::Refused));
    }
    let mute = |e: std::io::Error| Failed::Other(TraceError::Mute { reason: e.to_string() });
    monitor.tell_execution().await.map_err(mute)?;
    let measured = cpu.command(command(Part::Measured)).await.map_err(Failed::Ended)?;
    match measured.run {
        Some(run) if !run.records.is_empty() => {
            Ok(run.records.iter().map(|record| record.render_ticks).collect())
        }
        _ => Err(Failed::Other(TraceError::Refused)),
    }
}

const fn stimulus_word(stimulus: &Stimulus) -> u32 {
    match stimulus {
        Stimulus::Silence => 0,
        Stimulus::Tone => 1,
        Stimulus::Beat => 2,
        Stimulus::Noise => 3,
        Stimulus::Music => 4,
        Stimulus::Recording(_) => STIMULUS_RECORDING,
    }
}

/// Makes blocks of the emulator's log.
struct Watcher<S> {
    state: S,
    on_block: fn(&mut S, &Arc<Block>),
    log: Arc<Log>,
    /// By the emulator's name for them.
    blocks: HashMap<u64, Arc<Block>>,
    next_id: u32,
    /// Instructions of the block that is being translated; its name comes with its first execution.
    translated: Vec<Instruction>,
    /// Entered, but the emulator may say yet that it did not execute it.
    entered: Option<Arc<Block>>,
    /// The first line that made no sense.
    nonsense: Option<String>,
}

impl<S> Watcher<S> {
    fn new(state: S, on_block: fn(&mut S, &Arc<Block>), log: Arc<Log>) -> Self {
        let (blocks, translated) = (HashMap::new(), Vec::new());
        Self { state, on_block, log, blocks, next_id: 0, translated, entered: None, nonsense: None }
    }

    /// Reads to the end: one line after the other in the same memory, for there are millions of them.
    fn read(&mut self, mut log: impl BufRead) {
        let mut line = Vec::new();
        loop {
            line.clear();
            match log.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => self.line(String::from_utf8_lossy(&line).trim_end()),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return, // a broken pipe is an ended one
            }
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("Trace ") {
            match entry(rest) {
                Some((name, address)) if self.enter(name, address) => {}
                _ => _ = self.nonsense.get_or_insert_with(|| line.to_owned()),
            }
        } else if line.starts_with("0x") {
            match instruction(line) {
                Some(instruction) => self.translated.push(instruction),
                None => _ = self.nonsense.get_or_insert_with(|| line.to_owned()),
            }
        } else if line.starts_with("Stopped execution") {
            // Its turn was over before its first instruction.
            self.entered = None;
        } else if line.starts_with("IN:") {
            self.translated.clear();
        } else if !line.is_empty() && !line.starts_with("---") && !line.starts_with("Priv:") {
            self.log.push(format!("emulator: {line}"));
        }
    }

    /// Whether the block is known.
    fn enter(&mut self, name: u64, address: u32) -> bool {
        if self.translated.first().is_some_and(|first| first.address == address) {
            let instructions = std::mem::take(&mut self.translated);
            self.blocks.insert(name, Arc::new(Block { id: self.next_id, instructions }));
            self.next_id += 1;
        }
        let known = self.blocks.get(&name).filter(|block| block.instructions[0].address == address);
        let Some(block) = known.map(Arc::clone) else { return false };
        if let Some(executed) = self.entered.replace(block) {
            (self.on_block)(&mut self.state, &executed);
        }
        true
    }

    fn finish(mut self) -> Result<S, TraceError> {
        if let Some(line) = self.nonsense {
            return Err(TraceError::Line { line });
        }
        if let Some(executed) = self.entered.take() {
            (self.on_block)(&mut self.state, &executed);
        }
        Ok(self.state)
    }
}

/// Name and address in `0: 0xNAME [BASE/ADDRESS/FLAGS/FLAGS] SYMBOL`.
fn entry(text: &str) -> Option<(u64, u32)> {
    let (name, place) = text.split_once("0x")?.1.split_once(" [")?;
    let address = place.split('/').nth(1)?;
    Some((u64::from_str_radix(name, 16).ok()?, u32::from_str_radix(address, 16).ok()?))
}

/// The instruction in `0xADDRESS:  CODE  TEXT`.
fn instruction(line: &str) -> Option<Instruction> {
    let (address, rest) = line.strip_prefix("0x")?.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?;
    let code = rest.split_whitespace().next()?;
    let size = match code.len() {
        4 => 2,
        8 => 4,
        _ => return None,
    };
    let kind = kind(u32::from_str_radix(code, 16).ok()?);
    Some(Instruction { address, next: address.wrapping_add(size), kind })
}

/// Source: The RISC-V Instruction Set Manual, volume I, tables of RV32I and of the compressed instructions, and the
/// hints for return-address stacks: x1 and x5 are links.
const fn kind(code: u32) -> Kind {
    const MCYCLE: u32 = 0xB00;
    const fn is_link(register: u32) -> bool {
        register & 31 == 1 || register & 31 == 5
    }
    if code & 3 != 3 {
        let register = (code >> 7) & 31;
        return match (code & 0xE003, code & 0xF07F) {
            (0x2001, _) => Kind::Call,                        // c.jal
            (_, 0x9002) if register != 0 => Kind::Call,       // c.jalr
            (_, 0x8002) if is_link(register) => Kind::Return, // c.jr
            _ => Kind::Other,
        };
    }
    let (to, from) = (code >> 7, code >> 15);
    match code & 0x7F {
        0x6F | 0x67 if is_link(to) => Kind::Call,              // jal, jalr
        0x67 if to & 31 == 0 && is_link(from) => Kind::Return, // jalr
        0x73 if code & 0x3000 != 0 && code >> 20 == MCYCLE => Kind::ReadsClock, // csrr
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(lines: &str) -> Result<Vec<u32>, String> {
        let mut watcher = Watcher::new(
            Vec::new(),
            |seen, block| seen.extend(block.instructions.iter().map(|i| i.address)),
            Arc::default(),
        );
        watcher.read(lines.as_bytes());
        watcher.finish().map_err(|e| e.to_string())
    }

    const TWO: &str = "----------------\nIN: \nPriv: 3; Virt: 0\n0x80010100:  6289   lui   t0,8192\n\
        0x80010102:  30401073   csrrw   zero,mie,zero\n\n\
        Trace 0: 0x7fe880000100 [00000000/80010100/00109003/ff020200] \n";

    #[test]
    fn blocks_are_told_by_their_instructions() {
        let again = format!("{TWO}Trace 0: 0x7fe880000100 [00000000/80010100/00109003/ff020200] f\n");
        assert_eq!(watched(&again).unwrap(), [0x8001_0100, 0x8001_0102, 0x8001_0100, 0x8001_0102]);
    }

    #[test]
    fn a_block_that_was_stopped_before_it_began_does_not_count() {
        let stopped = format!("{TWO}Stopped execution of TB chain before 0x7fe880000100 [80010100] \n");
        assert_eq!(watched(&stopped).unwrap(), [0_u32; 0]);
    }

    #[test]
    fn a_log_in_another_form_is_an_error_and_not_a_wrong_count() {
        for line in ["Trace 0: 0x7f [00000000/80010100/0/0]", "Trace 0: somewhere", "0x80010100: lui"] {
            assert!(watched(line).unwrap_err().contains(line), "{line}");
        }
    }

    #[test]
    fn calls_returns_and_the_clock_are_told_apart() {
        let cases = [
            (0x0000_80E7, Kind::Call),       // jalr ra, 0(ra)
            (0x0080_00EF, Kind::Call),       // jal ra, 8
            (0x2001, Kind::Call),            // c.jal
            (0x9502, Kind::Call),            // c.jalr a0
            (0x0000_8067, Kind::Return),     // ret
            (0x8082, Kind::Return),          // c.ret
            (0x0003_0067, Kind::Other),      // jr t1: a tail call
            (0x8502, Kind::Other),           // c.jr a0
            (0x9002, Kind::Other),           // c.ebreak
            (0xB000_2573, Kind::ReadsClock), // csrr a0, mcycle
            (0xB800_2573, Kind::Other),      // csrr a0, mcycleh
            (0xA001, Kind::Other),           // c.j
        ];
        for (code, expected) in cases {
            assert_eq!(kind(code), expected, "{code:#x}");
        }
    }
}
