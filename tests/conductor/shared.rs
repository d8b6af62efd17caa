//! The server that the tests share, and what they all do with it.
//!
//! Tests are told apart by the names of their tasks and workflows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k1_hil::conductor::server::OwnedServer;
use k1_hil::conductor::{
    Client, Registry, Start, TaskSeen, WorkerOptions, WorkflowSeen, WorkflowState, work,
};
use k1_hil::event::{Event, ignore};
use k1_hil::tools::{ConductorTools, Toolbox, setup_conductor};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::backend::Data;

pub const OWNER: &str = "hil@example.org";

/// How long anything may take before a test is given up.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Input of a task that needs none.
#[derive(Deserialize, JsonSchema)]
pub struct Nothing {}

/// What `future` gives, unless the test has to be given up.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it does not come")
}

pub async fn tools() -> ConductorTools {
    static TOOLS: OnceCell<ConductorTools> = OnceCell::const_new();
    let tools = TOOLS.get_or_init(async || {
        let toolbox = Toolbox::from_env().unwrap();
        setup_conductor(&toolbox, &ignore).await.unwrap();
        toolbox.conductor().unwrap()
    });
    tools.await.clone()
}

/// A server on `port` with its files in `folder`.
pub async fn server(data: &Data, folder: &Path, port: u16) -> OwnedServer {
    OwnedServer::start_on(&data.backend, &tools().await, folder, port).await.unwrap()
}

/// A client of the shared server, which is started by the first test that asks.
pub async fn client() -> Client {
    static SERVER: OnceCell<(OwnedServer, Data)> = OnceCell::const_new();
    let server = SERVER.get_or_init(async || {
        let folder = own_folder();
        let data = Data::start(&folder).await;
        (server(&data, &folder, 0).await, data)
    });
    // Its connections belong to the runtime of the test that started it: each test has its own.
    Client::new(server.await.0.client().address(), None).unwrap()
}

/// A folder for the shared server. Nothing runs after the last test that could remove it, so it is told apart by the id
/// of this process, and the next run removes those of processes that are gone.
pub fn own_folder() -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conductor");
    for entry in std::fs::read_dir(&all).into_iter().flatten().flatten() {
        let pid =
            entry.file_name().to_str().and_then(|name| name.parse().ok()).map(nix::unistd::Pid::from_raw);
        if pid.is_none_or(|pid| nix::sys::signal::kill(pid, None).is_err()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    all.join(std::process::id().to_string())
}

/// Installs the tasks of `registry`, and for each a workflow of the same name with that one task.
pub async fn install<C>(client: &Client, registry: &Registry<C>) {
    client.define_tasks(&registry.definitions(OWNER)).await.unwrap();
    let workflows: Vec<Value> = registry.definitions(OWNER).iter().map(one_task_workflow).collect();
    client.define_workflows(&workflows).await.unwrap();
}

fn one_task_workflow(task: &Value) -> Value {
    let keys = task["inputKeys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
    let inputs: BTreeMap<_, _> = keys.map(|key| (key, format!("${{workflow.input.{key}}}"))).collect();
    json!({
        "name": task["name"], "version": 1, "schemaVersion": 2, "ownerEmail": OWNER,
        "timeoutSeconds": 3600, "timeoutPolicy": "TIME_OUT_WF",
        "tasks": [{
            "name": task["name"], "taskReferenceName": "only", "type": "SIMPLE", "inputParameters": inputs,
        }],
    })
}

pub fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("{value} is no object") };
    object
}

/// Starts the workflow `name`.
pub async fn start(client: &Client, name: &str, input: Value) -> String {
    let start = Start { name: name.to_owned(), input: object(input), ..Start::default() };
    client.start(&start).await.unwrap()
}

/// The workflow with its tasks, as soon as `is_wanted`.
pub async fn until(client: &Client, id: &str, is_wanted: impl Fn(&WorkflowSeen) -> bool) -> WorkflowSeen {
    let begun = Instant::now();
    loop {
        let workflow = client.workflow(id, true).await.unwrap().unwrap();
        if is_wanted(&workflow) {
            return workflow;
        }
        assert!(begun.elapsed() < PATIENCE, "{workflow:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await; // the server tells nobody; it has to be asked
    }
}

/// The workflow at its end.
pub async fn end(client: &Client, id: &str) -> WorkflowSeen {
    until(client, id, |workflow| workflow.status.is_final()).await
}

/// The output of a workflow of one task that was done at the first attempt.
pub async fn output(client: &Client, id: &str) -> Value {
    let workflow = end(client, id).await;
    assert_eq!(workflow.status, WorkflowState::Completed, "{workflow:#?}");
    let [task] = &workflow.tasks[..] else { panic!("{workflow:#?}") };
    task.output_data.clone().into()
}

/// The only task of a workflow.
pub fn only(workflow: &WorkflowSeen) -> &TaskSeen {
    let [task] = &workflow.tasks[..] else { panic!("{workflow:#?}") };
    task
}

/// A worker in this process.
pub struct Worker {
    stop: Option<oneshot::Sender<()>>,
    handle: JoinHandle<()>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Worker {
    /// A worker `name` with its results in a folder that is thrown away.
    pub fn start(client: &Client, name: &str, registry: Registry) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = options(name, folder.path());
        Self::with(client, registry, (), options, Some(folder))
    }

    /// A worker as `options` say; `folder` is kept as long as it lives.
    pub fn with<C: Send + Sync + 'static>(
        client: &Client,
        registry: Registry<C>,
        context: C,
        options: WorkerOptions,
        folder: Option<TempDir>,
    ) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let on_event = Arc::new(move |event: &Event| drop(sender.send(event.clone())));
        let (stop, stopped) = oneshot::channel();
        let client = client.clone();
        let handle = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            work(client, registry, context, options, stopped, on_event).await.unwrap();
            drop(folder);
        });
        Self { stop: Some(stop), handle, events }
    }

    /// Waits for an event of the worker, and passes over others.
    pub async fn event<T>(&mut self, is_wanted: impl Fn(&Event) -> Option<T>) -> T {
        let wanted = async {
            loop {
                let event = self.events.recv().await.expect("the worker goes on");
                if let Some(found) = is_wanted(&event) {
                    return found;
                }
            }
        };
        soon(wanted).await
    }

    /// Waits until a task is ended and returns its status.
    pub async fn ended(&mut self) -> String {
        let ended = |event: &Event| match event {
            Event::TaskEnded { status, .. } => Some(status.clone()),
            _ => None,
        };
        self.event(ended).await
    }

    /// Tells it to stop, and does not wait.
    pub fn tell_to_stop(&mut self) {
        self.stop.take().expect("it is told once").send(()).unwrap();
    }

    /// Waits until it has stopped, and returns what it said since.
    pub async fn stopped(mut self) -> Vec<Event> {
        if self.stop.is_some() {
            self.tell_to_stop();
        }
        soon(self.handle).await.unwrap();
        let mut said = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            said.push(event);
        }
        said
    }
}

/// A worker that looks for lost ones every second.
pub fn options(name: &str, spool: &Path) -> WorkerOptions {
    WorkerOptions { watch: Duration::from_secs(1), ..WorkerOptions::new(name, spool) }
}

/// Waits until no process of the group lives.
pub async fn group_is_gone(group: i32) {
    let begun = Instant::now();
    while is_alive(group) {
        assert!(begun.elapsed() < PATIENCE, "group {group} is still alive");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether the group has a member that is no zombie.
pub fn is_alive(group: i32) -> bool {
    let listing = std::process::Command::new("ps").args(["-A", "-o", "pgid=,stat="]).output().unwrap();
    String::from_utf8_lossy(&listing.stdout).lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(&group.to_string()) && !fields.next().unwrap_or("Z").starts_with('Z')
    })
}
