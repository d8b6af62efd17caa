//! Putting this program's definitions on a server, and taking a server's definitions and runs away in files.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::client::Client;
use super::definitions;
use super::fault::ConductorError;
use super::registry::Registry;
use crate::stored::{self, StoredError, is_name};

/// What was put on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Names of tasks.
    pub tasks: Vec<String>,
    /// Names of workflows.
    pub workflows: Vec<String>,
}

/// Puts the definitions of the tasks of `registry` and of all workflows on the server; those that are there are
/// replaced, which concerns only workflows that start from then on.
///
/// Each workflow is checked first, by the rules of [`super::lint`] and by the server.
///
/// # Errors
///
/// [`ConductorError::Definitions`] if a workflow does not fit its workers; [`ConductorError::Refused`] if the server
/// finds a fault, and those of the connection. Tasks are put first, so that a failure leaves no workflow without them.
pub async fn install<C>(
    client: &Client,
    registry: &Registry<C>,
    owner: &str,
) -> Result<Installed, ConductorError> {
    let workflows = definitions::workflows(owner);
    let complaints = definitions::check(&workflows, registry);
    if !complaints.is_empty() {
        let complaints = complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(ConductorError::Definitions { complaints });
    }
    client.define_tasks(&registry.definitions(owner)).await?;
    let all: Vec<Value> = workflows.values().cloned().collect();
    for workflow in &all {
        client.check_workflow(workflow).await?;
    }
    client.define_workflows(&all).await?;
    Ok(Installed {
        tasks: registry.iter().map(|task| task.name.to_owned()).collect(),
        workflows: workflows.into_keys().collect(),
    })
}

/// Files that were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    pub tasks: usize,
    pub workflows: usize,
    pub runs: usize,
}

/// Writes all definitions of the server into `folder`: `tasks/NAME.json`, `workflows/NAME.VERSION.json`; and, `runs` of
/// the workflows that ended last, `runs/ID.json`.
///
/// # Errors
///
/// Those of the connection, and [`StoredError::Unwritable`].
pub async fn export(client: &Client, folder: &Path, runs: usize) -> Result<Exported, ConductorError> {
    let mut exported = Exported::default();
    for task in client.task_definitions().await? {
        let name = text(&task, "name");
        write(&folder.join("tasks"), &name, &task)?;
        exported.tasks += 1;
    }
    for workflow in client.workflow_definitions().await? {
        let name = format!("{}.{}", text(&workflow, "name"), workflow["version"].as_u64().unwrap_or(1));
        write(&folder.join("workflows"), &name, &workflow)?;
        exported.workflows += 1;
    }
    for id in client.ended(runs).await? {
        if let Some(run) = client.run_document(&id).await? {
            write(&folder.join("runs"), &id, &run)?;
            exported.runs += 1;
        }
    }
    Ok(exported)
}

fn text(document: &Value, key: &str) -> String {
    document[key].as_str().unwrap_or_default().to_owned()
}

fn write(folder: &Path, name: &str, document: &Value) -> Result<(), StoredError> {
    // A name may hold what a path must not.
    let name: String = name.chars().map(|c| if is_name(&format!("a{c}")) { c } else { '_' }).collect();
    let path = folder.join(format!("{name}.json"));
    stored::write(&path, format!("{document:#}\n").as_bytes())
        .map_err(|source| StoredError::Unwritable { path: path.clone(), source })
}

/// Puts the definitions that [`export`] wrote into `folder` on the server. Finished runs stay files: a server takes none.
///
/// # Errors
///
/// [`StoredError`] for a file that is no JSON; those of the server.
pub async fn import(client: &Client, folder: &Path) -> Result<Installed, ConductorError> {
    let (tasks, workflows) = (read_all(&folder.join("tasks"))?, read_all(&folder.join("workflows"))?);
    if !tasks.is_empty() {
        client.define_tasks(&tasks).await?;
    }
    if !workflows.is_empty() {
        client.define_workflows(&workflows).await?;
    }
    let names = |all: &[Value]| all.iter().map(|one| text(one, "name")).collect();
    Ok(Installed { tasks: names(&tasks), workflows: names(&workflows) })
}

/// The documents in `folder`, by file name; none if there is no such folder.
fn read_all(folder: &Path) -> Result<Vec<Value>, StoredError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| StoredError::Unreadable { path, source }
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder)(error)),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path).map_err(unreadable(path))?;
        serde_json::from_slice(&bytes).map_err(|error| StoredError::Malformed {
            path: path.clone(),
            what: "a definition",
            reason: error.to_string(),
        })
    };
    paths.iter().map(read).collect()
}
