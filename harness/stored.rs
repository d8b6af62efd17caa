//! Files that this program leaves behind and reads again: written whole or not at all, with a `format` number,
//! under names that cannot leave their folder.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::blame::Blame;

/// Why a stored file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    #[error("cannot read {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write {path}")]
    Unwritable { path: PathBuf, source: io::Error },
    /// `what` is what the file should be: `a baseline`.
    #[error("{path} is not {what}: {reason}")]
    Malformed { path: PathBuf, what: &'static str, reason: String },
}

impl StoredError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { .. } | Self::Unwritable { .. } => Blame::Configuration,
            Self::Malformed { .. } => Blame::Input,
        }
    }
}

/// Reads the JSON file at `path`, which should be `what` in `format`.
///
/// # Errors
///
/// [`StoredError::Unreadable`] or [`StoredError::Malformed`].
pub(crate) fn read<T: DeserializeOwned>(
    path: &Path,
    what: &'static str,
    format: u32,
) -> Result<T, StoredError> {
    let unreadable = |source| StoredError::Unreadable { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    parse(&bytes, format).map_err(|reason| StoredError::Malformed { path: path.to_owned(), what, reason })
}

/// Reads JSON that this program wrote in `format`.
///
/// # Errors
///
/// The reason, for people, why it is not that.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], format: u32) -> Result<T, String> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    // The number first: what a later version wrote should not be told by the field that it added.
    let found: Format = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if found.format != format {
        return Err(format!("it has format {}; this version reads format {format}", found.format));
    }
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Writes `value` as JSON to `path`, on one line, whole or not at all.
///
/// # Errors
///
/// [`StoredError::Unwritable`].
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), StoredError> {
    let unwritable = |source: io::Error| StoredError::Unwritable { path: path.to_owned(), source };
    let mut bytes = serde_json::to_vec(value).map_err(|e| unwritable(e.into()))?;
    bytes.push(b'\n');
    write(path, &bytes).map_err(unwritable)
}

/// Whether `name` may become part of a path: 1 to 100 ASCII letters, digits, `_`, `-` and `.`, not beginning
/// with a dot. Pattern ids and board models come from firmware and files, so they are checked before they are used.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// What the names of files begin with that are not written whole yet.
const FRAGMENT: &str = ".k1-hil-";

/// Removes from `folder` what a killed process has left half written, if it is older than `age`: a younger one may
/// belong to a process that is just writing it.
pub(crate) fn remove_fragments(folder: &Path, age: Duration) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_fragment = entry.file_name().to_string_lossy().starts_with(FRAGMENT);
        let is_old =
            || entry.metadata()?.modified()?.elapsed().map_err(io::Error::other).map(|old| old >= age);
        if is_fragment && is_old().unwrap_or(false) {
            let _ = std::fs::remove_file(entry.path()); // it takes space and does no harm
        }
    }
}

/// Writes `bytes` to `path`, making its folder where missing. Whoever reads `path`, at whatever moment this
/// process is killed, finds the old contents or the new ones. (Not so if the power fails: nothing here is worth
/// waiting for the disk, for it can be measured again.)
///
/// # Errors
///
/// Those of the file system; nothing new is left behind then.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(FRAGMENT);
    // A temporary file is its owner's alone; these files are for everybody whom the umask lets in.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_folder() {
        for good in ["slow_tide", "k1-virtual", "a.b", "7"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "../up", "a/b", "a\\b", "a\0b", "ü", ".hidden", &"x".repeat(101)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file.json");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_half_written_is_removed_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let fragment = folder.path().join(format!("{FRAGMENT}x"));
        std::fs::write(&fragment, b"ha").unwrap();
        write(&folder.path().join("whole"), b"whole").unwrap();
        remove_fragments(folder.path(), Duration::from_secs(3600));
        assert!(fragment.exists());
        remove_fragments(folder.path(), Duration::ZERO);
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["whole"]);
    }

    #[test]
    fn a_refused_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("inhabitant"), b"").unwrap();
        assert!(write(&path, b"x").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
