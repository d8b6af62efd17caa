//! What the tasks of a workflow hand to each other through the artifact store.
//!
//! An artifact is called `NAME@VERSION` in inputs and outputs. What no person names, a build or a measurement, has the
//! hash of its contents as version, so a task that is done twice stores the same thing under the same name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lab::Lab;
use crate::artifacts::{ArtifactId, Name, NewArtifact, NotAName, Record, Version};
use crate::blame::Blame;
use crate::capture::Capture;
use crate::conductor::{Failed, Job};
use crate::digest::Sha;
use crate::image::Image;
use crate::report::Report;
use crate::session::Findings;
use crate::source::Source;

/// The files of an artifact in a folder that goes when this is dropped.
#[derive(Debug)]
pub(super) struct Files {
    folder: tempfile::TempDir,
    pub record: Record,
}

impl Files {
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The only file.
    pub fn only(&self) -> Result<PathBuf, Failed> {
        match self.record.files.as_slice() {
            [file] => Ok(self.path().join(&file.path)),
            files => {
                let of = ArtifactId::from(&self.record);
                Err(Failed::new(Blame::Input, format!("{of} has {} files, and one is expected", files.len())))
            }
        }
    }
}

/// An image in files of a task's own.
#[derive(Debug)]
pub(super) struct StoredImage {
    pub image: Image,
    pub record: Record,
    _folder: tempfile::TempDir,
}

impl Lab {
    /// Where people find an artifact.
    pub(super) fn url_of(&self, of: &ArtifactId) -> String {
        format!("{}#{of}", self.store.address())
    }

    /// Notes that `of` was seen healthy on `target`; this job is the evidence.
    pub(super) async fn mark_good(
        &self,
        target: &str,
        of: &ArtifactId,
        job: &Job<Self>,
    ) -> Result<(), Failed> {
        Ok(self.store.mark_good(&of.name, &of.version, target, &job.step()).await?)
    }

    /// What `target` was last seen healthy with, of the artifacts called as `of` is.
    pub(super) async fn last_good(
        &self,
        target: &str,
        of: &ArtifactId,
    ) -> Result<Option<ArtifactId>, Failed> {
        Ok(self.store.last_good(&of.name, target).await?.as_ref().map(ArtifactId::from))
    }

    async fn record(&self, of: &ArtifactId) -> Result<Record, Failed> {
        let record = self.store.record(&of.name, &of.version).await?;
        record.ok_or_else(|| Failed::new(Blame::Input, format!("the artifact store has no {of}")))
    }

    pub(super) async fn get(&self, of: &ArtifactId) -> Result<Files, Failed> {
        let record = self.record(of).await?;
        let folder = self.scratch()?;
        self.store.get(&record, folder.path()).await?;
        Ok(Files { folder, record })
    }

    pub(super) async fn image(&self, of: &ArtifactId) -> Result<StoredImage, Failed> {
        let record = self.record(of).await?;
        let folder = self.scratch()?;
        let image = self.store.get_image(&record, folder.path()).await?;
        Ok(StoredImage { image, record, _folder: folder })
    }

    pub(super) async fn put_image(
        &self,
        name: &str,
        version: &str,
        image: &Image,
        metadata: BTreeMap<String, String>,
    ) -> Result<ArtifactId, Failed> {
        let (name, version) = (named(name)?, versioned(version)?);
        Ok(ArtifactId::from(&self.store.put_image(name, version, image, metadata).await?.record))
    }

    /// Stores a build under the hash of all that is known of it: two commits may well have the same firmware.
    pub(super) async fn put_build(&self, name: &str, image: &Image) -> Result<ArtifactId, Failed> {
        let placeless = Image { bin: PathBuf::new(), elf: PathBuf::new(), ..image.clone() };
        let described = serde_json::to_vec(&placeless);
        let described = described.map_err(|error| Failed::new(Blame::Bug, error.to_string()))?;
        self.put_image(name, &Sha::of(described).short(), image, BTreeMap::new()).await
    }

    /// Stores `artifact`, which is complete.
    pub(super) async fn put(&self, artifact: &NewArtifact) -> Result<ArtifactId, Failed> {
        Ok(ArtifactId::from(&self.store.put(artifact).await?.record))
    }

    /// Stores a value under the hash of its text.
    pub(super) async fn put_json(&self, name: &str, value: &impl Serialize) -> Result<ArtifactId, Failed> {
        let bytes = serde_json::to_vec(value).map_err(|error| Failed::new(Blame::Bug, error.to_string()))?;
        let version = versioned(&Sha::of(&bytes).short())?;
        self.put(&NewArtifact::new(named(name)?, version).bytes("value.json", bytes)).await
    }

    pub(super) async fn get_json<T: DeserializeOwned>(&self, of: &ArtifactId) -> Result<T, Failed> {
        let files = self.get(of).await?;
        let bytes =
            std::fs::read(files.only()?).map_err(|error| Failed::infrastructure(error.to_string()))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failed::new(Blame::Input, format!("{of} is something else: {error}")))
    }

    pub(super) async fn put_source(&self, source: &Source) -> Result<ArtifactId, Failed> {
        self.put_json("sources/patterns", source).await
    }

    pub(super) async fn source(&self, of: &ArtifactId) -> Result<Source, Failed> {
        self.get_json(of).await
    }

    /// Stores what a session found as the report that it is: `result.json`, `report.html` and the frames.
    pub(super) async fn put_findings(
        &self,
        name: &str,
        findings: &Findings,
        job: &Job<Self>,
    ) -> Result<ArtifactId, Failed> {
        let folder = self.scratch()?;
        let written = findings.report.write(&findings.captures, &findings.profiles, folder.path())?;
        // An attempt of its own has a version of its own: it holds times of day.
        let mut artifact = NewArtifact::new(named(name)?, versioned(&job.task_id)?)
            .file("result.json", written.result)
            .file("report.html", written.html);
        for capture in written.captures {
            let name =
                capture.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            artifact = artifact.file(format!("captures/{name}"), capture);
        }
        self.put(&artifact).await
    }

    pub(super) async fn findings(&self, of: &ArtifactId) -> Result<Findings, Failed> {
        let files = self.get(of).await?;
        let report = Report::read(&files.path().join("result.json"))?;
        let capture =
            |pattern: &str| Capture::load(&files.path().join("captures").join(format!("{pattern}.json")));
        let captures =
            report.results.iter().map(|result| capture(&result.pattern)).collect::<Result<Vec<_>, _>>()?;
        let patterns = report.results.iter().map(|result| result.pattern.clone()).collect();
        Ok(Findings { report, captures, patterns, profiles: Vec::new() })
    }
}

/// `text` as the name of an artifact; what comes from a workflow's input may be none.
pub(super) fn named(text: &str) -> Result<Name, Failed> {
    parsed(text)
}

/// As [`named`], as a version.
pub(super) fn versioned(text: &str) -> Result<Version, Failed> {
    parsed(text)
}

fn parsed<T: FromStr<Err = NotAName>>(text: &str) -> Result<T, Failed> {
    text.parse().map_err(|error: NotAName| Failed::new(Blame::Input, error.to_string()))
}
