//! Measuring: one run of one pattern, frame by frame.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::audio::AudioError;
use crate::blame::Blame;
use crate::board::{Address, BoardError, Cpu, Panic};
use crate::digest::Sha;
use crate::stored::{self, StoredError};

pub mod check;
mod run;

pub use crate::board::{AudioSource, Stimulus};
pub use run::{SILENCE, capture, capture_within};

/// What to measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Plan {
    /// Pattern id.
    pub pattern: String,
    /// Of the stimulus; a recording is the same for every seed.
    pub seed: u32,
    /// Frames drawn and thrown away first.
    pub warmup: u32,
    /// Frames to record: 1 to 2048 (the probe's ring).
    pub frames: u32,
    pub stimulus: Stimulus,
    /// Where what the pattern hears comes from.
    #[serde(default)]
    pub audio: AudioSource,
}

impl Default for Plan {
    /// 300 frames after a warm-up of 60, with music of seed 1, of no pattern yet.
    fn default() -> Self {
        Self {
            pattern: String::new(),
            seed: 1,
            warmup: 60,
            frames: 300,
            stimulus: Stimulus::default(),
            audio: AudioSource::default(),
        }
    }
}

impl Plan {
    /// What of it a run depends on, for the names of what is kept: a recording counts by its contents, wherever it lies.
    pub(crate) fn identity(&self) -> (Self, String) {
        (Self { stimulus: Stimulus::default(), ..self.clone() }, self.stimulus.id())
    }

    /// The default plan for `pattern`.
    pub fn of(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), ..Self::default() }
    }
}

/// The frames of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Capture {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub plan: Plan,
    pub board: BoardSeen,
    /// SHA-256 of the ELF that ran, as the board reported it.
    pub elf_sha256: Sha,
    pub boot_id: u32,
    pub run_id: u32,
    /// Ticks per second of all `_ticks` fields.
    pub tick_hz: u32,
    pub frames: Vec<Frame>,
    /// Frames of the run that are not in `frames`, and why.
    pub rejected: Vec<Rejected>,
    /// Quantised pictures of some of the frames.
    pub pictures: Vec<Picture>,
}

impl Capture {
    /// Reads a stored capture.
    ///
    /// # Errors
    ///
    /// [`StoredError`].
    pub fn load(path: &Path) -> Result<Self, StoredError> {
        stored::read(path, "a capture", 1)
    }

    /// Writes the capture to `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`StoredError::Unwritable`].
    pub fn save(&self, path: &Path) -> Result<(), StoredError> {
        stored::write_json(path, self)
    }
}

/// The board that a capture was made on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BoardSeen {
    pub mac: String,
    pub model: String,
    pub cpu: Cpu,
    pub address: Address,
}

/// One measured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Frame {
    /// Place in the run, from 0.
    pub index: u32,
    /// When rendering began, in ns of board time since the first frame of the capture began: the run's first
    /// frame, or the next one that was not rejected.
    pub start_ns: u64,
    /// Pattern and colour pipeline.
    pub render_ticks: u32,
    /// Float to 8 bit.
    pub quantize_ticks: u32,
    /// Waiting for the LED driver.
    pub wait_ticks: u32,
    /// On the wire.
    pub transmit_ticks: u32,
    /// The firmware's own audio analysis since the frame before, on another core; no part of the frame's time.
    #[serde(default)]
    pub audio_ticks: u32,
    /// Free heap after the frame, bytes.
    pub heap_free: u32,
    /// Most bytes of stack that a frame has used since the run began; 0: not known.
    #[serde(default)]
    pub stack_used: u32,
    /// Age of the audio snapshot when rendering began.
    pub audio_age_us: u32,
    /// FNV-1a (32 bit) of the quantised bytes sent to the strip.
    pub led_hash: u32,
}

/// A frame that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rejected {
    /// Place in the run, from 0.
    pub index: u32,
    pub reason: Rejection,
}

/// Why a frame cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rejection {
    /// Overwritten or lost before it was read.
    Missing,
    /// The record's seal does not fit its contents.
    Torn,
    /// Times that contradict each other (a frame that ends after the next one begins, a start that goes back,
    /// a run id of another run).
    Impossible,
}

/// The LED bytes of one frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Picture {
    /// Place of the frame in the run, from 0.
    pub index: u32,
    /// R, G, B of each LED in two hexadecimal digits each.
    pub rgb_hex: String,
}

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The recording of the plan.
    #[error(transparent)]
    Audio(#[from] AudioError),
    #[error("{board} cannot play the recording {recording}: {reason}")]
    NoRecordings { board: String, recording: String, reason: String },
    #[error("a run records 1 to {limit} frames, not {frames}")]
    Frames { frames: u32, limit: u32 },
    #[error("{board} has no pattern {pattern}; it has {known}")]
    NoPattern { board: String, pattern: String, known: String },
    /// The board restarted or other firmware runs now.
    #[error("{board} no longer runs what was deployed: {reason}")]
    Changed { board: String, reason: String },
    /// The firmware crashed or hung.
    #[error("the firmware died drawing {} of {}: {}", panic.place(), panic.pattern, panic.reason)]
    Died { board: String, panic: Panic },
    /// The run did not end in time.
    #[error("{board} recorded {recorded} of {frames} frames of {pattern} within {seconds} s")]
    Stuck { board: String, pattern: String, recorded: u32, frames: u32, seconds: u64 },
}

impl CaptureError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Board(e) => e.blame(),
            Self::Audio(e) => e.blame(),
            Self::NoRecordings { .. } => Blame::Configuration,
            Self::Frames { .. } | Self::NoPattern { .. } => Blame::Input,
            Self::Changed { .. } | Self::Stuck { .. } => Blame::Infrastructure,
            Self::Died { .. } => Blame::Firmware,
        }
    }
}
