//! Whether a workflow has the time that its tasks may take.

use serde_json::Value;

use super::{Complaint, Lint, inner, list, text};

pub(super) fn check(lint: &Lint<'_>, found: &mut Vec<Complaint>) {
    let limit = lint.workflow.get("timeoutSeconds").and_then(Value::as_u64).unwrap_or_default();
    let longest = longest(lint, list(lint.workflow, "tasks"));
    if limit < longest {
        let message = format!("timeoutSeconds is {limit}, and its tasks may take {longest} s");
        found.push(lint.complaint("", message));
    }
}

/// How long `tasks`, one after the other, may take, in seconds: the longest way through them. A loop counts once, for
/// nobody knows how often it runs, and a wait whose duration is computed counts nothing.
fn longest(lint: &Lint<'_>, tasks: &[Value]) -> u64 {
    let of_one = |task: &Value| match text(task, "type") {
        "SIMPLE" => lint.tasks.get(text(task, "name")).map_or(0, |shape| shape.longest_s),
        "SUB_WORKFLOW" => {
            let child = task.get("subWorkflowParam").map(|child| text(child, "name")).unwrap_or_default();
            let child = lint.workflows.get(child);
            child.and_then(|child| child.get("timeoutSeconds")).and_then(Value::as_u64).unwrap_or_default()
        }
        _ => inner(task).into_iter().map(|branch| longest(lint, branch)).max().unwrap_or_default(),
    };
    tasks.iter().map(of_one).sum()
}
