//! How reliable each board has been, for the user whose state folder it is: one file per board, changed only by who
//! holds the board's lease.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Mac;
use super::recovery::Rung;
use crate::stored::{self, StoredError};

/// The folder of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    folder: PathBuf,
}

/// What is known of one board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reliability {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub mac: Mac,
    /// How often it was leased and looked at.
    pub leases: u64,
    /// How often of these it was well at once.
    pub well_at_once: u64,
    /// How often it fell off the ladder.
    pub fell: u64,
    /// What was tried on it.
    pub rungs: BTreeMap<Rung, Tries>,
    pub last_failure: Option<Failure>,
    /// Since when it has been given up; none if it is well as far as is known.
    pub sick: Option<Failure>,
}

/// How often a rung was tried and how often the board was well afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    pub tried: u64,
    pub helped: u64,
}

/// That a board was not well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub at: Timestamp,
    pub reason: String,
}

const FORMAT: u32 = 1;
const WHAT: &str = "a record of a board's reliability";

impl Ledger {
    /// The ledger in `folder`, which is made when it is needed.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is known of the board `mac`.
    ///
    /// # Errors
    ///
    /// Those of reading the file, but for one that is not there: nothing is known then.
    pub fn read(&self, mac: Mac) -> Result<Reliability, StoredError> {
        match stored::read(&self.path(mac), WHAT, FORMAT) {
            Err(StoredError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Reliability::new(mac))
            }
            read => read,
        }
    }

    /// Keeps `reliability`.
    ///
    /// # Errors
    ///
    /// [`StoredError::Unwritable`].
    pub fn write(&self, reliability: &Reliability) -> Result<(), StoredError> {
        stored::write_json(&self.path(reliability.mac), reliability)
    }

    fn path(&self, mac: Mac) -> PathBuf {
        self.folder.join(format!("{}.json", mac.file_name()))
    }
}

impl Reliability {
    /// Of a board that was never leased.
    pub fn new(mac: Mac) -> Self {
        Self {
            format: FORMAT,
            mac,
            leases: 0,
            well_at_once: 0,
            fell: 0,
            rungs: BTreeMap::new(),
            last_failure: None,
            sick: None,
        }
    }
}
