//! How fast the worker host is, beside a bare loop of the same calls and the worker of the Python SDK.
//!
//! All of them do the same task, which gives its input back, for the same server in the same run, taking turns. What is
//! compared are the server's own records of each task (scheduled, handed out, ended), so nobody measures himself:
//!
//! * throughput: a backlog of workflows, with 1, 4 and 16 in flight;
//! * from start to receipt: one workflow at a time, while the worker waits for it;
//! * from completion to the next receipt: the backlog with 1 in flight.
//!
//! At the end: what an idle host with 37 kinds of tasks takes, in a process of its own.
//!
//! The Python SDK is installed into a folder that is thrown away; without an index it is left out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k1_hil::conductor::server::OwnedServer;
use k1_hil::conductor::{
    Client, Failed, Job, LONGEST_POLL, Limits, Registry, Start, Status, TaskSeen, Update, WorkerOptions, work,
};
use k1_hil::event::ignore;
use k1_hil::tools::process::{self, Child};
use k1_hil::tools::{Toolbox, setup_conductor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;

const PYTHON_SDK: &str = "conductor-python==2.0.0";
const IN_FLIGHT: [u16; 3] = [1, 4, 16];
const ROUNDS: usize = 3;
/// Workflows of a backlog.
const BACKLOG: usize = 100;
/// Workflows that are started one at a time.
const SINGLE: usize = 25;
/// The argument that makes this program an idle host.
const IDLE: &str = "--idle-host";

#[derive(Deserialize, Serialize, JsonSchema)]
struct Same {
    n: u64,
}

async fn same(input: Same, _: Job) -> Result<Same, Failed> {
    Ok(input)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Bare,
    Host,
    Python,
}

/// A running worker of any kind; it ends when dropped.
enum Worker {
    InProcess(#[expect(dead_code, reason = "it is held")] JoinSet<()>),
    Program(#[expect(dead_code, reason = "it is held")] Child),
}

struct Bench {
    client: Client,
    folder: tempfile::TempDir,
    /// The interpreter that has the Python SDK.
    python: Option<PathBuf>,
}

#[expect(clippy::print_stdout, reason = "a bench prints")]
fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("threads to run on");
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == IDLE) {
        return runtime.block_on(be_idle(&arguments[at + 1], Path::new(&arguments[at + 2])));
    }
    runtime.block_on(async {
        let toolbox = Toolbox::from_env().expect("a cache folder");
        setup_conductor(&toolbox, &ignore).await.expect("a server to be had");
        let folder = tempfile::tempdir().expect("a folder");
        let tools = toolbox.conductor().expect("it was just installed");
        let server = OwnedServer::start(&tools, &folder.path().join("server"), 0).await.expect("a server");
        let python = install_python_sdk(folder.path());
        let bench = Bench { client: server.client().clone(), folder, python };
        bench.run().await;
        println!("\nidle host, 37 kinds of tasks: {}", bench.idle().await);
    });
}

impl Bench {
    #[expect(clippy::print_stdout, reason = "a bench prints")]
    async fn run(&self) {
        let subjects: Vec<_> = [Subject::Bare, Subject::Host, Subject::Python]
            .into_iter()
            .filter(|subject| *subject != Subject::Python || self.python.is_some())
            .collect();
        // The server's compiler gets to know its work first.
        for subject in &subjects {
            self.backlog(*subject, 4).await;
        }
        println!("{:<34}{:>10}{:>10}{:>10}", "", "bare", "k1-hil", "Python");
        for in_flight in IN_FLIGHT {
            let mut rates = vec![Vec::new(); subjects.len()];
            let mut gaps = vec![Vec::new(); subjects.len()];
            for round in 0..ROUNDS {
                for at in turns(subjects.len(), round) {
                    let tasks = self.backlog(subjects[at], in_flight).await;
                    rates[at].push(rate(&tasks));
                    gaps[at].extend(gaps_of(&tasks));
                }
            }
            show(&format!("workflows a second, {in_flight} in flight"), rates);
            if in_flight == 1 {
                show("completion to next receipt, ms", gaps);
            }
        }
        let mut waits = vec![Vec::new(); subjects.len()];
        for round in 0..ROUNDS {
            for at in turns(subjects.len(), round) {
                waits[at].extend(self.one_at_a_time(subjects[at]).await);
            }
        }
        show("start to receipt, ms", waits);
    }

    /// The tasks of a backlog, in the order in which they were handed out.
    async fn backlog(&self, subject: Subject, in_flight: u16) -> Vec<TaskSeen> {
        let name = self.define().await;
        let mut ids = Vec::new();
        for n in 0..BACKLOG {
            ids.push(self.start(name, n).await);
        }
        let _worker = self.worker(subject, name, in_flight);
        let mut tasks = Vec::new();
        for id in ids {
            tasks.push(self.done(&id).await);
        }
        tasks.sort_by_key(|task| task.start_time);
        tasks
    }

    /// How long each task waited for a worker that waited for it, in milliseconds.
    async fn one_at_a_time(&self, subject: Subject) -> Vec<f64> {
        let name = self.define().await;
        let _worker = self.worker(subject, name, 1);
        let mut waits = Vec::new();
        for n in 0..=SINGLE {
            // The server looks at its queues in steps: without this all starts would meet the same phase of them.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..250))).await;
            let id = self.start(name, n).await;
            let task = self.done(&id).await;
            // Before the first one the worker may not have been there.
            if n > 0 {
                waits.push((task.start_time - task.scheduled_time) as f64);
            }
        }
        waits
    }

    /// Installs a task that nobody has polled for, so that no worker of before gets any of it.
    async fn define(&self) -> &'static str {
        let name: &'static str = Box::leak(format!("same-{:x}", fastrand::u64(..)).into_boxed_str());
        let definitions = registry(name, 1).definitions("bench@example.org");
        self.client.define_tasks(&definitions).await.expect("a valid definition");
        let workflow = json!({
            "name": name, "version": 1, "schemaVersion": 2, "ownerEmail": "bench@example.org",
            "timeoutSeconds": 0, "timeoutPolicy": "ALERT_ONLY",
            "tasks": [{
                "name": name, "taskReferenceName": "only", "type": "SIMPLE",
                "inputParameters": { "n": "${workflow.input.n}" },
            }],
        });
        self.client.define_workflows(&[workflow]).await.expect("a valid definition");
        name
    }

    async fn start(&self, name: &str, n: usize) -> String {
        let input = [("n".to_owned(), json!(n))].into_iter().collect();
        let start = Start { name: name.to_owned(), input, ..Start::default() };
        self.client.start(&start).await.expect("the server is there")
    }

    /// The only task of a workflow, when that is over.
    async fn done(&self, id: &str) -> TaskSeen {
        let begun = Instant::now();
        loop {
            let workflow = self.client.workflow(id, true).await.expect("the server is there");
            let mut workflow = workflow.expect("it was just started");
            if workflow.status.is_final() {
                return workflow.tasks.pop().expect("it has a task");
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{workflow:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn worker(&self, subject: Subject, name: &'static str, in_flight: u16) -> Worker {
        let client = self.client.clone();
        let mut tasks = JoinSet::new();
        match subject {
            Subject::Bare => {
                (0..in_flight).for_each(|_| drop(tasks.spawn(bare_loop(client.clone(), name))));
            }
            Subject::Host => {
                let options = WorkerOptions::new("host", self.folder.path().join("results"));
                let forever = std::future::pending();
                let host = work(client, registry(name, in_flight), (), options, forever, Arc::new(ignore));
                tasks.spawn(async { host.await.expect("a folder for results") });
            }
            Subject::Python => return Worker::Program(self.python_worker(name, in_flight)),
        }
        Worker::InProcess(tasks)
    }

    fn python_worker(&self, name: &str, in_flight: u16) -> Child {
        let script = self.folder.path().join("worker.py");
        std::fs::write(&script, PYTHON_WORKER).expect("a file to write");
        let mut command = Command::new(self.python.as_ref().expect("it is only called with one"));
        command.arg(script).arg(name).arg(in_flight.to_string());
        command.env("CONDUCTOR_SERVER_URL", format!("{}/api", self.client.address()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Child::spawn(command, Duration::ZERO).expect("Python starts")
    }

    /// Processor time and memory of an idle host over 30 s.
    async fn idle(&self) -> String {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(IDLE).arg(self.client.address()).arg(self.folder.path().join("idle"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let host = Child::spawn(command, Duration::ZERO).expect("this program starts");
        tokio::time::sleep(Duration::from_secs(6)).await; // every lane has a poll behind it
        let (before, begun) = (process_time(host.id()), Instant::now());
        tokio::time::sleep(Duration::from_secs(30)).await;
        let used = process_time(host.id()) - before;
        let share = 100.0 * used / begun.elapsed().as_secs_f64();
        format!("{share:.2} % of a core, {:.1} MB", resident_megabytes(host.id()))
    }
}

fn registry(name: &'static str, at_once: u16) -> Registry {
    Registry::new().task(name, "Gives its input back.", Limits::seconds(60).at_once(at_once), same)
}

/// The calls that any worker has to make, and nothing else.
async fn bare_loop(client: Client, name: &'static str) {
    loop {
        let Ok(Some(task)) = client.poll(name, "bare", None, LONGEST_POLL).await else { continue };
        let update = Update {
            task_id: task.task_id,
            workflow_instance_id: task.workflow_instance_id,
            worker_id: "bare".to_owned(),
            status: Status::Completed,
            reason_for_incompletion: None,
            output_data: [("n".to_owned(), task.input_data["n"].clone())].into_iter().collect(),
            logs: Vec::new(),
        };
        client.update(&update).await.expect("the server is there");
    }
}

const PYTHON_WORKER: &str = "\
import sys
from conductor.client.automator.task_handler import TaskHandler
from conductor.client.configuration.configuration import Configuration
from conductor.client.worker.worker import Worker

def same(task):
    return {'n': task.input_data['n']}

if __name__ == '__main__':
    worker = Worker(task_definition_name=sys.argv[1], execute_function=same, thread_count=int(sys.argv[2]))
    handler = TaskHandler(workers=[worker], configuration=Configuration(), scan_for_annotated_workers=False)
    handler.start_processes()
    handler.join_processes()
";

/// The interpreter of a new environment with the SDK; none if it is not to be had.
fn install_python_sdk(folder: &Path) -> Option<PathBuf> {
    let environment = folder.join("python");
    let limit = Duration::from_secs(600);
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&environment);
    let python = environment.join("bin/python");
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", PYTHON_SDK]);
    let did = |command| process::output(command, limit).is_ok_and(|(status, _)| status.success());
    (did(make) && did(install)).then_some(python)
}

async fn be_idle(address: &str, results: &Path) {
    let client = Client::new(address, None).expect("an address");
    let name = |n: usize| -> &'static str { Box::leak(format!("idle-{n}").into_boxed_str()) };
    let registry = (0..37).fold(Registry::new(), |all, n| all.and(registry(name(n), 4)));
    let options = WorkerOptions::new("idle", results);
    let forever = std::future::pending();
    work(client, registry, (), options, forever, Arc::new(ignore)).await.expect("a folder for results");
}

/// User and system time of a process, in seconds.
fn process_time(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a Linux host");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().expect("a number")).sum();
    ticks / 100.0
}

fn resident_megabytes(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a Linux host");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a living process");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// Each round begins with another one.
fn turns(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |at| (at + round) % count)
}

fn rate(tasks: &[TaskSeen]) -> f64 {
    let first = tasks.iter().map(|task| task.start_time).min().unwrap_or(0);
    let last = tasks.iter().map(|task| task.end_time).max().unwrap_or(0);
    tasks.len() as f64 * 1000.0 / (last - first) as f64
}

/// From the end of each task to the receipt of the next, in milliseconds.
fn gaps_of(tasks: &[TaskSeen]) -> impl Iterator<Item = f64> {
    tasks.windows(2).map(|pair| (pair[1].start_time - pair[0].end_time) as f64)
}

/// A line with the medians.
#[expect(clippy::print_stdout, reason = "a bench prints")]
fn show(what: &str, mut values: Vec<Vec<f64>>) {
    let medians = values.iter_mut().map(|values| {
        values.sort_by(f64::total_cmp);
        format!("{:>10.1}", values[values.len() / 2])
    });
    println!("{what:<34}{}", medians.collect::<String>());
}
