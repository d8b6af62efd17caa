//! The task that shows that server and worker find each other, and what the worker's host could do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Lab;
use crate::blame::Blame;
use crate::conductor::job::Job;
use crate::conductor::outcome::Failed;
use crate::tools::{self, ToolStatus};

/// Input of `worker_check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerCheck {
    /// Comes back as it is.
    #[serde(default)]
    pub message: String,
}

/// Output of `worker_check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerChecked {
    pub message: String,
    /// Of the worker's program.
    pub version: String,
    /// What its host has, as `k1-hil doctor` says it.
    pub tools: Vec<ToolStatus>,
}

pub(super) async fn worker_check(input: WorkerCheck, job: Job<Lab>) -> Result<WorkerChecked, Failed> {
    let toolbox = job.context.toolbox.clone();
    let tools = tokio::task::spawn_blocking(move || tools::doctor(&toolbox)).await;
    let tools = tools.map_err(|error| Failed::new(Blame::Bug, error.to_string()))?;
    Ok(WorkerChecked { message: input.message, version: env!("CARGO_PKG_VERSION").to_owned(), tools })
}
