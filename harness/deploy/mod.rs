//! Putting an image on a board and proving that it runs there.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::blame::Blame;
use crate::board::serial::PortError;
use crate::board::{Address, Board, BoardError, Cpu, Password, ProbeInfo};
use crate::digest::Sha;
use crate::event::{Event, OnEvent};
use crate::image::Image;

mod acknowledgements;
pub mod espota;
pub mod serial;
mod transfer;

use espota::Ending;

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
#[derive(Clone, Debug)]
pub struct DeployOptions {
    /// Password of the board's over-the-air receiver, if not the one that the board is known by.
    pub password: Option<Password>,
    /// Send the image even if it runs already.
    pub always: bool,
    /// How long the parts of the upload may take.
    pub limits: espota::Limits,
    /// How long the board may take to come back afterwards.
    pub restart: Duration,
}

impl Default for DeployOptions {
    fn default() -> Self {
        Self {
            password: None,
            always: false,
            limits: espota::Limits::default(),
            restart: Duration::from_secs(30),
        }
    }
}

/// Why the image does not run on the board.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    #[error(transparent)]
    Board(#[from] BoardError),
    #[error(transparent)]
    Port(#[from] PortError),
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
    #[error("{board} {}", if *given { "refused the update password" } else { "wants an update password, and none was given" })]
    Password { board: String, given: bool },
    /// The board wants the password by PBKDF2-SHA256 (arduino-esp32 3.3.1 and later).
    #[error("{board} asks for the update password by PBKDF2-SHA256, and only the older MD5 is spoken here")]
    PasswordKind { board: String },
    /// The board accepted, but did not connect back: a firewall of this host keeps the connection out, or the
    /// board found that the image does not fit into its slot, which it does not say.
    #[error(
        "{board} accepted the update but did not connect back to this host's TCP port {port}: a firewall of this \
         host may be in the way, or the image may be too large for the board's slot"
    )]
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
    /// It is another board than the one that was meant; nothing was written.
    #[error("the board at {place} is {found}, not {expected}")]
    WrongBoard { place: String, found: String, expected: String },
    /// The chip cannot be flashed from here.
    #[error("the chip cannot be flashed: {reason}")]
    Chip { reason: String },
    /// The partition table has no such slot, or there is none.
    #[error(
        "the flash of the board at {port} has no slot {slot}; give its partition table to have that written too"
    )]
    NoSlot { port: String, slot: &'static str },
    /// The image does not fit.
    #[error("the image has {length} bytes, and the slot {slot} {size}")]
    TooLarge { slot: &'static str, length: usize, size: u32 },
    /// Flashing failed again and again.
    #[error("flashing at {port} failed in {attempts} attempt(s), the last time because {reason}")]
    Serial { port: String, attempts: u32, reason: String },
    /// The image crashed before it came up.
    #[error("the image on the board at {board} crashed: {line}")]
    Crashed { board: String, line: String },
    /// The board came back with other firmware.
    #[error("{board} runs image {running}, not {deployed}")]
    WrongImage { board: String, running: String, deployed: Sha },
}

impl DeployError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Board(e) => e.blame(),
            Self::Unreadable { .. } | Self::Changed { .. } | Self::TooLarge { .. } => Blame::Input,
            Self::Password { .. } | Self::PasswordKind { .. } | Self::WrongBoard { .. } => {
                Blame::Configuration
            }
            Self::Chip { .. } | Self::NoSlot { .. } => Blame::Configuration,
            Self::Port(PortError::Open { .. } | PortError::Lock { .. }) => Blame::Configuration,
            Self::Crashed { .. } => Blame::Firmware,
            _ => Blame::Infrastructure,
        }
    }
}

/// Puts `image` on `board` over the air unless it runs there already, and proves that it runs.
///
/// A board that was sent the whole image but whose last word was lost is not given up: what it runs after its
/// restart decides.
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
    let bytes = read(image).await?;
    let before = board.info().await?;
    if !options.always && before.image_sha256 == Some(image.elf_sha256) {
        on_event(&Event::DeploySkipped);
        return proof(image, board, before, true);
    }
    let name = image.bin.file_name().unwrap_or_default().to_string_lossy();
    let password = options.password.as_ref().or(board.ota_password.as_ref()).map(Password::reveal);
    let ending = espota::send(&board.address, &bytes, &name, password, &options.limits, on_event).await?;
    on_event(&Event::Restarting);
    let Some(after) = restarted(board, before.boot_id, options.restart).await? else {
        let name = board.address.to_string();
        return Err(match ending {
            Ending::Confirmed => DeployError::Lost { board: name, seconds: options.restart.as_secs() },
            Ending::Unconfirmed(source) => {
                let total = bytes.len() as u64;
                DeployError::Link { board: name, sent: total, total, source }
            }
        });
    };
    let deployment = proof(image, board, after, false)?;
    on_event(&Event::Deployed { slot: deployment.slot.clone() });
    Ok(deployment)
}

/// Proves that `image` runs on `board` already, without sending anything.
///
/// # Errors
///
/// [`DeployError::WrongImage`] if it does not; [`DeployError::Board`].
pub async fn confirm(image: &Image, board: &Board) -> Result<Deployment, DeployError> {
    proof(image, board, board.info().await?, true)
}

/// The bytes of the image, which must be what was built.
async fn read(image: &Image) -> Result<Vec<u8>, DeployError> {
    let path = image.bin.clone();
    let read = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(path)?;
        Ok((Sha::of(&bytes), bytes))
    });
    let path = image.bin.clone();
    match read.await.unwrap_or_else(|e| Err(std::io::Error::other(e))) {
        Ok((found, bytes)) if found == image.sha256 => Ok(bytes),
        Ok((found, _)) => Err(DeployError::Changed { path, expected: image.sha256, found }),
        Err(source) => Err(DeployError::Unreadable { path, source }),
    }
}

/// Waits for another boot than `before`; `None` if there was none within `limit`.
async fn restarted(board: &Board, before: u32, limit: Duration) -> Result<Option<ProbeInfo>, BoardError> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(10);
    loop {
        match board.info_if_up().await {
            Ok(info) if info.boot_id != before => return Ok(Some(info)),
            Err(no_probe @ BoardError::NoProbe { .. }) => return Err(no_probe),
            // The old boot still answers, or nothing does.
            Ok(_) | Err(_) if Instant::now() < deadline => {}
            Ok(_) | Err(_) => return Ok(None),
        }
        tokio::time::sleep(pause).await;
        // Grows by a quarter, so that at most a quarter of the board's time to start is lost here.
        pause = (pause * 5 / 4).min(Duration::from_millis(250));
    }
}

/// What `info` proves.
fn proof(image: &Image, board: &Board, info: ProbeInfo, skipped: bool) -> Result<Deployment, DeployError> {
    match (info.image_sha256, info.slot) {
        (Some(running), Some(slot)) if running == image.elf_sha256 => Ok(Deployment {
            mac: board.mac.clone(),
            model: board.model.clone(),
            address: board.address.clone(),
            cpu: info.cpu,
            tick_hz: info.tick_hz,
            elf_sha256: running,
            slot,
            boot_id: info.boot_id,
            skipped,
        }),
        (running, _) => Err(DeployError::WrongImage {
            board: board.address.to_string(),
            running: running.map_or_else(|| "none".to_owned(), |sha| sha.to_string()),
            deployed: image.elf_sha256,
        }),
    }
}
