//! Getting the files of an artifact.

use std::path::{Path, PathBuf};

use super::{ArtifactError, Record, Store, StoredFile, trash};
use crate::digest::Sha;
use crate::stored;

impl Store {
    /// The bytes of `file`, which is one of `record`'s; they are the ones that were put.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Checksum`] if they are damaged, [`ArtifactError::Gone`] if they are no longer there;
    /// [`ArtifactError::Store`].
    pub async fn read(&self, record: &Record, file: &StoredFile) -> Result<Vec<u8>, ArtifactError> {
        let key = StoredFile::key(file.sha256);
        let (name, version) = (record.name.clone(), record.version.clone());
        let found = match self.objects.read(&key).await? {
            Some(bytes) => Some(bytes),
            None => trash::find(&self.objects, &key).await?,
        };
        let Some(bytes) = found else {
            return Err(ArtifactError::Gone { name, version, file: file.path.clone() });
        };
        let found = Sha::of(&bytes);
        if found != file.sha256 {
            let (file, expected) = (file.path.clone(), file.sha256);
            return Err(ArtifactError::Checksum { name, version, file, expected, found });
        }
        Ok(bytes)
    }

    /// Writes all files of `record` into `folder`, which is made where missing, and returns their paths.
    ///
    /// Each file appears whole or not at all, and none before all of them have been read and found to be what was put.
    /// What was there under the same paths is replaced.
    ///
    /// # Errors
    ///
    /// Those of [`Store::read`], and [`ArtifactError::File`].
    pub async fn get(&self, record: &Record, folder: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
        let failed = |source| ArtifactError::File { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        // Beside their places, because a file cannot be renamed into another file system.
        let aside = tempfile::Builder::new().prefix(".k1-hil-").tempdir_in(folder).map_err(failed)?;
        for (number, file) in record.files.iter().enumerate() {
            let bytes = self.read(record, file).await?;
            let path = aside.path().join(number.to_string());
            let written = tokio::task::spawn_blocking(move || stored::write(&path, &bytes)).await;
            written.unwrap_or_else(|gone| Err(std::io::Error::other(gone))).map_err(failed)?;
        }
        let mut paths = Vec::with_capacity(record.files.len());
        for (number, file) in record.files.iter().enumerate() {
            let path = folder.join(&file.path);
            let place = || {
                std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
                std::fs::rename(aside.path().join(number.to_string()), &path)
            };
            place().map_err(|source| ArtifactError::File { path: path.clone(), source })?;
            paths.push(path);
        }
        Ok(paths)
    }
}
