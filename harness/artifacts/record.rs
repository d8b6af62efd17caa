//! What an artifact is, and which there are.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::name::is_file_path;
use super::objects::Objects;
use super::{ArtifactError, Label, Name, Store, Version};
use crate::digest::Sha;
use crate::stored;

/// An artifact: what was put under a name and a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Record {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub name: Name,
    pub version: Version,
    /// By path.
    pub files: Vec<StoredFile>,
    /// What whoever put it wanted known: the commit, the run …
    pub metadata: BTreeMap<String, String>,
    /// When it was put first.
    #[schemars(with = "String")]
    pub created: Timestamp,
}

/// A file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StoredFile {
    /// Relative, with slashes.
    pub path: String,
    pub sha256: Sha,
    pub bytes: u64,
}

/// A record with the labels that it has now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Artifact {
    #[serde(flatten)]
    pub record: Record,
    /// In alphabetical order.
    pub labels: Vec<Label>,
}

/// How many objects are asked for at once.
const AT_ONCE: usize = 16;

pub(super) const RECORDS: &str = "records";
pub(super) const BLOBS: &str = "blobs";

impl Record {
    /// The present version of the stored form.
    pub const FORMAT: u32 = 1;

    /// The hash of paths and contents: two artifacts with the same one hold the same files.
    pub fn content(&self) -> Sha {
        Sha::of_parts(
            self.files.iter().flat_map(|file| [file.path.as_bytes(), file.sha256.bytes().as_slice()]),
        )
    }

    pub(super) fn key(name: &Name, version: &Version) -> String {
        format!("{RECORDS}/{}/{}.json", name.key(), version.key())
    }

    /// # Errors
    ///
    /// Why `bytes` under `key` are no record, in words.
    pub(super) fn parse(key: &str, bytes: &[u8]) -> Result<Self, String> {
        let record: Self = stored::parse(bytes, Self::FORMAT)?;
        if Self::key(&record.name, &record.version) != key {
            return Err(format!("it is the record of {} {}", record.name, record.version));
        }
        match record.files.iter().find(|file| !is_file_path(&file.path)) {
            Some(file) => Err(format!("it names a file {:?}", file.path)),
            None => Ok(record),
        }
    }
}

impl StoredFile {
    pub(super) fn key(sha256: Sha) -> String {
        let digits = sha256.to_string();
        format!("{BLOBS}/{}/{digits}", &digits[..2])
    }
}

impl Store {
    /// The artifact `name` at `version`; none if there is none.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Store`], [`ArtifactError::Damaged`].
    pub async fn record(&self, name: &Name, version: &Version) -> Result<Option<Record>, ArtifactError> {
        read(&self.objects, &Record::key(name, version)).await
    }

    /// The artifact that `reference` means: a version, or else a label; without one, the one that was put last.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Unknown`] if there is none; [`ArtifactError::Store`], [`ArtifactError::Damaged`].
    pub async fn show(&self, name: &Name, reference: Option<&str>) -> Result<Artifact, ArtifactError> {
        let labels = self.labels(Some(name)).await?;
        let record = match reference {
            None => self.records(Some(name)).await?.into_iter().next(),
            Some(text) => {
                let exact = match text.parse() {
                    Ok(version) => self.record(name, &version).await?,
                    Err(_) => None,
                };
                let labelled = labels.iter().find(|set| set.label.to_string() == text);
                match (exact, labelled) {
                    (Some(record), _) => Some(record),
                    (None, Some(set)) => self.kept(name, &set.version).await?,
                    (None, None) => None,
                }
            }
        };
        let record = record.ok_or_else(|| ArtifactError::Unknown {
            store: self.address().to_owned(),
            name: name.clone(),
            reference: reference.unwrap_or("in any version").to_owned(),
        })?;
        let labels = labels.into_iter().filter(|set| set.version == record.version);
        Ok(Artifact { labels: labels.map(|set| set.label).collect(), record })
    }

    /// All artifacts, or those of one name: by name, the one that was put last first.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Store`], [`ArtifactError::Damaged`].
    pub async fn list(&self, name: Option<&Name>) -> Result<Vec<Artifact>, ArtifactError> {
        let labels = self.labels(name).await?;
        let records = self.records(name).await?.into_iter();
        let of = |record: &Record| {
            let of_record =
                labels.iter().filter(|set| set.name == record.name && set.version == record.version);
            of_record.map(|set| set.label.clone()).collect()
        };
        Ok(records.map(|record| Artifact { labels: of(&record), record }).collect())
    }

    /// As [`Store::list`], without the labels.
    pub(super) async fn records(&self, name: Option<&Name>) -> Result<Vec<Record>, ArtifactError> {
        let folder = name.map_or(RECORDS.to_owned(), |name| format!("{RECORDS}/{}", name.key()));
        let keys = self.objects.list(&folder).await?.into_iter().map(|listed| listed.key);
        let mut records: Vec<Record> =
            all(keys.collect(), |key| async move { read(&self.objects, &key).await }).await?;
        let order = |record: &Record| {
            (record.name.clone(), std::cmp::Reverse(record.created), record.version.clone())
        };
        records.sort_by_cached_key(order);
        Ok(records)
    }
}

/// The record under `key`; none if nothing is there.
pub(super) async fn read(objects: &Objects, key: &str) -> Result<Option<Record>, ArtifactError> {
    let Some(bytes) = objects.read(key).await? else { return Ok(None) };
    Record::parse(key, &bytes).map(Some).map_err(|reason| ArtifactError::Damaged {
        store: objects.address().to_owned(),
        key: key.to_owned(),
        reason,
    })
}

/// What `ask` finds for each of `keys`, several at once; what has gone since it was listed is passed over.
pub(super) async fn all<T, F>(keys: Vec<String>, ask: impl Fn(String) -> F) -> Result<Vec<T>, ArtifactError>
where
    F: Future<Output = Result<Option<T>, ArtifactError>>,
{
    let asked = stream::iter(keys.into_iter().map(ask));
    let found: Vec<Option<T>> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
