//! The records and pictures of one finished run, kept apart from the ring.
//!
//! A run may fill the whole ring, and the board draws on when it is done. So its records are read out before the
//! next command and stay readable until the next run begins, however late the client asks for them.

use std::io;

use super::mailbox::{MAX_LEDS, Mailbox, Status};
use crate::board::probe::{FrameRecord, RING_CAPACITY};

/// What one run recorded.
#[derive(Debug, Default)]
pub struct RunRecords {
    pub first_sequence: u32,
    pub records: Vec<FrameRecord>,
    /// Of [`MAX_LEDS`] LEDs each, as they lie in the ring.
    pub pictures: Vec<Vec<u8>>,
}

impl RunRecords {
    /// Reads them from the ring; the run must be the last thing that the firmware did.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn read(mailbox: &Mailbox, status: &Status) -> io::Result<Self> {
        let (first, count) = (status.run_first_sequence, status.run_recorded.min(RING_CAPACITY));
        Ok(Self {
            first_sequence: first,
            records: mailbox.records(first, count)?,
            pictures: mailbox.pictures(first, count, MAX_LEDS)?,
        })
    }

    /// At most `max` records from `sequence` on.
    pub fn records_from(&self, sequence: u32, max: u32) -> Vec<FrameRecord> {
        self.records.iter().skip(self.index(sequence)).take(max as usize).copied().collect()
    }

    /// At most `max` pictures of the frames `sequence`, `sequence + every` …, cut to `led_count` LEDs.
    pub fn pictures_from(&self, sequence: u32, max: u32, every: u32, led_count: u32) -> Vec<Vec<u8>> {
        let size = 3 * led_count.min(MAX_LEDS) as usize;
        let pictures = self.pictures.iter().skip(self.index(sequence)).step_by(every.max(1) as usize);
        pictures.take(max as usize).map(|picture| picture[..size.min(picture.len())].to_vec()).collect()
    }

    fn index(&self, sequence: u32) -> usize {
        sequence.saturating_sub(self.first_sequence) as usize
    }
}
