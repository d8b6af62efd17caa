//! All that a session found: a value, and the files made of it.
//!
//! `result.json` is for programs and has a schema ([`schema`], checked in at `docs/result.schema.json`),
//! `captures/<pattern>.json` are the frames themselves, `profiles/<pattern>.json` where their instructions go, `report.html` is for people and needs nothing but itself,
//! and [`table`] is for a terminal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::blame::Blame;
use crate::capture::{BoardSeen, Capture, Plan};
use crate::digest::Sha;
use crate::image::Image;
use crate::profile::{Profile, ProfileTable};
use crate::stored::{self, StoredError};
use crate::story;
use crate::verdict::{Outcome, Verdict};

mod filmstrip;
mod page;
pub(crate) mod plot;
mod table;

pub use table::table;

/// All that a session found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub run_id: String,
    /// RFC 3339.
    pub started: String,
    /// Version of this program.
    pub harness: String,
    /// The worst of all results and faults.
    pub outcome: Outcome,
    /// Absent if it did not come to an image.
    pub image: Option<Image>,
    /// Absent if it did not come to a measurement.
    pub board: Option<BoardSeen>,
    pub results: Vec<PatternResult>,
    pub faults: Vec<Fault>,
    /// What a reader should know of the session as a whole; whole sentences.
    pub notes: Vec<String>,
}

/// What was found of one pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PatternResult {
    pub pattern: String,
    pub plan: Plan,
    /// SHA-256 of the ELF that ran.
    pub elf_sha256: Sha,
    pub boot_id: u32,
    pub run_id: u32,
    /// Frames that could not be used.
    pub rejected: u32,
    pub verdict: Verdict,
    /// Where the instructions go, if that was looked at; all of it is in `profiles/<pattern>.json`.
    pub profile: Option<Box<ProfileTable>>,
}

/// A pattern, or the whole session, that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Fault {
    /// Absent if the fault is not of one pattern.
    pub pattern: Option<String>,
    /// The error and its causes, outermost first.
    pub errors: Vec<String>,
    pub blame: Blame,
}

/// The files of a written report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    pub result: PathBuf,
    pub html: PathBuf,
    /// In the order of the results.
    pub captures: Vec<PathBuf>,
    /// Of those results that have one, in their order.
    pub profiles: Vec<PathBuf>,
}

/// Why a report was not written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// A pattern id that is no file name, or the same one twice.
    #[error("the frames of pattern {pattern:?} cannot be stored under its name: {reason}")]
    Name { pattern: String, reason: &'static str },
    /// Each result stands on frames.
    #[error("the frames of run {run_id} of pattern {pattern} were not given")]
    NoCapture { pattern: String, run_id: u32 },
    /// A table of a profile comes from one.
    #[error("the profile of pattern {pattern} was not given")]
    NoProfile { pattern: String },
    /// The page's template and its data do not fit.
    #[error("cannot draw the report page: {reason}")]
    Page { reason: String },
}

impl ReportError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Stored(e) => e.blame(),
            Self::Name { .. } => Blame::Input,
            Self::NoCapture { .. } | Self::NoProfile { .. } | Self::Page { .. } => Blame::Bug,
        }
    }
}

impl Report {
    /// Puts together what a session found; `started` is RFC 3339. The outcome is the worst of all: INVALID if
    /// there is neither result nor fault.
    pub fn new(
        run_id: impl Into<String>,
        started: impl Into<String>,
        image: Option<Image>,
        board: Option<BoardSeen>,
        results: Vec<PatternResult>,
        faults: Vec<Fault>,
    ) -> Self {
        let outcomes = results.iter().map(|result| result.verdict.outcome);
        Self {
            format: 1,
            run_id: run_id.into(),
            started: started.into(),
            harness: env!("CARGO_PKG_VERSION").to_owned(),
            outcome: Outcome::worst(outcomes.chain(faults.iter().map(Fault::outcome))),
            notes: image.as_ref().and_then(note_on_origin).into_iter().collect(),
            image,
            board,
            results,
            faults,
        }
    }

    /// Writes `captures/<pattern>.json`, `profiles/<pattern>.json`, `report.html` and, last, `result.json` into `dir`,
    /// each whole or not at all. While `result.json` is there, it is that of the other files. `captures` are those that
    /// the results were judged from, and `profiles` those that their tables are of, in any order.
    ///
    /// # Errors
    ///
    /// See [`ReportError`]; `dir` then has no `result.json`.
    pub fn write(
        &self,
        captures: &[Capture],
        profiles: &[Profile],
        dir: &Path,
    ) -> Result<Written, ReportError> {
        let captures = self.captures_of_results(captures)?;
        let profiles = self.profiles_of_results(profiles)?;
        let html = page::html(self, &captures, &profiles)?;
        let profiled = || self.results.iter().zip(&profiles).filter_map(|(r, p)| Some((r, (*p)?)));
        let written = Written {
            result: dir.join("result.json"),
            html: dir.join("report.html"),
            captures: self
                .results
                .iter()
                .map(|r| dir.join("captures").join(format!("{}.json", r.pattern)))
                .collect(),
            profiles: profiled()
                .map(|(r, _)| dir.join("profiles").join(format!("{}.json", r.pattern)))
                .collect(),
        };
        forget(&written.result)?;
        for (path, capture) in written.captures.iter().zip(&captures) {
            capture.save(path)?;
        }
        for (path, (_, profile)) in written.profiles.iter().zip(profiled()) {
            stored::write_json(path, profile)?;
        }
        stored::write(&written.html, html.as_bytes())
            .map_err(|source| StoredError::Unwritable { path: written.html.clone(), source })?;
        stored::write_json(&written.result, self)?;
        Ok(written)
    }

    /// Reads a `result.json`.
    ///
    /// # Errors
    ///
    /// [`StoredError`].
    pub fn read(path: &Path) -> Result<Self, StoredError> {
        stored::read(path, "a result of this program", 1)
    }

    /// The capture of each result, once the results' names are found fit to be file names.
    fn captures_of_results<'a>(&self, captures: &'a [Capture]) -> Result<Vec<&'a Capture>, ReportError> {
        let mut names = BTreeSet::new();
        for PatternResult { pattern, .. } in &self.results {
            if !stored::is_name(pattern) {
                return Err(ReportError::Name { pattern: pattern.clone(), reason: "it is no file name" });
            }
            // File systems that do not tell `Tide` from `tide` would lose one of the two.
            if !names.insert(pattern.to_ascii_lowercase()) {
                return Err(ReportError::Name { pattern: pattern.clone(), reason: "it was measured twice" });
            }
        }
        let find = |r: &PatternResult| {
            let found =
                captures.iter().find(|c| c.plan == r.plan && c.boot_id == r.boot_id && c.run_id == r.run_id);
            found.ok_or_else(|| ReportError::NoCapture { pattern: r.pattern.clone(), run_id: r.run_id })
        };
        self.results.iter().map(find).collect()
    }

    /// The profile of each result that has a table of one.
    fn profiles_of_results<'a>(
        &self,
        profiles: &'a [Profile],
    ) -> Result<Vec<Option<&'a Profile>>, ReportError> {
        let find = |r: &PatternResult| {
            let Some(table) = &r.profile else { return Ok(None) };
            let found = profiles.iter().find(|profile| profile.plan == table.plan);
            found.map(Some).ok_or_else(|| ReportError::NoProfile { pattern: r.pattern.clone() })
        };
        self.results.iter().map(find).collect()
    }
}

fn note_on_origin(image: &Image) -> Option<String> {
    let origin = image.origin.as_ref()?;
    Some(format!(
        "the firmware is the {} checkout at {origin}, built for the virtual board: flash, RAM and warnings of this \
         build are not those of its own, and are not judged",
        origin.manifest
    ))
}

impl PatternResult {
    /// What `capture` was judged to be.
    pub fn new(capture: &Capture, verdict: Verdict) -> Self {
        Self {
            pattern: capture.plan.pattern.clone(),
            plan: capture.plan.clone(),
            elf_sha256: capture.elf_sha256,
            boot_id: capture.boot_id,
            run_id: capture.run_id,
            rejected: capture.rejected.len() as u32,
            verdict,
            profile: None,
        }
    }
}

impl Fault {
    /// `error`, which is `blame`'s concern and kept `pattern` (or everything, if `None`) from being measured.
    pub fn new(pattern: Option<&str>, error: &dyn std::error::Error, blame: Blame) -> Self {
        Self { pattern: pattern.map(str::to_owned), errors: story::messages(error).collect(), blame }
    }

    /// FAILED if the firmware is to blame, which hung or crashed, else INVALID: nothing was measured.
    pub fn outcome(&self) -> Outcome {
        match self.blame {
            Blame::Firmware => Outcome::Failed,
            _ => Outcome::Invalid,
        }
    }

    /// `tide`, or `the session`.
    pub(crate) fn subject(&self) -> &str {
        self.pattern.as_deref().unwrap_or("the session")
    }
}

/// The JSON Schema of `result.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}

fn forget(path: &Path) -> Result<(), StoredError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(StoredError::Unwritable { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
