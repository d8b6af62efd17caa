//! `otadata`: two records, each in a sector of its own, that say which slot boots.
//!
//! A record has 32 bytes: sequence number, 20 bytes of label, image state, and the CRC-32 of the sequence number.
//! The valid record with the higher sequence number wins; its slot is `(sequence - 1) % 2`. Writing always goes to
//! the record that did not win, so that a cut write leaves the old choice. With no valid record `app0` boots.
//!
//! Source: ESP-IDF Programming Guide, "Over The Air Updates" and "App Rollback". As with `CONFIG_BOOTLOADER_APP_
//! ROLLBACK_ENABLE`, an image that was written but dies before it came up once is not booted a second time.

use super::flash::{Flash, OutOfPartition, SECTOR};
use super::partitions::{OTADATA, Slot};

const RECORD: usize = 32;
const EMPTY_SEQUENCE: u32 = u32::MAX;

/// How far an image got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Written, not booted yet.
    New,
    /// Boots for the first time.
    Pending,
    /// Came up.
    Valid,
    /// Declared unfit.
    Invalid,
    /// Died during its first boot.
    Aborted,
    /// Roll-back is not used.
    Undefined,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// From 1.
    pub sequence: u32,
    pub state: State,
}

impl Record {
    /// The slot that it chooses.
    pub const fn slot(self) -> Slot {
        if self.sequence % 2 == 1 { Slot::App0 } else { Slot::App1 }
    }

    const fn is_bootable(self) -> bool {
        !matches!(self.state, State::Invalid | State::Aborted)
    }

    /// The record in `bytes`; none if it is empty, torn or not a record.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let (sequence, state, crc) = (word(0)?, word(24)?, word(28)?);
        let is_record = sequence != EMPTY_SEQUENCE && sequence != 0 && crc == crc32(&sequence.to_le_bytes());
        is_record.then_some(Self { sequence, state: State::from_word(state) })
    }

    fn encode(self) -> [u8; RECORD] {
        let mut bytes = [0xFF; RECORD];
        bytes[..4].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.state.to_word().to_le_bytes());
        bytes[28..].copy_from_slice(&crc32(&self.sequence.to_le_bytes()).to_le_bytes());
        bytes
    }
}

impl State {
    const fn to_word(self) -> u32 {
        match self {
            Self::New => 0,
            Self::Pending => 1,
            Self::Valid => 2,
            Self::Invalid => 3,
            Self::Aborted => 4,
            Self::Undefined => u32::MAX,
        }
    }

    const fn from_word(word: u32) -> Self {
        match word {
            0 => Self::New,
            1 => Self::Pending,
            2 => Self::Valid,
            3 => Self::Invalid,
            4 => Self::Aborted,
            _ => Self::Undefined,
        }
    }
}

/// The record that decides, if one does.
pub fn chosen(flash: &Flash) -> Option<Record> {
    winner(flash).map(|(_, record)| record)
}

/// The slot that boots; `app0` without a record.
pub fn boot_slot(flash: &Flash) -> Slot {
    chosen(flash).map_or(Slot::App0, Record::slot)
}

/// Makes `slot` boot from now on; its image has the state `state`.
///
/// # Errors
///
/// Never; a record fits into its partition.
pub fn choose(flash: &mut Flash, slot: Slot, state: State) -> Result<(), OutOfPartition> {
    // Unfit records count for the numbering too, or an old choice could win again.
    let mut highest = records(flash).into_iter().flatten().map(|record| record.sequence).max().unwrap_or(0);
    if highest >= EMPTY_SEQUENCE - 2 {
        flash.erase(OTADATA, 0, 2 * SECTOR)?; // the numbers are used up: begin anew
        highest = 0;
    }
    let next = Record { sequence: highest + 1, state };
    let record = if next.slot() == slot { next } else { Record { sequence: highest + 2, state } };
    let place = winner(flash).map_or(0, |(place, _)| 1 - place);
    write(flash, place, record)
}

/// Notes how far the image of the deciding record got.
///
/// # Errors
///
/// Never; a record fits into its partition.
pub fn note(flash: &mut Flash, state: State) -> Result<(), OutOfPartition> {
    match winner(flash) {
        Some((place, record)) => write(flash, place, Record { state, ..record }),
        None => Ok(()),
    }
}

fn records(flash: &Flash) -> [Option<Record>; 2] {
    let bytes = flash.read(OTADATA);
    [Record::decode(&bytes[..RECORD]), Record::decode(&bytes[SECTOR..SECTOR + RECORD])]
}

fn winner(flash: &Flash) -> Option<(usize, Record)> {
    records(flash)
        .into_iter()
        .enumerate()
        .filter_map(|(place, record)| Some((place, record?)))
        .filter(|(_, record)| record.is_bootable())
        .max_by_key(|(_, record)| record.sequence)
}

fn write(flash: &mut Flash, place: usize, record: Record) -> Result<(), OutOfPartition> {
    flash.erase(OTADATA, place * SECTOR, RECORD)?;
    flash.program(OTADATA, place * SECTOR, &record.encode())
}

/// CRC-32 as ESP-IDF's `esp_rom_crc32_le(UINT32_MAX, …)` computes it: reflected polynomial 0xEDB88320, and because
/// that function inverts its seed, an initial value of zero.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_sequence_1_is_that_of_the_arduino_cores_boot_app0() {
        let bytes = Record { sequence: 1, state: State::Undefined }.encode();
        let mut expected = [0xFF; RECORD];
        expected[..4].copy_from_slice(&[1, 0, 0, 0]);
        expected[28..].copy_from_slice(&[0x9A, 0x98, 0x43, 0x47]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn an_empty_flash_boots_app0() {
        let flash = Flash::blank();
        assert_eq!((chosen(&flash), boot_slot(&flash)), (None, Slot::App0));
    }

    #[test]
    fn choices_alternate_between_the_records_and_count_up() {
        let mut flash = Flash::blank();
        for (slot, sequence) in [(Slot::App1, 2), (Slot::App0, 3), (Slot::App0, 5), (Slot::App1, 6)] {
            choose(&mut flash, slot, State::Valid).unwrap();
            assert_eq!(chosen(&flash), Some(Record { sequence, state: State::Valid }));
            assert_eq!(boot_slot(&flash), slot);
        }
        assert_eq!(records(&flash).map(|record| record.unwrap().sequence), [5, 6]);
    }

    #[test]
    fn a_torn_record_leaves_the_choice_before_it() {
        let mut flash = Flash::blank();
        choose(&mut flash, Slot::App0, State::Valid).unwrap();
        choose(&mut flash, Slot::App1, State::Valid).unwrap();
        flash.program(OTADATA, SECTOR, &[0]).unwrap();
        assert_eq!(boot_slot(&flash), Slot::App0);
    }

    #[test]
    fn an_aborted_image_gives_way_and_is_never_chosen_by_number_again() {
        let mut flash = Flash::blank();
        choose(&mut flash, Slot::App0, State::Valid).unwrap();
        choose(&mut flash, Slot::App1, State::New).unwrap();
        note(&mut flash, State::Aborted).unwrap();
        assert_eq!(chosen(&flash), Some(Record { sequence: 1, state: State::Valid }));
        choose(&mut flash, Slot::App1, State::New).unwrap();
        assert_eq!(chosen(&flash), Some(Record { sequence: 4, state: State::New }));
    }

    #[test]
    fn each_state_is_read_back() {
        use State::{Aborted, Invalid, New, Pending, Undefined, Valid};
        for state in [New, Pending, Valid, Invalid, Aborted, Undefined] {
            let record = Record { sequence: 7, state };
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }

    #[test]
    fn the_last_sequence_numbers_do_not_run_over() {
        for last in EMPTY_SEQUENCE - 4..EMPTY_SEQUENCE {
            let mut flash = Flash::blank();
            write(&mut flash, 0, Record { sequence: last, state: State::Valid }).unwrap();
            for slot in [Slot::App0, Slot::App1, Slot::App1, Slot::App0] {
                choose(&mut flash, slot, State::Valid).unwrap();
                assert_eq!(boot_slot(&flash), slot);
            }
        }
    }
}
