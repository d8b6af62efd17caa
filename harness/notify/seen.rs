//! What was told already: one small file for all channels and keys.
//!
//! ```text
//! FOLDER/notified.json    hash of channel and key → until when it counts; written whole
//! FOLDER/notified.lock    held while that file is read and written
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Channel;
use crate::digest::Sha;
use crate::stored;
use crate::story;
use crate::tools::lock;

/// What is known of one channel and key.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    folder: PathBuf,
    hash: Sha,
}

/// Whose message it is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Mine,
    Known,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    format: u32,
    until: BTreeMap<String, Timestamp>,
}

const FORMAT: u32 = 1;

/// More keys than this are not remembered; those whose time ends first are forgotten.
const LIMIT: usize = 10_000;

impl Seen {
    pub(super) fn new(folder: &Path, channel: &Channel, key: &str) -> Self {
        let hash = Sha::of_parts([channel.identity().as_bytes(), key.as_bytes()]);
        Self { folder: folder.to_owned(), hash }
    }

    /// Takes it on oneself to tell the message, for `limit` at most.
    ///
    /// # Errors
    ///
    /// Why nothing can be remembered, in words.
    pub(super) async fn claim(&self, limit: Duration) -> Result<Claim, String> {
        self.change(|until, key, now| match until.get(key) {
            Some(&time) if time > now => Claim::Known,
            _ => {
                until.insert(key.to_owned(), later(now, limit));
                Claim::Mine
            }
        })
        .await
    }

    /// Notes that the message was told, and counts as told for `remembered_for`.
    pub(super) async fn told(&self, remembered_for: Duration) -> Result<(), String> {
        self.change(|until, key, now| {
            until.insert(key.to_owned(), later(now, remembered_for));
        })
        .await
    }

    /// Leaves the message to whoever tries next.
    pub(super) async fn release(&self) -> Result<(), String> {
        self.change(|until, key, _| {
            until.remove(key);
        })
        .await
    }

    async fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Timestamp>, &str, Timestamp) -> T,
    ) -> Result<T, String> {
        let told = |error: &dyn std::error::Error| {
            format!("cannot remember in {}: {}", self.folder.display(), story::one_line(error))
        };
        std::fs::create_dir_all(&self.folder).map_err(|error| told(&error))?;
        let locked = lock::lock(&self.folder.join("notified.lock"), || ()).await;
        let _held = locked.map_err(|error| told(&error))?;
        let path = self.folder.join("notified.json");
        // One that is not there or cannot be read remembers nothing, and is written anew.
        let memory = stored::read::<Memory>(&path, "a record of notifications", FORMAT);
        let mut until = memory.map(|memory| memory.until).unwrap_or_default();
        let now = Timestamp::now();
        let outcome = change(&mut until, &self.hash.to_string(), now);
        until.retain(|_, time| *time > now);
        while until.len() > LIMIT {
            let Some(first) = until.iter().min_by_key(|(_, time)| **time).map(|(key, _)| key.clone()) else {
                break;
            };
            until.remove(&first);
        }
        stored::write_json(&path, &Memory { format: FORMAT, until }).map_err(|error| told(&error))?;
        Ok(outcome)
    }
}

/// The end of all times if that is later than there are any.
fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(folder: &Path, key: &str) -> Seen {
        Seen::new(folder, &Channel::File("a".into()), key)
    }

    const LONG: Duration = Duration::from_secs(1000);

    #[tokio::test]
    async fn a_message_is_one_s_own_until_it_is_told_or_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (seen(folder.path(), "a"), seen(folder.path(), "b"));
        assert_eq!(a.claim(LONG).await, Ok(Claim::Mine));
        assert_eq!(a.claim(LONG).await, Ok(Claim::Known));
        assert_eq!(b.claim(LONG).await, Ok(Claim::Mine));
        a.release().await.unwrap();
        b.told(LONG).await.unwrap();
        assert_eq!(a.claim(Duration::ZERO).await, Ok(Claim::Mine));
        assert_eq!(a.claim(LONG).await, Ok(Claim::Mine), "whoever had it did not come back in time");
        assert_eq!(b.claim(LONG).await, Ok(Claim::Known));
    }

    #[tokio::test]
    async fn what_is_over_is_forgotten_and_the_file_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notified.json");
        let now = Timestamp::now();
        let until =
            (0..LIMIT as u64 + 5).map(|n| (format!("{n}"), later(now, LONG + Duration::from_secs(n))));
        stored::write_json(&path, &Memory { format: FORMAT, until: until.collect() }).unwrap();
        seen(folder.path(), "a").told(Duration::MAX).await.unwrap();
        let memory: Memory = stored::read(&path, "", FORMAT).unwrap();
        assert_eq!(memory.until.len(), LIMIT);
        assert!(!memory.until.contains_key("5") && memory.until.contains_key("6"));

        std::fs::write(&path, "{").unwrap();
        assert_eq!(seen(folder.path(), "a").claim(LONG).await, Ok(Claim::Mine));
    }
}
