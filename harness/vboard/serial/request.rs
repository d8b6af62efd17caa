//! Requests to a loader: `00 op length16 checksum32 data`.
//!
//! Source: esptool documentation, "Serial Protocol", "Low Level Protocol".

use super::fault::Fault;

/// The numbers of the commands.
pub mod op {
    pub const FLASH_BEGIN: u8 = 0x02;
    pub const FLASH_DATA: u8 = 0x03;
    pub const FLASH_END: u8 = 0x04;
    pub const MEM_BEGIN: u8 = 0x05;
    pub const MEM_END: u8 = 0x06;
    pub const MEM_DATA: u8 = 0x07;
    pub const SYNC: u8 = 0x08;
    pub const WRITE_REG: u8 = 0x09;
    pub const READ_REG: u8 = 0x0A;
    pub const SPI_SET_PARAMS: u8 = 0x0B;
    pub const SPI_ATTACH: u8 = 0x0D;
    pub const READ_FLASH_SLOW: u8 = 0x0E;
    pub const CHANGE_BAUDRATE: u8 = 0x0F;
    pub const DEFLATE_BEGIN: u8 = 0x10;
    pub const DEFLATE_DATA: u8 = 0x11;
    pub const DEFLATE_END: u8 = 0x12;
    pub const FLASH_MD5: u8 = 0x13;
    pub const SECURITY_INFO: u8 = 0x14;
    pub const ERASE_FLASH: u8 = 0xD0;
    pub const ERASE_REGION: u8 = 0xD1;
    pub const READ_FLASH: u8 = 0xD2;
    pub const RUN_USER_CODE: u8 = 0xD3;
}

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub op: u8,
    pub data: &'a [u8],
    /// What it says that the length of its data is.
    length: u16,
    /// Of the contents of a block; without meaning elsewhere.
    checksum: u32,
}

impl<'a> Request<'a> {
    /// The request in `frame`; none if it is too short to have an answer, or is an answer itself.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let (head, data) = frame.split_first_chunk::<8>()?;
        let [0, op, low, high, a, b, c, d] = *head else { return None };
        let (length, checksum) = (u16::from_le_bytes([low, high]), u32::from_le_bytes([a, b, c, d]));
        Some(Self { op, data, length, checksum })
    }

    /// Whether its data is as long as it says.
    pub fn is_whole(&self) -> bool {
        self.data.len() == usize::from(self.length)
    }

    /// Number and contents of a block.
    ///
    /// # Errors
    ///
    /// [`Fault::Length`] or [`Fault::Checksum`] if one of them is not what the request says.
    pub fn block(&self) -> Result<(u32, &'a [u8]), Fault> {
        let [length, sequence, _, _] = words_at(self.data, 0).ok_or(Fault::Length)?;
        let block = &self.data[16..];
        if block.len() != length as usize {
            return Err(Fault::Length);
        }
        let checksum = block.iter().fold(0xEF, |sum, byte| sum ^ byte);
        if u32::from(checksum) == self.checksum { Ok((sequence, block)) } else { Err(Fault::Checksum) }
    }
}

/// That `data` has one of these lengths.
///
/// # Errors
///
/// [`Fault::Length`].
pub fn exactly(data: &[u8], lengths: &[usize]) -> Result<(), Fault> {
    if lengths.contains(&data.len()) { Ok(()) } else { Err(Fault::Length) }
}

/// The words that `data` consists of.
///
/// # Errors
///
/// [`Fault::Length`] if it has another length.
pub fn words<const N: usize>(data: &[u8]) -> Result<[u32; N], Fault> {
    exactly(data, &[4 * N])?;
    words_at(data, 0).ok_or(Fault::Length)
}

/// The words from `at` on, if there are so many.
pub fn words_at<const N: usize>(data: &[u8], at: usize) -> Option<[u32; N]> {
    let bytes = data.get(at..at + 4 * N)?;
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    Some(words)
}
