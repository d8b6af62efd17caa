//! `k1-hil demo --conductor`: a server, a worker and a webhook of its own; a signed push starts two workflows, which are
//! followed to their verdicts on a virtual board. Nothing is left running.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use k1_hil::artifacts::ArtifactId;
use k1_hil::conductor::server::OwnedServer;
use k1_hil::conductor::{self, Client, WorkerOptions, WorkflowState, definitions, tasks};
use k1_hil::event::ignore;
use k1_hil::webhook::{self, Config, Pace, Queue, Receiver, Secret};
use k1_hil::{Event, tools};
use rust_embed::Embed;
use serde_json::json;
use tokio::net::TcpListener;

use crate::conductor::{summary, told, work};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::run::OutArgs;
use crate::shell::Shell;
use crate::webhook::start_once;

/// A small firmware in the shape of K1.node1.
#[derive(Embed)]
#[folder = "fixtures/k1-shaped/"]
struct Lamp;

const SETTINGS: &str = r#"
store = "store"
boards = "hil.boards.toml"
channels.journal.file = "told.jsonl"
repositories."demo/lamp".location = "lamp"
"#;

const BOARDS: &str = r#"
[[board]]
name = "desk"
mac = "02:4B:31:00:00:01"
virtual = true
flash = "desk.flash"
"#;

const WEBHOOK: &str = r#"
secret = { env = "SECRET" }

[[start]]
workflow = "firmware-ci-cd-pipeline"
repositories = ["demo/lamp"]
input = { deploy = true, board = "desk", mark_good = "desk" }

[[start]]
workflow = "pattern-generation-testing"
repositories = ["demo/lamp"]
input = { pattern_name = "night_glass", board = "desk" }
"#;

/// Signs what this process sends to itself.
const SECRET: &str = "known to this process only";

const WORKFLOWS: [&str; 2] = ["firmware-ci-cd-pipeline", "pattern-generation-testing"];

pub(super) async fn main(shell: &Shell, out: &OutArgs) -> Result<ExitCode, Failure> {
    let progress = shell.progress();
    let on_event = |event: &Event| match event {
        Event::ToolReady { .. } => {}
        event => progress.event(event),
    };
    tools::setup(&shell.toolbox, &on_event).await?;
    tools::setup_conductor(&shell.toolbox, &on_event).await?;
    drop(progress);

    let room = tempfile::tempdir().map_err(Failure::Output)?;
    let commit = furnish(shell, room.path()).await?;
    shell.note("starting a Conductor server");
    let server = OwnedServer::start(&shell.toolbox.conductor()?, &room.path().join("server"), 0).await?;
    let client = server.client().clone();
    let installed = conductor::install(&client, &tasks::registry(), definitions::OWNER).await?;
    let (tasks, workflows) = (installed.tasks.len(), installed.workflows.len());
    shell.note(&format!("{} has {tasks} tasks and {workflows} workflows", client.address()));

    let lab = work::lab(shell, Some(&room.path().join("hil.worker.toml")), client.clone())?;
    let store = lab.store.clone();
    let options = WorkerOptions::new("demo".to_owned(), room.path().join("results"));
    let never = std::future::pending::<()>();
    let worker = conductor::work(client.clone(), tasks::registry(), lab, options, never, Arc::new(ignore));
    let followed = async {
        let ids = push(&client, room.path(), &commit).await?;
        shell.note(&format!("pushed {} of demo/lamp, signed, to the webhook", &commit[..12]));
        let progress = Progress::lines(shell.quiet);
        let told = |event: &Event| progress.event(event);
        let follow = ids.iter().map(|id| conductor::follow(&client, id, false, &told));
        Ok::<_, Failure>(futures_util::future::try_join_all(follow).await?)
    };
    let runs = tokio::select! {
        runs = followed => runs?,
        stopped = worker => return stopped.map(|()| ExitCode::FAILURE).map_err(Failure::from),
    };

    let report = runs.iter().find_map(|run| run.output.get("report")?.as_str()?.parse::<ArtifactId>().ok());
    let mut report_path = None;
    if let Some(id) = report
        && let Some(record) = store.record(&id.name, &id.version).await?
    {
        let folder = out.folder(&format!("{}-{}", id.name, id.version));
        store.get(&record, &folder).await?;
        report_path = Some(folder.join("report.html"));
    }
    let printed = json!({ "runs": runs.iter().map(summary).collect::<Vec<_>>(), "report": report_path });
    shell.print(&printed, || {
        let mut text: String = runs.iter().map(|run| told(run) + "\n").collect();
        if let Some(path) = &report_path {
            text += &format!("the report: {}\n", path.display());
        }
        text
    })?;
    let all = runs.iter().all(|run| run.status == WorkflowState::Completed);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts firmware, board and settings into `room`, and returns the firmware's commit.
async fn furnish(shell: &Shell, room: &Path) -> Result<String, Failure> {
    let lamp = room.join("lamp");
    for name in Lamp::iter() {
        let Some(file) = Lamp::get(&name) else { continue };
        let path = lamp.join(&*name);
        let folder = path.parent().unwrap_or(&lamp);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, file.data))
            .map_err(Failure::Output)?;
    }
    for (name, text) in [("hil.worker.toml", SETTINGS), ("hil.boards.toml", BOARDS)] {
        std::fs::write(room.join(name), text).map_err(Failure::Output)?;
    }
    let git = shell.toolbox.git()?;
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(&git);
        command.current_dir(&lamp).args(["-c", "user.name=demo", "-c", "user.email=demo@example.org"]);
        command.args(arguments);
        let mut output = String::new();
        let limit = Duration::from_secs(60);
        let finished = tools::process::run(command, limit, &mut |_, line| output += line).await;
        match finished {
            Ok(finished) if finished.status.success() => Ok(output.trim().to_owned()),
            Ok(_) => Err(Failure::Usage(format!("git {} failed: {output}", arguments.join(" ")))),
            Err(error) => Err(Failure::Usage(format!("git {}: {error}", arguments.join(" ")))),
        }
    };
    run(&["init", "--quiet", "--initial-branch=main"]).await?;
    run(&["add", "--all"]).await?;
    run(&["commit", "--quiet", "--no-gpg-sign", "-m", "A lamp"]).await?;
    run(&["rev-parse", "HEAD"]).await
}

/// Receives a push that is signed as GitHub signs, and asks the server for the workflows that it starts. Returns the
/// ids of their runs.
async fn push(client: &Client, room: &Path, commit: &str) -> Result<Vec<String>, Failure> {
    let config = Config::parse(WEBHOOK, "the webhook of the demo", |_| Some(SECRET.to_owned()))?;
    let secret: Secret = config.secret.clone();
    let queue = Queue::open(&room.join("webhook"), config.queue_limit, config.remembered)?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::Output)?;
    let address = listener.local_addr().map_err(Failure::Output)?;
    let path = config.path.clone();
    let receiver = Receiver::new(config, queue.clone(), |_| ());
    let delivery = format!("demo-{}", &commit[..12]);
    let body = json!({
        "ref": "refs/heads/main", "after": commit, "deleted": false, "commits": [{ "added": ["firmware/src/main.cpp"] }],
        "repository": { "full_name": "demo/lamp" }, "sender": { "login": "demo" },
    })
    .to_string();
    let request = reqwest::Client::new()
        .post(format!("http://{address}{path}"))
        .header("Content-Type", "application/json")
        .header("X-GitHub-Event", "push")
        .header("X-GitHub-Delivery", &delivery)
        .header("X-Hub-Signature-256", secret.sign(body.as_bytes()))
        .body(body);
    let sent = async {
        let answer = request.send().await.map_err(|error| Failure::Usage(error.to_string()))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Failure::Usage(format!("the webhook answers {status}")));
        }
        let mut ids = Vec::new();
        for workflow in WORKFLOWS {
            ids.push(started(client, workflow, &delivery).await?);
        }
        Ok(ids)
    };
    let deliver = queue.deliver(Pace::default(), &ignore, |start| start_once(client, start));
    // What was received is on its way to the server by now; nothing more is to be received.
    tokio::select! {
        sent = sent => sent,
        never = deliver => match never {},
        served = webhook::serve(listener, receiver, std::future::pending()) => {
            served.map(|()| Vec::new()).map_err(Failure::Output)
        }
    }
}

/// The id of the run that the delivery starts.
async fn started(client: &Client, workflow: &str, delivery: &str) -> Result<String, Failure> {
    loop {
        if let Some(run) = client.correlated(workflow, delivery).await?.into_iter().next() {
            return Ok(run.workflow_id);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
