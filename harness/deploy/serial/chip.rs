//! A chip in its loader: espflash's `Flasher` with its stub, and the few steps that flashing consists of.
//!
//! Everything here blocks. Nothing is ever read through the ROM's loader: espflash 4.7.0 reads wrong bytes there.

use std::io;
use std::ops::Range;
use std::time::Duration;

use espflash::command::{Command, CommandType};
use espflash::connection::{Connection, Port, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::Flasher;
use espflash::image_format::Segment;
use espflash::target::{Chip as Kind, ProgressCallbacks};
use md5::{Digest as _, Md5};
use serialport::UsbPortInfo;

use super::deadline::Deadline;
use super::difference::differing;
use super::layout::SECTOR;
use crate::board::serial::{PortError, ResetBy, SerialPort, USUAL_BAUD};
use crate::board::{Mac, NotAMac};

/// For an answer of the loader.
const PATIENCE: Duration = Duration::from_secs(3);
/// More is written in several pieces, so that a session can be ended between them, bytes; whole sectors.
const PIECE: u32 = 64 * SECTOR;
/// Bytes of a block of what is read.
const READ_BLOCK: u32 = 4096;

/// Registers of the RTC watchdog of the ESP32-S3, as esptool uses them to reset it. Source: its technical reference manual.
const WATCHDOG: u32 = 0x6000_8098;
const WATCHDOG_TICKS: u32 = 0x6000_809C;
const WATCHDOG_LOCK: u32 = 0x6000_80B0;
const WATCHDOG_KEY: u32 = 0x50D8_3AA1;
/// On; its first stage resets the system and the RTC; the length of the reset.
const WATCHDOG_RESETS: u32 = 1 << 31 | 5 << 28 | 1 << 8 | 2;

/// A chip that runs the stub.
pub(super) struct Chip {
    /// Before the port, which it watches: fields are dropped in their order.
    deadline: Deadline,
    flasher: Flasher,
    reset: ResetBy,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChipError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("it is an {0}, not an ESP32-S3")]
    WrongChip(String),
    #[error("the chip's loader names no board")]
    Mac(#[source] NotAMac),
    /// Nobody waits for it any more.
    #[error("it was stopped")]
    Stopped,
    /// Nothing that is written could be read back.
    #[error("the chip is in secure download mode, in which nothing can be verified")]
    Secure,
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("the chip's loader failed")]
    Loader(#[from] espflash::Error),
    #[error("the flash at {offset:#x} does not hold what was written")]
    Differs { offset: u32 },
}

/// Bytes and where they belong.
pub(super) struct Part {
    pub(super) offset: u32,
    pub(super) bytes: Vec<u8>,
}

impl Chip {
    /// Leads the board at `port` into its loader and starts the stub, at that speed. A step in which nothing goes on for
    /// `silence` fails.
    pub(super) fn connect(port: &SerialPort, baud: u32, silence: Duration) -> Result<Self, ChipError> {
        port.touch()?;
        let serial = port.open(USUAL_BAUD, PATIENCE)?;
        let deadline = Deadline::watch(&serial, silence).map_err(ChipError::Thread)?;
        let usb = UsbPortInfo {
            vid: 0,
            pid: port.usb_product(),
            serial_number: None,
            manufacturer: None,
            product: None,
        };
        let before = match port.reset {
            ResetBy::Bridge => ResetBeforeOperation::DefaultReset,
            ResetBy::Usb => ResetBeforeOperation::UsbReset,
            ResetBy::Touch | ResetBy::Hand => ResetBeforeOperation::NoReset,
        };
        let after = ResetAfterOperation::NoResetNoStub;
        let connection = Connection::new(serial, usb, after, before, USUAL_BAUD);
        // Only this way of connecting gives the port back when it fails.
        // It does not verify: each part is verified as a whole, with what was there already.
        let flasher = Flasher::try_connect(connection, true, false, false, Some(Kind::Esp32s3), Some(baud));
        match flasher {
            Ok(flasher) => {
                let is_secure = flasher.secure_download_mode();
                let chip = Self { deadline, flasher, reset: port.reset };
                if is_secure { Err(ChipError::Secure) } else { Ok(chip) }
            }
            Err(failed) => {
                drop(deadline);
                match failed.0 {
                    espflash::Error::ChipMismatch(_, found) => Err(ChipError::WrongChip(found)),
                    error => Err(error.into()),
                }
            }
        }
    }

    /// The board's identity.
    pub(super) fn mac(&mut self) -> Result<Mac, ChipError> {
        self.deadline.beat();
        let info = self.flasher.device_info()?;
        info.mac_address.unwrap_or_default().parse().map_err(ChipError::Mac)
    }

    /// Reads flash through the stub.
    pub(super) fn read(&mut self, offset: u32, size: u32) -> Result<Vec<u8>, ChipError> {
        self.deadline.beat();
        let connection = self.flasher.connection();
        connection.with_timeout(CommandType::ReadFlash.timeout(), |connection| {
            connection.command(Command::ReadFlash { offset, size, block_size: READ_BLOCK, max_in_flight: 1 })
        })?;
        let mut bytes = Vec::new();
        while bytes.len() < size as usize {
            bytes.extend(next_block(connection)?);
            connection.write_raw(bytes.len() as u32)?;
        }
        let digest = next_block(connection)?;
        match digest == Md5::digest(&bytes)[..] && bytes.len() == size as usize {
            true => Ok(bytes),
            false => Err(espflash::Error::IncorrectResponse.into()),
        }
    }

    /// The ranges of `part` that the flash does not hold yet.
    pub(super) fn difference(&mut self, part: &Part) -> Result<Vec<Range<u32>>, ChipError> {
        let mut is_same = |range: Range<u32>| self.holds(part, range);
        differing(part.bytes.len() as u32, &mut is_same)
    }

    /// Writes `ranges` of `part`, and tells how many bytes are done. Nothing is proved before [`Self::verify`].
    /// Ends with [`ChipError::Stopped`] when `is_over` says so.
    pub(super) fn write(
        &mut self,
        part: &Part,
        ranges: &[Range<u32>],
        is_over: &dyn Fn() -> bool,
        on_bytes: &mut dyn FnMut(u32),
    ) -> Result<(), ChipError> {
        for range in ranges {
            for begin in range.clone().step_by(PIECE as usize) {
                if is_over() {
                    return Err(ChipError::Stopped);
                }
                let end = range.end.min(begin + PIECE);
                let bytes = &part.bytes[begin as usize..end as usize];
                self.deadline.beat();
                let segment = Segment::new(part.offset + begin, bytes);
                let mut progress =
                    Progress { length: end - begin, blocks: 1, done: 0, deadline: &self.deadline, on_bytes };
                self.flasher.write_bins_to_flash(&[segment], &mut progress)?;
            }
        }
        Ok(())
    }

    /// Compares all of `part` with the flash.
    pub(super) fn verify(&mut self, part: &Part) -> Result<(), ChipError> {
        match self.holds(part, 0..part.bytes.len() as u32)? {
            true => Ok(()),
            false => Err(ChipError::Differs { offset: part.offset }),
        }
    }

    /// Lets the chip boot. The port, for its log.
    pub(super) fn boot(mut self) -> Result<Port, ChipError> {
        self.deadline.beat();
        match self.reset {
            ResetBy::Bridge | ResetBy::Usb => self.flasher.connection().reset()?,
            ResetBy::Touch | ResetBy::Hand => self.arm_watchdog()?,
        }
        let Self { deadline, mut flasher, reset } = self;
        drop(deadline);
        // What was sent last is still on its way to a board that is touched, where speed has no other meaning.
        if reset != ResetBy::Touch {
            let _ = flasher.connection().set_baud(USUAL_BAUD); // a chip's own USB may be gone from the bus by now
        }
        Ok(flasher.into_connection().into_serial())
    }

    /// Lets the watchdog reset the chip. espflash can do that too, but waits for the answer to its last command, which a
    /// busy host sends too late: the chip has left its loader then.
    fn arm_watchdog(&mut self) -> Result<(), ChipError> {
        let connection = self.flasher.connection();
        connection.write_reg(WATCHDOG_LOCK, WATCHDOG_KEY, None)?;
        connection.write_reg(WATCHDOG_TICKS, 2000, None)?;
        connection.write_reg(WATCHDOG, WATCHDOG_RESETS, None)?;
        connection.write_command(Command::WriteReg { address: WATCHDOG_LOCK, value: 0, mask: None })?;
        Ok(())
    }

    fn holds(&mut self, part: &Part, range: Range<u32>) -> Result<bool, ChipError> {
        self.deadline.beat();
        let bytes = &part.bytes[range.start as usize..range.end as usize];
        let found = self.flasher.checksum_md5(part.offset + range.start, bytes.len() as u32)?;
        Ok(found.to_be_bytes() == Md5::digest(bytes)[..])
    }
}

fn next_block(connection: &mut Connection) -> Result<Vec<u8>, espflash::Error> {
    let answer = connection.read_flash_response()?.ok_or(espflash::Error::IncorrectResponse)?;
    answer.value.try_into()
}

/// Turns espflash's blocks, which are of compressed bytes, into bytes of the image.
struct Progress<'a> {
    length: u32,
    blocks: usize,
    done: u32,
    deadline: &'a Deadline,
    on_bytes: &'a mut dyn FnMut(u32),
}

impl ProgressCallbacks for Progress<'_> {
    fn init(&mut self, _: u32, total: usize) {
        self.blocks = total.max(1);
    }

    fn update(&mut self, current: usize) {
        self.deadline.beat();
        let done = (u64::from(self.length) * current as u64 / self.blocks as u64) as u32;
        (self.on_bytes)(done.saturating_sub(self.done));
        self.done = done;
    }

    fn verifying(&mut self) {}

    fn finish(&mut self, _: bool) {}
}
