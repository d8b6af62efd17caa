//! Where an application goes: the partition table and the choice of the slot that boots, as they lie in flash.
//!
//! Sources: ESP-IDF Programming Guide, "Partition Tables", "Over The Air Updates".

/// Where the table lies.
pub(super) const TABLE: u32 = 0x8000;
/// Bytes of it that are looked at: 32 entries, more than any board has.
pub(super) const TABLE_LENGTH: u32 = 0x400;
/// Bytes of a record of choice; there are two, each in a sector of its own.
pub(super) const RECORD: u32 = 32;
/// The smallest part of the flash that can be erased, bytes.
pub(super) const SECTOR: u32 = 4096;

const ENTRY: usize = 32;
const MAGIC: [u8; 2] = [0xAA, 0x50];
const APP: u8 = 0;
const DATA: u8 = 1;
/// Subtypes of applications: the slots from here on, at most 16.
const FIRST_SLOT: u8 = 0x10;
/// Subtype of the data that says which slot boots.
const CHOICE: u8 = 0;
/// States of a record that keep its slot from being booted: invalid, aborted.
const UNFIT: [u32; 2] = [3, 4];
/// The state of a record that roll-back does not look at.
const UNDEFINED: u32 = u32::MAX;

/// One of the two places for an application.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    #[default]
    App0,
    App1,
}

/// A range of the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) offset: u32,
    /// Bytes.
    pub(super) size: u32,
}

/// What of a partition table matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// By their numbers.
    slots: Vec<(u8, Area)>,
    /// The two records of choice.
    pub(super) choice: Option<Area>,
}

impl Slot {
    const fn number(self) -> u8 {
        match self {
            Self::App0 => 0,
            Self::App1 => 1,
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::App0 => "app0",
            Self::App1 => "app1",
        }
    }
}

impl Layout {
    /// Reads a table; it ends where no further entry begins.
    pub(super) fn read(table: &[u8]) -> Self {
        let mut layout = Self::default();
        for entry in table.chunks_exact(ENTRY).take_while(|entry| entry[..2] == MAGIC) {
            let area = Area { offset: word(entry, 4), size: word(entry, 8) };
            match (entry[2], entry[3]) {
                (APP, subtype @ FIRST_SLOT..=0x1F) => layout.slots.push((subtype - FIRST_SLOT, area)),
                (DATA, CHOICE) => layout.choice = Some(area),
                _ => {}
            }
        }
        layout
    }

    /// Where `slot` lies, if the table has it.
    pub(super) fn slot(&self, slot: Slot) -> Option<Area> {
        self.slots.iter().find(|(number, _)| *number == slot.number()).map(|(_, area)| *area)
    }

    /// What has to be written, relative to [`Self::choice`], so that `slot` boots; `records` are the beginnings of the
    /// two sectors as they are. Nothing if it boots already.
    pub(super) fn choose(&self, slot: Slot, records: [&[u8]; 2]) -> Option<(u32, [u8; RECORD as usize])> {
        let slots = self.slots.len().max(1) as u32;
        let chosen = |sequence: u32| (sequence - 1) % slots;
        let wanted = u32::from(slot.number());
        let sequences = records.map(sequence);
        let fit = |at: usize| sequences[at].filter(|_| !UNFIT.contains(&word(records[at], 24)));
        let winner = match (fit(0), fit(1)) {
            (Some(first), Some(second)) => Some(if second > first { 1 } else { 0 }),
            (first, second) => first.map(|_| 0).or(second.map(|_| 1)),
        };
        match winner.and_then(fit) {
            Some(sequence) if chosen(sequence) == wanted => return None,
            // Without a choice the first slot boots.
            None if wanted == 0 && sequences == [None, None] => return None,
            _ => {}
        }
        // Unfit records count for the numbering too, or an old choice could win again.
        let highest = sequences.into_iter().flatten().max().unwrap_or(0);
        let next = (highest + 1..).find(|&sequence| chosen(sequence) == wanted).unwrap_or(1);
        let place = winner.map_or(0, |winner| 1 - winner);
        Some((place as u32 * SECTOR, record(next)))
    }
}

/// The number in a record; none if it is empty or torn.
fn sequence(record: &[u8]) -> Option<u32> {
    let sequence = word(record, 0);
    let is_whole = sequence != 0 && sequence != u32::MAX && word(record, 28) == crc(sequence);
    is_whole.then_some(sequence)
}

fn record(sequence: u32) -> [u8; RECORD as usize] {
    let mut bytes = [0xFF; RECORD as usize];
    bytes[..4].copy_from_slice(&sequence.to_le_bytes());
    bytes[24..28].copy_from_slice(&UNDEFINED.to_le_bytes());
    bytes[28..].copy_from_slice(&crc(sequence).to_le_bytes());
    bytes
}

/// CRC-32 as the boot loader begins it: with zero.
fn crc(sequence: u32) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !sequence.to_le_bytes().iter().fold(0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// The word at `at`; 0 behind the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const EMPTY: [u8; 32] = [0xFF; 32];

    fn entry(kind: u8, subtype: u8, offset: u32, size: u32) -> Vec<u8> {
        let mut entry = [&MAGIC[..], &[kind, subtype], &offset.to_le_bytes(), &size.to_le_bytes()].concat();
        entry.resize(ENTRY, 0);
        entry
    }

    fn layout() -> Layout {
        let table = [
            entry(DATA, 2, 0x9000, 0x5000),
            entry(DATA, CHOICE, 0xE000, 0x2000),
            entry(APP, 0x10, 0x1_0000, 0x1E_0000),
            entry(APP, 0x11, 0x1F_0000, 0x1E_0000),
            vec![0xEB; 32],
            entry(APP, 0x12, 0, 0),
        ];
        Layout::read(&table.concat())
    }

    #[test]
    fn a_table_is_read_up_to_its_end() {
        let layout = layout();
        assert_eq!(layout.slot(Slot::App0), Some(Area { offset: 0x1_0000, size: 0x1E_0000 }));
        assert_eq!(layout.slot(Slot::App1), Some(Area { offset: 0x1F_0000, size: 0x1E_0000 }));
        assert_eq!((layout.slots.len(), layout.choice.unwrap().offset), (2, 0xE000));
        assert_eq!(Layout::read(&[0xFF; 0x400]), Layout::default());
    }

    #[test]
    fn a_record_is_that_of_esp_idf() {
        // From boot_app0.bin of the Arduino core: sequence 1, its CRC 0x4743989A.
        assert_eq!(record(1)[..4], [1, 0, 0, 0]);
        assert_eq!(record(1)[28..], [0x9A, 0x98, 0x43, 0x47]);
    }

    #[rstest]
    #[case::nothing_written(Slot::App0, EMPTY, EMPTY, None)]
    #[case::the_second_slot(Slot::App1, EMPTY, EMPTY, Some((0, 2)))]
    #[case::chosen_already(Slot::App0, record(3), record(2), None)]
    #[case::the_other_is_chosen(Slot::App0, record(3), record(4), Some((0, 5)))]
    #[case::over_two_numbers(Slot::App1, record(4), record(5), Some((0, 6)))]
    #[case::a_torn_record_does_not_count(Slot::App0, [7; 32], record(2), Some((0, 3)))]
    #[case::aborted(Slot::App0, unfit(3), EMPTY, Some((0, 5)))]
    #[case::fallen_back(Slot::App1, record(1), unfit(2), Some((1, 4)))]
    fn the_choice_is_changed_only_where_it_must_be(
        #[case] slot: Slot,
        #[case] first: [u8; 32],
        #[case] second: [u8; 32],
        #[case] expected: Option<(u32, u32)>,
    ) {
        let chosen = layout().choose(slot, [&first, &second]);
        assert_eq!(chosen, expected.map(|(place, sequence)| (place * SECTOR, record(sequence))));
    }

    fn unfit(sequence: u32) -> [u8; 32] {
        let mut bytes = record(sequence);
        bytes[24..28].copy_from_slice(&4_u32.to_le_bytes());
        bytes
    }
}
