//! Each task by itself: its fields, its type, and what the worker's function takes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Complaint, Lint, inner, list, reference, text};

/// The fields that every task may have.
const FIELDS: [&str; 8] = [
    "name",
    "taskReferenceName",
    "type",
    "description",
    "inputParameters",
    "optional",
    "startDelay",
    "retryCount",
];

/// The types in use, each with the further fields that it may have.
const TYPES: [(&str, &[&str]); 10] = [
    ("SIMPLE", &[]),
    ("SWITCH", &["evaluatorType", "expression", "decisionCases", "defaultCase"]),
    ("FORK_JOIN", &["forkTasks"]),
    ("JOIN", &["joinOn"]),
    ("SUB_WORKFLOW", &["subWorkflowParam"]),
    ("DO_WHILE", &["loopCondition", "loopOver"]),
    ("WAIT", &[]),
    ("TERMINATE", &[]),
    ("SET_VARIABLE", &[]),
    ("INLINE", &[]),
];

pub(super) fn check(lint: &Lint<'_>, found: &mut Vec<Complaint>) {
    let mut names = BTreeSet::new();
    in_list(lint, list(lint.workflow, "tasks"), &mut names, found);
}

fn in_list<'a>(
    lint: &Lint<'a>,
    tasks: &'a [Value],
    names: &mut BTreeSet<&'a str>,
    found: &mut Vec<Complaint>,
) {
    for (at, task) in tasks.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| tasks.get(before));
        let mut messages = of_one(lint, task);
        if !names.insert(reference(task)) {
            messages.push("another task has this taskReferenceName".to_owned());
        }
        match text(task, "type") {
            "FORK_JOIN" if tasks.get(at + 1).is_none_or(|next| text(next, "type") != "JOIN") => {
                messages
                    .push("no JOIN follows this fork: the workflow would fail when it gets here".to_owned());
            }
            "JOIN" => messages.extend(join(task, before)),
            _ => {}
        }
        found.extend(messages.into_iter().map(|message| lint.complaint(reference(task), message)));
        for inner in inner(task) {
            in_list(lint, inner, names, found);
        }
    }
}

fn of_one(lint: &Lint<'_>, task: &Value) -> Vec<String> {
    let kind = text(task, "type");
    let Some((_, own)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        return vec![format!("{kind:?} is not a type of task that is used here")];
    };
    let mut messages = Vec::new();
    let fields = task.as_object().into_iter().flat_map(|fields| fields.keys().map(String::as_str));
    for field in fields.filter(|field| !FIELDS.contains(field) && !own.contains(field)) {
        messages.push(format!("a {kind} task has no field {field}; the server ignores it"));
    }
    messages.extend(
        own.iter().filter(|field| task.get(**field).is_none()).map(|field| format!("{field} is missing")),
    );
    match kind {
        "SIMPLE" => messages.extend(simple(lint, task)),
        "SWITCH" => messages.extend(switch(task)),
        "WAIT" => messages.extend(wait(task)),
        "SUB_WORKFLOW" => messages.extend(sub_workflow(lint, task)),
        "TERMINATE" => {
            let status = input(task, "terminationStatus");
            if !["COMPLETED", "FAILED", "TERMINATED"].contains(&status) {
                messages
                    .push(format!("terminationStatus is {status:?}, not COMPLETED, FAILED or TERMINATED"));
            }
        }
        "INLINE" if input(task, "evaluatorType") != "graaljs" || input(task, "expression").is_empty() => {
            messages.push("evaluatorType is not graaljs, or there is no expression".to_owned());
        }
        _ => {}
    }
    messages
}

/// A worker's task: it is known, it gets what it needs and nothing that it does not know.
fn simple(lint: &Lint<'_>, task: &Value) -> Vec<String> {
    let name = text(task, "name");
    let Some(shape) = lint.tasks.get(name) else { return vec![format!("no worker knows the task {name}")] };
    let given: BTreeSet<&str> = inputs(task).collect();
    let unknown = given.iter().filter(|key| !shape.inputs().contains(**key));
    let unknown = unknown.map(|key| {
        let known: Vec<&str> = shape.inputs().into_iter().collect();
        format!("{name} has no input {key}; it has {}", known.join(", "))
    });
    let missing = shape.required();
    let missing = missing.iter().filter(|key| !given.contains(**key));
    unknown.chain(missing.map(|key| format!("{name} needs the input {key}"))).collect()
}

fn switch(task: &Value) -> Vec<String> {
    let mut messages = Vec::new();
    if text(task, "evaluatorType") != "value-param" {
        messages.push("evaluatorType is not value-param".to_owned());
    }
    if !inputs(task).any(|key| key == text(task, "expression")) {
        messages.push(format!("expression {:?} is not one of its inputs", text(task, "expression")));
    }
    messages
}

/// A wait that ends: for ever is what the server makes of a missing duration.
fn wait(task: &Value) -> Option<String> {
    let duration = input(task, "duration");
    let with_unit = duration.starts_with(|c: char| c.is_ascii_digit())
        && duration.ends_with(|c: char| c.is_ascii_alphabetic());
    let computed = duration.starts_with("${");
    (!with_unit && !computed)
        .then(|| format!("duration {duration:?} has no number and unit: it would never end"))
}

fn sub_workflow(lint: &Lint<'_>, task: &Value) -> Vec<String> {
    let name = task.get("subWorkflowParam").map(|child| text(child, "name")).unwrap_or_default();
    let Some(child) = lint.workflows.get(name) else { return vec![format!("there is no workflow {name:?}")] };
    let known: BTreeSet<&str> = list(child, "inputParameters").iter().filter_map(Value::as_str).collect();
    let unknown = inputs(task).filter(|key| !known.contains(key));
    unknown.map(|key| format!("{name} has no input {key}")).collect()
}

/// A join waits for the last task of each branch, and not for a switch: that ends when its case is chosen.
fn join(task: &Value, before: Option<&Value>) -> Vec<String> {
    let Some(fork) = before.filter(|before| text(before, "type") == "FORK_JOIN") else {
        return vec!["no FORK_JOIN precedes this join".to_owned()];
    };
    let last: Vec<&Value> = inner(fork).into_iter().filter_map(<[Value]>::last).collect();
    let mut messages = Vec::new();
    for last in &last {
        if ["SWITCH", "DECISION"].contains(&text(last, "type")) {
            messages.push(format!(
                "the branch that ends with the switch {} would not be waited for",
                reference(last)
            ));
        }
    }
    let waited: BTreeSet<&str> = list(task, "joinOn").iter().filter_map(Value::as_str).collect();
    let wanted: BTreeSet<&str> = last.into_iter().map(reference).collect();
    if waited != wanted {
        messages.push(format!("joinOn is {waited:?}, and the branches end with {wanted:?}"));
    }
    messages
}

fn inputs(task: &Value) -> impl Iterator<Item = &str> {
    let given = task.get("inputParameters").and_then(Value::as_object);
    given.into_iter().flat_map(|given| given.keys().map(String::as_str))
}

fn input<'a>(task: &'a Value, key: &str) -> &'a str {
    task.get("inputParameters").map(|given| text(given, key)).unwrap_or_default()
}
