//! A signed push becomes a run of a workflow, by the command that people run.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hmac::{Hmac, KeyInit as _, Mac as _};
use k1_hil::conductor::{Client, Limits, Registry, Start};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::shared::{self, Worker, end, install, output};

const SECRET: &str = "It's a Secret to Everybody";
const COMMIT: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

#[derive(Deserialize, Serialize, JsonSchema)]
struct Pushed {
    repo: String,
    branch: String,
    commit_sha: String,
}

/// `k1-hil webhook` in a process of its own; it is killed when dropped.
struct Receiver {
    child: Child,
    address: String,
}

impl Receiver {
    fn start(folder: &Path, server: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_k1-hil"));
        command.args(["--json", "--quiet", "webhook", "--listen", "127.0.0.1:0", "--queue", "queue"]);
        command.args(["--server", server]).env("WEBHOOK_SECRET", SECRET).current_dir(folder);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.find(|line| line.as_ref().unwrap().contains("\"address\"")).unwrap().unwrap();
        let address = line.split('"').nth(3).unwrap().to_owned();
        Self { child, address }
    }

    /// The status that the delivery `id` is answered with.
    async fn post(&self, id: &str) -> u16 {
        let body = json!({
            "ref": "refs/heads/main", "after": COMMIT, "deleted": false,
            "commits": [{ "modified": [format!("{id}.cpp")] }],
            "repository": { "full_name": "acme/lamp" }, "sender": { "login": "mona" },
        });
        let body = body.to_string();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = reqwest::Client::new().post(format!("http://{}/github", self.address)).body(body);
        let request = request.header("X-GitHub-Delivery", id).header("X-GitHub-Event", "push");
        let request = request.header("Content-Type", "application/json");
        let answer = request.header("X-Hub-Signature-256", format!("sha256={digits}")).send().await.unwrap();
        answer.status().as_u16()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The run of the delivery `id`, which the receiver has started, or is about to.
async fn run_of(client: &Client, id: &str) -> Value {
    let begun = std::time::Instant::now();
    let asked = Start { name: "pushed".to_owned(), correlation_id: Some(id.to_owned()), ..Start::default() };
    loop {
        if let Some(run) = client.correlated(&asked.name, id).await.unwrap().first() {
            let (again, new) = client.start_once(&asked).await.unwrap();
            assert_eq!((&again, new), (&run.workflow_id, false));
            end(client, &again).await;
            return output(client, &again).await;
        }
        assert!(begun.elapsed() < shared::PATIENCE, "{id} is not started");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await; // the server tells nobody
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_started_once_though_the_receiver_is_killed() {
    let client = shared::client().await;
    let registry = || {
        Registry::new().task(
            "pushed",
            "Says what was pushed.",
            Limits::seconds(30),
            async |input: Pushed, _| Ok(input),
        )
    };
    install(&client, &registry()).await;
    let worker = Worker::start(&client, "pushed", registry());

    let folder = tempfile::tempdir().unwrap();
    let config = "secret = { env = \"WEBHOOK_SECRET\" }\n[[start]]\nworkflow = \"pushed\"\nrepositories = [\"acme/lamp\"]\n";
    std::fs::write(folder.path().join("webhook.toml"), config).unwrap();
    let receiver = Receiver::start(folder.path(), client.address());
    assert_eq!(receiver.post("d-1").await, 202);
    receiver.kill();

    let receiver = Receiver::start(folder.path(), client.address());
    assert_eq!(receiver.post("d-1").await, 409);
    assert_eq!(receiver.post("d-2").await, 202);
    let expected = json!({ "repo": "acme/lamp", "branch": "main", "commit_sha": COMMIT });
    for id in ["d-1", "d-2"] {
        assert_eq!(run_of(&client, id).await, expected);
        assert_eq!(client.correlated("pushed", id).await.unwrap().len(), 1);
    }
    assert_eq!(receiver.terminate(), Some(0));
    worker.stopped().await;
}
