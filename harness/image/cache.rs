//! The build cache: images by the content of all that they are made from.
//!
//! ```text
//! CACHE/images/<key>/image.json, firmware.bin, firmware.elf    appears at once, by a rename
//! CACHE/images/<key>.lock                                      held while that image is being built
//! ```

use std::io;
use std::path::{Path, PathBuf};

use super::{Image, Target, firmware};
use crate::digest::Sha;
use crate::source::{Checkout, Firmware, Source};
use crate::tools::lock::{self, FileLock};
use crate::tools::pins;

/// Raised when a build with the same inputs would give another image or another `image.json`.
const FORMAT: u8 = 2;

/// The place of one image in the cache, whether it is there or not.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    folder: PathBuf,
    lock: PathBuf,
}

impl Entry {
    /// The place of the image that `source` becomes for `target`.
    ///
    /// # Errors
    ///
    /// Only if the source cannot be written as JSON, which does not happen.
    pub(super) fn of(cache: &Path, source: &Source, target: Target) -> io::Result<Self> {
        let inputs = match &source.firmware {
            // Everything in the source counts, not the hash that it claims to have: it may come from a file.
            Firmware::Core => serde_json::to_vec(source),
            // Not where its files lie and which commit they are of. That they are what their hash says is checked
            // before they are compiled.
            Firmware::Checkout(checkout) => {
                let Checkout { tree, host, .. } = checkout.as_ref();
                serde_json::to_vec(&("checkout", tree.sha256, host, &source.files))
            }
        }?;
        let key = Sha::of(serde_json::to_vec(&(FORMAT, target, Sha::of(inputs), *firmware::SHA, tools()))?);
        let images = cache.join("images");
        Ok(Self { folder: images.join(key.to_string()), lock: images.join(format!("{key}.lock")) })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The image, if it is there and its files are what was built.
    pub(super) fn read(&self) -> Option<Image> {
        let text = std::fs::read(self.folder.join("image.json")).ok()?;
        let mut image: Image = serde_json::from_slice(&text).ok()?;
        // The cache may have been moved since.
        image.bin = self.folder.join("firmware.bin");
        image.elf = self.folder.join("firmware.elf");
        let is = |path: &Path, sha: Sha| std::fs::read(path).is_ok_and(|bytes| Sha::of(bytes) == sha);
        let whole =
            image.format == Image::FORMAT && is(&image.bin, image.sha256) && is(&image.elf, image.elf_sha256);
        if whole {
            self.mark_used();
        }
        whole.then_some(image)
    }

    /// Its file's time tells `prune` that it is in use; a cache that cannot be written is pruned by nobody.
    fn mark_used(&self) {
        let file = std::fs::File::options().append(true).open(self.folder.join("image.json"));
        let _ = file.and_then(|file| file.set_modified(std::time::SystemTime::now()));
    }

    /// Waits until nobody else builds this image, and keeps others from it.
    pub(super) async fn lock(&self) -> io::Result<FileLock> {
        if let Some(images) = self.lock.parent() {
            std::fs::create_dir_all(images)?;
        }
        lock::lock(&self.lock, || ()).await
    }

    /// Puts the image and its two files there, whole or not at all. To be called with the lock held.
    pub(super) fn store(&self, mut image: Image, bin: &[u8], elf: &[u8]) -> io::Result<Image> {
        let images = self.folder.parent().unwrap_or(&self.folder);
        let part = tempfile::Builder::new().prefix("part-").tempdir_in(images)?;
        image.bin = self.folder.join("firmware.bin");
        image.elf = self.folder.join("firmware.elf");
        std::fs::write(part.path().join("firmware.bin"), bin)?;
        std::fs::write(part.path().join("firmware.elf"), elf)?;
        std::fs::write(part.path().join("image.json"), serde_json::to_vec_pretty(&image)?)?;
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {} // what was there had been found damaged
        }
        std::fs::rename(part.path(), &self.folder)?;
        let _ = part.keep(); // it has its place now, under another name
        Ok(image)
    }
}

/// The tools that an image is built with, and their versions.
pub(super) fn tools() -> std::collections::BTreeMap<String, String> {
    pins::PYTHON_PACKAGES.iter().map(|pin| (pin.name.to_owned(), pin.version.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Usage;
    use super::*;
    use crate::source::{Pattern, SourceFile};

    fn source(text: &str) -> Source {
        Source {
            sha256: Sha::of("the same for all of them"),
            firmware: Firmware::Core,
            patterns: vec![Pattern { id: "a".to_owned(), title: "A".to_owned(), audio_reactive: false }],
            files: vec![SourceFile {
                path: "registry.cpp".to_owned(),
                text: text.to_owned(),
                pattern: None,
                nodes: Vec::new(),
            }],
        }
    }

    fn image(bin: &[u8], elf: &[u8]) -> Image {
        Image {
            format: Image::FORMAT,
            target: Target::Virtual,
            bin: PathBuf::new(),
            elf: PathBuf::new(),
            sha256: Sha::of(bin),
            elf_sha256: Sha::of(elf),
            program_sha256: Sha::of(bin),
            source_sha256: Sha::of(""),
            origin: None,
            flash: Usage { used: 1, of: 2 },
            ram: Usage { used: 1, of: 2 },
            warnings: Vec::new(),
            patterns: vec!["a".to_owned()],
            tools: tools(),
        }
    }

    #[test]
    fn the_place_follows_the_content_and_not_the_claimed_hash() {
        let place = |text| Entry::of(Path::new("/c"), &source(text), Target::Virtual).unwrap().folder;
        assert_eq!(place("int a;"), place("int a;"));
        assert_ne!(place("int a;"), place("int b;"));
    }

    #[test]
    fn an_image_is_read_back_until_one_of_its_files_changes() {
        let cache = tempfile::tempdir().unwrap();
        let entry = Entry::of(cache.path(), &source("int a;"), Target::Virtual).unwrap();
        assert_eq!(entry.read(), None);
        std::fs::create_dir_all(cache.path().join("images")).unwrap();
        let stored = entry.store(image(b"bin", b"elf"), b"bin", b"elf").unwrap();
        assert_eq!(entry.read(), Some(stored.clone()));
        assert_eq!(std::fs::read(&stored.bin).unwrap(), b"bin");

        for (path, damage) in
            [(&stored.bin, "bim"), (&stored.elf, ""), (&entry.folder.join("image.json"), "{")]
        {
            std::fs::write(path, damage).unwrap();
            assert_eq!(entry.read(), None, "{}", path.display());
            assert_eq!(entry.store(image(b"bin", b"elf"), b"bin", b"elf").unwrap(), stored);
        }
        std::fs::remove_file(&stored.elf).unwrap();
        assert_eq!(entry.read(), None);
    }

    #[test]
    fn a_cache_that_was_moved_is_still_good() {
        let parent = tempfile::tempdir().unwrap();
        let (old, new) = (parent.path().join("old"), parent.path().join("new"));
        let entry = Entry::of(&old, &source("int a;"), Target::Virtual).unwrap();
        std::fs::create_dir_all(old.join("images")).unwrap();
        entry.store(image(b"bin", b"elf"), b"bin", b"elf").unwrap();
        std::fs::rename(&old, &new).unwrap();
        let found = Entry::of(&new, &source("int a;"), Target::Virtual).unwrap().read().unwrap();
        assert!(found.bin.starts_with(&new) && found.elf.starts_with(&new));
    }
}
