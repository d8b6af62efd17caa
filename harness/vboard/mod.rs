//! The virtual board: a server that stands in for a board, with an emulated CPU that runs the deployed image.

use std::path::PathBuf;

use crate::board::Address;
use crate::error::Blame;

/// How a virtual board is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The QEMU program, `qemu-system-riscv32`.
    pub qemu: PathBuf,
    /// TCP port of the HTTP server; 0: any free one.
    pub http_port: u16,
    /// UDP port of the over-the-air receiver; 0: any free one.
    pub ota_port: u16,
    /// Password of the over-the-air receiver (MD5 authentication); none: no authentication, as on K1.
    pub ota_password: Option<String>,
    /// Where the 4 MiB of flash are kept between starts; none: in memory only.
    pub flash: Option<PathBuf>,
    pub mac: [u8; 6],
}

/// A running virtual board; dropping it ends it, its emulator included.
#[derive(Debug)]
pub struct VirtualBoard {
    address: Address,
}

/// Why a virtual board did not start or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VirtualBoardError {
    #[error("cannot open {kind} port {port} for the virtual board")]
    Port { kind: &'static str, port: u16, source: std::io::Error },
    #[error("cannot start the emulator {program}")]
    Emulator { program: PathBuf, source: std::io::Error },
    #[error("cannot use the flash file {path}: {reason}")]
    Flash { path: PathBuf, reason: String },
    #[error("cannot make the emulator's memory file")]
    Memory { source: std::io::Error },
}

impl VirtualBoardError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        Blame::Configuration
    }
}

impl VirtualBoard {
    /// Starts a virtual board on the loopback interface.
    ///
    /// # Errors
    ///
    /// See [`VirtualBoardError`].
    pub async fn start(options: Options) -> Result<Self, VirtualBoardError> {
        let _ = options;
        unimplemented!()
    }

    /// Where it is reached.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Presses the reset button.
    pub async fn reset(&self) {
        unimplemented!()
    }
}
