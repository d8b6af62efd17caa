//! The files of a checkout, from its working tree or from a commit. Both ways take the same files and refuse the
//! same things.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::CheckoutError;
use super::manifest::Manifest;
use super::repository::{Entry, Kind, Repository, short};

/// Far above any firmware; a manifest that names a wrong folder should not fill the disk.
const MOST_BYTES: u64 = 64 << 20;
const MOST_FILES: usize = 20_000;

/// Links that lead to links that lead to links.
const MOST_HOPS: usize = 8;

/// Contents by path relative to the checkout's root.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Where files are read from.
#[derive(Clone, Debug)]
pub(super) enum Snapshot {
    /// The working tree below this folder.
    Worktree(PathBuf),
    Commit {
        repository: Repository,
        id: String,
        entries: BTreeMap<String, Entry>,
    },
}

impl Snapshot {
    pub(super) async fn of_commit(repository: &Repository, id: &str) -> Result<Self, CheckoutError> {
        let entries = repository.entries(id).await?;
        Ok(Self::Commit { repository: repository.clone(), id: id.to_owned(), entries })
    }

    /// For people: the folder, and the commit if it is one's.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Worktree(root) => root.display().to_string(),
            Self::Commit { repository, id, .. } => {
                format!("{} at {}", repository.folder().display(), short(id))
            }
        }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        match self {
            Self::Worktree(root) => root.join(path).is_file(),
            Self::Commit { entries, .. } => {
                entries.get(path).is_some_and(|entry| entry.kind != Kind::Submodule)
            }
        }
    }

    /// The text of the file at `path`; none if there is no such file.
    pub(super) async fn text(&self, path: &str) -> Result<Option<String>, CheckoutError> {
        let bytes = match self {
            Self::Worktree(root) => match std::fs::read(root.join(path)) {
                Ok(bytes) => bytes,
                Err(error) if not_there(&error) => return Ok(None),
                Err(source) => return Err(CheckoutError::Unreadable { path: root.join(path), source }),
            },
            Self::Commit { repository, entries, .. } => match entries.get(path) {
                Some(Entry { kind: Kind::File, id }) => repository.contents(&[id]).await?.concat(),
                _ => return Ok(None),
            },
        };
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The files that `manifest` takes.
    ///
    /// # Errors
    ///
    /// [`CheckoutError::Link`] for a link in its folders that does not lead to a file of the checkout,
    /// [`CheckoutError::Submodule`], [`CheckoutError::FileName`], [`CheckoutError::TooLarge`].
    pub(super) async fn files(&self, manifest: &Manifest) -> Result<Files, CheckoutError> {
        match self {
            Self::Worktree(root) => Walk::of(root, manifest)?.files(manifest),
            Self::Commit { repository, entries, .. } => {
                files_of_commit(repository, entries, manifest, self).await
            }
        }
    }
}

async fn files_of_commit(
    repository: &Repository,
    entries: &BTreeMap<String, Entry>,
    manifest: &Manifest,
    snapshot: &Snapshot,
) -> Result<Files, CheckoutError> {
    let mut taken: Vec<(&str, &str)> = Vec::new();
    for (path, entry) in entries.iter().filter(|(path, _)| manifest.covers(path)) {
        match entry.kind {
            Kind::Submodule => {
                let (place, path) = (snapshot.place(), path.clone());
                return Err(CheckoutError::Submodule { place, path });
            }
            Kind::Link => {
                let file = followed(repository, entries, path).await?;
                if manifest.takes(path) {
                    taken.push((path, file));
                }
            }
            Kind::File if manifest.takes(path) => taken.push((path, &entry.id)),
            Kind::File => {}
        }
    }
    taken.iter().try_for_each(|(path, _)| check_name(path))?;
    check_size(taken.len(), 0, snapshot)?;
    let ids: Vec<&str> = taken.iter().map(|(_, id)| *id).collect();
    let contents = repository.contents(&ids).await?;
    check_size(taken.len(), contents.iter().map(|file| file.len() as u64).sum(), snapshot)?;
    Ok(taken.iter().map(|(path, _)| (*path).to_owned()).zip(contents).collect())
}

/// The object of the file that the link at `path` leads to.
async fn followed<'a>(
    repository: &Repository,
    entries: &'a BTreeMap<String, Entry>,
    path: &str,
) -> Result<&'a str, CheckoutError> {
    let mut at = path.to_owned();
    let mut target = String::new();
    let refused = |target: &str, reason| {
        Err(CheckoutError::Link { path: path.to_owned(), target: target.to_owned(), reason })
    };
    for _ in 0..MOST_HOPS {
        match entries.get(&at) {
            Some(Entry { kind: Kind::File, id }) => return Ok(id),
            Some(Entry { kind: Kind::Link, id }) => {
                target = String::from_utf8_lossy(&repository.contents(&[id]).await?.concat()).into_owned();
                match joined(&at, &target) {
                    Some(next) => at = next,
                    None => return refused(&target, "it leaves the checkout"),
                }
            }
            _ => return refused(&target, "no file of the checkout is there"),
        }
    }
    refused(&target, "it leads from link to link")
}

/// Where a link at `path` to `target` leads, if that is inside the root.
fn joined(path: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The files below the folders of a manifest in a working tree.
struct Walk<'a> {
    root: &'a Path,
    /// The root without links.
    real_root: PathBuf,
    /// Paths relative to the root, and where each file really lies.
    found: BTreeMap<String, PathBuf>,
}

impl<'a> Walk<'a> {
    fn of(root: &'a Path, manifest: &Manifest) -> Result<Self, CheckoutError> {
        let real_root = root.canonicalize().map_err(|e| unreadable(root, e))?;
        let mut walk = Self { root, real_root, found: BTreeMap::new() };
        for folder in manifest.folders() {
            if root.join(folder).is_dir() {
                walk.inside(folder)?;
                walk.folder(folder, manifest)?;
            }
        }
        Ok(walk)
    }

    fn folder(&mut self, folder: &str, manifest: &Manifest) -> Result<(), CheckoutError> {
        let path = self.root.join(folder);
        for entry in std::fs::read_dir(&path).map_err(|e| unreadable(&path, e))? {
            let entry = entry.map_err(|e| unreadable(&path, e))?;
            let kind = entry.file_type().map_err(|e| unreadable(&entry.path(), e))?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if !manifest.covers(&path) {
                continue; // hidden
            }
            let real = if kind.is_symlink() { self.linked(&path)? } else { entry.path() };
            if kind.is_dir() {
                self.folder(&path, manifest)?;
            } else if manifest.takes(&path) {
                check_name(&path)?;
                self.found.insert(path, real);
                check_size(self.found.len(), 0, &Snapshot::Worktree(self.root.to_owned()))?;
            }
        }
        Ok(())
    }

    /// The file that the link at `path` leads to.
    fn linked(&self, path: &str) -> Result<PathBuf, CheckoutError> {
        let real = self.inside(path)?;
        if real.is_file() { Ok(real) } else { Err(self.refused(path, "no file of the checkout is there")) }
    }

    fn inside(&self, path: &str) -> Result<PathBuf, CheckoutError> {
        match self.root.join(path).canonicalize() {
            Ok(real) if real.starts_with(&self.real_root) => Ok(real),
            Ok(_) => Err(self.refused(path, "it leaves the checkout")),
            Err(_) => Err(self.refused(path, "no file of the checkout is there")),
        }
    }

    fn refused(&self, path: &str, reason: &'static str) -> CheckoutError {
        let target = std::fs::read_link(self.root.join(path)).unwrap_or_default();
        CheckoutError::Link { path: path.to_owned(), target: target.display().to_string(), reason }
    }

    fn files(self, manifest: &Manifest) -> Result<Files, CheckoutError> {
        let mut bytes = 0;
        let snapshot = Snapshot::Worktree(self.root.to_owned());
        let mut files = Files::new();
        for (path, real) in self.found {
            bytes += real.metadata().map_err(|e| unreadable(&real, e))?.len();
            check_size(files.len(), bytes, &snapshot)?;
            files.insert(path, std::fs::read(&real).map_err(|e| unreadable(&real, e))?);
        }
        debug_assert!(files.keys().all(|path| manifest.takes(path)));
        Ok(files)
    }
}

fn not_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unreadable(path: &Path, source: io::Error) -> CheckoutError {
    CheckoutError::Unreadable { path: path.to_owned(), source }
}

/// The path becomes one below another folder: a commit can hold names that no file system would give.
fn check_name(path: &str) -> Result<(), CheckoutError> {
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\', '\u{fffd}']);
    if path.len() <= 1000 && path.split('/').all(is_name) {
        return Ok(());
    }
    Err(CheckoutError::FileName { path: path.to_owned() })
}

fn check_size(files: usize, bytes: u64, snapshot: &Snapshot) -> Result<(), CheckoutError> {
    if files <= MOST_FILES && bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(CheckoutError::TooLarge { place: snapshot.place(), most_files: MOST_FILES, most_bytes: MOST_BYTES })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("src/a.h", "b.h", Some("src/b.h"))]
    #[case("src/a.h", "../lib/./b.h", Some("lib/b.h"))]
    #[case("src/a.h", "../../b.h", None)]
    #[case("a.h", "../b.h", None)]
    #[case("src/a.h", "/etc/passwd", None)]
    fn a_link_is_followed_inside_the_root(
        #[case] path: &str,
        #[case] target: &str,
        #[case] to: Option<&str>,
    ) {
        assert_eq!(joined(path, target).as_deref(), to);
    }

    #[rstest]
    #[case("src/a.h", true)]
    #[case("src/with space.h", true)]
    #[case("src/../../a.h", false)]
    #[case("/a.h", false)]
    #[case("src/a\0.h", false)]
    fn a_name_stays_below_its_folder(#[case] path: &str, #[case] good: bool) {
        assert_eq!(check_name(path).is_ok(), good);
    }
}
