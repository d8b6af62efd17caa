//! What a change did to the patterns of a firmware checkout: one commit beside another, a range of them, or the one
//! that is to blame.
//!
//! All of it runs on virtual boards, where a run's numbers are exact: two firmwares that differ in a number differ, and
//! a firmware that was measured once need not be measured again. So the numbers of each program are kept in the cache
//! (`store.rs`), and a commit that changes nothing that is executed costs nothing.
//!
//! [`Lab`] measures commits by asking [`crate::session`] for the steps; [`diff`](Lab::diff), [`history`](Lab::history)
//! and [`bisect`](Lab::bisect) say which commits; what follows from the numbers is pure. Where a pattern got slower, the
//! functions are named by [`crate::profile`].

mod bisect;
mod diff;
mod functions;
mod functions_text;
mod history;
mod lab;
mod page;
mod revision;
mod store;
mod text;

pub use bisect::{Bisection, Fault, Passed, range};
pub use diff::{Diff, Finding, Row};
pub use functions::Functions;
pub use history::{History, HistoryFiles, Point, Step};
pub use lab::Lab;
pub use revision::{Found, Measured, Numbers, Refusal, Revision, Run};
pub use text::{bisection_text, diff_markdown, diff_table, history_csv, history_table};

use crate::blame::Blame;

/// Why commits cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// None of the commits has the pattern.
    #[error("no commit that was measured has a pattern {pattern}; the last one has {known}")]
    NoPattern { pattern: String, known: String },
    /// A bisection needs numbers at both ends.
    #[error("{pattern} has no numbers at {revision}: {reason}")]
    NoNumbers { revision: String, pattern: String, reason: String },
    /// A bisection needs something to look for.
    #[error("{bad} draws {pattern} as {good} does, and is not slower by more than {min_effect_percent} %")]
    NothingToFind { good: String, bad: String, pattern: String, min_effect_percent: f64 },
    /// `GOOD..BAD` was expected.
    #[error("{text:?} is not a range of commits, GOOD..BAD")]
    NotARange { text: String },
    /// The plot of a history cannot be drawn.
    #[error("cannot draw the history: {reason}")]
    Page { reason: String },
}

impl CompareError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Page { .. } => Blame::Bug,
            _ => Blame::Input,
        }
    }
}
