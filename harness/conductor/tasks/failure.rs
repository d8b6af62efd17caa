//! What is done about a workflow that failed: its context for people, its leavings removed, the failure counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::firmware::UNUSED;
use super::given;
use super::lab::Lab;
use super::shelf::{named, versioned};
use crate::artifacts::{ArtifactId, NewArtifact};
use crate::conductor::{Failed, Job, Limits, Registry, TaskSeen, WorkflowSeen};
use crate::image;

pub(super) fn tasks() -> Registry<Lab> {
    Registry::new()
        .task(
            "extract_failure_context",
            "Reads a failed workflow: which task failed, at what, and what it said.",
            Limits::seconds(60),
            extract_failure_context,
        )
        .task(
            "cleanup_build_artifacts",
            "Removes what builds left behind and nobody asks for any more.",
            Limits::seconds(120),
            cleanup_build_artifacts,
        )
        .task(
            "log_failure_metrics",
            "Notes a failure in the store, once per run.",
            Limits::seconds(60),
            log_failure_metrics,
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ContextAsked {
    workflow_id: String,
    /// What the server gave as the reason.
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    failure_task_id: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Context {
    workflow: String,
    /// Reference name of the task that failed.
    task: Option<String>,
    /// `commit`, `compile`, `gate`, `deploy`, `health` or `other`.
    failure_type: &'static str,
    reason: String,
    repo: Option<String>,
    commit: Option<String>,
    /// The task's log, and where it ran.
    details: Vec<String>,
}

async fn extract_failure_context(asked: ContextAsked, job: Job<Lab>) -> Result<Context, Failed> {
    let client = &job.context.client;
    let failed = workflow(&job, &asked.workflow_id).await?;
    let task = failed_task(&failed, given(&asked.failure_task_id));
    let said = task.and_then(|task| task.reason_for_incompletion.clone());
    let reason = said.or(asked.reason).or_else(|| failed.reason_for_incompletion.clone());
    let mut details = Vec::new();
    if let Some(task) = task {
        let worker = task.worker_id.as_deref().unwrap_or("no worker");
        details.push(format!("{} on {worker}, attempt {}", task.reference_task_name, task.retry_count + 1));
        details.extend(client.log(&task.task_id).await?);
    }
    let text = |key: &str| failed.input.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Context {
        failure_type: kind_of(task),
        task: task.map(|task| task.reference_task_name.clone()),
        reason: reason.unwrap_or_else(|| "no reason was given".to_owned()),
        repo: text("repo"),
        commit: text("commit_sha"),
        details,
        workflow: failed.workflow_name,
    })
}

/// The workflow `id` with its tasks.
pub(super) async fn workflow(job: &Job<Lab>, id: &str) -> Result<WorkflowSeen, Failed> {
    let found = job.context.client.workflow(id, true).await?;
    found.ok_or_else(|| Failed::input("workflow_id", format!("the server has no workflow {id}")))
}

/// The task that made the workflow fail; a failed switch or end is not one.
fn failed_task<'a>(workflow: &'a WorkflowSeen, id: Option<&str>) -> Option<&'a TaskSeen> {
    let named = workflow.tasks.iter().find(|task| Some(task.task_id.as_str()) == id);
    let last = || workflow.tasks.iter().rev().find(|task| task.status.is_failure());
    named.or_else(last)
}

fn kind_of(task: Option<&TaskSeen>) -> &'static str {
    match task.map(|task| task.reference_task_name.as_str()).unwrap_or_default() {
        "validate_commit" | "end_commit" => "commit",
        "platformio_compile" => "compile",
        "validate_build" | "end_gates" => "gate",
        "deploy_firmware_ota" => "deploy",
        "device_health_check" | "end_unhealthy" => "health",
        _ => "other",
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CleanupAsked {
    workflow_id: String,
    #[serde(default)]
    repo: Option<String>,
    #[serde(default)]
    commit: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CleanedUp {
    cleaned: bool,
    freed_bytes: u64,
}

async fn cleanup_build_artifacts(asked: CleanupAsked, job: Job<Lab>) -> Result<CleanedUp, Failed> {
    // A failed build leaves no folder behind by itself; what is left are images, and one that was built for a workflow
    // that failed is of no more use than any other that nobody asks for.
    let pruned = image::prune(&job.context.toolbox, UNUSED)?;
    let of = given(&asked.commit).or(given(&asked.repo)).unwrap_or("nothing in particular");
    job.log(format!("after {} of {of}: {} images removed", asked.workflow_id, pruned.images));
    Ok(CleanedUp { cleaned: true, freed_bytes: pruned.bytes })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct LogAsked {
    failure_type: String,
    #[serde(default)]
    reason: Option<String>,
    workflow_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Logged {
    /// The failure in the store, where it is counted: `failures/TYPE@RUN`.
    failure: ArtifactId,
}

async fn log_failure_metrics(asked: LogAsked, job: Job<Lab>) -> Result<Logged, Failed> {
    let (kind, workflow) = (&asked.failure_type, &asked.workflow_id);
    let artifact = NewArtifact::new(named(&format!("failures/{kind}"))?, versioned(workflow)?);
    let reason = asked.reason.unwrap_or_default();
    let failure = job.context.put(&artifact.bytes("reason.txt", reason)).await?;
    Ok(Logged { failure })
}
