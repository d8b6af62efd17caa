//! The folder of locks: one for all programs and users of a host, so that all of them mean the same lock by a board.
//!
//! A lock is the kernel's, on an open file (`flock`): it is its process's as long as the file is open there, and ends
//! with it, whatever ends it. What is written in the file is for people; it never decides who holds a board. So a file
//! that was left behind, by a kill or a crash of the host, is a file and no lock.
//!
//! Files are made for everybody (mode 0666, in a folder of mode 1777) and stay: removing one would give the next
//! comer another file to lock than its holder has. They are opened without `O_CREAT` where they are there already,
//! because Linux refuses that for other users' files in such folders (`fs.protected_regular`).

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;
use tokio::time::Instant;

use crate::tools::lock::FileLock;

/// The folder of locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locks {
    folder: PathBuf,
}

/// How often a lock that another holder has is tried again.
///
/// It asks again and again instead of blocking: a thread that is blocked in the kernel cannot be called back, so
/// every wait that ends at its deadline would leave one behind, and with it somebody who takes the board later and
/// does not want it.
const RETRY: Duration = Duration::from_millis(10);
/// How long a file may take to become everybody's after another user made it.
const SETTLING: Duration = Duration::from_millis(200);
/// How often a lock is tried at least.
const TRIES: u32 = 4;
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

impl Locks {
    /// The locks in `folder`, which is made when it is needed.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Those of this host: in `/run/lock` where everybody may write there, else in `/tmp`. Nothing of the user
    /// decides that, so all users of a host come to the same folder.
    pub fn of_host() -> Self {
        let run_lock = Path::new("/run/lock");
        let is_for_all = run_lock.metadata().is_ok_and(|folder| folder.mode() & 0o1777 == 0o1777);
        Self::at(if is_for_all { "/run/lock/k1-hil" } else { "/tmp/k1-hil-locks" })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the file `name`, which is made for everybody if it does not exist.
    pub(in crate::board) fn open(&self, name: &str) -> io::Result<File> {
        let path = self.folder.join(name);
        let mut waited = Duration::ZERO;
        loop {
            let opened = match open(&path, false) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => self.create(&path),
                opened => opened,
            };
            match opened {
                // Another one makes it at this moment, and has not yet opened it to everybody.
                Err(e)
                    if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::PermissionDenied)
                        && waited < SETTLING =>
                {
                    std::thread::sleep(BETWEEN_TRIES);
                    waited += BETWEEN_TRIES;
                }
                opened => return opened,
            }
        }
    }

    /// Opens the file `name` only if it is there.
    pub(in crate::board) fn open_if_there(&self, name: &str) -> io::Result<Option<File>> {
        match open(&self.folder.join(name), false) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The names of all files.
    pub(in crate::board) fn names(&self) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    /// Takes the lock on the file `name` if nobody holds it before `deadline`. That a lock is held is believed only
    /// after several tries, however early the deadline: a look at it takes it for a moment.
    pub(in crate::board) async fn lock_until(
        &self,
        name: &str,
        deadline: Instant,
    ) -> io::Result<Option<FileLock>> {
        let mut tries = 0;
        loop {
            if let Some(file) = self.try_lock(name)? {
                return Ok(Some(file));
            }
            tries += 1;
            let now = Instant::now();
            let pause = match deadline.checked_duration_since(now) {
                Some(left) if !left.is_zero() => RETRY.min(left),
                _ if tries < TRIES => BETWEEN_TRIES,
                _ => return Ok(None),
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<FileLock>> {
        let locked = FileLock::take(self.open(name)?)?;
        // It may have been removed between opening and locking: the next try makes a new one.
        Ok(locked.filter(|locked| self.is_still(locked, name)))
    }

    /// Whether `file` is what `name` leads to: another one may have been made after somebody removed it.
    pub(in crate::board) fn is_still(&self, file: &File, name: &str) -> bool {
        match (file.metadata(), std::fs::symlink_metadata(self.folder.join(name))) {
            (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.make_folder()?;
        let file = open(path, true)?;
        // The umask took some of it away.
        file.set_permissions(Permissions::from_mode(0o666))?;
        Ok(file)
    }

    fn make_folder(&self) -> io::Result<()> {
        match std::fs::DirBuilder::new().mode(0o1777).create(&self.folder) {
            Ok(()) => std::fs::set_permissions(&self.folder, Permissions::from_mode(0o1777)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(&self.folder)?;
                std::fs::set_permissions(&self.folder, Permissions::from_mode(0o1777))
            }
            Err(e) => Err(e),
        }
    }
}

/// Never follows a link: anybody may put one into the folder.
fn open(path: &Path, is_new: bool) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create_new(is_new)
        .mode(0o666)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::lock::is_locked;

    fn locks() -> (tempfile::TempDir, Locks) {
        let folder = tempfile::tempdir().unwrap();
        let locks = Locks::at(folder.path().join("locks"));
        (folder, locks)
    }

    #[test]
    fn files_and_folder_are_everybodys() {
        let (_folder, locks) = locks();
        locks.open("board").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        assert_eq!((mode(locks.folder()), mode(&locks.folder().join("board"))), (0o1777, 0o666));
    }

    #[test]
    fn threads_of_one_process_exclude_each_other_and_a_look_takes_nothing() {
        let (_folder, locks) = locks();
        let held = locks.try_lock("board").unwrap().unwrap();
        assert!(locks.try_lock("board").unwrap().is_none());
        let look = locks.open_if_there("board").unwrap().unwrap();
        assert!(is_locked(&look).unwrap());
        drop(held);
        assert!(!is_locked(&look).unwrap());
        assert!(locks.try_lock("board").unwrap().is_some());
    }

    #[test]
    fn a_lock_on_a_removed_file_is_no_lock() {
        let (_folder, locks) = locks();
        let held = locks.try_lock("board").unwrap().unwrap();
        assert!(locks.is_still(&held, "board"));
        std::fs::remove_file(locks.folder().join("board")).unwrap();
        assert!(!locks.is_still(&held, "board"));
        let other = locks.try_lock("board").unwrap().unwrap();
        assert!(locks.is_still(&other, "board") && !locks.is_still(&held, "board"));
    }

    #[test]
    fn a_link_is_not_followed() {
        let (folder, locks) = locks();
        locks.open("board").unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, locks.folder().join("trap")).unwrap();
        assert!(locks.open("trap").is_err());
    }
}
