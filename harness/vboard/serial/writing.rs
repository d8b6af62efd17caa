//! Writing into flash as a loader does it: an announced number of bytes, plain or as a zlib stream, block by block.
//!
//! The ROM loader erases all of it beforehand, the stub each sector when its first byte comes. So whoever is cut off
//! leaves what a real chip would have.

use flate2::{Decompress, FlushDecompress, Status};

use super::fault::Fault;
use crate::vboard::flash::{Flash, SECTOR};
use crate::vboard::partitions::WHOLE;

/// Decompressed bytes that are programmed at once.
const WINDOW: usize = 32 * 1024;

/// A write under way.
#[derive(Debug)]
pub struct Writing {
    /// Where the next byte goes.
    at: usize,
    /// Up to where the flash is erased.
    erased: usize,
    /// Bytes that are still to be written.
    remaining: usize,
    /// For the check of the order of blocks.
    blocks: u32,
    next_block: u32,
    inflate: Option<Decompress>,
}

/// How much is erased at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    All,
    AsItGoes,
}

impl Writing {
    /// Begins to write `size` bytes at `offset`, which come in `blocks` blocks.
    ///
    /// # Errors
    ///
    /// [`Fault::Failed`] if they are not in the first `limit` bytes of the flash.
    pub fn begin(
        flash: &mut Flash,
        limit: usize,
        [size, blocks, _, offset]: [u32; 4],
        is_deflated: bool,
        erase: Erase,
    ) -> Result<Self, Fault> {
        let (at, remaining) = (offset as usize, size as usize);
        at.checked_add(remaining).filter(|&end| end <= limit).ok_or(Fault::Failed)?;
        let inflate = is_deflated.then(|| Decompress::new(true));
        let mut writing =
            Self { at, erased: at / SECTOR * SECTOR, remaining, blocks, next_block: 0, inflate };
        if erase == Erase::All {
            writing.erase_to(flash, at + remaining)?;
        }
        Ok(writing)
    }

    /// Whether the blocks are a zlib stream.
    pub const fn is_deflated(&self) -> bool {
        self.inflate.is_some()
    }

    /// Where the next byte goes.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are still to be written.
    pub const fn remaining(&self) -> usize {
        self.remaining
    }

    /// Whether block `sequence` is the next; the one before it may come again, and is then written already.
    ///
    /// # Errors
    ///
    /// [`Fault::Failed`] for any other block.
    pub fn expect(&mut self, sequence: u32) -> Result<bool, Fault> {
        if sequence == self.next_block && sequence < self.blocks {
            self.next_block += 1;
            return Ok(true);
        }
        if sequence + 1 == self.next_block { Ok(false) } else { Err(Fault::Failed) }
    }

    /// Takes the contents of a block. What goes beyond the announced size is padding, and is dropped.
    ///
    /// # Errors
    ///
    /// [`Fault::Inflate`] or [`Fault::Write`].
    pub fn take(&mut self, flash: &mut Flash, block: &[u8]) -> Result<(), Fault> {
        let Some(mut inflate) = self.inflate.take() else { return self.write(flash, block) };
        let taken = self.inflate_into(flash, &mut inflate, block);
        self.inflate = Some(inflate);
        taken
    }

    fn inflate_into(
        &mut self,
        flash: &mut Flash,
        inflate: &mut Decompress,
        mut block: &[u8],
    ) -> Result<(), Fault> {
        let mut window = vec![0; WINDOW];
        loop {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let status =
                inflate.decompress(block, &mut window, FlushDecompress::None).map_err(|_| Fault::Inflate)?;
            block = &block[(inflate.total_in() - read) as usize..];
            let out = (inflate.total_out() - written) as usize;
            self.write(flash, &window[..out])?;
            if status == Status::StreamEnd || (block.is_empty() && out < WINDOW) {
                return Ok(());
            }
            if status == Status::BufError {
                return Err(Fault::Inflate);
            }
        }
    }

    fn write(&mut self, flash: &mut Flash, data: &[u8]) -> Result<(), Fault> {
        let data = &data[..data.len().min(self.remaining)];
        self.erase_to(flash, self.at + data.len())?;
        flash.program(WHOLE, self.at, data).map_err(|_| Fault::Write)?;
        self.at += data.len();
        self.remaining -= data.len();
        Ok(())
    }

    fn erase_to(&mut self, flash: &mut Flash, end: usize) -> Result<(), Fault> {
        if end > self.erased {
            flash.erase(WHOLE, self.erased, end - self.erased).map_err(|_| Fault::Write)?;
            self.erased = end.next_multiple_of(SECTOR);
        }
        Ok(())
    }
}
