//! The one place that knows the order of the steps: from graphs and a board to a report.

use std::path::PathBuf;

use crate::board::Board;
use crate::capture::{self, Capture, CaptureError, Plan};
use crate::deploy::{self, DeployOptions, Deployment};
use crate::error::{Blame, Error};
use crate::event::{Event, OnEvent};
use crate::graph::Graph;
use crate::image::{self, Image, Target};
use crate::report::Report;
use crate::source;
use crate::tools::Toolbox;
use crate::verdict::{self, Baseline, Budgets, Comparison};

/// How a session measures and judges.
#[derive(Clone, Debug)]
pub struct Session {
    /// The plan of every pattern; its `pattern` is replaced by each pattern's id.
    pub plan: Plan,
    pub deploy: DeployOptions,
    pub budgets: Budgets,
    pub comparison: Comparison,
    /// Folder of the stored baselines; none: no comparison.
    pub baselines: Option<PathBuf>,
}

/// What a session found: the report, and the frames behind it.
#[derive(Clone, Debug)]
pub struct Findings {
    pub report: Report,
    pub captures: Vec<Capture>,
}
