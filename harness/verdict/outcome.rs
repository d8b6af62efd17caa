//! The one word that a capture, or a whole session, amounts to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a capture amounts to.
///
/// From best to worst: PASS, IMPROVED, INCONCLUSIVE, REGRESSED, FAILED, INVALID. Where several apply, the worst
/// is said: frames that cannot be judged say nothing of budgets, and an exceeded budget is a fact by itself,
/// whatever the comparison shows. IMPROVED stands after PASS because it asks for something: a new baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
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

impl Outcome {
    /// Whether this is PASS or IMPROVED.
    pub fn passed(self) -> bool {
        matches!(self, Self::Pass | Self::Improved)
    }

    /// 0 (PASS) to 5 (INVALID), in the order given above.
    pub fn severity(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Improved => 1,
            Self::Inconclusive => 2,
            Self::Regressed => 3,
            Self::Failed => 4,
            Self::Invalid => 5,
        }
    }

    /// The most severe of `outcomes`; INVALID if there are none, since nothing measured is never a pass.
    pub fn worst(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes.into_iter().max_by_key(|outcome| outcome.severity()).unwrap_or(Self::Invalid)
    }

    /// `PASS`, `FAILED` …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Failed => "FAILED",
            Self::Regressed => "REGRESSED",
            Self::Improved => "IMPROVED",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Invalid => "INVALID",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
