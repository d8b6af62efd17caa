//! Removes built images that nobody has asked for in a long time.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{CompileError, Target, cache::Entry};
use crate::source::Source;
use crate::tools::{Toolbox, lock};

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    pub images: usize,
    pub bytes: u64,
}

/// Removes the images of the build cache of `toolbox` that were last asked for more than `unused_for` ago. One that is
/// being built stays.
///
/// # Errors
///
/// [`CompileError::Cache`].
pub fn prune(toolbox: &Toolbox, unused_for: Duration) -> Result<Pruned, CompileError> {
    let images = toolbox.cache().join("images");
    let mut pruned = Pruned::default();
    let entries = match std::fs::read_dir(&images) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(pruned),
        Err(error) => return Err(unusable(&images)(error)),
    };
    let now = SystemTime::now();
    for entry in entries {
        let folder = entry.map_err(unusable(&images))?.path();
        let used = folder.join("image.json").metadata().and_then(|file| file.modified());
        let Ok(used) = used else { continue }; // a lock, or an image that is just being stored
        if now.duration_since(used).is_ok_and(|unused| unused > unused_for) {
            pruned.add(remove(&folder).map_err(unusable(&folder))?);
        }
    }
    Ok(pruned)
}

/// Removes the image of `source` from the build cache of `toolbox`, so that the next compile builds it anew.
///
/// # Errors
///
/// [`CompileError::Cache`].
pub fn forget(source: &Source, target: Target, toolbox: &Toolbox) -> Result<Pruned, CompileError> {
    let entry = Entry::of(toolbox.cache(), source, target).map_err(unusable(toolbox.cache()))?;
    let mut pruned = Pruned::default();
    if entry.folder().is_dir() {
        pruned.add(remove(entry.folder()).map_err(unusable(entry.folder()))?);
    }
    Ok(pruned)
}

impl Pruned {
    fn add(&mut self, bytes: Option<u64>) {
        self.images += usize::from(bytes.is_some());
        self.bytes += bytes.unwrap_or_default();
    }
}

/// Removes an image and returns its size; none if it is being built.
fn remove(folder: &Path) -> io::Result<Option<u64>> {
    let Some(_held) = lock::try_lock(&folder.with_extension("lock"))? else { return Ok(None) };
    let files: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    let bytes = files.iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
    // Renamed first: whoever looks for it finds it whole or not at all.
    let gone = folder.with_extension("gone");
    std::fs::rename(folder, &gone)?;
    std::fs::remove_dir_all(&gone)?;
    Ok(Some(bytes))
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> CompileError {
    let path = path.to_owned();
    move |source| CompileError::Cache { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_asked_for_is_removed() {
        let cache = tempfile::tempdir().unwrap();
        let images = cache.path().join("images");
        let long_ago = SystemTime::now() - Duration::from_secs(100);
        for (name, used) in [("old", long_ago), ("new", SystemTime::now()), ("building", long_ago)] {
            std::fs::create_dir_all(images.join(name)).unwrap();
            let file = std::fs::File::create(images.join(name).join("image.json")).unwrap();
            file.set_modified(used).unwrap();
            std::fs::write(images.join(name).join("firmware.bin"), [0; 1000]).unwrap();
        }
        let building = lock::try_lock(&images.join("building.lock")).unwrap().unwrap();
        let pruned = prune(&Toolbox::at(cache.path()), Duration::from_secs(50)).unwrap();
        assert_eq!(pruned, Pruned { images: 1, bytes: 1000 });
        assert!(
            !images.join("old").exists() && images.join("new").exists() && images.join("building").exists()
        );
        drop(building);
        assert_eq!(prune(&Toolbox::at(cache.path()), Duration::from_secs(50)).unwrap().images, 1);
    }

    #[test]
    fn an_empty_cache_has_nothing_to_remove() {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(prune(&Toolbox::at(cache.path()), Duration::ZERO).unwrap(), Pruned::default());
    }
}
