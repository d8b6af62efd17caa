//! A board as seen from the host: its address, its identity, and the client of its REST surface.
//!
//! Knows nothing of the virtual board, which is reached through its sockets like a real one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::blame::Blame;
use crate::digest::Sha;

mod password;
pub mod probe;
mod client;
mod http;
pub mod serial;

pub use client::{PatternSeen, Patterns, RunArmed, RunOrder, Selected};
pub use password::Password;

/// Where a board is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Address {
    /// Host name or IP address.
    pub host: String,
    /// TCP; 80 on a real board.
    pub http_port: u16,
    /// UDP; 3232 on a real board.
    pub ota_port: u16,
}

/// `host:port` of the HTTP server, as in a URL: how errors name a board.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.http_port),
            false => write!(f, "{}:{}", self.host, self.http_port),
        }
    }
}

/// A board that answered: address, client and identity.
#[derive(Clone, Debug)]
pub struct Board {
    pub address: Address,
    /// `A0:B7:65:12:34:56`; the board's identity.
    pub mac: String,
    /// Board model as the probe reports it: `k1-virtual`, `k1-s3`.
    pub model: String,
    http: reqwest::Client,
}

/// `GET /api/hil/info`: what the probe says of the running firmware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeInfo {
    /// Version of the probe's protocol; 1.
    pub probe: u32,
    pub model: String,
    /// Whether frame times are instruction counts of an emulated CPU.
    pub cpu: Cpu,
    /// Ticks per second of the frame records.
    pub tick_hz: u32,
    pub led_count: u32,
    /// SHA-256 of the ELF of the running image, from its application descriptor; `None` if no image runs.
    pub image_sha256: Option<Sha>,
    pub version: Option<String>,
    /// `app0` or `app1`.
    pub slot: Option<String>,
    /// `power-on`, `software`, `panic`, `watchdog`.
    pub reset_reason: String,
    /// Differs for each boot of a board.
    pub boot_id: u32,
    pub uptime_us: u64,
    pub run: RunStatus,
    /// Why the boot before this one ended, if it ended in a panic.
    pub panic: Option<Panic>,
}

/// The audio that the pattern hears.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Stimulus {
    Silence,
    Tone,
    Beat,
    Noise,
    /// Bass on the beat, a moving melody and some noise.
    #[default]
    Music,
}

/// Where what the patterns hear comes from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum AudioSource {
    /// The stimulus says what an audio analysis would find: a pattern is measured alone.
    #[default]
    Snapshot,
    /// The stimulus sounds, and the firmware's own audio analysis listens to it.
    Samples,
}

/// What kind of processor counted the ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cpu {
    /// Counts are exact and the same everywhere, and a model of the chip.
    Emulated,
    /// A real chip.
    Chip,
}

/// The measured run that the probe knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// 0: none since boot.
    pub id: u32,
    pub state: RunState,
    /// Sequence number of the run's first recorded frame.
    pub first_sequence: u32,
    /// Frames recorded so far.
    pub recorded: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    None,
    Running,
    Done,
}

/// How the firmware died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// For people: `load access fault`, `watchdog: a frame took longer than 1000 ms` …
    pub reason: String,
    /// Id of the pattern that was being drawn.
    pub pattern: String,
    /// Sequence number the frame would have had.
    pub frame: u32,
    /// Program counter.
    pub pc: u32,
    /// Faulting address or instruction.
    pub value: u32,
    /// The boot that ended in it.
    pub boot_id: u32,
}

/// What went wrong between the host and a board.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoardError {
    /// Nothing answered.
    #[error("no answer from the board at {board}: {reason}")]
    Unreachable { board: String, reason: String },
    /// The board answered with an error.
    #[error("{board} answered {status} to {request}: {body}")]
    Refused { board: String, request: String, status: u16, body: String },
    /// The board answered something that is not what the protocol says.
    #[error("{board} gave an answer to {request} that cannot be read: {reason}")]
    Malformed { board: String, request: String, reason: String },
    /// The firmware has no probe, or another version of it.
    #[error("{board} has no measuring probe of version {expected} (found {found})")]
    NoProbe { board: String, expected: u32, found: String },
}

impl BoardError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NoProbe { .. } => Blame::Configuration,
            // What was asked for is wrong in itself: a warm-up longer than the firmware's limit, say.
            Self::Refused { status: 400, .. } => Blame::Input,
            _ => Blame::Infrastructure,
        }
    }
}
