//! Downloads into the chip's RAM, which is how clients start their stub.
//!
//! The stub itself is not executed: this board plays it ([`super::loader`]). Any program whose entry point was really
//! downloaded is taken for it; espflash 4.7.0 and esptool 5.6.0 download the same bytes.

use super::fault::Fault;

/// Where the ESP32-S3 has RAM for programs and for data. Source: its technical reference manual, "System and Memory".
const RAM: [std::ops::Range<u32>; 2] = [0x4037_0000..0x403E_0000, 0x3FC8_8000..0x3FD0_0000];

/// What was downloaded since the reset.
#[derive(Debug, Default)]
pub struct Ram {
    segments: Vec<Segment>,
    /// Bytes that are still to come for the last segment.
    remaining: usize,
    is_open: bool,
    next_block: u32,
}

#[derive(Debug)]
struct Segment {
    address: u32,
    bytes: Vec<u8>,
}

impl Ram {
    /// Begins a segment.
    ///
    /// # Errors
    ///
    /// [`Fault::Failed`] if there is no RAM for it.
    pub fn begin(&mut self, [size, _, _, address]: [u32; 4]) -> Result<(), Fault> {
        let end = address.checked_add(size).ok_or(Fault::Failed)?;
        if !RAM.iter().any(|ram| ram.contains(&address) && end <= ram.end) {
            return Err(Fault::Failed);
        }
        // A segment that comes again replaces the one before it.
        self.segments.retain(|segment| segment.address != address);
        self.segments.push(Segment { address, bytes: Vec::new() });
        (self.remaining, self.is_open, self.next_block) = (size as usize, true, 0);
        Ok(())
    }

    /// Takes block `sequence` of the segment; the one before it may come again.
    ///
    /// # Errors
    ///
    /// [`Fault::NotBegun`], [`Fault::TooMuch`], [`Fault::Failed`] for a block out of order.
    pub fn take(&mut self, sequence: u32, data: &[u8]) -> Result<(), Fault> {
        let segment = self.segments.last_mut().filter(|_| self.is_open).ok_or(Fault::NotBegun)?;
        if sequence.checked_add(1) == Some(self.next_block) {
            return Ok(());
        }
        if sequence != self.next_block {
            return Err(Fault::Failed);
        }
        self.remaining = self.remaining.checked_sub(data.len()).ok_or(Fault::TooMuch)?;
        self.next_block += 1;
        segment.bytes.extend(data);
        Ok(())
    }

    /// Ends the download. Whether there is a program at `entry`.
    ///
    /// # Errors
    ///
    /// [`Fault::NotBegun`].
    pub fn end(&mut self, entry: u32) -> Result<bool, Fault> {
        if !std::mem::take(&mut self.is_open) {
            return Err(Fault::NotBegun);
        }
        let holds = |segment: &Segment| {
            entry.checked_sub(segment.address).is_some_and(|at| (at as usize) < segment.bytes.len())
        };
        Ok(self.segments.iter().any(holds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: u32 = 0x4037_8000;

    #[test]
    fn a_program_is_there_once_its_entry_was_downloaded() {
        let mut ram = Ram::default();
        ram.begin([8, 2, 4, TEXT]).unwrap();
        ram.take(0, b"abcd").unwrap();
        ram.take(0, b"abcd").unwrap(); // the answer was lost, and it comes again
        assert_eq!(ram.take(2, b"efgh"), Err(Fault::Failed));
        ram.take(1, b"efgh").unwrap();
        assert_eq!(ram.take(2, b"i"), Err(Fault::TooMuch));
        ram.begin([4, 1, 4, 0x3FCB_2DC4]).unwrap();
        assert_eq!(ram.end(TEXT + 7), Ok(true));
        assert_eq!(ram.end(TEXT), Err(Fault::NotBegun));
        ram.begin([4, 1, 4, 0x3FCB_2DC4]).unwrap();
        assert_eq!(ram.end(TEXT + 8), Ok(false));
    }

    #[test]
    fn there_is_no_ram_elsewhere() {
        for (size, address) in [(4, 0x4200_0000), (0x8_0000, TEXT), (u32::MAX, TEXT)] {
            assert_eq!(Ram::default().begin([size, 1, size, address]), Err(Fault::Failed));
        }
    }
}
