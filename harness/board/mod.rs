//! A board as seen from the host: its address, its identity, and the client of its REST surface.
//!
//! Knows nothing of the virtual board, which is reached through its sockets like a real one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::audio::RecordingName;
use crate::blame::Blame;
use crate::digest::Sha;

mod mac;
mod password;
pub mod probe;
mod client;
mod http;
pub mod inventory;
pub mod lease;
pub mod ledger;
pub mod recovery;
pub mod announce;
pub mod ports;
pub mod scan;
pub mod doctor;
pub mod serial;

pub use client::{Identity, PatternSeen, Patterns, RunArmed, RunOrder, Selected};
pub use mac::{Mac, NotAMac};
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

/// Reads `host`, `host:http` and `host:http:ota`.
impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let host = parts.next().unwrap_or_default();
        let mut port = |default: u16| match parts.next() {
            None => Ok(default),
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => Ok(port),
                _ => Err(format!("{port:?} is not a port (1 to 65535)")),
            },
        };
        let (http_port, ota_port) = (port(80)?, port(3232)?);
        if host.is_empty() || parts.next().is_some() {
            return Err("expected HOST, HOST:HTTP or HOST:HTTP:OTA".to_owned());
        }
        Ok(Self { host: host.to_owned(), http_port, ota_port })
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
    /// Password of its over-the-air receiver, where the inventory knows it.
    pub ota_password: Option<Password>,
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
    /// The board's identity; without it `/api/device/info` is asked, which answers once a second only.
    #[serde(default)]
    pub mac: Option<String>,
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
    /// Bytes of the longest recording that the board can keep; 0: it plays none.
    #[serde(default)]
    pub recording_limit: u32,
    /// The recording that it keeps.
    #[serde(default)]
    pub recording: Option<Sha>,
    /// Why the boot before this one ended, if it ended in a panic.
    pub panic: Option<Panic>,
}

/// The audio that the pattern hears.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum,
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
    /// A recording, from its beginning, and again when it is over; the seed has no part in it.
    #[serde(untagged)]
    #[value(skip)]
    Recording(RecordingName),
}

impl Stimulus {
    /// The recording, if it is one.
    pub const fn recording(&self) -> Option<&RecordingName> {
        match self {
            Self::Recording(name) => Some(name),
            Self::Silence | Self::Tone | Self::Beat | Self::Noise | Self::Music => None,
        }
    }

    /// What the board calls it: `music`, or `recording:` and the hash of its contents. Equal stimuli have equal names,
    /// wherever a recording lies.
    pub fn id(&self) -> String {
        match self {
            Self::Recording(name) => format!("recording:{}", name.sha256),
            named => named.to_string(),
        }
    }
}

/// For people: `music`, or a recording's file name and the beginning of its hash.
impl fmt::Display for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silence => "silence",
            Self::Tone => "tone",
            Self::Beat => "beat",
            Self::Noise => "noise",
            Self::Music => "music",
            Self::Recording(name) => return name.fmt(f),
        })
    }
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
    /// Its place in the measured run, from 0; below 0 in the warm-up, of which -1 is the last. Absent outside of a run,
    /// and where the board does not say.
    #[serde(default)]
    pub run_frame: Option<i64>,
    /// Program counter.
    pub pc: u32,
    /// Faulting address or instruction.
    pub value: u32,
    /// The boot that ended in it.
    pub boot_id: u32,
}

impl Panic {
    /// `frame 7`, `warm-up frame -7`: the place in the run where it is known, for the board's own count of frames is another
    /// one each time.
    pub fn place(&self) -> String {
        match self.run_frame {
            Some(frame) if frame < 0 => format!("warm-up frame {frame}"),
            Some(frame) => format!("frame {frame}"),
            None => format!("frame {}", self.frame),
        }
    }
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
