//! Labels: what a version is known as. Each is set, moved and taken away by compare-and-swap.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::all;
use super::{ArtifactError, Label, Name, Record, Store, Version};
use crate::stored;

/// A label, where it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Labelled {
    pub name: Name,
    pub label: Label,
    pub version: Version,
    #[schemars(with = "String")]
    pub set: Timestamp,
    /// What the health check found, of a label that needs one.
    pub evidence: Option<String>,
}

/// Where a label must be for it to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anywhere, or nowhere.
    Anywhere,
    /// At no version.
    Nowhere,
    /// At this version.
    At(Version),
}

/// One of a label's numbered files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Step {
    format: u32,
    /// None: it was taken away.
    version: Option<Version>,
    set: Timestamp,
    evidence: Option<String>,
    /// Tells the steps of two writers apart that are otherwise equal.
    writer: String,
}

const FORMAT: u32 = 1;
pub(super) const LABELS: &str = "labels";

/// How often a step is tried that others were quicker with.
const TRIES: u32 = 32;

impl Store {
    /// Sets `label` at `version`, if it is where it is `expected` to be. If it is at `version` already, nothing is done.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Moved`] if it is elsewhere, [`ArtifactError::Unknown`] if there is no such version,
    /// [`ArtifactError::Unverified`] for a label that only [`Store::mark_good`] sets, [`ArtifactError::Contended`];
    /// [`ArtifactError::Store`], [`ArtifactError::Damaged`].
    pub async fn label(
        &self,
        name: &Name,
        version: &Version,
        label: &Label,
        expected: &Expected,
    ) -> Result<(), ArtifactError> {
        if label.is_last_good() {
            return Err(ArtifactError::Unverified { label: label.clone() });
        }
        self.set(name, Some(version), label, expected, None).await
    }

    /// Takes `label` away, if it is where it is `expected` to be. If it is nowhere, nothing is done.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Moved`], [`ArtifactError::Contended`], [`ArtifactError::Store`], [`ArtifactError::Damaged`].
    pub async fn unlabel(
        &self,
        name: &Name,
        label: &Label,
        expected: &Expected,
    ) -> Result<(), ArtifactError> {
        self.set(name, None, label, expected, None).await
    }

    /// Notes that `target` (a board, an environment) was seen healthy with `version`; `evidence` says by which check:
    /// a run, a report, a person. It is what a roll-back of `target` goes back to, so nothing else notes it.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Unfit`] if `target` is not one segment of a name or there is no evidence; else as
    /// [`Store::label`].
    pub async fn mark_good(
        &self,
        name: &Name,
        version: &Version,
        target: &str,
        evidence: &str,
    ) -> Result<(), ArtifactError> {
        let unfit = |reason: String| ArtifactError::Unfit { reason };
        let label = Label::last_good(target).map_err(|error| unfit(error.to_string()))?;
        if evidence.trim().is_empty() {
            return Err(unfit(format!("nothing says by which check {target} was found healthy")));
        }
        self.set(name, Some(version), &label, &Expected::Anywhere, Some(evidence)).await
    }

    /// The version of `name` that `target` was last seen healthy with; none if it never was.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Unfit`] if `target` is not one segment of a name; [`ArtifactError::Store`],
    /// [`ArtifactError::Damaged`].
    pub async fn last_good(&self, name: &Name, target: &str) -> Result<Option<Record>, ArtifactError> {
        let label = Label::last_good(target).map_err(|e| ArtifactError::Unfit { reason: e.to_string() })?;
        match self.step(name, &label).await? {
            Some((_, Step { version: Some(version), .. })) => self.kept(name, &version).await,
            _ => Ok(None),
        }
    }

    /// All labels, or those of one name, by name and label.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Store`], [`ArtifactError::Damaged`].
    pub async fn labels(&self, name: Option<&Name>) -> Result<Vec<Labelled>, ArtifactError> {
        let folder = name.map_or(LABELS.to_owned(), |name| format!("{LABELS}/{}", name.key()));
        let keys = self.objects.list(&folder).await?.into_iter().map(|listed| listed.key);
        let newest = newest(keys.collect());
        let mut labels: Vec<Labelled> = all(newest, |key| async move { self.labelled(&key).await }).await?;
        labels.sort_by(|a, b| (&a.name, &a.label).cmp(&(&b.name, &b.label)));
        Ok(labels)
    }

    async fn labelled(&self, key: &str) -> Result<Option<Labelled>, ArtifactError> {
        let mut parts = key.split('/').skip(1);
        let (name, label) = (parts.next().and_then(Name::of_key), parts.next().and_then(Label::of_key));
        let (Some(name), Some(label)) = (name, label) else { return Ok(None) }; // not ours
        let Some(Step { version: Some(version), set, evidence, .. }) = self.read_step(key).await? else {
            return Ok(None);
        };
        Ok(Some(Labelled { name, label, version, set, evidence }))
    }

    async fn set(
        &self,
        name: &Name,
        version: Option<&Version>,
        label: &Label,
        expected: &Expected,
        evidence: Option<&str>,
    ) -> Result<(), ArtifactError> {
        self.must_exist(name, version).await?;
        let mut step = Step {
            format: FORMAT,
            version: version.cloned(),
            set: Timestamp::now(),
            evidence: evidence.map(ToOwned::to_owned),
            writer: nonce(),
        };
        for _ in 0..TRIES {
            let (number, found) = match self.step(name, label).await? {
                Some((number, step)) => (number, Some(step)),
                None => (0, None),
            };
            let at = found.as_ref().and_then(|step| step.version.clone());
            if at.as_ref() == version && evidence.is_none() {
                return Ok(());
            }
            expected.check(name, label, at)?;
            // Clocks of several machines differ; a label's own steps stay in order.
            step.set = step.set.max(found.map_or(step.set, |found| found.set));
            let key = format!("{}/{:010}.json", folder(name, label), number + 1);
            let bytes =
                serde_json::to_vec(&step).map_err(|e| ArtifactError::Unfit { reason: e.to_string() })?;
            let created = self.objects.create(&key, bytes).await?;
            if created || self.read_step(&key).await?.as_ref() == Some(&step) {
                // A clean-up that did not see the label yet may have taken the version away.
                return self.must_exist(name, version).await;
            }
        }
        Err(ArtifactError::Contended { name: name.clone(), label: label.clone() })
    }

    async fn must_exist(&self, name: &Name, version: Option<&Version>) -> Result<(), ArtifactError> {
        let Some(version) = version else { return Ok(()) };
        match self.kept(name, version).await? {
            Some(_) => Ok(()),
            None => Err(ArtifactError::Unknown {
                store: self.address().to_owned(),
                name: name.clone(),
                reference: version.to_string(),
            }),
        }
    }

    /// The last step of a label and its number; none if it was never set.
    async fn step(&self, name: &Name, label: &Label) -> Result<Option<(u64, Step)>, ArtifactError> {
        loop {
            let keys = self.objects.list(&folder(name, label)).await?.into_iter().map(|listed| listed.key);
            let Some(key) = newest(keys.collect()).pop() else { return Ok(None) };
            // None: others have set it so often meanwhile that the clean-up took this step away.
            if let Some(step) = self.read_step(&key).await? {
                return Ok(number(&key).map(|number| (number, step)));
            }
        }
    }

    async fn read_step(&self, key: &str) -> Result<Option<Step>, ArtifactError> {
        let Some(bytes) = self.objects.read(key).await? else { return Ok(None) };
        stored::parse(&bytes, FORMAT).map(Some).map_err(|reason| ArtifactError::Damaged {
            store: self.address().to_owned(),
            key: key.to_owned(),
            reason,
        })
    }
}

impl Expected {
    fn check(&self, name: &Name, label: &Label, found: Option<Version>) -> Result<(), ArtifactError> {
        let expected = match self {
            Self::Anywhere => return Ok(()),
            Self::Nowhere => None,
            Self::At(version) => Some(version.clone()),
        };
        if found == expected {
            return Ok(());
        }
        Err(ArtifactError::Moved { name: name.clone(), label: label.clone(), expected, found })
    }
}

fn folder(name: &Name, label: &Label) -> String {
    format!("{LABELS}/{}/{}", name.key(), label.key())
}

/// The number of the step under `key`.
pub(super) fn number(key: &str) -> Option<u64> {
    key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
}

/// Of `keys`, the one with the highest number of each label.
fn newest(keys: Vec<String>) -> Vec<String> {
    let mut newest = std::collections::BTreeMap::<String, (u64, String)>::new();
    for key in keys {
        let (Some((folder, _)), Some(number)) = (key.rsplit_once('/'), number(&key)) else { continue };
        let entry = newest.entry(folder.to_owned()).or_default();
        if number >= entry.0 {
            *entry = (number, key);
        }
    }
    newest.into_values().map(|(_, key)| key).collect()
}

/// 64 bits that no other writer has: the standard library seeds its hash maps with the system's random numbers.
fn nonce() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())
}
