//! One error per step, and whose concern it is.

use serde::{Deserialize, Serialize};

/// Who can do something about an error. The exit code, a retry and the advice all follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The input is wrong: a graph, a source, an argument. The same step again fails again.
    Input,
    /// The machine is not set up: a tool is missing, a folder cannot be written, a port is taken.
    Configuration,
    /// The board or its link broke. The same step may succeed when tried again.
    Infrastructure,
    /// The firmware under test failed: it hung, crashed or lost frames.
    Firmware,
    /// This program contradicts itself.
    Bug,
}

/// Any error of any step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Stored(#[from] crate::stored::StoredError),
    #[error(transparent)]
    Tools(#[from] crate::tools::ToolsError),
    #[error(transparent)]
    Graph(#[from] crate::graph::GraphError),
    #[error(transparent)]
    Generate(#[from] crate::source::GenerateError),
    #[error(transparent)]
    Checkout(#[from] crate::source::CheckoutError),
    #[error(transparent)]
    Compile(#[from] crate::image::CompileError),
    #[error(transparent)]
    VirtualBoard(#[from] crate::vboard::VirtualBoardError),
    #[error(transparent)]
    Board(#[from] crate::board::BoardError),
    #[error(transparent)]
    Deploy(#[from] crate::deploy::DeployError),
    #[error(transparent)]
    Capture(#[from] crate::capture::CaptureError),
    #[error(transparent)]
    Baseline(#[from] crate::verdict::BaselineError),
    #[error(transparent)]
    Profile(#[from] crate::profile::ProfileError),
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    #[error(transparent)]
    Compare(#[from] crate::compare::CompareError),
}

impl Error {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Stored(e) => e.blame(),
            Self::Tools(e) => e.blame(),
            Self::Graph(_) | Self::Generate(_) => Blame::Input,
            Self::Checkout(e) => e.blame(),
            Self::Compile(e) => e.blame(),
            Self::VirtualBoard(e) => e.blame(),
            Self::Board(e) => e.blame(),
            Self::Deploy(e) => e.blame(),
            Self::Capture(e) => e.blame(),
            Self::Baseline(e) => e.blame(),
            Self::Profile(e) => e.blame(),
            Self::Report(e) => e.blame(),
            Self::Compare(e) => e.blame(),
        }
    }
}
