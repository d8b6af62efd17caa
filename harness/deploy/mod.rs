//! Putting an image on a board and proving that it runs there.

use serde::{Deserialize, Serialize};

use crate::board::{Address, Board, BoardError, Cpu};
use crate::digest::Sha;
use crate::error::Blame;
use crate::event::OnEvent;
use crate::image::Image;

/// Proof that an image runs on a board since a boot. Only [`deploy`] makes one.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct Deployment {
    pub mac: String,
    pub model: String,
    pub address: Address,
    pub cpu: Cpu,
    /// Ticks per second of the board's frame records.
    pub tick_hz: u32,
    /// As the board reports it; equals the image's.
    pub elf_sha256: Sha,
    pub slot: String,
    pub boot_id: u32,
    /// Whether the image ran already, so that nothing was sent.
    pub skipped: bool,
}

/// How to deploy.
#[derive(Clone, Debug, Default)]
pub struct DeployOptions {
    /// Password of the board's over-the-air receiver.
    pub password: Option<String>,
    /// Send the image even if it runs already.
    pub always: bool,
}

/// Why the image does not run on the board.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The image file could not be read.
    #[error("cannot read the image {path}")]
    Unreadable { path: std::path::PathBuf, source: std::io::Error },
    /// The file is not what was built.
    #[error("the image {path} was changed: it has SHA-256 {found}, not {expected}")]
    Changed { path: std::path::PathBuf, expected: Sha, found: Sha },
    /// The board did not answer the invitation.
    #[error("{board} did not answer the update invitation on UDP port {port}")]
    NoAnswer { board: String, port: u16 },
    /// The board wants a password, or another one.
    #[error("{board} refused the update password")]
    Password { board: String, given: bool },
    /// The board accepted, but did not connect back.
    #[error("{board} accepted the update but did not connect back to this host's TCP port {port}")]
    NoConnection { board: String, port: u16 },
    /// The link broke in mid-transfer.
    #[error("lost the link to {board} after {sent} of {total} bytes")]
    Link { board: String, sent: u64, total: u64, source: std::io::Error },
    /// The board refused the image.
    #[error("{board} refused the image: {reason}")]
    Refused { board: String, reason: String },
    /// The board did not come back after the update.
    #[error("{board} did not come back within {seconds} s after the update")]
    Lost { board: String, seconds: u64 },
    /// The board came back with other firmware.
    #[error("{board} runs image {running}, not {deployed}")]
    WrongImage { board: String, running: String, deployed: Sha },
}

impl DeployError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Board(e) => e.blame(),
            Self::Unreadable { .. } | Self::Changed { .. } => Blame::Input,
            Self::Password { .. } => Blame::Configuration,
            _ => Blame::Infrastructure,
        }
    }
}

/// Puts `image` on `board` over the air unless it runs there already, and proves that it runs.
///
/// # Errors
///
/// See [`DeployError`].
pub async fn deploy(
    image: &Image,
    board: &Board,
    options: &DeployOptions,
    on_event: OnEvent<'_>,
) -> Result<Deployment, DeployError> {
    let _ = (image, board, options, on_event);
    unimplemented!()
}
