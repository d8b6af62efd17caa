//! Build folders that are kept, so that a build of a checkout costs what changed since the one before.
//!
//! ```text
//! CACHE/checkouts/<n>/lock       held while a build uses the folder
//! CACHE/checkouts/<n>/firmware   the tree, brought up to date file by file
//! CACHE/checkouts/<n>/zig        the compiler's own cache: objects by the content of all that went into them
//! ```
//!
//! The compiler knows files by path, so it finds an object again only where it made it: hence few folders with fixed
//! names, of which a build takes the first that is free. What SCons left of an earlier build is removed: it follows
//! includes by reading them, not by compiling, and misses those that a macro names, whereas the compiler's cache holds
//! what the compiler really read. A warning comes only when an object is made; hence generated sources, whose
//! warnings are judged, have fresh folders instead.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::firmware::write_file;
use crate::tools::lock::{self, FileLock};

/// More builds than that at once wait for the first folder.
const SLOTS: usize = 4;

/// A compiler's cache that has grown beyond this is begun anew.
const MOST_OBJECT_BYTES: u64 = 1 << 30;

/// A build folder that is kept; dropping it lets others use it.
#[derive(Debug)]
pub(super) struct Slot {
    folder: PathBuf,
    _lock: FileLock,
}

impl Slot {
    /// Takes the first free one below `slots`.
    pub(super) async fn take(slots: &Path) -> io::Result<Self> {
        for number in 0..SLOTS {
            let folder = slots.join(number.to_string());
            std::fs::create_dir_all(&folder)?;
            if let Some(lock) = lock::try_lock(&folder.join("lock"))? {
                return Self::begin(folder, lock);
            }
        }
        let folder = slots.join("0");
        let lock = lock::lock(&folder.join("lock"), || ()).await?;
        Self::begin(folder, lock)
    }

    fn begin(folder: PathBuf, lock: FileLock) -> io::Result<Self> {
        let objects = folder.join("zig");
        if size(&objects) > MOST_OBJECT_BYTES {
            std::fs::remove_dir_all(&objects)?;
        }
        for left in ["core", "tmp"] {
            remove(&folder.join(left))?;
        }
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }
}

/// Makes `folder` hold `files` and nothing else. A file that is right already is not touched, so that the compiler's
/// cache sees by its time that it is the old one.
pub(super) fn bring_up_to_date(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    remove_others(folder, "", files)?;
    for (path, bytes) in files {
        let path = folder.join(path);
        if std::fs::read(&path).ok().as_ref() != Some(bytes) {
            write_file(&path, bytes)?;
        }
    }
    Ok(())
}

fn remove_others(folder: &Path, prefix: &str, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let is_folder = entry.file_type()?.is_dir();
        let inside = format!("{path}/");
        let holds_files =
            || files.range(inside.clone()..).next().is_some_and(|(path, _)| path.starts_with(&inside));
        if is_folder && holds_files() {
            remove_others(&entry.path(), &inside, files)?;
        } else if is_folder || !entry.file_type()?.is_file() || !files.contains_key(&path) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(what) if what.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes of the files below `folder`; 0 if there is none.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of_entry = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(what) if what.is_dir() => size(&entry.path()),
        Ok(what) => what.len(),
        Err(_) => 0,
    };
    entries.map(of_entry).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        list.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_folder_is_brought_up_to_date_and_what_is_right_is_not_touched() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("tree");
        bring_up_to_date(&folder, &files(&[("a/b.h", "1"), ("a/c/d.h", "2"), ("x.h", "3")])).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        std::fs::File::options()
            .write(true)
            .open(folder.join("a/b.h"))
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        std::fs::create_dir_all(folder.join(".pio/build")).unwrap();
        std::os::unix::fs::symlink("/etc", folder.join("link")).unwrap();

        let wanted = files(&[("a/b.h", "1"), ("a/c", "a file now"), ("x.h/y.h", "a folder now")]);
        bring_up_to_date(&folder, &wanted).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["a", "x.h"]);
        for (path, bytes) in &wanted {
            assert_eq!(&std::fs::read(folder.join(path)).unwrap(), bytes);
        }
        assert_eq!(folder.join("a/b.h").metadata().unwrap().modified().unwrap(), long_ago);
        assert!(Path::new("/etc").is_dir());
    }

    #[tokio::test]
    async fn each_build_has_a_folder_to_itself_and_the_first_is_used_again() {
        let slots = tempfile::tempdir().unwrap();
        let first = Slot::take(slots.path()).await.unwrap();
        let second = Slot::take(slots.path()).await.unwrap();
        let (one, two) = (first.path().to_owned(), second.path().to_owned());
        assert_ne!(one, two);
        drop(first);
        assert_eq!(Slot::take(slots.path()).await.unwrap().path(), one);
        drop(second);
    }
}
