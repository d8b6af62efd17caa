//! Judging captures: budgets, and the comparison with a stored baseline. Pure.

use serde::{Deserialize, Serialize};

/// A baseline file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    #[error("cannot read the baseline {path}")]
    Unreadable { path: std::path::PathBuf, source: std::io::Error },
    #[error("cannot write the baseline {path}")]
    Unwritable { path: std::path::PathBuf, source: std::io::Error },
    #[error("{path} is not a baseline: {reason}")]
    Malformed { path: std::path::PathBuf, reason: String },
}

impl BaselineError {
    /// Whose concern this error is.
    pub fn blame(&self) -> crate::error::Blame {
        crate::error::Blame::Configuration
    }
}

/// What a capture amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Within every budget, and not slower than the baseline if there is one.
    Pass,
    /// A budget is exceeded.
    Failed,
    /// Slower than the baseline by more than the minimum effect.
    Regressed,
    /// Faster than the baseline by more than the minimum effect.
    Improved,
    /// The numbers allow no decision.
    Inconclusive,
    /// There are no numbers that could be judged.
    Invalid,
}
