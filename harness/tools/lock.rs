//! Locks between processes, by a lock on an open file: they end with their holder, however it ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// An open file whose lock is held; dropping it gives the lock up. The file itself stays.
///
/// The lock is given up before the file is closed. Closing alone would not do while another thread starts a program:
/// until that is executed, it has a copy of every open file, and the lock with it.
#[derive(Debug)]
pub struct FileLock {
    /// None once it was handed on.
    file: Option<File>,
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
    FileLock::take(open(path)?)
}

/// Whether somebody holds the lock at `path`, whose folder exists. Any number may ask at once.
///
/// # Errors
///
/// If the file cannot be created or the file system has no locks.
pub fn is_held(path: &Path) -> io::Result<bool> {
    is_locked(&open(path)?)
}

/// Whether somebody holds the lock on the open `file`, on which nobody has one by way of `file` itself.
///
/// # Errors
///
/// If the file system has no locks.
pub fn is_locked(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl FileLock {
    /// Takes the lock on the open `file`; none if it is held by way of another one.
    ///
    /// # Errors
    ///
    /// If the file system has no locks.
    pub fn take(file: File) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The open file: the lock is held until it and all its duplicates are closed, in whatever process.
    pub fn into_file(mut self) -> File {
        self.file.take().expect(NOT_YET)
    }
}

/// Only [`FileLock::into_file`] takes the file, and that is the end of the lock.
const NOT_YET: &str = "a lock has its file until it is handed on";

impl std::ops::Deref for FileLock {
    type Target = File;

    fn deref(&self) -> &File {
        self.file.as_ref().expect(NOT_YET)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.unlock(); // it fails for no open file
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).read(true).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_free_though_a_program_that_is_being_started_has_a_copy_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = try_lock(&path).unwrap().unwrap();
        let copy = held.try_clone().unwrap();
        drop(held);
        assert!(!is_held(&path).unwrap() && try_lock(&path).unwrap().is_some());
        drop(copy);
    }

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
