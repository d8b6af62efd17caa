//! Firmware images as artifacts: the image, its ELF, and the description that says what they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ArtifactError, Name, NewArtifact, Record, Store, Stored, Version};
use crate::digest::Sha;
use crate::image::Image;
use crate::stored;

const BIN: &str = "firmware.bin";
const ELF: &str = "firmware.elf";
const DESCRIPTION: &str = "image.json";

impl NewArtifact {
    /// The artifact of `image`: `firmware.bin`, `firmware.elf` and `image.json`, in which the paths are these names.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Unfit`] if the image cannot be described as JSON, which does not happen.
    pub fn of_image(name: Name, version: Version, image: &Image) -> Result<Self, ArtifactError> {
        let described = Image { bin: BIN.into(), elf: ELF.into(), ..image.clone() };
        let description = serde_json::to_vec_pretty(&described)
            .map_err(|error| ArtifactError::Unfit { reason: error.to_string() })?;
        Ok(Self::new(name, version)
            .file(BIN, &image.bin)
            .file(ELF, &image.elf)
            .bytes(DESCRIPTION, description))
    }
}

impl Record {
    /// Whether it has the files of a firmware image.
    pub fn is_image(&self) -> bool {
        [BIN, ELF, DESCRIPTION].iter().all(|path| self.files.iter().any(|file| file.path == *path))
    }
}

impl Store {
    /// Puts `image` and `metadata` under `name` and `version`.
    ///
    /// # Errors
    ///
    /// Those of [`Store::put`]; [`ArtifactError::Unfit`] if a file of the image has changed since it was built.
    pub async fn put_image(
        &self,
        name: Name,
        version: Version,
        image: &Image,
        metadata: BTreeMap<String, String>,
    ) -> Result<Stored, ArtifactError> {
        for (path, built) in [(&image.bin, image.sha256), (&image.elf, image.elf_sha256)] {
            let from = path.clone();
            let read = tokio::task::spawn_blocking(move || std::fs::read(from)).await;
            let bytes = read
                .unwrap_or_else(|gone| Err(std::io::Error::other(gone)))
                .map_err(|source| ArtifactError::File { path: path.clone(), source })?;
            let found = Sha::of(&bytes);
            if found != built {
                let reason =
                    format!("{} has the SHA-256 {}, not {}", path.display(), found.short(), built.short());
                return Err(ArtifactError::Unfit { reason });
            }
        }
        let artifact = NewArtifact::of_image(name, version, image)?;
        let artifact =
            metadata.into_iter().fold(artifact, |artifact, (key, value)| artifact.metadata(key, value));
        self.put(&artifact).await
    }

    /// Gets the image that `record` holds into `folder`. Its paths, also in the `image.json` there, are those of the
    /// files there.
    ///
    /// # Errors
    ///
    /// Those of [`Store::get`]; [`ArtifactError::NoImage`] if `record` is another kind of artifact, or its files are
    /// not those that its description tells.
    pub async fn get_image(&self, record: &Record, folder: &Path) -> Result<Image, ArtifactError> {
        let none = |reason: String| {
            let (name, version) = (record.name.clone(), record.version.clone());
            ArtifactError::NoImage { name, version, reason }
        };
        let file = |path: &str| {
            let found = record.files.iter().find(|file| file.path == path);
            found.ok_or_else(|| none(format!("it has no {path}")))
        };
        let description = self.read(record, file(DESCRIPTION)?).await?;
        let image: Image =
            stored::parse(&description, Image::FORMAT).map_err(|e| none(format!("{DESCRIPTION}: {e}")))?;
        for (path, told) in [(BIN, image.sha256), (ELF, image.elf_sha256)] {
            let found = file(path)?.sha256;
            if found != told {
                return Err(none(format!("{path} has the SHA-256 {}, not {}", found.short(), told.short())));
            }
        }
        let folder = std::path::absolute(folder)
            .map_err(|source| ArtifactError::File { path: folder.to_owned(), source })?;
        self.get(record, &folder).await?;
        let at = |name: &str| -> PathBuf { folder.join(name) };
        let image = Image { bin: at(BIN), elf: at(ELF), ..image };
        let described = at(DESCRIPTION);
        let text = serde_json::to_vec_pretty(&image).map_err(|error| none(error.to_string()))?;
        stored::write(&described, &text).map_err(|source| ArtifactError::File { path: described, source })?;
        Ok(image)
    }
}
