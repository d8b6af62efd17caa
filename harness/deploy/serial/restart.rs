//! Restarting a board by its serial port, whatever state it is in.

use std::time::Duration;

use super::chip::{Chip, ChipError};
use crate::board::Mac;
use crate::board::serial::{PortGuard, SerialPort, USUAL_BAUD};
use crate::deploy::DeployError;
use crate::story;

/// For each step at the chip.
const SILENCE: Duration = Duration::from_secs(5);

/// Leads the chip at `port` into its loader and lets it boot again: what helps a board that answers nothing, and one
/// that a flasher left in its loader. Only the board `mac` is meant; another one boots too, and is named.
///
/// If the future is dropped, the port is given up when the step that is under way has ended.
///
/// # Errors
///
/// [`DeployError::Port`], [`DeployError::Serial`], [`DeployError::WrongBoard`].
pub async fn restart(port: &SerialPort, mac: Mac) -> Result<(), DeployError> {
    let guard = PortGuard::take(port, "restarting the board").await?;
    let port = port.clone();
    let at_port = move || {
        let found = restart_any(&port).map_err(|error| match error {
            ChipError::Port(error) => DeployError::Port(error),
            error => {
                let (port, reason) = (port.path.display().to_string(), story::one_line(&error));
                DeployError::Serial { port, attempts: 1, reason }
            }
        })?;
        drop(guard);
        if found == mac {
            return Ok(());
        }
        let (place, found) = (port.path.display().to_string(), found.to_string());
        Err(DeployError::WrongBoard { place, found, expected: mac.to_string() })
    };
    match tokio::task::spawn_blocking(at_port).await {
        Ok(restarted) => restarted,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn restart_any(port: &SerialPort) -> Result<Mac, ChipError> {
    let mut chip = Chip::connect(port, USUAL_BAUD, SILENCE)?;
    let mac = chip.mac();
    chip.boot()?;
    mac
}
