//! How a worker stops.

use std::sync::Arc;
use std::time::Duration;

use k1_hil::conductor::{Job, Limits, Registry, TaskState, WorkerOptions, WorkflowState};
use k1_hil::event::Event;
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use crate::relay::Relay;
use crate::shared::{self, Nothing, Worker, end, install, only, output, soon, start};

fn quick(name: &'static str) -> Registry {
    Registry::new()
        .task(name, "Is done at once.", Limits::seconds(60), async |_: Nothing, _: Job| Ok(json!({})))
}

/// A task that says when it begins, and ends when it is told to.
fn told(name: &'static str, begun: mpsc::UnboundedSender<()>, end: Arc<Notify>) -> Registry {
    let work = move |_: Nothing, _: Job| {
        let (begun, end) = (begun.clone(), end.clone());
        async move {
            begun.send(()).unwrap();
            end.notified().await;
            Ok(json!({}))
        }
    };
    Registry::new().task(name, "Waits.", Limits::seconds(60).retries(0, 0), work)
}

#[tokio::test]
async fn a_task_that_arrives_after_the_stop_is_handed_back_and_loses_nothing() {
    let client = shared::client().await;
    install(&client, &quick("handed_back")).await;
    let mut relay = Relay::to(&client).await;
    let mut leaving = Worker::start(&relay.client(), "leaving", quick("handed_back"));
    relay.request("/tasks/poll/batch/handed_back").await;
    leaving.tell_to_stop();
    let id = start(&client, "handed_back", json!({})).await;
    let said = leaving.stopped().await;
    let [Event::TaskHandedBack { id: task, handed_back: true, .. }] = &said[..] else { panic!("{said:?}") };

    let staying = Worker::start(&client, "staying", quick("handed_back"));
    let workflow = end(&client, &id).await;
    let done = only(&workflow);
    assert_eq!((done.status, &done.task_id), (TaskState::Completed, task));
    assert_eq!((done.worker_id.as_deref(), done.retry_count, done.poll_count), (Some("staying"), 0, 2));
    staying.stopped().await;
}

#[tokio::test]
async fn what_was_begun_is_finished_before_the_worker_ends() {
    let client = shared::client().await;
    let (begun, mut begins) = mpsc::unbounded_channel();
    let finish = Arc::new(Notify::new());
    let registry = told("drained", begun, finish.clone());
    install(&client, &registry).await;
    let mut worker = Worker::start(&client, "leaving", registry);
    let id = start(&client, "drained", json!({})).await;
    soon(begins.recv()).await.unwrap();
    worker.tell_to_stop();
    finish.notify_one();
    worker.stopped().await;
    assert_eq!(output(&client, &id).await, json!({}));
}

#[tokio::test]
async fn what_takes_longer_than_the_drain_is_ended_and_reported() {
    let client = shared::client().await;
    let (begun, mut begins) = mpsc::unbounded_channel();
    let registry = told("not_drained", begun, Arc::new(Notify::new()));
    install(&client, &registry).await;
    let folder = tempfile::tempdir().unwrap();
    let options = WorkerOptions { drain: Duration::ZERO, ..shared::options("leaving", folder.path()) };
    let worker = Worker::with(&client, registry, options, None);
    let id = start(&client, "not_drained", json!({})).await;
    soon(begins.recv()).await.unwrap();
    worker.stopped().await;
    let workflow = end(&client, &id).await;
    assert_eq!((workflow.status, only(&workflow).status), (WorkflowState::Failed, TaskState::Failed));
    let reason = "the worker was stopped before the work was done";
    assert_eq!(only(&workflow).reason_for_incompletion.as_deref(), Some(reason));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a result is left");
}
