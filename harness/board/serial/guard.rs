//! One session at a time at a serial port.
//!
//! A session opens its port several times: to touch it, to flash, to read the log, and again when the board comes back
//! from a reset. The lock that the kernel has for an open port is free in between; this one is held throughout. It is a
//! file lock, so it ends with the process that has it, however that ends.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{PAUSE, PortError};

/// How long a lock that is held is tried again.
const GIVEN_UP: Duration = Duration::from_millis(200);

/// The right to use a port, until it is dropped.
#[derive(Debug)]
pub struct PortGuard {
    /// Holds the lock.
    _open: File,
}

impl PortGuard {
    /// Takes the port at `path` for `purpose`, a few words for whoever else wants it.
    ///
    /// # Errors
    ///
    /// [`PortError::Busy`] with the purpose of who has it, [`PortError::Lock`].
    pub fn take(path: &Path, purpose: &str) -> Result<Self, PortError> {
        let port = path.to_owned();
        let mut file =
            open(&lock_path(path)).map_err(|source| PortError::Lock { port: port.clone(), source })?;
        match lock(&file, Instant::now()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // It may be about to write it.
                let _ = file.read_to_string(&mut holder);
                if holder.is_empty() {
                    holder = "another session".to_owned();
                }
                return Err(PortError::Busy { port, holder });
            }
            Err(TryLockError::Error(source)) => return Err(PortError::Lock { port, source }),
        }
        // Who holds it is for people only: another user's file cannot be written, and locks all the same.
        let note = format!("{purpose} (process {})", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(note.as_bytes()));
        Ok(Self { _open: file })
    }
}

/// Tries for a moment: a program that this process is just starting has a copy of a lock that was given up already.
fn lock(file: &File, begun: Instant) -> Result<(), TryLockError> {
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < GIVEN_UP => std::thread::sleep(PAUSE),
            locked => return locked,
        }
    }
}

/// One name for each port, however it is spelled.
fn lock_path(port: &Path) -> PathBuf {
    let port = port.canonicalize().unwrap_or_else(|_| port.to_owned());
    let name = port.to_string_lossy().replace(['/', '\\'], "-");
    std::env::temp_dir().join(format!("k1-hil-port{name}.lock"))
}

/// Opens the file, which other users may open too.
fn open(path: &Path) -> io::Result<File> {
    match File::options().read(true).write(true).create(true).truncate(false).open(path) {
        Ok(file) => {
            // Fails for another user's file, which has these rights already.
            let _ = file.set_permissions(std::fs::Permissions::from_mode(0o666));
            Ok(file)
        }
        // Some systems let nobody but the owner create or write a file in a shared folder.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_once_and_the_second_hears_by_whom() {
        let folder = tempfile::tempdir().unwrap();
        let (port, link) = (folder.path().join("port"), folder.path().join("link"));
        std::fs::write(&port, "").unwrap();
        std::os::unix::fs::symlink(&port, &link).unwrap();
        let first = PortGuard::take(&port, "flashing").unwrap();
        let refused = PortGuard::take(&link, "reading the log").unwrap_err().to_string();
        let expected = format!("is in use: flashing (process {})", std::process::id());
        assert!(refused.ends_with(&expected), "{refused}");
        drop(first);
        let second = PortGuard::take(&link, "reading the log").unwrap();
        std::fs::remove_file(lock_path(&port)).unwrap();
        drop(second);
    }
}
