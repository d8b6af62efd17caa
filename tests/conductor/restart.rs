//! A server that is killed while work goes on, and a worker that is killed before it could report.

use std::time::Instant;

use k1_hil::conductor::{Client, WorkflowState};
use k1_hil::event::Event;

use crate::backend::Data;
use crate::shared::{self, PATIENCE, Worker, end, install, only, start};
use crate::worker_process::{self, Process, begun, exists};

#[tokio::test]
async fn neither_a_killed_server_nor_a_killed_worker_loses_a_result() {
    let (folder, spools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = Data::start(folder.path()).await;
    let server = shared::server(&data, folder.path(), 0).await;
    let client = Client::new(server.client().address(), None).unwrap();
    install(&client, &worker_process::registry()).await;

    // Both work on a task that waits for a file.
    let gates = [spools.path().join("gate-killed"), spools.path().join("gate-staying")];
    let mut killed = Process::start(client.address(), &spools.path().join("killed"));
    let first = start(&client, "wait_for_file", serde_json::json!({ "path": &gates[0] })).await;
    exists(&begun(&gates[0])).await;
    let options = shared::options("staying", &spools.path().join("staying"));
    let mut staying = Worker::with(&client, worker_process::registry(), (), options, None);
    let second = start(&client, "wait_for_file", serde_json::json!({ "path": &gates[1] })).await;
    exists(&begun(&gates[1])).await;

    let port = server.port();
    drop(server);
    gates.iter().for_each(|gate| std::fs::write(gate, "").unwrap());
    for spool in ["killed", "staying"] {
        result_in(&spools.path().join(spool)).await;
    }
    killed.kill();

    let _server = shared::server(&data, folder.path(), port).await;
    assert_eq!(staying.ended().await, "COMPLETED");
    staying.stopped().await;
    let options = shared::options("heir", &spools.path().join("killed"));
    let mut heir = Worker::with(&client, worker_process::registry(), (), options, None);
    let resent = |event: &Event| match event {
        Event::ResultResent { status, .. } => Some(status.clone()),
        _ => None,
    };
    assert_eq!(heir.event(resent).await, "COMPLETED");
    heir.stopped().await;

    for id in [first, second] {
        let workflow = end(&client, &id).await;
        assert_eq!(workflow.status, WorkflowState::Completed);
        let task = only(&workflow);
        assert_eq!((task.retry_count, task.poll_count), (0, 1), "it was done more than once");
    }
    for spool in ["killed", "staying"] {
        assert_eq!(std::fs::read_dir(spools.path().join(spool)).unwrap().count(), 0);
    }
}

/// Waits until there is a result in the folder.
async fn result_in(spool: &std::path::Path) {
    let begun = Instant::now();
    let is_result = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().path().extension().is_some_and(|it| it == "json")
    };
    while !std::fs::read_dir(spool).is_ok_and(|mut entries| entries.any(is_result)) {
        assert!(begun.elapsed() < PATIENCE, "no result in {}", spool.display());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
