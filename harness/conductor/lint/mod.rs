//! What a server takes for a workflow and what goes wrong with it only when it runs: names of tasks, inputs and outputs
//! that do not exist, joins that do not wait, waits that never end, times that do not add up. Pure.
//!
//! The server checks shapes; it cannot know what a worker's function takes and gives. Here both are known, from the
//! [JSON Schemas](TaskShape) of the functions' own types, so a workflow is checked like a program is.
//! The rules follow what Conductor 3.32.1 was seen to accept and then do; see `ARCHITECTURE.md`.

mod references;
mod tasks;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// What the worker of a task takes and gives.
#[derive(Clone, Debug)]
pub struct TaskShape {
    /// JSON Schema of its input, an object.
    pub input: Value,
    /// JSON Schema of its output, an object.
    pub output: Value,
    /// How long it may take with all its retries, in seconds; not how long it may wait for a free worker.
    pub longest_s: u64,
}

impl TaskShape {
    fn names<'a>(schema: &'a Value, key: &str) -> BTreeSet<&'a str> {
        match schema.get(key) {
            Some(Value::Object(properties)) => properties.keys().map(String::as_str).collect(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => BTreeSet::new(),
        }
    }

    fn inputs(&self) -> BTreeSet<&str> {
        Self::names(&self.input, "properties")
    }

    fn required(&self) -> BTreeSet<&str> {
        Self::names(&self.input, "required")
    }

    fn outputs(&self) -> BTreeSet<&str> {
        Self::names(&self.output, "properties")
    }
}

/// One thing that is wrong with a workflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    pub workflow: String,
    /// Reference name of the task concerned; empty: the workflow itself.
    pub task: String,
    pub message: String,
}

/// `WORKFLOW: MESSAGE` or `WORKFLOW, TASK: MESSAGE`.
impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task.as_str() {
            "" => write!(f, "{}: {}", self.workflow, self.message),
            task => write!(f, "{}, {task}: {}", self.workflow, self.message),
        }
    }
}

/// The fields of a workflow that the server knows and this project uses; it ignores others silently.
const WORKFLOW_FIELDS: [&str; 15] = [
    "name",
    "description",
    "version",
    "schemaVersion",
    "ownerEmail",
    "timeoutPolicy",
    "timeoutSeconds",
    "restartable",
    "inputParameters",
    "inputTemplate",
    "outputParameters",
    "failureWorkflow",
    "failureWorkflowVersion",
    "workflowStatusListenerEnabled",
    "tasks",
];

/// What is wrong with `workflows` (definitions by name), whose workers have the shapes `tasks` (by task name).
pub fn lint(workflows: &BTreeMap<String, Value>, tasks: &BTreeMap<String, TaskShape>) -> Vec<Complaint> {
    workflows.values().flat_map(|workflow| Lint { workflow, workflows, tasks }.all()).collect()
}

/// One workflow among all that it may name.
struct Lint<'a> {
    workflow: &'a Value,
    workflows: &'a BTreeMap<String, Value>,
    tasks: &'a BTreeMap<String, TaskShape>,
}

impl<'a> Lint<'a> {
    fn all(&self) -> Vec<Complaint> {
        let mut found = self.head();
        tasks::check(self, &mut found);
        references::check(self, &mut found);
        time::check(self, &mut found);
        found
    }

    fn head(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        let mut say = |message: String| found.push(self.complaint("", message));
        let fields = self.workflow.as_object().into_iter().flat_map(|fields| fields.keys());
        for field in fields.filter(|field| !WORKFLOW_FIELDS.contains(&field.as_str())) {
            say(format!("the server ignores the field {field}"));
        }
        for field in ["name", "description", "ownerEmail"] {
            if text(self.workflow, field).is_empty() {
                say(format!("{field} is missing"));
            }
        }
        if self.workflow.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
            say("schemaVersion is not 2".to_owned());
        }
        if text(self.workflow, "timeoutPolicy") != "TIME_OUT_WF" {
            say("timeoutPolicy is not TIME_OUT_WF: it would never time out".to_owned());
        }
        if let Some(failure) = self.workflow.get("failureWorkflow").and_then(Value::as_str)
            && !self.workflows.contains_key(failure)
        {
            say(format!("its failureWorkflow {failure} does not exist"));
        }
        found
    }

    fn name(&self) -> &'a str {
        text(self.workflow, "name")
    }

    fn complaint(&self, task: &str, message: String) -> Complaint {
        Complaint { workflow: self.name().to_owned(), task: task.to_owned(), message }
    }
}

/// The text at `key`; empty if there is none.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The list at `key`; empty if there is none.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The reference name of a task.
fn reference(task: &Value) -> &str {
    text(task, "taskReferenceName")
}

/// The lists of tasks in a task: the cases of a switch, with its default last; the branches of a fork; the body of a
/// loop.
fn inner(task: &Value) -> Vec<&[Value]> {
    match text(task, "type") {
        "SWITCH" => {
            let cases = task.get("decisionCases").and_then(Value::as_object);
            let cases = cases.into_iter().flat_map(|cases| cases.values());
            let lists = cases.filter_map(Value::as_array).map(Vec::as_slice);
            lists.chain([list(task, "defaultCase")]).collect()
        }
        "FORK_JOIN" => {
            list(task, "forkTasks").iter().filter_map(Value::as_array).map(Vec::as_slice).collect()
        }
        "DO_WHILE" => vec![list(task, "loopOver")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
