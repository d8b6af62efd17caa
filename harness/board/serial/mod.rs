//! A board's serial port: which it is, how it resets the board, and that only one session at a time uses it.
//!
//! Not for what is said at it: flashing is `deploy`'s, reading the log `monitor`'s.

mod guard;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serialport::{ClearBuffer, FlowControl, SerialPort as _, TTYPort};

pub use guard::PortGuard;

use super::lease::Locks;
use super::ports::{self, UsbPort};

/// The speed at which a port is found, baud. A chip's own USB takes any.
pub const USUAL_BAUD: u32 = 115_200;

/// The speed that asks a board for its loader, by the convention of boards without reset lines.
const TOUCH_BAUD: u32 = 1200;
/// How long that speed is held if the board says nothing.
const TOUCH: Duration = Duration::from_millis(1500);
/// How long a port that is there and does not open is tried again, and how often.
const HELD: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);
/// What the ROM says when it waits in its loader.
const WAITING: &[u8] = b"waiting for download";

/// Vendor and product of the USB serial port in the ESP32-S3 itself. Source: its technical reference manual,
/// "USB Serial/JTAG Controller".
const CHIP_USB: (u16, u16) = (0x303A, 0x1001);

/// A port with a board at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialPort {
    pub path: PathBuf,
    pub reset: ResetBy,
    /// Where sessions at the port keep each other out.
    pub locks: Locks,
}

/// How a board is reset, and led into its loader, from its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ResetBy {
    /// The lines DTR and RTS of a USB bridge chip, through two transistors.
    Bridge,
    /// The lines of the chip's own USB port, which it interprets itself.
    Usb,
    /// No lines: the port is touched at 1200 baud; out of the loader by the chip's watchdog.
    Touch,
    /// A person holds the boot button; out of the loader by the chip's watchdog.
    Hand,
}

/// Why a port cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// It is not there, or not for this user.
    #[error("cannot open the serial port {port}: {reason}")]
    Open { port: PathBuf, reason: String },
    /// Another session has it.
    #[error("the serial port {port} is in use: {holder}")]
    Busy { port: PathBuf, holder: String },
    /// The lock that keeps others out cannot be made.
    #[error("cannot lock the serial port {port}")]
    Lock { port: PathBuf, source: std::io::Error },
}

impl SerialPort {
    /// The port at `path`, reset as is usual for its kind: the chip's own USB port, a USB bridge, or a port that is no
    /// USB at all, such as the virtual board's. Its sessions keep out those of this host.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let reset = match usb_id(&path) {
            Some(CHIP_USB) => ResetBy::Usb,
            Some(_) => ResetBy::Bridge,
            None => ResetBy::Touch,
        };
        Self { path, reset, locks: Locks::of_host() }
    }

    /// Opens the port at that speed, for reads that wait at most `patience`.
    ///
    /// # Errors
    ///
    /// [`PortError::Open`].
    pub fn open(&self, baud: u32, patience: Duration) -> Result<TTYPort, PortError> {
        let name = self.path.to_string_lossy();
        let builder = serialport::new(name, baud).flow_control(FlowControl::None).timeout(patience);
        let begun = Instant::now();
        loop {
            match builder.clone().open_native() {
                Ok(port) => return Ok(port),
                // A program that this process is just starting has a copy of every open port, for a moment.
                Err(_) if self.path.exists() && begun.elapsed() < HELD => std::thread::sleep(PAUSE),
                Err(e) => {
                    return Err(PortError::Open { port: self.path.clone(), reason: e.to_string() });
                }
            }
        }
    }

    /// Leads the board into its loader, where the policy is a touch; otherwise that is done with the lines, or was done by
    /// hand. Returns when the board says that it waits there, or after a moment: some boards vanish from the bus and come
    /// back instead.
    ///
    /// # Errors
    ///
    /// [`PortError::Open`].
    pub fn touch(&self) -> Result<(), PortError> {
        if self.reset != ResetBy::Touch {
            return Ok(());
        }
        let mut port = self.open(USUAL_BAUD, Duration::from_millis(20))?;
        let failed =
            |e: serialport::Error| PortError::Open { port: self.path.clone(), reason: e.to_string() };
        // What it said before must not be taken for its answer.
        port.clear(ClearBuffer::Input).map_err(failed)?;
        port.set_baud_rate(TOUCH_BAUD).map_err(failed)?;
        let begun = Instant::now();
        let (mut heard, mut buffer) = (Vec::<u8>::new(), [0; 1024]);
        while begun.elapsed() < TOUCH {
            match port.read(&mut buffer) {
                Ok(length) => heard.extend(&buffer[..length]),
                Err(e) if e.kind() == std::io::ErrorKind::TimedOut => continue,
                Err(_) => break, // the port is gone: a board that restarts
            }
            if heard.windows(WAITING.len()).any(|window| window == WAITING) {
                break;
            }
            heard.drain(..heard.len().saturating_sub(WAITING.len()));
        }
        Ok(())
    }

    /// What the chip is told about the port: the product number by which espflash chooses its reset sequence.
    pub(crate) const fn usb_product(&self) -> u16 {
        match self.reset {
            ResetBy::Usb => CHIP_USB.1,
            ResetBy::Bridge | ResetBy::Touch | ResetBy::Hand => 0,
        }
    }
}

/// Vendor and product of the USB device behind the port; none if it is no USB device.
fn usb_id(path: &Path) -> Option<(u16, u16)> {
    let is_it =
        |usb: &UsbPort| matches!((usb.path.canonicalize(), path.canonicalize()), (Ok(a), Ok(b)) if a == b);
    ports::usb_ports().into_iter().find(is_it)?.vendor_product
}
