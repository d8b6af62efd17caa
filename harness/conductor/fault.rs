//! What can go wrong between this program and a Conductor server.

use std::path::PathBuf;

use crate::blame::Blame;
use crate::stored::StoredError;
use crate::tools::ToolsError;

/// Why the server cannot be used, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConductorError {
    /// The address cannot be one.
    #[error("{address:?} is not the address of a Conductor server: {reason}")]
    Address { address: String, reason: String },
    /// No connection, a broken one, or silence.
    #[error("no Conductor server answers at {server}: {reason}")]
    Unreachable { server: String, reason: String },
    /// The server does not accept the key.
    #[error("{server} does not accept the key: {reason}")]
    Key { server: String, reason: String },
    /// The server answered with an error; `message` is its own, for a definition every fault of it.
    #[error("{server} refused {request} with status {status}: {message}")]
    Refused { server: String, request: String, status: u16, message: String },
    /// Definitions that were valid and are not stored all the same.
    #[error("{server} did not store all definitions: {faults}")]
    NotStored { server: String, faults: String },
    /// The answer cannot be read.
    #[error("the answer of {server} to {request} cannot be read: {reason}")]
    Malformed { server: String, request: String, reason: String },
    /// The folder for results that are not sent yet cannot be used.
    #[error("cannot use the folder {path} for results")]
    Spool { path: PathBuf, source: std::io::Error },
    /// The port for a server of one's own is not free.
    #[error("port {port} of this machine is taken")]
    Port { port: u16 },
    /// A server of one's own ended before it was ready, or is not getting ready.
    #[error("the Conductor server on port {port} {reason}; its log is {log}")]
    Start { port: u16, reason: String, log: PathBuf, log_end: String },
    /// A server of one's own does not end.
    #[error("the Conductor server with process id {pid} does not end")]
    Stop { pid: u32 },
    /// No server was named, and none was started on this machine.
    #[error("no Conductor server is given, and none runs on this machine")]
    NoServer,
    /// The folder of a server of one's own cannot be used.
    #[error("cannot use the folder {path} for a Conductor server")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Stored(#[from] StoredError),
    #[error(transparent)]
    Tools(#[from] ToolsError),
}

impl ConductorError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Address { .. } | Self::Key { .. } | Self::Spool { .. } => Blame::Configuration,
            Self::Port { .. } | Self::NoServer | Self::Folder { .. } => Blame::Configuration,
            Self::Start { .. } | Self::Stop { .. } => Blame::Infrastructure,
            Self::Stored(error) => error.blame(),
            Self::Tools(error) => error.blame(),
            Self::Refused { status: 401 | 403, .. } => Blame::Configuration,
            Self::Refused { status: 429 | 500.., .. } => Blame::Infrastructure,
            Self::Refused { .. } => Blame::Input,
            Self::Unreachable { .. } | Self::NotStored { .. } | Self::Malformed { .. } => {
                Blame::Infrastructure
            }
        }
    }
}
