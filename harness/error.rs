//! One error for all steps.

use crate::blame::Blame;

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
    Graft(#[from] crate::source::GraftError),
    #[error(transparent)]
    Compile(#[from] crate::image::CompileError),
    #[error(transparent)]
    Audio(#[from] crate::audio::AudioError),
    #[error(transparent)]
    VirtualBoard(#[from] crate::vboard::VirtualBoardError),
    #[error(transparent)]
    Board(#[from] crate::board::BoardError),
    #[error(transparent)]
    Inventory(#[from] crate::board::inventory::InventoryError),
    #[error(transparent)]
    Lease(#[from] crate::board::lease::LeaseError),
    #[error(transparent)]
    Deploy(#[from] crate::deploy::DeployError),
    #[error(transparent)]
    Capture(#[from] crate::capture::CaptureError),
    #[error(transparent)]
    Baseline(#[from] crate::verdict::BaselineError),
    #[error(transparent)]
    Profile(#[from] crate::profile::ProfileError),
    #[error(transparent)]
    Monitor(#[from] crate::monitor::MonitorError),
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    #[error(transparent)]
    Compare(#[from] crate::compare::CompareError),
    #[error(transparent)]
    Webapp(#[from] crate::webapp::WebappError),
    #[error(transparent)]
    WorkerSettings(#[from] crate::conductor::tasks::SettingsError),
    #[error(transparent)]
    Artifact(#[from] crate::artifacts::ArtifactError),
    #[error(transparent)]
    Conductor(#[from] crate::conductor::ConductorError),
    #[error(transparent)]
    WebhookConfig(#[from] crate::webhook::ConfigError),
    #[error(transparent)]
    WebhookQueue(#[from] crate::webhook::QueueError),
}

impl Error {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Stored(e) => e.blame(),
            Self::Tools(e) => e.blame(),
            Self::Graph(_) | Self::Generate(_) => Blame::Input,
            Self::Checkout(e) => e.blame(),
            Self::Graft(e) => e.blame(),
            Self::Compile(e) => e.blame(),
            Self::Audio(e) => e.blame(),
            Self::VirtualBoard(e) => e.blame(),
            Self::Board(e) => e.blame(),
            Self::Inventory(e) => e.blame(),
            Self::Lease(e) => e.blame(),
            Self::Deploy(e) => e.blame(),
            Self::Capture(e) => e.blame(),
            Self::Baseline(e) => e.blame(),
            Self::Profile(e) => e.blame(),
            Self::Monitor(e) => e.blame(),
            Self::Report(e) => e.blame(),
            Self::Compare(e) => e.blame(),
            Self::Webapp(e) => e.blame(),
            Self::WorkerSettings(e) => e.blame(),
            Self::Artifact(e) => e.blame(),
            Self::Conductor(e) => e.blame(),
            Self::WebhookConfig(_) => Blame::Configuration,
            Self::WebhookQueue(e) => e.blame(),
        }
    }
}
