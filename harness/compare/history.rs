//! A range of commits, one after the other: what each pattern cost at each of them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::diff::{Finding, deciding, finding_of, other_frames};
use super::lab::{Lab, revision};
use super::page;
use super::revision::{Measured, Numbers, Revision, Run};
use super::text::history_csv;
use crate::error::Error;
use crate::event::OnEvent;
use crate::source::Repository;
use crate::stored::{self, StoredError};
use crate::verdict::{Change, Comparison, Likeness, exact_changes};

/// What the patterns of a checkout cost over its commits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct History {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    /// Ticks per second of all numbers; 0 if there are none.
    pub tick_hz: u32,
    /// Oldest first.
    pub points: Vec<Point>,
    /// Every pattern that has numbers somewhere: those of the last commit in registry order, then those that are gone.
    pub patterns: Vec<String>,
    /// What changed from one commit to the next that has numbers, oldest first.
    pub steps: Vec<Step>,
}

/// One commit and its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Point {
    #[serde(flatten)]
    pub measured: Measured,
}

/// A change of one pattern at one commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// Place in `points`.
    pub point: usize,
    pub pattern: String,
    pub finding: Finding,
    /// The number that decided: of those that are worse (or better) the one that changed most. Absent where one side
    /// has no run or only the picture differs.
    pub change: Option<Change>,
}

/// The files of a written history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryFiles {
    pub json: PathBuf,
    pub csv: PathBuf,
    pub html: PathBuf,
}

impl Lab<'_> {
    /// Measures `since` and all commits after it up to `HEAD`, along first parents.
    ///
    /// # Errors
    ///
    /// [`CompareError::NoPattern`](super::CompareError::NoPattern) if a pattern that counts is at none of them, and those of [`Lab::measure`].
    pub async fn history(&mut self, since: &str, on_event: OnEvent<'_>) -> Result<History, Error> {
        let repository = Repository::open(&self.checkout, self.toolbox).await?;
        let first = revision(&repository, since).await?;
        let head = repository.commit("HEAD").await?;
        let mut revisions = vec![first.clone()];
        if let Some(from) = &first.commit {
            let after = repository.between(from, &head).await?;
            revisions.extend(after.into_iter().map(|commit| Revision::of(&commit.id.clone(), commit)));
        }
        let measured = self.measure(&revisions, on_event).await?;
        self.known(&measured)?;
        Ok(History::new(measured, &self.session.comparison))
    }
}

impl History {
    /// Finds out what changed where. Pure.
    pub fn new(measured: Vec<Measured>, comparison: &Comparison) -> Self {
        let mut patterns: Vec<String> = Vec::new();
        for measured in measured.iter().rev() {
            let others = measured.measured().filter(|id| !patterns.iter().any(|known| known == id));
            let others: Vec<String> = others.map(str::to_owned).collect();
            patterns.extend(others);
        }
        let tick_hz = measured.iter().flat_map(|m| m.measured().filter_map(|id| run(m, id))).next();
        Self {
            format: 1,
            tick_hz: tick_hz.map_or(0, |run| run.statistics.tick_hz),
            steps: steps(&measured, &patterns, comparison),
            points: measured.into_iter().map(|measured| Point { measured }).collect(),
            patterns,
        }
    }

    /// The runs of `pattern`: place in `points`, and the run.
    pub fn runs<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = (usize, &'a Run)> {
        self.points
            .iter()
            .enumerate()
            .filter_map(move |(at, point)| Some((at, run(&point.measured, pattern)?)))
    }

    /// Writes `history.json`, `history.csv` and `history.html` into `folder`, each whole or not at all.
    ///
    /// # Errors
    ///
    /// [`StoredError::Unwritable`], or [`CompareError::Page`](super::CompareError::Page).
    pub fn write(&self, folder: &Path) -> Result<HistoryFiles, Error> {
        let file = |name: &str| folder.join(name);
        let files =
            HistoryFiles { json: file("history.json"), csv: file("history.csv"), html: file("history.html") };
        let html = page::html(self)?;
        for (path, text) in [(&files.csv, history_csv(self)), (&files.html, html)] {
            stored::write(path, text.as_bytes())
                .map_err(|source| StoredError::Unwritable { path: path.clone(), source })?;
        }
        stored::write_json(&files.json, self)?;
        Ok(files)
    }
}

fn run<'a>(measured: &'a Measured, pattern: &str) -> Option<&'a Run> {
    measured.numbers(pattern).and_then(Numbers::run)
}

fn steps(measured: &[Measured], patterns: &[String], comparison: &Comparison) -> Vec<Step> {
    let mut steps = Vec::new();
    // Commits that do not build have no say in what is new or gone.
    let built: Vec<(usize, &Measured)> =
        measured.iter().enumerate().filter(|(_, measured)| measured.refusal().is_none()).collect();
    for pair in built.windows(2) {
        let [(_, then), (point, now)] = pair else { continue };
        for pattern in patterns {
            let (finding, change) = match (then.numbers(pattern), now.numbers(pattern)) {
                (None, None) | (Some(Numbers::Failed(_)), Some(Numbers::Failed(_))) => continue,
                (None, Some(_)) | (Some(Numbers::Failed(_)), Some(Numbers::Ran(_))) => (Finding::New, None),
                (Some(_), None) => (Finding::Gone, None),
                (Some(Numbers::Ran(_)), Some(Numbers::Failed(_))) => (Finding::Fails, None),
                (Some(Numbers::Ran(then)), Some(Numbers::Ran(now))) => change(then, now, comparison),
            };
            if finding != Finding::Same {
                steps.push(Step { point: *point, pattern: pattern.clone(), finding, change });
            }
        }
    }
    steps
}

fn change(then: &Run, now: &Run, comparison: &Comparison) -> (Finding, Option<Change>) {
    let changes = exact_changes(&then.statistics, &now.statistics, comparison);
    let picture = if other_frames(then, now).0 == 0 { Likeness::Same } else { Likeness::Changed };
    let finding = finding_of(&changes, picture);
    (finding, deciding(&changes, finding).cloned())
}
