//! The mailbox in the emulated RAM: the mirror of `firmware/target/virtual/mailbox.h`.
//!
//! The RAM is a file; it is read and written with positioned reads and writes and never mapped, because mapped
//! memory that another process changes has no meaning in Rust's memory model. Reading does not disturb the CPU.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::params::Params;
use crate::board::AudioSource;
use crate::board::probe::{FrameRecord, RECORD_SIZE, RING_CAPACITY};

/// Where the RAM begins in the address space of the emulated CPU.
pub const RAM_BASE: u32 = 0x8000_0000;
/// Bytes of RAM.
pub const RAM_SIZE: u32 = 16 * 1024 * 1024;
/// Where the mailbox begins; an image lies below it.
pub const ADDRESS: u32 = 0x80E0_0000;
/// Where the firmware finds a recording.
pub const RECORDING_ADDRESS: u32 = 0x8080_0000;
/// Bytes of the longest recording: up to the mailbox.
pub const RECORDING_LIMIT: u32 = ADDRESS - RECORDING_ADDRESS;
/// The stimulus that is the recording; those before it are synthetic.
pub const STIMULUS_RECORDING: u32 = 5;
/// The exit code of the emulator after a panic.
pub const PANIC_EXIT_CODE: i32 = 66;
/// LEDs of which the firmware keeps pictures.
pub const MAX_LEDS: u32 = 192;

const MAGIC: u32 = 0x4C48_314B;
const PROTOCOL: u32 = 3;
const MAX_PATTERNS: u32 = 255;

// Offsets in the mailbox.
const STATUS: u64 = 40;
const COMMAND: u64 = 88;
const PARAMS: u64 = 124;
const PANIC: u64 = 216;
const PANIC_TEXT: u64 = PANIC + 32;
const PANIC_TEXT_SIZE: usize = 96;
const PATTERNS: u64 = PANIC_TEXT + PANIC_TEXT_SIZE as u64;
const PATTERN_SIZE: usize = 356;
const RING: u64 = PATTERNS + 255 * 356 + 4;
const LEDS: u64 = RING + RING_CAPACITY as u64 * RECORD_SIZE as u64;
const PICTURE_SIZE: usize = 3 * MAX_LEDS as usize;

/// The emulated RAM with the mailbox in it.
#[derive(Debug)]
pub struct Mailbox {
    ram: File,
}

/// What the firmware says of itself once it came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Ticks per second of the frame records.
    pub tick_hz: u32,
    /// 1 to [`MAX_LEDS`].
    pub led_count: u32,
    /// Bytes.
    pub heap_total: u32,
    /// Whether it can analyse samples itself ([`crate::board::AudioSource::Samples`]).
    pub can_listen: bool,
    pub patterns: Vec<Pattern>,
}

/// A registered pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub id: String,
    pub name: String,
    pub description: String,
    pub audio_reactive: bool,
}

/// What the firmware keeps up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub reply_number: u32,
    /// Whether the last command was done.
    pub result: CommandResult,
    /// Index.
    pub current_pattern: u32,
    /// Of the next frame to be recorded.
    pub next_sequence: u32,
    /// 0: no run since boot.
    pub run_id: u32,
    /// 0 none, 1 running, 2 done.
    pub run_state: u32,
    pub run_first_sequence: u32,
    /// Frames of the run that are recorded.
    pub run_recorded: u32,
    /// Board time since boot.
    pub now_ns: u64,
    /// Bytes.
    pub heap_free: u32,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandResult {
    Done,
    BadArgument,
    Unknown,
}

/// What the firmware is told to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Draw this pattern from now on.
    Select { pattern: u32 },
    /// Apply the pattern parameters.
    Params(Params),
    /// Draw frames until the board's clock reaches `until_ns`, at most `frames`.
    Advance { until_ns: u64, frames: u32 },
    /// Do a measured run, or a part of it.
    Run {
        part: Part,
        pattern: u32,
        seed: u32,
        warmup: u32,
        frames: u32,
        stimulus: u32,
        run_id: u32,
        audio: AudioSource,
    },
    /// Hear this in unmeasured frames.
    Stimulus { stimulus: u32, seed: u32, audio: AudioSource },
    /// Keep this recording, whose bytes were checked and are at most [`RECORDING_LIMIT`].
    Recording { bytes: Arc<[u8]> },
}

/// Of a measured run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    WarmUp,
    /// What follows the warm-up.
    Measured,
}

/// What the firmware left when it gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicRecord {
    /// 1 trap, 2 watchdog, 3 abort, 4 a write in front of a buffer.
    pub reason: u32,
    /// `mcause` of a trap.
    pub cause: u32,
    pub pc: u32,
    /// `mtval` of a trap.
    pub value: u32,
    /// Return address.
    pub ra: u32,
    /// Stack pointer.
    pub sp: u32,
    pub frame: u32,
    /// Index.
    pub pattern: u32,
    /// What the firmware knew beyond that; may be empty.
    pub text: String,
}

/// Why a mailbox is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    #[error("the firmware's mailbox has magic {found:#010x}, not {MAGIC:#010x}")]
    Magic { found: u32 },
    #[error("the firmware speaks mailbox protocol {found}, not {PROTOCOL}")]
    Protocol { found: u32 },
    #[error("the firmware's {what} is {found}, which is not {expected}")]
    Size { what: &'static str, found: u32, expected: &'static str },
    #[error("cannot read the emulated RAM")]
    Ram(#[from] io::Error),
}

impl Mailbox {
    /// The mailbox in `ram`, a file of [`RAM_SIZE`] bytes.
    pub const fn new(ram: File) -> Self {
        Self { ram }
    }

    /// Reads what the firmware said of itself at boot.
    ///
    /// # Errors
    ///
    /// [`Unusable`] if magic, protocol or a size is not what this program knows.
    pub fn firmware(&self) -> Result<Firmware, Unusable> {
        let [
            magic,
            protocol,
            tick_hz,
            led_count,
            ring_capacity,
            record_size,
            pattern_count,
            heap_total,
            can_listen,
        ] = self.words::<9>(0)?;
        if magic != MAGIC {
            return Err(Unusable::Magic { found: magic });
        }
        if protocol != PROTOCOL {
            return Err(Unusable::Protocol { found: protocol });
        }
        let size = |what, found, fits: bool, expected| {
            if fits { Ok(()) } else { Err(Unusable::Size { what, found, expected }) }
        };
        size("tick rate", tick_hz, tick_hz > 0, "above 0")?;
        size("number of LEDs", led_count, (1..=MAX_LEDS).contains(&led_count), "1 to 192")?;
        size("ring capacity", ring_capacity, ring_capacity == RING_CAPACITY, "2048")?;
        size("record size", record_size, record_size == RECORD_SIZE as u32, "56")?;
        size("number of patterns", pattern_count, (1..=MAX_PATTERNS).contains(&pattern_count), "1 to 255")?;
        let mut bytes = vec![0; pattern_count as usize * PATTERN_SIZE];
        self.read(PATTERNS, &mut bytes)?;
        let patterns = bytes.chunks_exact(PATTERN_SIZE).map(pattern).collect();
        Ok(Firmware { tick_hz, led_count, heap_total, can_listen: can_listen != 0, patterns })
    }

    /// Reads the status. During a run only the run's progress and `next_sequence` are current.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn status(&self) -> io::Result<Status> {
        let [
            reply_number,
            result,
            current_pattern,
            next_sequence,
            run_id,
            run_state,
            run_first_sequence,
            run_recorded,
            now_low,
            now_high,
            heap_free,
        ] = self.words::<11>(STATUS)?;
        let result = match result {
            0 => CommandResult::Done,
            1 => CommandResult::BadArgument,
            _ => CommandResult::Unknown,
        };
        let now_ns = u64::from(now_low) | u64::from(now_high) << 32;
        Ok(Status {
            reply_number,
            result,
            current_pattern,
            next_sequence,
            run_id,
            run_state,
            run_first_sequence,
            run_recorded,
            now_ns,
            heap_free,
        })
    }

    /// Writes a command and then its number; the doorbell is the caller's.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn post(&self, number: u32, command: &Command) -> io::Result<()> {
        let (code, arguments) = match *command {
            Command::Select { pattern } => (1, [pattern, 0, 0, 0, 0, 0, 0]),
            Command::Params(ref params) => {
                self.write_words(PARAMS, &params.words())?;
                (2, [0; 7])
            }
            Command::Advance { until_ns, frames } => {
                (3, [until_ns as u32, (until_ns >> 32) as u32, frames, 0, 0, 0, 0])
            }
            Command::Run { part, pattern, seed, warmup, frames, stimulus, run_id, audio } => {
                let code = match part {
                    Part::Whole => 4,
                    Part::WarmUp => 6,
                    Part::Measured => 7,
                };
                (code, [pattern, seed, warmup, frames, stimulus, run_id, audio_word(audio)])
            }
            Command::Stimulus { stimulus, seed, audio } => {
                (5, [stimulus, seed, audio_word(audio), 0, 0, 0, 0])
            }
            Command::Recording { ref bytes } => {
                // Nothing reads it now: the firmware does one command after the other.
                self.ram.write_all_at(bytes, u64::from(RECORDING_ADDRESS - RAM_BASE))?;
                (8, [bytes.len() as u32, 0, 0, 0, 0, 0, 0])
            }
        };
        let [a, b, c, d, e, f, g] = arguments;
        self.write_words(COMMAND + 4, &[code, a, b, c, d, e, f, g])?;
        self.write_words(COMMAND, &[number])
    }

    /// Reads what the firmware left when it gave up.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn panic(&self) -> io::Result<PanicRecord> {
        let [reason, cause, pc, value, ra, sp, frame, pattern] = self.words::<8>(PANIC)?;
        let mut text = [0; PANIC_TEXT_SIZE];
        self.read(PANIC_TEXT, &mut text)?;
        Ok(PanicRecord { reason, cause, pc, value, ra, sp, frame, pattern, text: text_in(&text) })
    }

    /// Reads the records in the slots of `count` frames from `first` on, at most one ring's worth. A slot that was
    /// overwritten meanwhile holds another frame's record, or a torn one.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn records(&self, first: u32, count: u32) -> io::Result<Vec<FrameRecord>> {
        let bytes = self.ring(RING, RECORD_SIZE, first, count)?;
        Ok(bytes.as_chunks().0.iter().map(FrameRecord::decode).collect())
    }

    /// Reads the LED bytes in the slots of `count` frames from `first` on: `3 * led_count` bytes each.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn pictures(&self, first: u32, count: u32, led_count: u32) -> io::Result<Vec<Vec<u8>>> {
        let bytes = self.ring(LEDS, PICTURE_SIZE, first, count)?;
        let size = 3 * led_count.min(MAX_LEDS) as usize;
        Ok(bytes.chunks_exact(PICTURE_SIZE).map(|picture| picture[..size].to_vec()).collect())
    }

    /// The ring's slots in the order of the frames, read in at most two pieces.
    fn ring(&self, at: u64, size: usize, first: u32, count: u32) -> io::Result<Vec<u8>> {
        let count = count.min(RING_CAPACITY) as usize;
        let slot = (first % RING_CAPACITY) as usize;
        let before_end = count.min(RING_CAPACITY as usize - slot);
        let mut bytes = vec![0; count * size];
        let (head, tail) = bytes.split_at_mut(before_end * size);
        self.read(at + (slot * size) as u64, head)?;
        self.read(at, tail)?;
        Ok(bytes)
    }

    fn words<const N: usize>(&self, at: u64) -> io::Result<[u32; N]> {
        let mut words = [0; N];
        let mut bytes = vec![0; N * 4];
        self.read(at, &mut bytes)?;
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Ok(words)
    }

    fn write_words(&self, at: u64, words: &[u32]) -> io::Result<()> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.ram.write_all_at(&bytes, offset(at))
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.ram.read_exact_at(bytes, offset(at))
    }
}

fn offset(at: u64) -> u64 {
    u64::from(ADDRESS - RAM_BASE) + at
}

const fn audio_word(audio: AudioSource) -> u32 {
    match audio {
        AudioSource::Snapshot => 0,
        AudioSource::Samples => 1,
    }
}

/// The text in `bytes` up to the first NUL.
fn text_in(bytes: &[u8]) -> String {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn pattern(bytes: &[u8]) -> Pattern {
    let text = |from: usize, size: usize| text_in(&bytes[from..from + size]);
    Pattern {
        id: text(0, 64),
        name: text(64, 96),
        description: text(160, 192),
        audio_reactive: bytes[352..].iter().any(|&byte| byte != 0),
    }
}

impl PanicRecord {
    /// Whether the watchdog ended it.
    pub const fn is_watchdog(&self) -> bool {
        self.reason == 2
    }

    /// The reason for people.
    pub fn reason_text(&self) -> String {
        let reason = match self.reason {
            1 => trap_text(self.cause).to_owned(),
            2 => "watchdog: a frame took longer than 1000 ms".to_owned(),
            3 => "abort".to_owned(),
            4 => "memory guard".to_owned(),
            reason => format!("unknown reason {reason}"),
        };
        if self.text.is_empty() { reason } else { format!("{reason}: {}", self.text) }
    }
}

/// The exception codes of the RISC-V privileged specification, table "Machine cause register values".
const fn trap_text(cause: u32) -> &'static str {
    match cause {
        0 => "instruction address misaligned",
        1 => "instruction access fault",
        2 => "illegal instruction",
        3 => "breakpoint",
        4 => "load address misaligned",
        5 => "load access fault",
        6 => "store address misaligned",
        7 => "store access fault",
        8 | 11 => "environment call",
        12 => "instruction page fault",
        13 => "load page fault",
        15 => "store page fault",
        _ => "unknown trap",
    }
}
