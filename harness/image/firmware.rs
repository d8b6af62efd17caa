//! The firmware's source tree, which travels inside the library.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use rust_embed::{Embed, EmbeddedFile};

use crate::digest::Sha;

#[derive(Embed)]
#[folder = "firmware/"]
struct Folder;

/// Its files by path, in the order of their paths.
static FILES: LazyLock<BTreeMap<String, EmbeddedFile>> = LazyLock::new(|| {
    Folder::iter()
        .filter(|path| is_source(path))
        .filter_map(|path| Some((path.to_string(), Folder::get(&path)?)))
        .collect()
});

/// Over all paths and contents.
pub(super) static SHA: LazyLock<Sha> =
    LazyLock::new(|| Sha::of_parts(FILES.iter().flat_map(|(path, file)| [path.as_bytes(), &file.data])));

/// The tree's files by path.
pub(super) fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().map(|(path, file)| (path.as_str(), &*file.data))
}

/// Whether the tree has a folder `path`.
pub(super) fn has_folder(path: &str) -> bool {
    FILES.keys().any(|file| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
}

/// Writes the tree into `folder`.
///
/// # Errors
///
/// If a file or folder cannot be written.
pub(super) fn write_to(folder: &Path) -> io::Result<()> {
    files().try_for_each(|(path, bytes)| write_file(&folder.join(path), bytes))
}

/// Writes a file and the folders above it.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bytes)
}

/// What a build in the checkout may have left in the folder, and what a source brings, is not part of the tree.
fn is_source(path: &str) -> bool {
    let mut parts = path.split('/');
    !path.starts_with("generated/") && parts.all(|part| !part.starts_with('.') && part != "__pycache__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_laid_out_as_in_the_checkout() {
        let folder = tempfile::tempdir().unwrap();
        write_to(folder.path()).unwrap();
        let path = "core/frame_record.h";
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware").join(path);
        assert_eq!(std::fs::read(folder.path().join(path)).unwrap(), std::fs::read(checkout).unwrap());
    }

    #[test]
    fn products_of_a_build_are_no_sources() {
        let paths =
            [".pio/build/x.o", "platforms/k1/__pycache__/a.pyc", "generated/registry.cpp", "core/a.cpp"];
        assert_eq!(paths.map(is_source), [false, false, false, true]);
    }
}
