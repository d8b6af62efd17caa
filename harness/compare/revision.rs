//! A commit, or the working tree, and what was measured of it.

use serde::{Deserialize, Serialize};

use crate::digest::Sha;
use crate::image::Diagnostic;
use crate::source::{Commit, short};
use crate::verdict::Statistics;

/// What is measured: a commit, or the working tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Revision {
    /// As it was asked for: `HEAD~1`, `main`; `working tree`.
    pub name: String,
    /// Absent for the working tree.
    pub commit: Option<Commit>,
}

impl Revision {
    /// The working tree.
    pub fn worktree() -> Self {
        Self { name: "working tree".to_owned(), commit: None }
    }

    /// A commit under a name, which may be its id.
    pub fn of(name: &str, commit: Commit) -> Self {
        Self { name: name.to_owned(), commit: Some(commit) }
    }

    /// `6c241c7 Merge pull request #47`, `working tree`.
    pub fn title(&self) -> String {
        match &self.commit {
            Some(commit) => format!("{} {}", commit.short(), commit.subject),
            None => self.name.clone(),
        }
    }

    /// `6c241c7`, `working tree`.
    pub fn short(&self) -> &str {
        self.commit.as_ref().map_or(&self.name, |commit| short(&commit.id))
    }
}

/// A revision and its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Measured {
    pub revision: Revision,
    #[serde(flatten)]
    pub found: Found,
}

/// What a revision gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    Built {
        program_sha256: Sha,
        /// All patterns of the firmware, in registry order.
        patterns: Vec<String>,
        /// Of those that were asked for.
        numbers: Vec<(String, Numbers)>,
    },
    /// There is no image.
    Refused(Refusal),
}

/// Why a revision could not be built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refusal {
    /// One sentence.
    pub reason: String,
    /// The compiler's messages, where it came that far.
    pub errors: Vec<Diagnostic>,
}

/// What a pattern gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Numbers {
    Ran(Box<Run>),
    /// The firmware hung or crashed, or its run cannot be judged: why.
    Failed(String),
}

/// The numbers of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Run {
    pub statistics: Statistics,
    /// Hash of each frame's LED bytes.
    pub led_hashes: Vec<u32>,
    /// Instructions that each frame took to draw.
    pub render_ticks: Vec<u64>,
}

impl Measured {
    /// The numbers of `pattern`; none if it was not built, or has no such pattern.
    pub fn numbers(&self, pattern: &str) -> Option<&Numbers> {
        match &self.found {
            Found::Built { numbers, .. } => numbers.iter().find(|(id, _)| id == pattern).map(|(_, n)| n),
            Found::Refused(_) => None,
        }
    }

    /// The patterns with numbers, in registry order.
    pub fn measured(&self) -> impl Iterator<Item = &str> {
        let numbers = match &self.found {
            Found::Built { numbers, .. } => numbers.as_slice(),
            Found::Refused(_) => &[],
        };
        numbers.iter().map(|(id, _)| id.as_str())
    }

    /// Why there is no image.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.found {
            Found::Built { .. } => None,
            Found::Refused(refusal) => Some(refusal),
        }
    }

    /// What was executed; none if it was not built.
    pub(super) fn program(&self) -> Option<Sha> {
        match &self.found {
            Found::Built { program_sha256, .. } => Some(*program_sha256),
            Found::Refused(_) => None,
        }
    }

    /// Why there are no numbers of `pattern`, in words.
    pub(super) fn lack(&self, pattern: &str) -> String {
        match (&self.found, self.numbers(pattern)) {
            (Found::Refused(refusal), _) => format!("it does not build: {}", refusal.reason),
            (_, Some(Numbers::Failed(reason))) => reason.clone(),
            _ => format!("it has no pattern {pattern}"),
        }
    }
}

impl Numbers {
    /// The run, if there is one.
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Ran(run) => Some(run),
            Self::Failed(_) => None,
        }
    }
}
