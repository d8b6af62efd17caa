//! What is written in the files of locks, for people and for the messages of those who wait.
//!
//! A record is one line of JSON at the beginning of its file, written in place by one system call: files of other
//! users cannot be replaced in a folder with the sticky bit, and a kill cannot tear a call that writes less than a
//! page. What a longer record left behind the line does not count. A reader may still meet a record that is being
//! written, and then reads again.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Who holds a board, or has it reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The user's name on `host`.
    pub user: String,
    pub uid: u32,
    pub host: String,
    pub pid: u32,
    /// `k1-hil run`.
    pub program: String,
    /// For people, as the owner gave it; may be empty.
    pub purpose: String,
}

/// A lease, as its holder keeps it up to date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    #[serde(flatten)]
    pub owner: Owner,
    pub since: Timestamp,
    /// When the holder last said that it is alive.
    pub heartbeat: Timestamp,
    /// Until when it meant to say so again. After that it is stopped or stuck, but the board is still its own.
    pub expires: Timestamp,
}

/// A board kept for a person, with or without a process of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    #[serde(flatten)]
    pub owner: Owner,
    pub since: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
}

/// A record is cut to this, bytes: less than a page.
const LONGEST: usize = 4000;
/// Free texts in it are cut to this, characters.
const LONGEST_TEXT: usize = 200;
const READS: u32 = 5;
const BETWEEN_READS: Duration = Duration::from_millis(1);

impl Owner {
    /// This process, as `program`, for `purpose`.
    pub fn of_process(program: &str, purpose: &str) -> Self {
        let uid = nix::unistd::getuid();
        let user = nix::unistd::User::from_uid(uid).ok().flatten();
        let host = nix::unistd::gethostname().ok();
        Self {
            user: user.map_or_else(|| format!("uid {uid}"), |user| user.name),
            uid: uid.as_raw(),
            host: host.map_or_else(String::new, |host| host.to_string_lossy().into_owned()),
            pid: std::process::id(),
            program: cut(program),
            purpose: cut(purpose),
        }
    }
}

/// `user ada, k1-hil run, process 4711 on bench-2 (nightly)`.
impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, host, pid, program, purpose, .. } = self;
        write!(f, "{program} of user {user}, process {pid} on {host}")?;
        if purpose.is_empty() { Ok(()) } else { write!(f, " ({purpose})") }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} since {:.0}", self.owner, self.since)?;
        if self.expires < Timestamp::now() {
            write!(f, ", silent since {:.0}", self.heartbeat)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "user {} until {:.0}", self.owner.user, self.expires)?;
        if self.owner.purpose.is_empty() { Ok(()) } else { write!(f, " ({})", self.owner.purpose) }
    }
}

/// Writes `record` in place of what is in `file`.
pub(in crate::board) fn write(file: &File, record: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    if line.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the record is longer than a page"));
    }
    file.write_all_at(&line, 0)?;
    file.set_len(line.len() as u64)
}

/// Leaves no record in `file`.
pub(in crate::board) fn clear(file: &File) -> io::Result<()> {
    file.set_len(0)
}

/// The record in `file`; none if there is none, or one of another kind.
pub(in crate::board) fn read<T: DeserializeOwned>(file: &File) -> io::Result<Option<T>> {
    for attempt in 0..READS {
        if attempt > 0 {
            std::thread::sleep(BETWEEN_READS);
        }
        let mut bytes = Vec::new();
        At { file, at: 0 }.take(2 * LONGEST as u64).read_to_end(&mut bytes)?;
        let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if line.is_empty() {
            return Ok(None);
        }
        if let Ok(record) = serde_json::from_slice(line) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_TEXT).collect()
}

/// Reads a file from a place of its own.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl io::Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(purpose: &str) -> Owner {
        Owner { purpose: cut(purpose), ..Owner::of_process("k1-hil run", "") }
    }

    #[test]
    fn a_shorter_record_replaces_a_longer_one_and_foreign_contents_are_none() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(read::<Owner>(&file).unwrap(), None);
        for purpose in ["a long reason\nwith a line end", "", &"ü".repeat(10_000)] {
            write(&file, &owner(purpose)).unwrap();
            assert_eq!(read(&file).unwrap(), Some(owner(purpose)));
        }
        clear(&file).unwrap();
        assert_eq!(read::<Owner>(&file).unwrap(), None);
        file.write_all_at(b"{\"half", 0).unwrap();
        assert_eq!(read::<Owner>(&file).unwrap(), None);
    }

    #[test]
    fn what_a_kill_left_behind_the_line_does_not_count() {
        let file = tempfile::tempfile().unwrap();
        write(&file, &owner(&"x".repeat(100))).unwrap();
        let mut line = serde_json::to_vec(&owner("short")).unwrap();
        line.push(b'\n');
        file.write_all_at(&line, 0).unwrap();
        assert_eq!(read(&file).unwrap(), Some(owner("short")));
    }
}
