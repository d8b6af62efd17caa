//! Virtual boards of this host say that they are there, so that a scan finds them on whatever ports they have.
//!
//! Each has a file beside the locks, named by its MAC and locked as long as it runs: no two run with one MAC, and the
//! file of one that was killed counts for nothing.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::lease::{Locks, record};
use super::{Address, Mac};
use crate::tools::lock::{FileLock, is_locked};

/// A MAC that this process has on this host until it is dropped.
#[derive(Debug)]
pub struct OwnMac {
    pub mac: Mac,
    file: FileLock,
}

/// What a virtual board says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    pub mac: Mac,
    pub model: String,
    pub address: Address,
    pub serial_port: PathBuf,
    pub pid: u32,
}

const ENDING: &str = ".announced";

/// Takes `mac` for a virtual board of this process; none if one with that MAC runs.
///
/// # Errors
///
/// Those of the file system.
pub async fn own(locks: &Locks, mac: Mac) -> io::Result<Option<OwnMac>> {
    let name = format!("{}{ENDING}", mac.file_name());
    let Some(file) = locks.lock_until(&name, Instant::now()).await? else { return Ok(None) };
    record::clear(&file)?;
    Ok(Some(OwnMac { mac, file }))
}

impl OwnMac {
    /// Says where the board is reached.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn announce(&self, model: &str, address: &Address, serial_port: &Path) -> io::Result<()> {
        let announcement = Announcement {
            mac: self.mac,
            model: model.to_owned(),
            address: address.clone(),
            serial_port: serial_port.to_owned(),
            pid: std::process::id(),
        };
        record::write(&self.file, &announcement)
    }
}

impl Drop for OwnMac {
    fn drop(&mut self) {
        let _ = record::clear(&self.file); // without its lock it counts for nothing anyway
    }
}

/// The virtual boards that run on this host, by MAC.
///
/// # Errors
///
/// Those of the file system.
pub fn announced(locks: &Locks) -> io::Result<Vec<Announcement>> {
    let mut found = Vec::new();
    for name in locks.names()?.iter().filter(|name| name.ends_with(ENDING)) {
        if let Some(file) = locks.open_if_there(name)?
            && is_locked(&file)?
        {
            found.extend(record::read(&file)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_board_is_found_as_long_as_it_runs_and_its_mac_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let locks = Locks::at(folder.path());
        let mac = Mac::from_bytes([2, 0x4b, 0x31, 0, 0, 1]);
        assert_eq!(announced(&locks).unwrap(), []);
        let own_mac = own(&locks, mac).await.unwrap().unwrap();
        assert_eq!(announced(&locks).unwrap(), [], "it has not said yet where it is");
        assert!(own(&locks, mac).await.unwrap().is_none());
        let address: Address = "127.0.0.1:8032:3233".parse().unwrap();
        own_mac.announce("k1-virtual", &address, Path::new("/dev/pts/3")).unwrap();
        let found = announced(&locks).unwrap();
        assert_eq!((found.len(), found[0].mac, &found[0].address), (1, mac, &address));
        drop(own_mac);
        assert_eq!(announced(&locks).unwrap(), []);
        assert!(own(&locks, mac).await.unwrap().is_some());
    }
}
