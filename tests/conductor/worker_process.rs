//! A worker in a process of its own, which can be killed: this test program itself, told so by a variable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use k1_hil::conductor::{Client, Failed, Job, Limits, Registry, TaskState, WorkflowState, work};
use k1_hil::event::ignore;
use k1_hil::tools::process;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::shared::{self, end, install, is_alive, soon, start};

const SERVER: &str = "K1_HIL_TEST_WORKER_SERVER";
const SPOOL: &str = "K1_HIL_TEST_WORKER_SPOOL";
const NAME: &str = "worker_process::a_worker_process_ends_cleanly_when_it_is_told_to";

/// A worker process; it is killed when dropped.
pub struct Process(Child);

impl Process {
    pub fn start(server: &str, spool: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", NAME, "--nocapture"]).env(SERVER, server).env(SPOOL, spool);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// SIGKILL, which nothing can prepare for.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Deserialize, JsonSchema)]
struct WaitForFile {
    path: PathBuf,
}

#[derive(Deserialize, JsonSchema)]
struct Square {
    number: u64,
    /// Each execution leaves a file here: its task id, with its process group in it.
    folder: PathBuf,
}

#[derive(Serialize, JsonSchema)]
struct Squared {
    square: u64,
}

/// Has a shell do a few milliseconds of nothing, beside a child that would go on for long.
async fn square(input: Square, job: Job) -> Result<Squared, Failed> {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"echo $$ > "$1"; sleep 600 & sleep 0.02"#, "sh"])
        .arg(input.folder.join(&job.task_id));
    let finished = process::run(command, Duration::from_secs(20), &mut |_, _| ()).await;
    let finished = finished.map_err(|error| Failed::infrastructure(error.to_string()))?;
    assert!(finished.status.success());
    Ok(Squared { square: input.number * input.number })
}

/// The file that says that the wait for the file at `path` has begun.
pub fn begun(path: &Path) -> PathBuf {
    path.with_extension("begun")
}

/// Waits until the file at `path` exists.
pub async fn exists(path: &Path) {
    let wait = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await; // nobody tells when a file appears
        }
    };
    soon(wait).await;
}

pub fn registry() -> Registry {
    let wait = async |input: WaitForFile, _: Job| {
        std::fs::write(begun(&input.path), "").unwrap();
        while !input.path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(json!({}))
    };
    Registry::new()
        .task("wait_for_file", "Waits until a file exists.", Limits::seconds(600).response(600), wait)
        .task(
            "square",
            "Squares.",
            Limits::seconds(60).response(1).retries(200, 0).unclaimed(0).at_once(4),
            square,
        )
}

/// What a worker process does until it is told to stop.
fn be_worker(server: &str) {
    let spool = std::env::var_os(SPOOL).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = Client::new(server, None).unwrap();
        let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        let stop = async {
            told.recv().await;
        };
        let options = shared::options("process", Path::new(&spool));
        work(client, registry(), (), options, stop, Arc::new(ignore)).await.unwrap();
    });
}

#[test]
fn a_worker_process_ends_cleanly_when_it_is_told_to() {
    if let Ok(server) = std::env::var(SERVER) {
        return be_worker(&server);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (client, folder) = (shared::client().await, tempfile::tempdir().unwrap());
        install(&client, &registry()).await;
        let process = Process::start(client.address(), &folder.path().join("spool"));
        let gate = folder.path().join("gate");
        let id = start(&client, "wait_for_file", json!({ "path": gate })).await;
        exists(&begun(&gate)).await;
        std::fs::write(gate, "").unwrap();
        let code = tokio::task::spawn_blocking(|| process.terminate());
        assert_eq!(soon(code).await.unwrap(), Some(0));
        assert_eq!(end(&client, &id).await.status, WorkflowState::Completed);
    });
}

#[tokio::test]
async fn a_worker_that_is_killed_a_hundred_times_loses_and_doubles_nothing() {
    let (client, folder) = (shared::client().await, tempfile::tempdir().unwrap());
    let (spool, done) = (folder.path().join("spool"), folder.path().join("done"));
    std::fs::create_dir(&done).unwrap();
    install(&client, &registry()).await;
    let mut random = fastrand::Rng::with_seed(5);
    let mut started = BTreeMap::new();
    for round in 0..100 {
        for n in 0..2 {
            let number = round * 2 + n;
            let id = start(&client, "square", json!({ "number": number, "folder": done })).await;
            started.insert(id, number);
        }
        let mut process = Process::start(client.address(), &spool);
        // Long enough for a few tasks at most; before that it only starts.
        tokio::time::sleep(Duration::from_micros(random.u64(20_000..150_000))).await;
        process.kill();
    }
    let survivor = Process::start(client.address(), &spool);
    let mut attempts = BTreeSet::new();
    for (id, number) in &started {
        let workflow = end(&client, id).await;
        assert_eq!(workflow.status, WorkflowState::Completed, "{workflow:#?}");
        let completed: Vec<_> =
            workflow.tasks.iter().filter(|task| task.status == TaskState::Completed).collect();
        let [completed] = &completed[..] else { panic!("{workflow:#?}") };
        assert_eq!(completed.output_data["square"], json!(number * number));
        assert!(done.join(&completed.task_id).exists(), "a result of work that was not done");
        attempts.extend(workflow.tasks.iter().map(|task| task.task_id.clone()));
    }
    let code = tokio::task::spawn_blocking(|| survivor.terminate());
    assert_eq!(soon(code).await.unwrap(), Some(0));
    let left = std::fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<_> = left.filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
    assert!(left.is_empty(), "results that were not sent: {left:?}");
    for entry in std::fs::read_dir(&done).unwrap() {
        let entry = entry.unwrap();
        assert!(attempts.contains(entry.file_name().to_str().unwrap()), "work without a task");
        if let Ok(group) = std::fs::read_to_string(entry.path()).unwrap().trim().parse() {
            assert!(!is_alive(group), "an orphan");
        }
    }
}
