//! Following a workflow to its end, as its tasks change.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::client::Client;
use super::fault::ConductorError;
use super::model::{TaskSeen, TaskState, WorkflowSeen};
use crate::event::{Event, OnEvent};

/// How often the server is asked. It has no call that waits for a change.
const EVERY: Duration = Duration::from_millis(500);

/// The types of tasks that people complete.
const GATES: [&str; 2] = ["WAIT", "HUMAN"];

/// Follows the workflow `id` until it has ended, or, `until_gate`, waits for a person. Tells of each task that changed.
///
/// # Errors
///
/// [`ConductorError::NoWorkflow`], and those of the server once it has not answered for as long as a client is patient.
pub async fn follow(
    client: &Client,
    id: &str,
    until_gate: bool,
    on_event: OnEvent<'_>,
) -> Result<WorkflowSeen, ConductorError> {
    let mut seen = BTreeMap::new();
    loop {
        let workflow = client.workflow(id, true).await?;
        let workflow = workflow.ok_or_else(|| ConductorError::NoWorkflow { id: id.to_owned() })?;
        for task in &workflow.tasks {
            if seen.insert(task.task_id.clone(), task.status) != Some(task.status) {
                on_event(&event(task));
            }
        }
        if workflow.status.is_final() || (until_gate && gates(&workflow).next().is_some()) {
            return Ok(workflow);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The tasks that wait for a person now.
pub fn gates(workflow: &WorkflowSeen) -> impl Iterator<Item = &TaskSeen> {
    let waits =
        |task: &&TaskSeen| task.status == TaskState::InProgress && GATES.contains(&task.task_type.as_str());
    workflow.tasks.iter().filter(waits)
}

fn event(task: &TaskSeen) -> Event {
    Event::Task {
        reference: task.reference_task_name.clone(),
        status: task.status.to_string(),
        attempt: task.retry_count + 1,
        reason: task.reason_for_incompletion.clone(),
    }
}

/// Answers the gate `gate` of the workflow `id`, or the only one that waits, with `answer`. Returns the gate's name.
///
/// # Errors
///
/// [`ConductorError::NoWorkflow`]; [`ConductorError::NoGate`] if none waits, or not that one, or several do and none is
/// named.
pub async fn answer(
    client: &Client,
    id: &str,
    gate: Option<&str>,
    answer: &Map<String, Value>,
) -> Result<String, ConductorError> {
    let workflow = client.workflow(id, true).await?;
    let workflow = workflow.ok_or_else(|| ConductorError::NoWorkflow { id: id.to_owned() })?;
    let waiting: Vec<&str> = gates(&workflow).map(|task| task.reference_task_name.as_str()).collect();
    let none = || {
        let waiting = if waiting.is_empty() { "nothing".to_owned() } else { waiting.join(", ") };
        ConductorError::NoGate { id: id.to_owned(), gate: gate.map(str::to_owned), waiting }
    };
    let chosen = match (gate, waiting.as_slice()) {
        (Some(gate), waiting) if waiting.contains(&gate) => gate,
        (None, [only]) => only,
        _ => return Err(none()),
    };
    // Whoever was quicker has decided.
    if !client.complete_by_reference(id, chosen, answer).await? {
        return Err(none());
    }
    Ok(chosen.to_owned())
}
