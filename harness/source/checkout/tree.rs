//! The files of a checkout in the cache, by their content.
//!
//! ```text
//! CACHE/sources/<sha256>/…    appears at once, by a rename; never changed
//! ```
//!
//! A source refers to them by place and hash; whoever reads them checks the hash, for a cache is a folder that others
//! can write to.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Sha;

/// Files below a folder, and the hash over their paths and contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    pub folder: PathBuf,
    pub sha256: Sha,
}

impl Tree {
    /// Lays `files` out in `cache`, or finds them there.
    ///
    /// # Errors
    ///
    /// Those of the file system; then nothing is there under the hash that was not there before.
    pub(super) fn store(files: &BTreeMap<String, Vec<u8>>, cache: &Path) -> io::Result<Self> {
        let sha256 = hash(files);
        let sources = cache.join("sources");
        let tree = Self { folder: sources.join(sha256.to_string()), sha256 };
        if tree.read().is_ok() {
            return Ok(tree);
        }
        std::fs::create_dir_all(&sources)?;
        let part = tempfile::Builder::new().prefix("part-").tempdir_in(&sources)?;
        for (path, bytes) in files {
            let path = part.path().join(path);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, bytes)?;
        }
        match std::fs::rename(part.path(), &tree.folder) {
            Ok(()) => {}
            // Another process was faster, or what is there was found damaged.
            Err(_) if tree.read().is_ok() => return Ok(tree),
            Err(_) => {
                std::fs::remove_dir_all(&tree.folder)?;
                std::fs::rename(part.path(), &tree.folder)?;
            }
        }
        let _ = part.keep(); // it has its place now, under another name
        Ok(tree)
    }

    /// The files by path.
    ///
    /// # Errors
    ///
    /// Those of the file system; [`io::ErrorKind::InvalidData`] if they are not what was laid out.
    pub fn read(&self) -> io::Result<BTreeMap<String, Vec<u8>>> {
        let mut files = BTreeMap::new();
        collect(&self.folder, "", &mut files)?;
        if hash(&files) == self.sha256 {
            return Ok(files);
        }
        let reason = format!("the files in {} were changed", self.folder.display());
        Err(io::Error::new(io::ErrorKind::InvalidData, reason))
    }
}

pub(super) fn hash(files: &BTreeMap<String, Vec<u8>>) -> Sha {
    Sha::of_parts(files.iter().flat_map(|(path, bytes)| [path.as_bytes(), bytes]))
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.insert(path, std::fs::read(entry.path())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> BTreeMap<String, Vec<u8>> {
        [("src/a.h", text), ("src/deep/b.cpp", "")].map(|(p, t)| (p.to_owned(), t.into())).into()
    }

    #[test]
    fn the_same_files_have_one_place_and_a_damaged_one_is_mended() {
        let cache = tempfile::tempdir().unwrap();
        let tree = Tree::store(&files("int a;"), cache.path()).unwrap();
        assert_eq!(Tree::store(&files("int a;"), cache.path()).unwrap(), tree);
        assert_ne!(Tree::store(&files("int b;"), cache.path()).unwrap(), tree);
        assert_eq!(tree.read().unwrap(), files("int a;"));

        std::fs::write(tree.folder.join("src/extra.h"), "").unwrap();
        assert_eq!(tree.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(Tree::store(&files("int a;"), cache.path()).unwrap(), tree);
        assert_eq!(tree.read().unwrap(), files("int a;"));
        let names = std::fs::read_dir(cache.path().join("sources")).unwrap();
        assert_eq!(names.count(), 2, "nothing half-written is left");
    }
}
