//! One session at a time at a serial port.
//!
//! A session opens its port several times: to touch it, to flash, to read the log, and again when the board comes back
//! from a reset. The lock that the kernel has for an open port is free in between; this one is held throughout. It lies
//! beside the leases and is of the same kind, so it ends with the process that has it, however that ends.

use std::path::Path;

use tokio::time::Instant;

use super::{PortError, SerialPort};
use crate::board::lease::{Owner, record};
use crate::tools::lock::FileLock;

/// The right to use a port, until it is dropped.
#[derive(Debug)]
pub struct PortGuard {
    file: FileLock,
}

impl PortGuard {
    /// Takes `port` for `purpose`, a few words for whoever else wants it. Nobody is waited for.
    ///
    /// # Errors
    ///
    /// [`PortError::Busy`] with who has it and what for, [`PortError::Lock`].
    pub async fn take(port: &SerialPort, purpose: &str) -> Result<Self, PortError> {
        let (path, name) = (port.path.clone(), lock_name(&port.path));
        let failed = |source| PortError::Lock { port: path.clone(), source };
        let Some(file) = port.locks.lock_until(&name, Instant::now()).await.map_err(failed)? else {
            let file = port.locks.open_if_there(&name).ok().flatten();
            // It may be about to write it.
            let holder = file.and_then(|file| record::read::<Owner>(&file).ok().flatten());
            let holder = holder.map_or_else(|| "another session".to_owned(), |owner| owner.to_string());
            return Err(PortError::Busy { port: path, holder });
        };
        record::write(&file, &Owner::of_process("k1-hil", purpose)).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for PortGuard {
    fn drop(&mut self) {
        let _ = record::clear(&self.file); // a record without a lock is nobody's
    }
}

/// One name for each port, however it is spelled.
fn lock_name(port: &Path) -> String {
    let port = port.canonicalize().unwrap_or_else(|_| port.to_owned());
    format!("port{}.session", port.to_string_lossy().replace(['/', '\\'], "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::lease::Locks;

    #[tokio::test]
    async fn a_port_is_taken_once_and_the_second_hears_by_whom() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("port"), folder.path().join("link"));
        std::fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let locks = Locks::at(folder.path().join("locks"));
        let [port, link] =
            [path, link].map(|path| SerialPort { locks: locks.clone(), ..SerialPort::at(path) });
        let first = PortGuard::take(&port, "flashing").await.unwrap();
        let refused = PortGuard::take(&link, "reading the log").await.unwrap_err().to_string();
        let process = format!("process {} on ", std::process::id());
        assert!(refused.contains(&process) && refused.ends_with(" (flashing)"), "{refused}");
        drop(first);
        PortGuard::take(&link, "reading the log").await.unwrap();
    }
}
