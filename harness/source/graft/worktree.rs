//! Adding patterns to a working tree, for good.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::GraftError;
use super::site::{Edit, Read, Site};
use crate::graph::Graph;
use crate::source::check;
use crate::source::checkout::{CheckoutError, Manifest, manifest_of_worktree};

/// What was changed in a working tree, by paths relative to it. Nothing, if all was as wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub written: Vec<String>,
    pub removed: Vec<String>,
}

/// Adds the patterns of `graphs` to the working tree at `checkout`, in the places that its manifest names. Patterns that
/// were added before are renewed where they stand; what is as wanted is not written.
///
/// # Errors
///
/// See [`GraftError`]. Nothing was changed then, unless it is [`GraftError::Unwritable`]; each file is written whole or
/// not at all even so.
pub async fn insert(checkout: &Path, graphs: &[Graph]) -> Result<Changes, GraftError> {
    check(graphs)?;
    change(checkout, |manifest, read| Site::of(manifest, read)?.inserted(graphs)).await
}

/// Takes the patterns `ids` out of the working tree at `checkout` again; what is left is to the byte what was there
/// before they were added.
///
/// # Errors
///
/// See [`GraftError`]. As for [`insert`].
pub async fn remove(checkout: &Path, ids: &[String]) -> Result<Changes, GraftError> {
    change(checkout, |manifest, read| Site::of(manifest, read)?.removed(ids)).await
}

async fn change(
    checkout: &Path,
    edits: impl FnOnce(&Manifest, &Read<'_>) -> Result<Vec<Edit>, GraftError>,
) -> Result<Changes, GraftError> {
    let manifest = manifest_of_worktree(checkout).await?;
    let root = checkout.canonicalize().map_err(|source| unreadable(checkout, source))?;
    let read = |path: &str| read(&root, path);
    write(&root, &edits(&manifest, &read)?)
}

/// The text at `path`, unless it lies outside of the checkout.
fn read(root: &Path, path: &str) -> Result<Option<String>, GraftError> {
    let place = place(root, path)?;
    match std::fs::read(&place) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(GraftError::NotText { path: path.to_owned() }),
        },
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(unreadable(&place, source)),
    }
}

/// Where the file at `path` really is, or will be.
fn place(root: &Path, path: &str) -> Result<PathBuf, GraftError> {
    let mut real = root.to_owned();
    for part in path.split('/') {
        real.push(part);
        match real.canonicalize() {
            Ok(place) => real = place,
            Err(error) if is_absent(&error) && real.symlink_metadata().is_err() => {} // not there yet
            Err(error) if is_absent(&error) => {
                return Err(link(root, path, "no file of the checkout is there"));
            }
            Err(source) => return Err(unreadable(&real, source)),
        }
        if !real.starts_with(root) {
            return Err(link(root, path, "it leaves the checkout"));
        }
    }
    Ok(real)
}

fn link(root: &Path, path: &str, reason: &'static str) -> GraftError {
    let linked = Path::new(path).ancestors().find_map(|path| Some((path, root.join(path).read_link().ok()?)));
    let (path, target) = linked.unwrap_or((Path::new(path), PathBuf::new()));
    CheckoutError::Link { path: path.display().to_string(), target: target.display().to_string(), reason }
        .into()
}

/// All new texts are on the disk before the first file changes.
fn write(root: &Path, edits: &[Edit]) -> Result<Changes, GraftError> {
    let mut changes = Changes::default();
    let mut ready = Vec::new();
    for edit in edits {
        let place = place(root, &edit.path)?;
        let old = read(root, &edit.path)?;
        if old == edit.text {
            continue;
        }
        let unwritable = |source| GraftError::Unwritable { path: place.clone(), source };
        let file = edit.text.as_ref().map(|text| beside(&place, text)).transpose().map_err(unwritable)?;
        let list = if file.is_some() { &mut changes.written } else { &mut changes.removed };
        list.push(edit.path.clone());
        ready.push((place, file));
    }
    for (place, file) in ready {
        let done = match file {
            Some(file) => file.persist(&place).map(drop).map_err(|error| error.error),
            None => std::fs::remove_file(&place),
        };
        done.map_err(|source| GraftError::Unwritable { path: place, source })?;
    }
    Ok(changes)
}

/// A file with `text` in the folder of `place`, with the permissions of the file there.
fn beside(place: &Path, text: &str) -> io::Result<tempfile::NamedTempFile> {
    let folder = place.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".k1-hil-");
    // A temporary file is its owner's alone; a new file is for everybody whom the umask lets in.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    if let Ok(old) = place.metadata() {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    Ok(file)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unreadable(path: &Path, source: io::Error) -> GraftError {
    CheckoutError::Unreadable { path: path.to_owned(), source }.into()
}
