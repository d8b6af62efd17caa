//! What the clean-up takes away stays in reach for a while.
//!
//! A put that finds a blob in its place does not send it again; the clean-up, which has looked a moment before, finds
//! nobody who needs that blob. No order of these two calls is safe by itself, and object stores have no transaction.
//! So nothing is deleted at once: it is moved aside, who needs it takes it from there, and what is still needed by
//! nobody when its grace is over is deleted then.

use jiff::Timestamp;

use super::objects::Objects;
use super::record::{Record, read};
use super::{ArtifactError, Name, Store, Version};

pub(super) const TRASH: &str = "trash";

/// Something that was moved aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Discarded {
    /// Where it is now.
    pub key: String,
    /// Where it was.
    pub of: String,
    /// When it was moved, by the clock of who moved it.
    pub at: Timestamp,
    pub bytes: u64,
}

/// Everything that was moved aside, in the order in which it was.
pub(super) async fn list(objects: &Objects) -> Result<Vec<Discarded>, ArtifactError> {
    let listed = objects.list(TRASH).await?.into_iter();
    let mut discarded: Vec<Discarded> = listed
        .filter_map(|object| {
            let (at, of) = object.key.strip_prefix(TRASH)?.strip_prefix('/')?.split_once('/')?;
            let (at, of) = (Timestamp::from_second(at.parse().ok()?).ok()?, of.to_owned());
            Some(Discarded { key: object.key, of, at, bytes: object.bytes })
        })
        .collect();
    discarded.sort_by(|a, b| (a.at, &a.of).cmp(&(b.at, &b.of)));
    Ok(discarded)
}

/// Moves what is under `key` aside.
pub(super) async fn discard(objects: &Objects, key: &str, now: Timestamp) -> Result<(), ArtifactError> {
    if let Some(bytes) = objects.read(key).await? {
        objects.write(&format!("{TRASH}/{}/{key}", now.as_second()), bytes).await?;
        objects.delete(key).await?;
    }
    Ok(())
}

/// The bytes that were under `key` before they were moved aside.
pub(super) async fn find(objects: &Objects, key: &str) -> Result<Option<Vec<u8>>, ArtifactError> {
    for discarded in list(objects).await?.into_iter().rev().filter(|discarded| discarded.of == key) {
        if let Some(bytes) = objects.read(&discarded.key).await? {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// Puts what was under `key` back there, if it was moved aside and nothing else is there. What was moved aside stays
/// there too: another clean-up may be about to take it away once more.
pub(super) async fn restore(objects: &Objects, key: &str) -> Result<(), ArtifactError> {
    if let Some(bytes) = find(objects, key).await? {
        objects.create(key, bytes).await?;
    }
    Ok(())
}

impl Store {
    /// The artifact, put back in its place if the clean-up has just taken it away; none if there is none.
    pub(super) async fn kept(&self, name: &Name, version: &Version) -> Result<Option<Record>, ArtifactError> {
        let key = Record::key(name, version);
        if let Some(record) = read(&self.objects, &key).await? {
            return Ok(Some(record));
        }
        restore(&self.objects, &key).await?;
        read(&self.objects, &key).await
    }
}
