//! `k1-hil conductor install|definitions|start|watch|approve|export|import`: definitions and runs of workflows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::conductor::{self, Client, ConductorError, Start, WorkflowSeen, WorkflowState, tasks};
use serde_json::{Map, Value};

use super::ServerArgs;
use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(super) struct InstallArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// E-mail address of who answers for the definitions
    #[arg(long, value_name = "EMAIL", default_value = conductor::definitions::OWNER)]
    owner: String,
}

pub(super) async fn install(shell: &Shell, args: &InstallArgs) -> Result<ExitCode, Failure> {
    let client = args.server.client(shell)?;
    let installed = conductor::install(&client, &tasks::registry(), &args.owner).await?;
    shell.print(&installed, || {
        let (tasks, workflows) = (installed.tasks.len(), installed.workflows.join("\n  "));
        format!(
            "{tasks} tasks and {} workflows on {}:\n  {workflows}\n",
            installed.workflows.len(),
            client.address()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args, Debug)]
pub(super) struct DefinitionsArgs {
    /// Folder to write into: `tasks.json` and `schemas/`
    folder: PathBuf,
}

pub(super) fn definitions(shell: &Shell, args: &DefinitionsArgs) -> Result<ExitCode, Failure> {
    let registry = tasks::registry();
    conductor::definitions::write(&registry, &args.folder).map_err(ConductorError::from)?;
    let count = registry.iter().count();
    let printed = serde_json::json!({ "tasks": count, "folder": args.folder });
    shell.print(&printed, || format!("{count} tasks in {}\n", args.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args, Debug)]
pub(super) struct StartArgs {
    /// Name of the workflow
    workflow: String,
    /// An input of it, KEY=VALUE; VALUE is JSON, or a text
    #[arg(value_name = "KEY=VALUE", value_parser = input)]
    inputs: Vec<(String, Value)>,
    /// Version of the workflow [default: the latest]
    #[arg(long, value_name = "N")]
    workflow_version: Option<u32>,
    /// What to call the run by, to find it again
    #[arg(long, value_name = "TEXT")]
    correlation_id: Option<String>,
    /// Direct all its tasks to the workers of this domain
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Follow it to its end; the exit code is then that of `watch`
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// `key=value`, where a value that is not JSON is a text.
fn input(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((key.to_owned(), value))
}

pub(super) async fn start(shell: &Shell, args: StartArgs) -> Result<ExitCode, Failure> {
    let client = args.server.client(shell)?;
    let unknown = conductor::unknown_inputs(&args.workflow, args.inputs.iter().map(|(key, _)| key.as_str()));
    if let Some(unknown) = unknown {
        return Err(Failure::Usage(unknown));
    }
    let start = Start {
        name: args.workflow,
        version: args.workflow_version,
        input: args.inputs.into_iter().collect(),
        correlation_id: args.correlation_id,
        task_to_domain: args
            .domain
            .map(|domain| ("*".to_owned(), domain))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    };
    let id = client.start(&start).await?;
    if args.watch {
        shell.note(&id);
        return follow(shell, &client, &id, false).await;
    }
    shell.print(&serde_json::json!({ "workflow_id": id }), || format!("{id}\n"))?;
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args, Debug)]
pub(super) struct WatchArgs {
    /// Id of the run
    id: String,
    /// Stop when it waits for a person, too
    #[arg(long)]
    until_gate: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn watch(shell: &Shell, args: &WatchArgs) -> Result<ExitCode, Failure> {
    follow(shell, &args.server.client(shell)?, &args.id, args.until_gate).await
}

async fn follow(shell: &Shell, client: &Client, id: &str, until_gate: bool) -> Result<ExitCode, Failure> {
    let progress = crate::progress::Progress::lines(shell.quiet);
    let seen = conductor::follow(client, id, until_gate, &|event| progress.event(event)).await?;
    shell.print(&summary(&seen), || told(&seen))?;
    Ok(match seen.status {
        WorkflowState::Completed => ExitCode::SUCCESS,
        _ if conductor::gates(&seen).next().is_some() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// A run as JSON.
pub(crate) fn summary(seen: &WorkflowSeen) -> Value {
    let gates: Vec<&str> = conductor::gates(seen).map(|gate| gate.reference_task_name.as_str()).collect();
    serde_json::json!({
        "workflow_id": seen.workflow_id,
        "workflow": seen.workflow_name,
        "status": seen.status,
        "reason": seen.reason_for_incompletion,
        "gates": gates,
        "output": seen.output,
    })
}

/// A run as text.
pub(crate) fn told(seen: &WorkflowSeen) -> String {
    let mut text = format!("{} {}\n", seen.workflow_name, seen.status);
    if let Some(reason) = &seen.reason_for_incompletion {
        text += &format!("  {reason}\n");
    }
    for gate in conductor::gates(seen) {
        let (gate, id) = (&gate.reference_task_name, &seen.workflow_id);
        text += &format!("  {gate} waits: k1-hil conductor approve {id}\n");
    }
    for (key, value) in seen.output.iter().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text += &format!("  {key:<22} {value}\n");
    }
    text
}

#[derive(clap::Args, Debug)]
pub(super) struct ApproveArgs {
    /// Id of the run that waits
    id: String,
    /// Refuse instead
    #[arg(long)]
    refuse: bool,
    /// Reference name of the gate [default: the only one that waits]
    #[arg(long, value_name = "NAME")]
    gate: Option<String>,
    /// Who decides [default: this user]
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true)]
    by: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn approve(shell: &Shell, args: ApproveArgs) -> Result<ExitCode, Failure> {
    let client = args.server.client(shell)?;
    let mut answer = Map::new();
    answer.insert("approved".to_owned(), (!args.refuse).into());
    for (key, value) in [("by", args.by), ("comment", args.comment)] {
        answer.extend(value.map(|value| (key.to_owned(), value.into())));
    }
    let gate = conductor::answer(&client, &args.id, args.gate.as_deref(), &answer).await?;
    let word = if args.refuse { "refused" } else { "approved" };
    shell.print(&serde_json::json!({ "gate": gate, "approved": !args.refuse }), || {
        format!("{gate} {word}\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args, Debug)]
pub(super) struct ExportArgs {
    /// Folder to write into
    folder: PathBuf,
    /// Also write this many of the runs that ended last
    #[arg(long, value_name = "N", default_value_t = 0)]
    runs: usize,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn export(shell: &Shell, args: &ExportArgs) -> Result<ExitCode, Failure> {
    let exported = conductor::export(&args.server.client(shell)?, &args.folder, args.runs).await?;
    shell.print(&exported, || {
        let (tasks, workflows, runs) = (exported.tasks, exported.workflows, exported.runs);
        format!("{tasks} tasks, {workflows} workflows and {runs} runs in {}\n", args.folder.display())
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args, Debug)]
pub(super) struct ImportArgs {
    /// Folder that `export` wrote; its runs stay files, for a server takes none
    folder: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn import(shell: &Shell, args: &ImportArgs) -> Result<ExitCode, Failure> {
    let imported = conductor::import(&args.server.client(shell)?, &args.folder).await?;
    if imported.tasks.is_empty() && imported.workflows.is_empty() {
        return Err(Failure::Usage(format!("{} holds no definitions", args.folder.display())));
    }
    shell.print(&imported, || {
        format!(
            "{} tasks and {} workflows put on the server\n",
            imported.tasks.len(),
            imported.workflows.len()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
