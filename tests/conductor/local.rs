//! The local server and the worker as commands.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use k1_hil::conductor::Client;
use k1_hil::conductor::tasks;
use k1_hil::tools::Toolbox;
use serde_json::{Value, json};

use crate::shared::{self, install, output, start};

/// A cache that has the tools of this machine's cache, and nothing else.
fn cache_with_tools() -> tempfile::TempDir {
    let (cache, from) = (tempfile::tempdir().unwrap(), Toolbox::from_env().unwrap());
    let from = from.cache();
    std::fs::create_dir(cache.path().join("conductor")).unwrap();
    let version = k1_hil::tools::pins::CONDUCTOR_JAR.version;
    for tool in ["python".to_owned(), format!("conductor/{version}")] {
        symlink(from.join(&tool), cache.path().join(&tool)).unwrap();
    }
    cache
}

fn conductor(cache: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k1-hil"));
    command.args(["--json", "--cache"]).arg(cache).arg("conductor").args(arguments);
    command.env_remove("CONDUCTOR_SERVER_URL").output().unwrap()
}

fn json_of(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Ends the server whatever becomes of the test.
struct Down<'a>(&'a Path);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        conductor(self.0, &["down"]);
    }
}

#[tokio::test]
async fn a_server_goes_on_after_the_command_that_started_it() {
    shared::tools().await;
    let cache = cache_with_tools();
    let cache = cache.path();
    assert_eq!(json_of(&conductor(cache, &["status"])), Value::Null);
    let nobody = conductor(cache, &["work"]);
    assert_eq!(nobody.status.code(), Some(2));
    let message = json_of(&nobody)["error"]["message"].clone();
    assert_eq!(message, "no Conductor server is given, and none runs on this machine");

    let _down = Down(cache);
    let started = json_of(&conductor(cache, &["up", "--port", "0"]));
    assert_eq!(json_of(&conductor(cache, &["status"])), started);
    assert_eq!(json_of(&conductor(cache, &["up"])), started, "it runs, and a second one is not started");

    let client = Client::new(started["address"].as_str().unwrap(), None).unwrap();
    install(&client, &tasks::registry()).await;
    let id = start(&client, "worker_check", json!({ "message": "hello" })).await;
    let mut worker = Command::new(env!("CARGO_BIN_EXE_k1-hil"))
        .arg("--cache")
        .arg(cache)
        .args(["--quiet", "conductor", "work", "--name", "checker"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let checked = output(&client, &id).await;
    assert_eq!((&checked["message"], &checked["tools"][0]["name"]), (&json!("hello"), &json!("python3")));
    let pid = nix::unistd::Pid::from_raw(worker.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(tokio::task::spawn_blocking(move || worker.wait()).await.unwrap().unwrap().code(), Some(0));

    assert_eq!(json_of(&conductor(cache, &["down"])), started);
    assert_eq!(json_of(&conductor(cache, &["down"])), Value::Null);
    assert_eq!(json_of(&conductor(cache, &["status"])), Value::Null);
    assert!(!client.is_healthy().await);
    assert!(cache.join("conductor/server/conductor.db").exists(), "its data are kept");
}
