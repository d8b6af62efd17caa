//! Putting an artifact into the store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::name::is_file_path;
use super::{ArtifactError, Name, Record, Store, StoredFile, Version};
use crate::digest::Sha;
use crate::stored::is_name;

/// An artifact that is to be put.
#[derive(Clone, Debug)]
pub struct NewArtifact {
    name: Name,
    version: Version,
    files: BTreeMap<String, Content>,
    metadata: BTreeMap<String, String>,
    created: Timestamp,
    replaces: bool,
}

/// What became of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// As it is in the store now. If the same files were there before, with the metadata of that time.
    pub record: Record,
    /// Whether this put made it.
    pub new: bool,
}

#[derive(Clone, Debug)]
enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// A file of up to so many bytes; it is read in one piece.
const FILE_LIMIT: u64 = 512 << 20;
const FILES_LIMIT: usize = 1000;
const METADATA_LIMIT: usize = 100;
const VALUE_LIMIT: usize = 4096;

impl NewArtifact {
    /// An artifact with no files yet, made now.
    pub fn new(name: Name, version: Version) -> Self {
        let (files, metadata) = (BTreeMap::new(), BTreeMap::new());
        Self { name, version, files, metadata, created: Timestamp::now(), replaces: false }
    }

    /// With the file at `from` as `path`. A path has up to 8 segments as those of a [`Name`].
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, from: impl Into<PathBuf>) -> Self {
        self.files.insert(path.into(), Content::File(from.into()));
        self
    }

    /// With a file `path` that holds `bytes`.
    #[must_use]
    pub fn bytes(mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), Content::Bytes(bytes.into()));
        self
    }

    /// With metadata: up to 100 keys as a segment of a [`Name`], values of up to 4 KiB.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Made at another time.
    #[must_use]
    pub fn created(self, created: Timestamp) -> Self {
        Self { created, ..self }
    }

    /// To be put also where the version is there with other files; of several such, the last one stays.
    #[must_use]
    pub fn replacing(self) -> Self {
        Self { replaces: true, ..self }
    }

    fn check(&self) -> Result<(), ArtifactError> {
        let unfit = |reason: String| Err(ArtifactError::Unfit { reason });
        let folders =
            |path: &str| path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>();
        if self.files.is_empty() || self.files.len() > FILES_LIMIT {
            return unfit(format!("it has {} files, and 1 to {FILES_LIMIT} are possible", self.files.len()));
        }
        for path in self.files.keys() {
            if !is_file_path(path) {
                return unfit(format!(
                    "{path:?} is not a path (1 to 8 words of letters, digits, `_`, `-` and `.`)"
                ));
            }
            if let Some(folder) = folders(path).into_iter().find(|folder| self.files.contains_key(folder)) {
                return unfit(format!("{folder:?} is a file and a folder with {path:?} in it"));
            }
        }
        if self.metadata.len() > METADATA_LIMIT {
            return unfit(format!("it has {} metadata, more than {METADATA_LIMIT}", self.metadata.len()));
        }
        match self.metadata.iter().find(|(key, value)| !is_name(key) || value.len() > VALUE_LIMIT) {
            Some((key, value)) => unfit(format!(
                "the metadata {key:?} has no name, or too long a value ({} bytes)",
                value.len()
            )),
            None => Ok(()),
        }
    }
}

impl Store {
    /// Puts an artifact: its files first, then the record, with which it appears whole. Whatever happens before that
    /// leaves nothing that anybody sees.
    ///
    /// Putting the same files under the same version once more is no error and changes nothing, but brings back what
    /// the store has lost of them.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Exists`] if the version is there with other files, unless it is to be replaced;
    /// [`ArtifactError::Unfit`], [`ArtifactError::File`], [`ArtifactError::Store`].
    pub async fn put(&self, artifact: &NewArtifact) -> Result<Stored, ArtifactError> {
        artifact.check()?;
        let record = described(artifact).await?;
        let there = self.record(&record.name, &record.version).await?;
        if let Some(there) = there.as_ref().filter(|_| !artifact.replaces) {
            same(there, &record)?;
        }
        self.send(artifact, &record, artifact.replaces).await?;
        let stored = match there {
            // Replacing the same files by themselves mends them, and the record stays what it was.
            Some(there) if there.content() == record.content() => Stored { record: there, new: false },
            _ => self.publish(record, artifact.replaces).await?,
        };
        // A clean-up that looked just before the record appeared may have moved some of it aside since.
        self.send(artifact, &stored.record, false).await?;
        Ok(stored)
    }

    /// Sends the files that the store does not have, or all of them.
    async fn send(&self, artifact: &NewArtifact, record: &Record, always: bool) -> Result<(), ArtifactError> {
        for file in &record.files {
            let key = StoredFile::key(file.sha256);
            if !always && self.objects.size(&key).await? == Some(file.bytes) {
                continue;
            }
            let bytes = artifact.files[&file.path].read().await?;
            if Sha::of(&bytes) != file.sha256 {
                return Err(ArtifactError::Unfit { reason: format!("{} changes meanwhile", file.path) });
            }
            self.objects.write(&key, bytes).await?;
        }
        Ok(())
    }

    /// The moment from which on the artifact is there.
    async fn publish(&self, record: Record, replaces: bool) -> Result<Stored, ArtifactError> {
        let key = Record::key(&record.name, &record.version);
        let bytes =
            serde_json::to_vec(&record).map_err(|e| ArtifactError::Unfit { reason: e.to_string() })?;
        if replaces {
            self.objects.write(&key, bytes).await?;
            return Ok(Stored { record, new: true });
        }
        loop {
            if self.objects.create(&key, bytes.clone()).await? {
                return Ok(Stored { record, new: true });
            }
            // None: a clean-up took it away since, and the place is free again.
            if let Some(there) = self.record(&record.name, &record.version).await? {
                same(&there, &record)?;
                return Ok(Stored { new: there == record, record: there });
            }
        }
    }
}

impl Content {
    async fn read(&self) -> Result<Vec<u8>, ArtifactError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::File(path) => {
                let failed = |source| ArtifactError::File { path: path.clone(), source };
                let from = path.clone();
                let read = tokio::task::spawn_blocking(move || read_limited(&from)).await;
                read.unwrap_or_else(|gone| Err(std::io::Error::other(gone))).map_err(failed)
            }
        }
    }
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let bytes = path.metadata()?.len();
    if bytes > FILE_LIMIT {
        let reason = format!("it has {bytes} bytes, and a file of an artifact at most {FILE_LIMIT}");
        return Err(std::io::Error::other(reason));
    }
    std::fs::read(path)
}

/// The record that `artifact` becomes.
async fn described(artifact: &NewArtifact) -> Result<Record, ArtifactError> {
    let mut files = Vec::with_capacity(artifact.files.len());
    for (path, content) in &artifact.files {
        let bytes = content.read().await?;
        files.push(StoredFile { path: path.clone(), sha256: Sha::of(&bytes), bytes: bytes.len() as u64 });
    }
    Ok(Record {
        format: Record::FORMAT,
        name: artifact.name.clone(),
        version: artifact.version.clone(),
        files,
        metadata: artifact.metadata.clone(),
        created: artifact.created,
    })
}

fn same(there: &Record, offered: &Record) -> Result<(), ArtifactError> {
    let (found, offered_content) = (there.content(), offered.content());
    if found == offered_content {
        return Ok(());
    }
    Err(ArtifactError::Exists {
        name: offered.name.clone(),
        version: offered.version.clone(),
        found,
        offered: offered_content,
    })
}
