//! What `${…}` names: an input of the workflow, a variable, or an output of a task that has run by then.
//!
//! The server resolves a name that does not exist to null, and inside a text to the word `null`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Complaint, Lint, TaskShape, inner, list, reference, text};

/// The outputs of a task.
#[derive(Clone)]
enum Outputs {
    /// These.
    These(BTreeSet<String>),
    /// Whatever a person or a script gives.
    Any,
}

/// The tasks that have run at a place of the workflow, by reference name.
type Ran = BTreeMap<String, Outputs>;

pub(super) fn check(lint: &Lint<'_>, found: &mut Vec<Complaint>) {
    let mut walk = Walk { lint, variables: BTreeSet::new(), everything: Ran::new(), found };
    variables(list(lint.workflow, "tasks"), &mut walk.variables);
    let mut ran = Ran::new();
    walk.list(list(lint.workflow, "tasks"), &mut ran);
    // An output of the workflow may be of a branch that was not taken: then it is null, and that is meant.
    let everything = std::mem::take(&mut walk.everything);
    if let Some(outputs) = lint.workflow.get("outputParameters") {
        walk.value("", outputs, &everything);
    }
}

struct Walk<'a, 'b> {
    lint: &'b Lint<'a>,
    variables: BTreeSet<&'a str>,
    everything: Ran,
    found: &'b mut Vec<Complaint>,
}

impl Walk<'_, '_> {
    /// Checks `tasks`, before which `ran` ran, and adds them to it. Returns whether the workflow ends there.
    fn list(&mut self, tasks: &[Value], ran: &mut Ran) -> bool {
        for task in tasks {
            self.inputs(task, ran);
            let outputs = self.outputs_of(task);
            ran.insert(reference(task).to_owned(), outputs.clone());
            self.everything.insert(reference(task).to_owned(), outputs);
            let mut going_on = Vec::new();
            for branch in inner(task) {
                let mut there = ran.clone();
                if !self.list(branch, &mut there) {
                    going_on.push(there);
                }
            }
            match text(task, "type") {
                "TERMINATE" => return true,
                // After a switch only that has run for certain which ran in every case that goes on.
                "SWITCH" => match going_on.split_first() {
                    None => return true,
                    Some((first, others)) => {
                        let certain =
                            first.iter().filter(|(name, _)| others.iter().all(|o| o.contains_key(*name)));
                        *ran = certain.map(|(name, outputs)| (name.clone(), outputs.clone())).collect();
                    }
                },
                // After the join that follows a fork all branches have run; after a loop its body has.
                _ => ran.extend(going_on.into_iter().flatten()),
            }
        }
        false
    }

    fn inputs(&mut self, task: &Value, ran: &Ran) {
        let Some(given) = task.get("inputParameters") else { return };
        // A loop may use its own iteration, in its condition and its body.
        let mut ran = ran.clone();
        if text(task, "type") == "DO_WHILE" {
            ran.insert(reference(task).to_owned(), self.outputs_of(task));
        }
        self.value(reference(task), given, &ran);
    }

    fn outputs_of(&self, task: &Value) -> Outputs {
        let these = |names: &[&str]| Outputs::These(names.iter().map(|name| (*name).to_owned()).collect());
        match text(task, "type") {
            "SIMPLE" => match self.lint.tasks.get(text(task, "name")) {
                Some(shape) => {
                    Outputs::These(TaskShape::outputs(shape).into_iter().map(str::to_owned).collect())
                }
                None => Outputs::Any,
            },
            "SUB_WORKFLOW" => {
                let child = task.get("subWorkflowParam").map(|child| text(child, "name")).unwrap_or_default();
                let outputs = self.lint.workflows.get(child).and_then(|child| child.get("outputParameters"));
                let names = outputs.and_then(Value::as_object).into_iter().flat_map(|outputs| outputs.keys());
                Outputs::These(names.cloned().chain(["subWorkflowId".to_owned()]).collect())
            }
            "DO_WHILE" => these(&["iteration"]),
            "INLINE" => these(&["result"]),
            "WAIT" => Outputs::Any,
            _ => these(&[]),
        }
    }

    /// Checks every `${…}` in `value`, which belongs to the task `of`.
    fn value(&mut self, of: &str, value: &Value, ran: &Ran) {
        match value {
            Value::String(text) => {
                for name in names(text) {
                    if let Some(message) = self.wrong(name, ran) {
                        self.found.push(self.lint.complaint(of, message));
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.value(of, item, ran)),
            Value::Object(fields) => fields.values().for_each(|field| self.value(of, field, ran)),
            _ => {}
        }
    }

    /// What is wrong with `name`, the inside of `${…}`.
    fn wrong(&self, name: &str, ran: &Ran) -> Option<String> {
        let mut parts = name.splitn(4, '.');
        let (whose, what, key) =
            (parts.next()?, parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if whose == "workflow" {
            let inputs = list(self.lint.workflow, "inputParameters");
            return match what {
                "input" if inputs.iter().any(|input| input == key) => None,
                "input" => Some(format!("${{{name}}}: the workflow has no input {key}")),
                "variables" if self.variables.contains(key) => None,
                "variables" => Some(format!("${{{name}}}: no task sets the variable {key}")),
                "workflowId" | "correlationId" | "createTime" | "reasonForIncompletion" => None,
                _ => Some(format!("${{{name}}}: a workflow has no {what}")),
            };
        }
        match ran.get(whose) {
            None if self.everything.contains_key(whose) => {
                Some(format!("${{{name}}}: {whose} may not have run when this is needed"))
            }
            None => Some(format!("${{{name}}}: no task before this one is called {whose}")),
            Some(_) if what != "output" => {
                Some(format!("${{{name}}}: only the output of a task can be used"))
            }
            Some(Outputs::These(outputs)) if !key.is_empty() && !outputs.contains(key) => {
                let known: Vec<&str> = outputs.iter().map(String::as_str).collect();
                Some(format!("${{{name}}}: {whose} has no output {key}; it has {}", known.join(", ")))
            }
            Some(_) => None,
        }
    }
}

/// The insides of all `${…}` in `text`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// The variables that tasks set, wherever they stand.
fn variables<'a>(tasks: &'a [Value], set: &mut BTreeSet<&'a str>) {
    for task in tasks {
        if text(task, "type") == "SET_VARIABLE" {
            let given = task.get("inputParameters").and_then(Value::as_object);
            set.extend(given.into_iter().flat_map(|given| given.keys().map(String::as_str)));
        }
        inner(task).into_iter().for_each(|inner| variables(inner, set));
    }
}
