//! Locks between processes, by a lock on an open file: they end with their holder, however it ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// A held lock; dropping it gives it up. The file itself stays.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

/// How often a lock that another process holds is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// Takes the lock at `path`, whose folder exists; `on_wait` is called once if another holder is waited for.
///
/// It asks again and again instead of blocking, so that the wait ends with the dropped future: a thread blocked
/// in the system call would keep the runtime from ending.
///
/// # Errors
///
/// If the file cannot be created or the file system has no locks.
pub async fn lock(path: &Path, on_wait: impl FnOnce()) -> io::Result<FileLock> {
    let mut on_wait = Some(on_wait);
    loop {
        if let Some(lock) = try_lock(path)? {
            return Ok(lock);
        }
        if let Some(on_wait) = on_wait.take() {
            on_wait();
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Takes the lock at `path`, whose folder exists; none if another holds it.
///
/// # Errors
///
/// If the file cannot be created or the file system has no locks.
pub fn try_lock(path: &Path) -> io::Result<Option<FileLock>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(FileLock { file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether somebody holds the lock at `path`, whose folder exists. Any number may ask at once.
///
/// # Errors
///
/// If the file cannot be created or the file system has no locks.
pub fn is_held(path: &Path) -> io::Result<bool> {
    match open(path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl FileLock {
    /// The open file: the lock is held until it and all its duplicates are closed, in whatever process.
    pub fn into_file(self) -> File {
        self.file
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_held_once_and_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path, || panic!("nobody holds it")).await.unwrap();
        assert!(try_lock(&path).unwrap().is_none());
        assert!(is_held(&path).unwrap());
        let (sender, waits) = tokio::sync::oneshot::channel();
        let second = lock(&path, || sender.send(()).unwrap());
        let first = async {
            waits.await.unwrap();
            drop(held);
        };
        let (taken, ()) = tokio::join!(second, first);
        let duplicate = taken.unwrap().into_file().try_clone().unwrap();
        assert!(is_held(&path).unwrap());
        drop(duplicate);
        assert!(!is_held(&path).unwrap());
    }
}
