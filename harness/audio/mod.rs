//! Sound from files: what is in it, and the recording of it that a board plays as a stimulus.
//!
//! ```text
//! file ─decode─▶ Sound ─┬─▶ Recording            samples, and what an analysis finds in them: a stimulus
//!                       └─▶ Spectrum, Chroma, Onsets, Tempo, Envelope ─▶ Features ─▶ Tuning, JSON, CSV
//! ```
//!
//! All of it is a function of the file alone: no processor-specific code, functions of the system's library only where
//! their last digit is rounded away, and whole numbers of 16 bits for the board. So a recording has the same hash on
//! every machine.
//!
//! Not for: playing sound, or imitating one firmware's own analysis (that runs on the board, on the samples).

use std::io;
use std::path::PathBuf;

use crate::blame::Blame;
use crate::stored::StoredError;

mod resample;
mod decode;
mod frames;
mod spectrum;
mod chroma;
mod half_tones;
mod onsets;
mod tempo;
mod envelope;
mod tuning;
mod features;
mod format;
mod recording;

pub use chroma::{Chroma, chroma};
pub use decode::{FileSeen, LONGEST_FILE_BYTES, LONGEST_S, Part, Sound, decode, inspect};
pub use envelope::{Envelope, envelope};
pub use features::{ExportFormat, Features};
pub use format::{FORMAT_VERSION, NotARecording};
pub use half_tones::HALF_TONES;
pub use onsets::{Onsets, onsets};
pub use recording::{LONGEST_RECORDING_S, Recording, RecordingName};
pub use resample::resample;
pub use spectrum::{Spectrum, spectrum};
pub use tempo::{Tempo, tempo};
pub use tuning::{Palette, Tuning};

/// Samples per second that the firmware's microphone takes, and so the rate of every [`Sound`] for a board.
pub const RATE_HZ: u32 = 12_800;
/// Samples that the firmware's audio task takes at a time: 5 ms.
pub const CHUNK: usize = 64;

/// Why a file gives no sound, or a sound no recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    #[error("cannot read {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} has {bytes} bytes; a sound file may have {limit}")]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
    #[error("{path} is no sound that can be read (WAV, FLAC, MP3, Ogg Vorbis): {reason}")]
    Unsupported { path: PathBuf, reason: String },
    /// It began well.
    #[error("{path} is broken after {after_s:.2} s: {reason}")]
    Broken { path: PathBuf, after_s: f64, reason: String },
    #[error("sample {index} of {path} is {value}, which is no number that can be played")]
    NotANumber { path: PathBuf, index: usize, value: f32 },
    #[error("{path} has no sound{}", between(*.from_s, *.seconds))]
    Empty { path: PathBuf, from_s: f64, seconds: Option<f64> },
    #[error("{path} lasts {} s; {what} may last {limit_s} s", length(*.seconds, *.at_least))]
    TooLong { path: PathBuf, what: &'static str, seconds: f64, at_least: bool, limit_s: f64 },
    #[error(
        "{path} is silent: its loudest sample is at {peak_db:.0} dB of full scale, and below -60 dB nothing is heard"
    )]
    Silent { path: PathBuf, peak_db: f32 },
    #[error("a spectrum is made of {least} to {most} samples and a power of two, not of {found}")]
    FftSize { found: usize, least: usize, most: usize },
    #[error("{path} is no recording for a board: {reason}")]
    NotARecording { path: PathBuf, reason: NotARecording },
    /// The file is another one than when the plan was made.
    #[error("{path} has changed: its recording is {found} now, and the plan names {expected}")]
    Changed { path: PathBuf, expected: String, found: String },
    #[error(transparent)]
    Stored(#[from] StoredError),
}

impl AudioError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { .. } => Blame::Configuration,
            Self::Stored(e) => e.blame(),
            _ => Blame::Input,
        }
    }
}

fn between(from_s: f64, seconds: Option<f64>) -> String {
    match (from_s > 0.0, seconds) {
        (false, None) => String::new(),
        (_, None) => format!(" from {from_s} s on"),
        (_, Some(seconds)) => format!(" in the {seconds} s from {from_s} s on"),
    }
}

fn length(seconds: f64, at_least: bool) -> String {
    if at_least { format!("more than {seconds:.0}") } else { format!("{seconds:.1}") }
}
