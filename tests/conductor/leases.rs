//! Signs of life, lost leases, time limits, cancellation.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use k1_hil::Blame;
use k1_hil::conductor::{Failed, Job, Limits, Registry, TaskState, WorkflowState};
use k1_hil::tools::process;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::shared::{self, Nothing, Worker, end, group_is_gone, install, is_alive, only, soon, start, until};

/// A task that starts a shell with a child of its own, says which group they are, and waits for their end.
fn long(name: &'static str, limits: Limits, groups: mpsc::UnboundedSender<i32>) -> Registry {
    let work = move |_: Nothing, _: Job| {
        let groups = groups.clone();
        async move {
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 300 & echo $$; wait"]);
            let mut on_line = |_, line: &str| groups.send(line.parse().unwrap()).unwrap();
            let ended = process::run(command, Duration::from_secs(300), &mut on_line).await;
            Err::<Value, _>(Failed::new(Blame::Bug, format!("{ended:?}")))
        }
    };
    Registry::new().task(name, "Waits.", limits, work)
}

#[tokio::test]
async fn a_long_task_lives_on_a_short_lease() {
    let client = shared::client().await;
    let done = Arc::new(Notify::new());
    let registry = || {
        let done = done.clone();
        let work = move |_: Nothing, _: Job| {
            let done = done.clone();
            async move {
                done.notified().await;
                Ok(json!({}))
            }
        };
        Registry::new().task("long", "Waits.", Limits::seconds(120).response(3), work)
    };
    install(&client, &registry()).await;
    // Its watchdog would have the server end the lease soon after it is over.
    let _worker = Worker::start(&client, "alive", registry());
    let id = start(&client, "long", json!({})).await;
    let leases = 2 * 3000;
    until(&client, &id, |workflow| {
        assert!(workflow.tasks.len() <= 1, "{workflow:#?}");
        workflow.tasks.first().is_some_and(|task| task.update_time - task.start_time > leases)
    })
    .await;
    done.notify_one();
    let workflow = end(&client, &id).await;
    assert_eq!((workflow.status, only(&workflow).retry_count), (WorkflowState::Completed, 0));
}

#[tokio::test]
async fn the_work_of_a_workflow_that_was_ended_is_dropped_with_its_programs() {
    let client = shared::client().await;
    let (sender, mut groups) = mpsc::unbounded_channel();
    let registry = long("long_canceled", Limits::seconds(120).response(1), sender);
    install(&client, &registry).await;
    let mut worker = Worker::start(&client, "obedient", registry);
    let id = start(&client, "long_canceled", json!({})).await;
    let group = soon(groups.recv()).await.unwrap();
    assert!(is_alive(group));
    client.terminate(&id, "not wanted any more").await.unwrap();
    assert_eq!(worker.ended().await, "CANCELED");
    group_is_gone(group).await;
    let workflow = end(&client, &id).await;
    assert_eq!((workflow.status, only(&workflow).status), (WorkflowState::Terminated, TaskState::Canceled));
}

#[tokio::test]
async fn work_that_takes_too_long_is_ended_and_reported() {
    let client = shared::client().await;
    let (sender, mut groups) = mpsc::unbounded_channel();
    let registry = long("long_limited", Limits::seconds(2).response(2).retries(0, 0), sender);
    install(&client, &registry).await;
    let _worker = Worker::start(&client, "slow", registry);
    let id = start(&client, "long_limited", json!({})).await;
    let group = soon(groups.recv()).await.unwrap();
    let workflow = end(&client, &id).await;
    assert_eq!(workflow.status, WorkflowState::Failed);
    let reason = "the work was ended because it took longer than 2 s";
    assert_eq!(only(&workflow).reason_for_incompletion.as_deref(), Some(reason));
    group_is_gone(group).await;
}

#[tokio::test]
async fn the_task_of_a_lost_worker_is_done_by_another_soon() {
    let client = shared::client().await;
    let work = async |_: Nothing, _: Job| Ok(json!({ "done": true }));
    let registry =
        Registry::new().task("left_behind", "", Limits::seconds(60).response(1).retries(1, 0), work);
    install(&client, &registry).await;
    let id = start(&client, "left_behind", json!({})).await;
    let lost = client.poll("left_behind", "lost", None, Duration::from_secs(5)).await.unwrap().unwrap();
    // A lease that was extended once is noticed by the server alone only after a minute: its first look, which is
    // punctual, finds that the lease goes on.
    tokio::time::sleep(Duration::from_millis(700)).await;
    client.extend_lease(&lost.task_id, &id).await.unwrap();
    let _worker = Worker::start(&client, "heir", registry);
    let workflow = tokio::time::timeout(Duration::from_secs(30), end(&client, &id))
        .await
        .expect("it waits for the server");
    let [first, second] = &workflow.tasks[..] else { panic!("{workflow:#?}") };
    assert_eq!((first.status, second.status), (TaskState::TimedOut, TaskState::Completed));
    assert_eq!((first.worker_id.as_deref(), second.worker_id.as_deref()), (Some("lost"), Some("heir")));
}
