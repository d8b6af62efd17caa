//! The partition table of the K1 board's 4 MiB of flash, in ESP-IDF's binary form.
//!
//! Source: ESP-IDF Programming Guide, "Partition Tables"; the sizes are those of K1.node1's `partitions.csv`.

use md5::{Digest as _, Md5};

/// Where the table lies in flash.
pub const TABLE_OFFSET: usize = 0x8000;
/// Entries are padded with 0xFF to this size.
pub const TABLE_SIZE: usize = 0xC00;

/// A part of the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    pub label: &'static str,
    kind: u8,
    subtype: u8,
    /// Bytes from the beginning of the flash.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

pub const NVS: Partition = Partition { label: "nvs", kind: 1, subtype: 0x02, offset: 0x9000, size: 0x5000 };
pub const OTADATA: Partition =
    Partition { label: "otadata", kind: 1, subtype: 0x00, offset: 0xE000, size: 0x2000 };
pub const APP0: Partition =
    Partition { label: "app0", kind: 0, subtype: 0x10, offset: 0x1_0000, size: 0x1E_0000 };
pub const APP1: Partition =
    Partition { label: "app1", kind: 0, subtype: 0x11, offset: 0x1F_0000, size: 0x1E_0000 };
pub const SPIFFS: Partition =
    Partition { label: "spiffs", kind: 1, subtype: 0x82, offset: 0x3D_0000, size: 0x3_0000 };

/// The flash from its first to its last byte, as the serial loader sees it.
pub const WHOLE: Partition =
    Partition { label: "the whole flash", kind: 0, subtype: 0, offset: 0, size: super::flash::SIZE };

/// One of the two places for an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    App0,
    App1,
}

impl Slot {
    pub const fn partition(self) -> Partition {
        match self {
            Self::App0 => APP0,
            Self::App1 => APP1,
        }
    }

    pub const fn label(self) -> &'static str {
        self.partition().label
    }

    pub const fn other(self) -> Self {
        match self {
            Self::App0 => Self::App1,
            Self::App1 => Self::App0,
        }
    }

    /// The slot of that label.
    pub fn labelled(label: &str) -> Option<Self> {
        [Self::App0, Self::App1].into_iter().find(|slot| slot.label() == label)
    }
}

/// The table as it lies at [`TABLE_OFFSET`]: entries, a row with their MD5, padding.
pub fn table() -> Vec<u8> {
    let mut bytes: Vec<u8> = [NVS, OTADATA, APP0, APP1, SPIFFS].iter().flat_map(entry).collect();
    let md5 = Md5::digest(&bytes);
    bytes.extend([0xEB, 0xEB]);
    bytes.extend([0xFF; 14]);
    bytes.extend(md5);
    bytes.resize(TABLE_SIZE, 0xFF);
    bytes
}

fn entry(partition: &Partition) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&[0xAA, 0x50, partition.kind, partition.subtype]);
    bytes[4..8].copy_from_slice(&(partition.offset as u32).to_le_bytes());
    bytes[8..12].copy_from_slice(&(partition.size as u32).to_le_bytes());
    bytes[12..12 + partition.label.len()].copy_from_slice(partition.label.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_follow_each_other_and_end_with_the_flash() {
        let all = [NVS, OTADATA, APP0, APP1, SPIFFS];
        assert!(all.windows(2).all(|pair| pair[0].offset + pair[0].size <= pair[1].offset));
        assert_eq!(SPIFFS.offset + SPIFFS.size, super::super::flash::SIZE);
    }

    #[test]
    fn an_entry_has_the_form_of_esp_idf() {
        let table = table();
        assert_eq!(table.len(), TABLE_SIZE);
        let app1 = b"\xAA\x50\x00\x11\x00\x00\x1F\x00\x00\x00\x1E\x00app1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(&table[3 * 32..4 * 32], app1);
        assert_eq!(&table[5 * 32..5 * 32 + 2], b"\xEB\xEB");
        assert_eq!(table[5 * 32 + 16..6 * 32], Md5::digest(&table[..5 * 32])[..]);
        assert!(table[6 * 32..].iter().all(|&byte| byte == 0xFF));
    }
}
