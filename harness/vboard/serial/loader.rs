//! The ESP32-S3's serial loader: the one in its ROM, and the stub that clients download into its RAM.
//!
//! A request is `00 op length16 checksum32 data`, an answer `01 op length16 value32 data status`; the status has 4
//! bytes from the ROM and 2 from the stub. This is a state machine without a port: frames in, frames out.
//!
//! It is as strict as the originals: lengths, checksums, the order of blocks, flash that must be attached first, an end
//! that is refused while bytes are missing. As there, the stub acknowledges a block before it writes it, and tells what
//! went wrong in the answer to the next command.
//!
//! Sources: esptool documentation, "Serial Protocol"; esp-flasher-stub 1.1, `command_handler.c`. What the ROM does with
//! a command that it does not know, and that it boots after `FLASH_END`, are guesses: no chip was asked.

use md5::{Digest as _, Md5};

use super::fault::Fault;
use super::ram::Ram;
use super::registers::{Registers, Watchdog};
use super::request::{Request, exactly, op, words, words_at};
use super::slip;
use super::writing::{Erase, Writing};
use crate::vboard::boot::ResetReason;
use crate::vboard::flash::{Flash, SECTOR, SIZE};
use crate::vboard::partitions::WHOLE;

/// What the ROM's answer to `SYNC` carries; the stub's carries 0, by which clients tell it.
const ROM_SYNC: u32 = 0x2012_0707;
/// How often `SYNC` is answered.
const SYNC_ANSWERS: usize = 8;
const SYNC_LENGTH: usize = 36;
/// Of the blocks of a `READ_FLASH`; the stub's buffer is no larger.
const MOST_READ: usize = 4096;
/// What the ROM reads at once, whatever was asked for.
const SLOW_READ: usize = 64;
/// The flash size that the ROM believes in until it is told another.
const ROM_FLASH_SIZE: usize = 2 * 1024 * 1024;
/// The stub's first word.
const HELLO: &[u8] = b"OHAI";

/// Flags and counters (0), key purposes, chip number 9 (ESP32-S3), version 0.
const SECURITY_INFO: [u8; 20] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 9, 0, 0, 0, 0, 0, 0, 0];

/// The loader since it was started by a reset.
#[derive(Debug)]
pub struct Loader {
    registers: Registers,
    is_stub: bool,
    is_attached: bool,
    /// Bytes of flash that it believes in.
    flash_size: usize,
    ram: Ram,
    writing: Option<Writing>,
    reading: Option<Reading>,
    late: Option<Late>,
    /// What went wrong after the last answer.
    failed: Option<Fault>,
}

/// What the loader says and does.
#[derive(Debug, Default)]
pub struct Said {
    /// Whole frames, ready to be sent.
    pub bytes: Vec<u8>,
    pub next: Next,
}

/// What comes after an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    #[default]
    Stay,
    /// The port has this speed from now on, baud.
    Speed(u32),
    /// The chip leaves the loader and boots.
    Boot(ResetReason),
    /// The chip restarts and comes up in the loader again.
    Restart,
    /// The watchdog will reset the chip.
    Watchdog(Watchdog),
}

/// What the stub does after it has answered.
#[derive(Debug)]
enum Late {
    Write(Vec<u8>),
    /// The downloaded program begins.
    Hello,
    Read,
}

/// A `READ_FLASH` under way.
#[derive(Debug)]
struct Reading {
    at: usize,
    remaining: usize,
    block: usize,
    size: usize,
    md5: Md5,
}

/// An answer without its status.
#[derive(Default)]
struct Answer {
    value: u32,
    data: Vec<u8>,
    next: Next,
}

impl Loader {
    /// The ROM's loader after a reset.
    pub fn new(mac: [u8; 6]) -> Self {
        Self::of(Registers::new(mac))
    }

    fn of(registers: Registers) -> Self {
        Self {
            registers,
            is_stub: false,
            is_attached: false,
            flash_size: ROM_FLASH_SIZE,
            ram: Ram::default(),
            writing: None,
            reading: None,
            late: None,
            failed: None,
        }
    }

    /// Answers the contents of a frame. [`Self::work`] is to be called when the answer is on its way.
    pub fn hear(&mut self, frame: &[u8], flash: &mut Flash) -> Said {
        if self.reading.is_some() {
            return self.read_on(Some(frame), flash);
        }
        let Some(request) = Request::read(frame) else { return Said::default() };
        let outcome = match (self.failed.take(), request.is_whole()) {
            (Some(fault), _) => Err(fault),
            (None, false) => Err(Fault::Length),
            (None, true) => self.obey(&request, flash),
        };
        let answers = if request.op == op::SYNC && outcome.is_ok() { SYNC_ANSWERS } else { 1 };
        match outcome {
            Ok(Answer { next: next @ Next::Boot(_), .. }) if request.op == op::RUN_USER_CODE => {
                Said { bytes: Vec::new(), next }
            }
            Ok(Answer { value, data, next }) => {
                let bytes = self.frame(request.op, value, &data, None).repeat(answers);
                Said { bytes, next }
            }
            Err(fault) => Said { bytes: self.frame(request.op, 0, &[], Some(fault)), next: Next::Stay },
        }
    }

    /// Does what is done after an answer; what there is to say then.
    pub fn work(&mut self, flash: &mut Flash) -> Vec<u8> {
        match self.late.take() {
            None => Vec::new(),
            Some(Late::Write(block)) => {
                let written = self.writing.as_mut().map_or(Ok(()), |writing| writing.take(flash, &block));
                self.failed = written.err();
                Vec::new()
            }
            Some(Late::Hello) => {
                let registers = std::mem::take(&mut self.registers);
                *self = Self { is_stub: true, is_attached: true, flash_size: SIZE, ..Self::of(registers) };
                slip::encode(HELLO)
            }
            Some(Late::Read) => self.read_on(None, flash).bytes,
        }
    }

    /// A bit of what was written last falls over.
    pub fn lose_a_bit(&self, flash: &mut Flash) {
        let Some(writing) = &self.writing else { return };
        let written = &flash.read(WHOLE)[..writing.at()];
        if let Some(at) = written.iter().rposition(|&byte| byte != 0) {
            let fallen = written[at] & (written[at] - 1);
            // It is in the flash, for it was read there.
            let _ = flash.program(WHOLE, at, &[fallen]);
        }
    }

    fn obey(&mut self, request: &Request<'_>, flash: &mut Flash) -> Result<Answer, Fault> {
        let data = request.data;
        let done = Ok(Answer::default());
        match request.op {
            op::SYNC => {
                exactly(data, &[SYNC_LENGTH])?;
                Ok(Answer { value: if self.is_stub { 0 } else { ROM_SYNC }, ..Answer::default() })
            }
            op::READ_REG => {
                let [address] = words(data)?;
                Ok(Answer { value: self.registers.read(address), ..Answer::default() })
            }
            op::WRITE_REG => self.write_registers(data),
            op::SECURITY_INFO => {
                exactly(data, &[0])?;
                Ok(Answer { data: SECURITY_INFO.to_vec(), ..Answer::default() })
            }
            op::SPI_ATTACH => {
                exactly(data, if self.is_stub { &[4] } else { &[8] })?;
                self.is_attached = true;
                done
            }
            op::SPI_SET_PARAMS => {
                let [_, size, _, _, _, _] = words(data)?;
                self.flash_size = usize::try_from(size).map_err(|_| Fault::Failed)?.min(SIZE);
                done
            }
            op::CHANGE_BAUDRATE => {
                let [speed, _] = words(data)?;
                Ok(Answer { next: Next::Speed(speed), ..Answer::default() })
            }
            op::MEM_BEGIN => self.ram.begin(words(data)?).and(done),
            op::MEM_DATA => {
                let (sequence, block) = request.block()?;
                self.ram.take(sequence, block).and(done)
            }
            op::MEM_END => {
                let [stay, entry] = words(data)?;
                if self.ram.end(entry)? && stay == 0 {
                    self.late = Some(Late::Hello);
                }
                done
            }
            op::FLASH_BEGIN | op::DEFLATE_BEGIN => self.begin_write(request, flash).and(done),
            op::FLASH_DATA | op::DEFLATE_DATA => self.take_block(request, flash).and(done),
            op::FLASH_END | op::DEFLATE_END => self.end_write(data),
            op::FLASH_MD5 => self.md5(data, flash),
            op::READ_FLASH_SLOW if !self.is_stub => self.read_slowly(data, flash),
            op::ERASE_FLASH if self.is_stub => {
                exactly(data, &[0])?;
                flash.erase(WHOLE, 0, SIZE).map_err(|_| Fault::Failed)?;
                done
            }
            op::ERASE_REGION if self.is_stub => {
                let [at, size] = words(data)?.map(|word| word as usize);
                if at % SECTOR != 0 || size % SECTOR != 0 {
                    return Err(Fault::Length);
                }
                flash.erase(WHOLE, at, size).map_err(|_| Fault::Failed)?;
                done
            }
            op::READ_FLASH if self.is_stub => self.begin_read(data).and(done),
            op::RUN_USER_CODE if self.is_stub => {
                Ok(Answer { next: Next::Boot(ResetReason::Software), ..Answer::default() })
            }
            _ => Err(Fault::Unknown),
        }
    }

    fn write_registers(&mut self, data: &[u8]) -> Result<Answer, Fault> {
        let (writes, []) = data.as_chunks::<16>() else { return Err(Fault::Length) };
        if writes.is_empty() {
            return Err(Fault::Length);
        }
        let mut next = Next::Stay;
        for write in writes {
            let [address, value, mask, _delay_us] = words(write)?;
            if let Some(watchdog) = self.registers.write(address, value, mask) {
                next = Next::Watchdog(watchdog);
            }
        }
        Ok(Answer { next, ..Answer::default() })
    }

    fn begin_write(&mut self, request: &Request<'_>, flash: &mut Flash) -> Result<(), Fault> {
        self.needs_flash()?;
        exactly(request.data, if self.is_stub { &[16, 20] } else { &[20] })?;
        // The fifth word asks for encryption, which this chip was not set up for.
        if words_at::<1>(request.data, 16).is_some_and(|[encrypt]| encrypt != 0) {
            return Err(Fault::Failed);
        }
        let plan = words_at::<4>(request.data, 0).ok_or(Fault::Length)?;
        let erase = if self.is_stub { Erase::AsItGoes } else { Erase::All };
        let is_deflated = request.op == op::DEFLATE_BEGIN;
        self.writing = None;
        self.writing = Some(Writing::begin(flash, self.flash_size, plan, is_deflated, erase)?);
        Ok(())
    }

    fn take_block(&mut self, request: &Request<'_>, flash: &mut Flash) -> Result<(), Fault> {
        let is_deflated = request.op == op::DEFLATE_DATA;
        let writing = self.writing.as_mut().filter(|writing| writing.is_deflated() == is_deflated);
        let writing = writing.ok_or(Fault::NotBegun)?;
        let (sequence, block) = request.block()?;
        if !writing.expect(sequence)? {
            return Ok(());
        }
        if self.is_stub {
            self.late = Some(Late::Write(block.to_vec()));
            return Ok(());
        }
        writing.take(flash, block)
    }

    fn end_write(&mut self, data: &[u8]) -> Result<Answer, Fault> {
        let [stay] = words(data)?;
        let writing = self.writing.take().ok_or(Fault::NotBegun)?;
        let next = match (self.is_stub, stay) {
            (false, _) => Next::Boot(ResetReason::Software),
            (true, _) if writing.remaining() > 0 => {
                self.writing = Some(writing);
                return Err(Fault::Length);
            }
            (true, 0) => Next::Restart,
            (true, _) => Next::Stay,
        };
        Ok(Answer { next, ..Answer::default() })
    }

    fn md5(&self, data: &[u8], flash: &Flash) -> Result<Answer, Fault> {
        self.needs_flash()?;
        let [at, size, _, _] = words(data)?;
        let digest = Md5::digest(self.range(flash, at, size)?);
        let data = match self.is_stub {
            true => digest.to_vec(),
            false => digest.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
        };
        Ok(Answer { data, ..Answer::default() })
    }

    fn read_slowly(&self, data: &[u8], flash: &Flash) -> Result<Answer, Fault> {
        self.needs_flash()?;
        exactly(data, &[8, 16])?;
        let [at, size] = words_at(data, 0).ok_or(Fault::Length)?;
        let mut block = self.range(flash, at, size.min(SLOW_READ as u32))?.to_vec();
        block.resize(SLOW_READ, 0);
        Ok(Answer { data: block, ..Answer::default() })
    }

    fn begin_read(&mut self, data: &[u8]) -> Result<(), Fault> {
        // The fourth word says how many blocks may be under way. The stub takes any number for 1.
        let [at, size, block, _] = words(data)?.map(|word| word as usize);
        if block == 0 || block > MOST_READ || at.checked_add(size).is_none_or(|end| end > SIZE) {
            return Err(Fault::Length);
        }
        self.reading = Some(Reading { at, remaining: size, block, size, md5: Md5::new() });
        self.late = Some(Late::Read);
        Ok(())
    }

    /// Goes on reading: at the beginning, or with the client's acknowledgement, which is how many bytes it has.
    fn read_on(&mut self, acknowledgement: Option<&[u8]>, flash: &Flash) -> Said {
        let Some(mut reading) = self.reading.take() else { return Said::default() };
        let acknowledged = match acknowledgement {
            None => 0,
            Some(frame) => match words::<1>(frame) {
                Ok([acknowledged]) => acknowledged as usize,
                Err(_) => return Said::default(), // the client gave up
            },
        };
        let bytes = if reading.remaining == 0 && acknowledged >= reading.size {
            slip::encode(&reading.md5.finalize())
        } else if reading.remaining > 0 {
            let length = reading.remaining.min(reading.block);
            let block = &flash.read(WHOLE)[reading.at..][..length];
            reading.md5.update(block);
            reading.at += length;
            reading.remaining -= length;
            let bytes = slip::encode(block);
            self.reading = Some(reading);
            bytes
        } else {
            self.reading = Some(reading);
            Vec::new()
        };
        Said { bytes, next: Next::Stay }
    }

    fn needs_flash(&self) -> Result<(), Fault> {
        if self.is_attached { Ok(()) } else { Err(Fault::Failed) }
    }

    fn range<'a>(&self, flash: &'a Flash, at: u32, size: u32) -> Result<&'a [u8], Fault> {
        let (at, size) = (at as usize, size as usize);
        let end = at.checked_add(size).filter(|&end| end <= self.flash_size);
        end.and_then(|end| flash.read(WHOLE).get(at..end)).ok_or(Fault::Read)
    }

    fn frame(&self, op: u8, value: u32, data: &[u8], fault: Option<Fault>) -> Vec<u8> {
        let status = match (self.is_stub, fault) {
            (true, None) => vec![0; 2],
            (true, Some(fault)) => vec![fault.stub(), 0],
            (false, None) => vec![0; 4],
            (false, Some(fault)) => vec![1, fault.rom(), 0, 0],
        };
        let length = (data.len() + status.len()) as u16;
        let mut contents = vec![1, op];
        contents.extend(length.to_le_bytes());
        contents.extend(value.to_le_bytes());
        contents.extend(data);
        contents.extend(status);
        slip::encode(&contents)
    }
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;
