//! The definitions that a server has to have: those of the tasks, made from the functions of the workers, and those of
//! the workflows, which are files of this program.

use std::collections::BTreeMap;
use std::path::Path;

use rust_embed::Embed;
use serde_json::Value;

use super::lint::{Complaint, TaskShape, lint};
use super::registry::Registry;
use super::task::{Limits, Task};
use crate::stored::{self, StoredError};

/// The files of `workflows/`, as they were when this program was built.
#[derive(Embed)]
#[folder = "workflows/"]
#[include = "*.json"]
#[exclude = "tasks.json"]
struct Files;

/// Who answers for the definitions if nobody else is said to.
pub const OWNER: &str = "firmware-team@example.org";

/// The workflows of this program by name, whose owner is `owner`, an e-mail address.
///
/// # Panics
///
/// If one of the files of this program is not JSON, which its tests exclude.
pub fn workflows(owner: &str) -> BTreeMap<String, Value> {
    // `schemas/` is for others.
    let files = Files::iter().filter(|path| !path.contains('/')).filter_map(|path| Files::get(&path));
    files
        .map(|file| {
            let mut workflow: Value =
                serde_json::from_slice(&file.data).expect("the files of this program are JSON");
            workflow["ownerEmail"] = owner.into();
            (workflow["name"].as_str().unwrap_or_default().to_owned(), workflow)
        })
        .collect()
}

/// What is wrong with `workflows`, given the workers of `registry`.
pub fn check<C>(workflows: &BTreeMap<String, Value>, registry: &Registry<C>) -> Vec<Complaint> {
    let shapes = registry.iter().map(|task| (task.name.to_owned(), shape(task))).collect();
    lint(workflows, &shapes)
}

fn shape<C>(task: &Task<C>) -> TaskShape {
    let Limits { timeout, retries, retry_delay, .. } = task.limits;
    let (attempts, delays) = (u64::from(retries) + 1, u64::from(retries));
    TaskShape {
        input: task.input_schema().to_value(),
        output: task.output_schema().to_value(),
        longest_s: u64::from(timeout) * attempts + u64::from(retry_delay) * delays,
    }
}

/// Writes into `folder` what others than this program may want: `tasks.json`, the definitions of all tasks in one list,
/// and `schemas/TASK.json`, what each takes and gives.
///
/// # Errors
///
/// [`StoredError::Unwritable`].
pub fn write<C>(registry: &Registry<C>, folder: &Path) -> Result<(), StoredError> {
    for (path, text) in files(registry) {
        let path = folder.join(path);
        stored::write(&path, text.as_bytes())
            .map_err(|source| StoredError::Unwritable { path: path.clone(), source })?;
    }
    Ok(())
}

/// The files that [`write()`] writes, by path.
pub fn files<C>(registry: &Registry<C>) -> BTreeMap<String, String> {
    let text = |value: &Value| format!("{value:#}\n");
    let schema = |task: &Task<C>| {
        let schema = serde_json::json!({
            "input": task.input_schema().to_value(),
            "output": task.output_schema().to_value(),
        });
        (format!("schemas/{}.json", task.name), text(&schema))
    };
    let tasks = ("tasks.json".to_owned(), text(&Value::Array(registry.definitions(OWNER))));
    registry.iter().map(schema).chain([tasks]).collect()
}

/// What is wrong with the names of inputs, where the workflow is one of this program's; a message for people.
pub fn unknown_inputs<'a>(workflow: &str, inputs: impl Iterator<Item = &'a str>) -> Option<String> {
    let workflows = workflows(OWNER);
    let known: Vec<&str> =
        workflows.get(workflow)?["inputParameters"].as_array()?.iter().filter_map(Value::as_str).collect();
    let unknown = inputs.into_iter().find(|key| !known.contains(key))?;
    Some(format!("{workflow} has no input {unknown}; it has {}", known.join(", ")))
}
