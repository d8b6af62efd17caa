//! Putting an image on a board by its serial port, and proving that it runs there.
//!
//! The library `espflash` talks to the chip; what this adds is what a test bench needs: the right board before the first
//! byte is written, only the sectors that differ, all of it read back by MD5, the whole thing again when a link breaks
//! (espflash does not repeat a block), and proof of what runs afterwards.
//!
//! The way not taken: the ROM's loader without the stub, as a second way. It cannot read flash through espflash 4.7.0,
//! and leaves the loader at the end of a write, before anything could be compared.

mod chip;
mod deadline;
mod difference;
mod job;
mod layout;
mod log;
mod restart;

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{DeployError, Deployment, proof, read};
use crate::board::serial::{PortGuard, SerialPort};
use crate::board::{Address, Board, BoardError, Mac, NotAMac};
use crate::event::{Event, OnEvent};
use crate::image::Image;

use job::Job;
use log::Evidence;

pub use layout::Slot;
pub use restart::restart;

/// How long a board that may be off or asleep is asked who it is before it is flashed.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// How to deploy by serial.
#[derive(Clone, Debug)]
pub struct SerialOptions {
    /// Speed of the transfer; a chip's own USB port takes any.
    pub baud: u32,
    /// How often the whole is tried, at least once.
    pub attempts: u32,
    /// A step that does not go on for so long has failed. The longest that goes on at all, erasing, takes some seconds.
    pub silence: Duration,
    /// The board that it must be. Without it, the one that answers at the address; without that, any.
    pub mac: Option<Mac>,
    pub slot: Slot,
    /// Written too, if given.
    pub bootloader: Option<Vec<u8>>,
    /// Written too, if given, and then decides where the slots are; otherwise the board's own does.
    pub partition_table: Option<Vec<u8>>,
    /// Write every sector, and do so even if the image runs already.
    pub always: bool,
    /// How long the board may take to come up afterwards.
    pub restart: Duration,
}

impl Default for SerialOptions {
    fn default() -> Self {
        Self {
            baud: 921_600,
            attempts: 3,
            silence: Duration::from_secs(30),
            mac: None,
            slot: Slot::default(),
            bootloader: None,
            partition_table: None,
            always: false,
            restart: Duration::from_secs(30),
        }
    }
}

/// An image that was put on a board by serial.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SerialDeployment {
    pub port: String,
    /// As the chip has it, or as its firmware says if the image ran already.
    pub mac: Mac,
    pub slot: &'static str,
    /// Bytes of flash that were written, in whole sectors but for the end of a part.
    pub written: u64,
    /// Bytes that were there already.
    pub unchanged: u64,
    /// How many attempts it took; 0 if nothing was sent because the image ran already.
    pub attempts: u32,
    pub proof: Proof,
}

/// What proves that the image runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Proof {
    /// The board's probe says so.
    Probe(Deployment),
    /// A line of its log names the image.
    LogNamesImage(String),
    /// The flash holds it, and a line of its log says that firmware came up; which one, no line says.
    LogSaysReady(String),
}

impl SerialDeployment {
    /// The full proof that a capture needs, if there is one.
    pub fn deployment(&self) -> Option<&Deployment> {
        match &self.proof {
            Proof::Probe(deployment) => Some(deployment),
            Proof::LogNamesImage(_) | Proof::LogSaysReady(_) => None,
        }
    }
}

/// Puts `image` on the board at `port` unless it runs there already, and proves that it runs: by the probe at `address`,
/// or without one by the board's log.
///
/// If the future is dropped, the chip is left in its loader within 256 KiB of transfer; the next session takes it out.
///
/// # Errors
///
/// See [`DeployError`].
pub async fn deploy(
    image: &Image,
    port: &SerialPort,
    address: Option<&Address>,
    options: &SerialOptions,
    on_event: OnEvent<'_>,
) -> Result<SerialDeployment, DeployError> {
    let bytes = read(image).await?;
    let guard = PortGuard::take(port, "flashing").await?;
    let before = match address {
        Some(address) => who_is(address).await,
        None => None,
    };
    let mac = expected_mac(options, before.as_ref().map(|(board, _)| board))?;
    if let Some((board, info)) = &before
        && !options.always
        && info.image_sha256 == Some(image.elf_sha256)
        && info.slot.as_deref() == Some(options.slot.label())
    {
        on_event(&Event::DeploySkipped);
        return Ok(SerialDeployment {
            port: port.path.display().to_string(),
            mac: mac_of(board)?,
            slot: options.slot.label(),
            written: 0,
            unchanged: bytes.len() as u64,
            attempts: 0,
            proof: Proof::Probe(proof(image, board, info.clone(), true)?),
        });
    }
    let job = Job {
        port: port.clone(),
        mac,
        options: options.clone(),
        bytes,
        elf_sha256: image.elf_sha256,
        needs_log: address.is_none(),
        guard,
    };
    let flashed = job::run(job, on_event).await?;
    on_event(&Event::Restarting);
    let proof = match address {
        Some(address) => {
            let boot = before.map(|(_, info)| info.boot_id);
            Proof::Probe(ask(image, address, boot, flashed.mac, options.restart).await?)
        }
        None => proof_by_log(flashed.evidence, image, port, options.restart)?,
    };
    on_event(&Event::Deployed { slot: options.slot.label().to_owned() });
    Ok(SerialDeployment {
        port: port.path.display().to_string(),
        mac: flashed.mac,
        slot: options.slot.label(),
        written: flashed.written,
        unchanged: flashed.unchanged,
        attempts: flashed.attempts,
        proof,
    })
}

/// Who answers at `address`, if anybody does soon.
async fn who_is(address: &Address) -> Option<(Board, crate::board::ProbeInfo)> {
    let asking = async {
        let board = Board::connect(address).await?;
        let info = board.info().await?;
        Ok::<_, BoardError>((board, info))
    };
    tokio::time::timeout(FIRST_LOOK, asking).await.ok()?.ok()
}

/// The board that it must be; whoever answers at the address must be that one too.
fn expected_mac(options: &SerialOptions, answers: Option<&Board>) -> Result<Option<Mac>, DeployError> {
    let Some(board) = answers else { return Ok(options.mac) };
    let found = mac_of(board)?;
    match options.mac {
        Some(expected) if expected != found => Err(other_board(board, found, expected)),
        _ => Ok(Some(found)),
    }
}

fn mac_of(board: &Board) -> Result<Mac, DeployError> {
    let malformed = |error: NotAMac| BoardError::Malformed {
        board: board.address.to_string(),
        request: "its identity".to_owned(),
        reason: error.to_string(),
    };
    Ok(board.mac.parse().map_err(malformed)?)
}

fn other_board(board: &Board, found: Mac, expected: Mac) -> DeployError {
    let place = board.address.to_string();
    DeployError::WrongBoard { place, found: found.to_string(), expected: expected.to_string() }
}

fn proof_by_log(
    evidence: Evidence,
    image: &Image,
    port: &SerialPort,
    limit: Duration,
) -> Result<Proof, DeployError> {
    let board = port.path.display().to_string();
    match evidence {
        Evidence::Image(line) => Ok(Proof::LogNamesImage(line)),
        Evidence::Started(line) => Ok(Proof::LogSaysReady(line)),
        Evidence::OtherImage(running) => {
            Err(DeployError::WrongImage { board, running, deployed: image.elf_sha256 })
        }
        Evidence::Panic(line) => Err(DeployError::Crashed { board, line }),
        Evidence::None => Err(DeployError::Lost { board, seconds: limit.as_secs() }),
    }
}

/// Asks at `address` until another boot than `before` answers, which must be the board with that MAC.
async fn ask(
    image: &Image,
    address: &Address,
    before: Option<u32>,
    mac: Mac,
    limit: Duration,
) -> Result<Deployment, DeployError> {
    let deadline = Instant::now() + limit;
    loop {
        match who_is(address).await {
            Some((board, info)) if Some(info.boot_id) != before => {
                let found = mac_of(&board)?;
                if found != mac {
                    return Err(other_board(&board, found, mac));
                }
                return proof(image, &board, info, false);
            }
            _ if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => {
                return Err(DeployError::Lost { board: address.to_string(), seconds: limit.as_secs() });
            }
        }
    }
}
