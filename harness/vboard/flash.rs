//! Four MiB of NOR flash: erasing sets a sector to ones, programming only clears bits.
//!
//! The contents live in memory. With a file behind them they are written back whole and atomically by
//! [`Flash::save`], so that a killed process leaves the old contents or the new, never a mixture. The open file is
//! locked: two boards cannot share one flash.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::VirtualBoardError;
use super::partitions::{self, Partition};
use crate::tools::lock::FileLock;

/// Bytes of flash.
pub const SIZE: usize = 4 * 1024 * 1024;
/// The smallest part that can be erased, in bytes.
pub const SECTOR: usize = 4096;

/// The flash of one board.
#[derive(Debug)]
pub struct Flash {
    bytes: Vec<u8>,
    /// Whether the bytes may differ from the file's.
    is_changed: bool,
    file: Option<Backing>,
}

#[derive(Debug)]
struct Backing {
    path: PathBuf,
    _lock: FileLock,
}

/// A range that is not in the partition that was named.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes at {at:#x} do not fit into the {size} bytes of partition {label}")]
pub struct OutOfPartition {
    label: &'static str,
    at: usize,
    length: usize,
    size: usize,
}

impl Flash {
    /// A flash that is empty but for its partition table.
    pub fn blank() -> Self {
        let mut bytes = vec![0xFF; SIZE];
        bytes[partitions::TABLE_OFFSET..][..partitions::TABLE_SIZE].copy_from_slice(&partitions::table());
        Self { bytes, is_changed: false, file: None }
    }

    /// The flash kept in `path`, which is created if it does not exist.
    ///
    /// # Errors
    ///
    /// [`VirtualBoardError::Flash`] if the file cannot be used, is not a flash, or is in use.
    pub fn open(path: &Path) -> Result<Self, VirtualBoardError> {
        let refuse = |reason: String| VirtualBoardError::Flash { path: path.to_owned(), reason };
        let file = match File::options().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut flash = Self::blank();
                let lock = replace(path, &flash.bytes).map_err(|e| refuse(e.to_string()))?;
                flash.file = Some(Backing { path: path.to_owned(), _lock: lock });
                return Ok(flash);
            }
            Err(e) => return Err(refuse(e.to_string())),
        };
        let lock = lock(file, path).map_err(|e| refuse(e.to_string()))?;
        let mut bytes = Vec::with_capacity(SIZE);
        // One byte more than needed tells a file that is too big without reading all of it.
        (&*lock).take(SIZE as u64 + 1).read_to_end(&mut bytes).map_err(|e| refuse(e.to_string()))?;
        if bytes.len() != SIZE {
            return Err(refuse(format!("it does not have the {SIZE} bytes of the board's flash")));
        }
        if !matches!(bytes[partitions::TABLE_OFFSET..], [0xAA, 0x50, ..] | [0xFF, 0xFF, ..]) {
            return Err(refuse(
                "it holds something else than a partition table where a flash has one".to_owned(),
            ));
        }
        // A link stays a link: what is replaced at a save is the file behind it.
        let path = path.canonicalize().map_err(|e| refuse(e.to_string()))?;
        Ok(Self { bytes, is_changed: false, file: Some(Backing { path, _lock: lock }) })
    }

    /// The contents of a partition.
    pub fn read(&self, partition: Partition) -> &[u8] {
        &self.bytes[partition.offset..][..partition.size]
    }

    /// Sets the sectors that `at..at + length` of the partition touches to ones.
    ///
    /// # Errors
    ///
    /// [`OutOfPartition`].
    pub fn erase(&mut self, partition: Partition, at: usize, length: usize) -> Result<(), OutOfPartition> {
        let first = at / SECTOR * SECTOR;
        let end = at.saturating_add(length).next_multiple_of(SECTOR);
        self.range(partition, first, end - first)?.fill(0xFF);
        Ok(())
    }

    /// Programs `data` at `at` of the partition; a bit that is zero stays zero until it is erased.
    ///
    /// # Errors
    ///
    /// [`OutOfPartition`].
    pub fn program(&mut self, partition: Partition, at: usize, data: &[u8]) -> Result<(), OutOfPartition> {
        let cells = self.range(partition, at, data.len())?;
        cells.iter_mut().zip(data).for_each(|(cell, byte)| *cell &= byte);
        Ok(())
    }

    /// Whether the partition table is this board's; a serial loader can erase it, or write another one.
    pub fn has_table(&self) -> bool {
        self.bytes[partitions::TABLE_OFFSET..][..partitions::TABLE_SIZE] == partitions::table()
    }

    /// Writes what was changed to the file behind the contents, if there is one, in one step.
    ///
    /// # Errors
    ///
    /// The error of the operating system; the file then has its former contents.
    pub fn save(&mut self) -> io::Result<()> {
        if let Some(Backing { path, .. }) = self.file.as_ref().filter(|_| self.is_changed) {
            let lock = replace(path, &self.bytes)?;
            self.file = Some(Backing { path: path.clone(), _lock: lock });
            self.is_changed = false;
        }
        Ok(())
    }

    /// Lets go of the file; what is changed from now on is not kept.
    pub fn close(&mut self) {
        self.file = None;
    }

    fn range(&mut self, partition: Partition, at: usize, length: usize) -> Result<&mut [u8], OutOfPartition> {
        let Partition { label, offset, size, .. } = partition;
        match at.checked_add(length) {
            Some(end) if end <= size => {
                self.is_changed = true;
                Ok(&mut self.bytes[offset + at..offset + end])
            }
            _ => Err(OutOfPartition { label, at, length, size }),
        }
    }
}

/// Puts `bytes` in the place of `path` and returns the new file, locked before it could be seen.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<FileLock> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    let lock = FileLock::take(file.as_file().try_clone()?)?.ok_or_else(in_use)?;
    file.persist(path)?;
    Ok(lock)
}

/// Locks `file`, which was opened as `path`, and makes sure that it was not replaced in between.
fn lock(file: File, path: &Path) -> io::Result<FileLock> {
    let lock = FileLock::take(file)?.ok_or_else(in_use)?;
    let (opened, named) = (lock.metadata()?, path.metadata()?);
    if (opened.dev(), opened.ino()) == (named.dev(), named.ino()) { Ok(lock) } else { Err(in_use()) }
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "another virtual board uses it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vboard::partitions::{APP0, NVS, OTADATA};

    #[test]
    fn programming_clears_bits_and_erasing_sets_whole_sectors() {
        let mut flash = Flash::blank();
        flash.program(APP0, SECTOR - 1, &[0xF0, 0x0F]).unwrap();
        flash.program(APP0, SECTOR - 1, &[0x3C]).unwrap();
        assert_eq!(flash.read(APP0)[SECTOR - 1..=SECTOR], [0x30, 0x0F]);
        flash.erase(APP0, 10, 1).unwrap();
        assert_eq!(flash.read(APP0)[SECTOR - 1..=SECTOR], [0xFF, 0x0F]);
    }

    #[test]
    fn nothing_reaches_beyond_its_partition() {
        let mut flash = Flash::blank();
        assert!(flash.program(NVS, NVS.size - 1, &[0, 0]).is_err());
        assert!(flash.erase(NVS, NVS.size, 1).is_err());
        assert!(flash.erase(NVS, usize::MAX - SECTOR, 1).is_err());
        let error = flash.program(NVS, usize::MAX, &[0]).unwrap_err();
        assert!(error.to_string().ends_with("do not fit into the 20480 bytes of partition nvs"), "{error}");
        assert!(flash.read(OTADATA).iter().all(|&byte| byte == 0xFF));
    }

    #[test]
    fn what_was_saved_is_there_at_the_next_start_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash.bin");
        let mut flash = Flash::open(&path).unwrap();
        flash.program(NVS, 0, b"kept").unwrap();
        flash.save().unwrap();
        flash.program(NVS, 4, b"lost").unwrap();
        drop(flash);
        assert_eq!(&Flash::open(&path).unwrap().read(NVS)[..8], b"kept\xFF\xFF\xFF\xFF");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "no debris");
    }

    #[test]
    fn two_boards_cannot_share_a_flash_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash.bin");
        let mut first = Flash::open(&path).unwrap();
        assert!(Flash::open(&path).unwrap_err().to_string().contains("another virtual board uses it"));
        first.save().unwrap();
        assert!(Flash::open(&path).is_err(), "the lock outlives a save");
        drop(first);
        Flash::open(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_no_flash_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        for (contents, complaint) in
            [(vec![1, 2, 3], "4194304 bytes"), (vec![0; SIZE], "else than a partition table")]
        {
            std::fs::write(&path, &contents).unwrap();
            let error = Flash::open(&path).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
            assert!(std::fs::read(&path).unwrap() == contents);
        }
    }
}
