//! What the tests of the workflows share: one worker with a repository, boards, sites and a channel.
//!
//! Tests are told apart by their boards; those that put something up on the sites take turns ([`SITES`]).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use k1_hil::artifacts::{ArtifactId, Record, Store};
use k1_hil::board::inventory::{Inventory, Origin};
use k1_hil::board::lease::{Leasing, Locks, Owner};
use k1_hil::conductor::tasks::{self, Lab, Settings, Variables};
use k1_hil::conductor::{Client, TaskSeen, WorkerOptions, WorkflowSeen, WorkflowState, install, work};
use k1_hil::event::ignore;
use k1_hil::tools::Toolbox;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use crate::shaped::Checkout;
use crate::shared::{self, end, own_folder, start, until};

/// The name of the repository.
pub const REPO: &str = "acme/lamp";

/// The boards; each keeps its flash for as long as the tests run.
pub const BOARDS: [&str; 9] =
    ["deployed", "unwell", "staged", "first", "second", "tried", "unproved", "kept", "shared"];

/// Held by a test that changes a site.
pub static SITES: Mutex<()> = Mutex::const_new(());

/// The commits of the repository, by what is wrong with them.
pub struct Room {
    pub folder: PathBuf,
    pub good: String,
    /// Another firmware than that of `good`, as good.
    pub better: String,
    pub does_not_compile: String,
    /// Its first pattern stops after some frames.
    pub hangs: String,
    /// Its web application has no page.
    pub has_no_page: String,
    client: Client,
}

impl Room {
    pub fn store(&self) -> Store {
        Store::at(&self.folder.join("store")).unwrap()
    }

    /// What the store has as `id`, the output of a task.
    pub async fn stored(&self, id: &Value) -> Record {
        let id: ArtifactId = id.as_str().unwrap().parse().unwrap();
        self.store().record(&id.name, &id.version).await.unwrap().unwrap()
    }

    /// The journal's messages about the run.
    pub fn told(&self, run: &str) -> Vec<String> {
        let journal = std::fs::read_to_string(self.folder.join("journal.jsonl")).unwrap_or_default();
        let messages = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let about = messages.filter(|message| message["key"].as_str().unwrap().starts_with(run));
        about.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }

    /// What the site `name` serves, or none.
    pub fn page(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.join("sites").join(name).join("current/index.html")).ok()
    }

    /// The run of the workflow `handler` that followed the failure of `run`, at its end.
    pub async fn handled(&self, client: &Client, run: &WorkflowSeen, handler: &str) -> WorkflowSeen {
        // The server writes the handler's id into the output of the run that failed.
        let seen =
            until(client, &run.workflow_id, |run| run.output.contains_key("conductor.failure_workflow"))
                .await;
        let id = seen.output["conductor.failure_workflow"].as_str().unwrap();
        let handled = end(client, id).await;
        assert_eq!(handled.workflow_name, handler);
        handled
    }
}

/// The room, and a client for this test's runtime.
pub async fn room() -> (&'static Room, Client) {
    static ROOM: OnceCell<Room> = OnceCell::const_new();
    let client = shared::client().await;
    let room = ROOM.get_or_init(async || furnish(&client).await).await;
    (room, Client::new(room.client.address(), None).unwrap())
}

/// The run of `workflow` with `input` at its end.
pub async fn run(client: &Client, workflow: &str, input: Value) -> WorkflowSeen {
    let id = start(client, workflow, input).await;
    end(client, &id).await
}

/// The task called `reference`, which the run has done.
pub fn task<'a>(run: &'a WorkflowSeen, reference: &str) -> &'a TaskSeen {
    let found = run.tasks.iter().rev().find(|task| task.reference_task_name == reference);
    found.unwrap_or_else(|| panic!("no {reference} in {run:#?}"))
}

pub fn completed(run: &WorkflowSeen) {
    let failed = run.tasks.iter().find(|task| task.status.is_failure());
    assert_eq!(run.status, WorkflowState::Completed, "{:?}: {failed:#?}", run.reason_for_incompletion);
}

pub fn failed(run: &WorkflowSeen, reason: &str) {
    assert_eq!(run.status, WorkflowState::Failed, "{run:#?}");
    let said = run.reason_for_incompletion.as_deref().unwrap_or_default();
    assert!(said.contains(reason), "{said}");
}

/// `k1-hil conductor` as people call it: exit code, output and what it said beside.
pub fn k1_hil(client: &Client, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k1-hil"));
    command.arg("conductor").args(arguments).args(["--server", client.address()]);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn furnish(client: &Client) -> Room {
    let folder = own_folder().join("lab");
    std::fs::create_dir_all(&folder).unwrap();
    install_quick(client).await;
    let checkout = Checkout::new();
    web(&checkout, "lamp 1", "index.html");
    let good = checkout.commit("A page");
    web(&checkout, "lamp 2", "index.html");
    checkout.edit(STATIC, "0.9f - 0.8f * distance", "0.9f - 0.7f * distance");
    let better = checkout.commit("Another ember");
    checkout.edit(STATIC, "#pragma once", "#pragma once\n#error unfinished");
    let does_not_compile = checkout.commit("Unfinished");
    checkout.edit(STATIC, "\n#error unfinished", "");
    web(&checkout, "lamp 3", "contents.html");
    let has_no_page = checkout.commit("No page");
    web(&checkout, "lamp 4", "index.html");
    let first = "inline void draw_ember(const PatternRenderContext& context) {\n";
    checkout.edit(
        STATIC,
        first,
        &format!("{first}    if (context.time > 0.2f) for (;;) asm volatile(\"\");\n"),
    );
    let hangs = checkout.commit("It hangs");

    let served = serve(folder.join("sites")).await;
    std::fs::write(folder.join("hil.boards.toml"), boards()).unwrap();
    std::fs::write(folder.join("hil.worker.toml"), settings(checkout.path(), &served)).unwrap();
    spawn_worker(&folder, client.address());
    // The repository lives as long as the worker, which nothing ends before the process.
    std::mem::forget(checkout);
    let client = client.clone();
    Room { folder, good, better, does_not_compile, hangs, has_no_page, client }
}

const STATIC: &str = "firmware/src/patterns/static_family.hpp";

/// A web application whose build leaves `text` in `page`.
fn web(checkout: &Checkout, text: &str, page: &str) {
    checkout.write("web/text", text);
    checkout.write("web/build.sh", &format!("mkdir dist && cp text dist/{page}"));
}

/// The definitions of this program; a task that fails is tried again at once.
async fn install_quick(client: &Client) {
    let registry = tasks::registry();
    install(client, &registry, shared::OWNER).await.unwrap();
    let mut definitions = registry.definitions(shared::OWNER);
    for definition in &mut definitions {
        definition["retryDelaySeconds"] = 0.into();
    }
    client.define_tasks(&definitions).await.unwrap();
}

fn boards() -> String {
    let board = |(number, name): (usize, &&str)| {
        format!(
            "[[board]]\nname = {name:?}\nmac = \"02:4B:31:00:01:{number:02X}\"\nvirtual = true\nflash = \"{name}.flash\"\n\n"
        )
    };
    let mut text: String = BOARDS.iter().enumerate().map(board).collect();
    // Nobody listens there.
    text += "[[board]]\nname = \"away\"\nmac = \"02:4B:31:00:02:00\"\nhost = \"127.0.0.1\"\nhttp_port = 1\n";
    text
}

fn settings(repository: &Path, served: &str) -> String {
    format!(
        r#"
        store = "store"
        boards = "hil.boards.toml"
        audio = ["sounds"]
        repositories."{REPO}".location = {repository:?}
        channels.journal.file = "journal.jsonl"

        [webapp]
        folder = "web"
        command = ["sh", "build.sh"]
        output = "dist"

        [sites]
        staging = {{ root = "sites/staging", url = "{served}/staging/index.html" }}
        production = {{ root = "sites/production", url = "{served}/production/index.html" }}
        "#
    )
}

/// Serves the current releases of the sites in `root`, for as long as the process lives; returns the address.
async fn serve(root: PathBuf) -> String {
    async fn file(State(root): State<Arc<PathBuf>>, uri: Uri) -> Result<Vec<u8>, StatusCode> {
        let [site, file] = uri.path().trim_start_matches('/').splitn(2, '/').collect::<Vec<_>>()[..] else {
            return Err(StatusCode::NOT_FOUND);
        };
        std::fs::read(root.join(site).join("current").join(file)).map_err(|_| StatusCode::NOT_FOUND)
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let app = axum::Router::new().fallback(file).with_state(Arc::new(root));
    background().spawn(async move {
        axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
    });
    address
}

/// Does the tasks for as long as the process lives.
fn spawn_worker(folder: &Path, server: &str) {
    let settings = Settings::load(&folder.join("hil.worker.toml")).unwrap();
    let variables = Variables::new(|_| None);
    let client = Client::new(server, None).unwrap();
    let lab = Lab {
        toolbox: Toolbox::from_env().unwrap(),
        store: Store::at(&folder.join("store")).unwrap(),
        notifiers: Lab::notifiers(&settings, &variables, &folder.join("told")).unwrap(),
        inventory: Inventory::load(settings.boards.as_deref().unwrap(), Origin::Flag).unwrap(),
        leasing: Leasing {
            locks: Locks::at(folder.join("locks")),
            owner: Owner::of_process("a worker of a test", ""),
            wait: shared::PATIENCE,
        },
        ledger: None,
        settings,
        variables,
        client: client.clone(),
    };
    let options = WorkerOptions::new("lab".to_owned(), folder.join("results"));
    background().spawn(async move {
        work(client, tasks::registry(), lab, options, std::future::pending(), Arc::new(ignore))
            .await
            .unwrap();
    });
}

/// A runtime that no test ends.
fn background() -> &'static tokio::runtime::Runtime {
    static BACKGROUND: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    BACKGROUND.get_or_init(|| tokio::runtime::Runtime::new().unwrap())
}
