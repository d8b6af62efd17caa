//! What becomes of a task: done, at fault, tried again, panicked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use k1_hil::conductor::{
    Failed, Job, Limits, Queue, Registry, Start, TaskState, WorkerOptions, WorkflowState,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::relay::Relay;
use crate::shared::{self, Nothing, Worker, end, install, object, only, output, soon, start};

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: u32,
    b: u32,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: u32,
}

async fn add(input: Add, job: Job) -> Result<Sum, Failed> {
    (1..=12).for_each(|n| job.log(format!("line {n}")));
    Ok(Sum { sum: input.a + input.b })
}

#[tokio::test]
async fn a_task_goes_from_typed_input_to_typed_output_with_its_log() {
    let client = shared::client().await;
    let registry = || Registry::new().task("add", "Adds.", Limits::seconds(30), add);
    install(&client, &registry()).await;
    let mut worker = Worker::start(&client, "adder", registry());
    let id = start(&client, "add", json!({ "a": 2, "b": 40 })).await;
    assert_eq!(output(&client, &id).await, json!({ "sum": 42 }));
    assert_eq!(worker.ended().await, "COMPLETED");

    let workflow = end(&client, &id).await;
    let task = only(&workflow);
    assert_eq!((task.worker_id.as_deref(), task.retry_count, task.poll_count), (Some("adder"), 0, 1));
    let log = client.log(&task.task_id).await.unwrap();
    assert_eq!(log.len(), 10, "{log:?}");
    assert!(
        log.contains(&"(3 earlier lines are left out)".to_owned()) && log.contains(&"line 12".to_owned())
    );
}

#[tokio::test]
async fn a_wrong_input_fails_once_and_for_good() {
    let client = shared::client().await;
    let registry = || Registry::new().task("add_checked", "Adds.", Limits::seconds(30).retries(3, 0), add);
    install(&client, &registry()).await;
    let _worker = Worker::start(&client, "adder", registry());
    let workflow = end(&client, &start(&client, "add_checked", json!({ "a": 2, "b": "many" })).await).await;
    let task = only(&workflow);
    assert_eq!((workflow.status, task.status), (WorkflowState::Failed, TaskState::FailedWithTerminalError));
    let reason = "input b: invalid type: string \"many\", expected u32";
    assert_eq!(task.reason_for_incompletion.as_deref(), Some(reason));
}

#[tokio::test]
async fn what_broke_outside_is_tried_again_and_what_is_known_is_kept() {
    let client = shared::client().await;
    let tries = Arc::new(AtomicU32::new(0));
    let registry = || {
        let tries = tries.clone();
        let flaky = move |_: Nothing, job: Job| {
            let first = tries.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                assert_eq!(job.retry == 0, first);
                if first {
                    let failed = Failed::infrastructure("the board is silent");
                    return Err(failed.with_output(&json!({ "board": "k1" })));
                }
                Ok(json!({ "frames": 300 }))
            }
        };
        Registry::new().task("flaky", "Fails once.", Limits::seconds(30).retries(1, 0), flaky)
    };
    install(&client, &registry()).await;
    let _worker = Worker::start(&client, "patient", registry());
    let workflow = end(&client, &start(&client, "flaky", json!({})).await).await;
    let [first, second] = &workflow.tasks[..] else { panic!("{workflow:#?}") };
    assert_eq!(
        (workflow.status, first.status, second.status),
        (WorkflowState::Completed, TaskState::Failed, TaskState::Completed)
    );
    assert_eq!(first.reason_for_incompletion.as_deref(), Some("the board is silent"));
    assert_eq!((&first.output_data["board"], &second.output_data["frames"]), (&json!("k1"), &json!(300)));
}

#[tokio::test]
async fn a_panic_is_reported_and_the_worker_goes_on() {
    let client = shared::client().await;
    let registry = || {
        let work = async |input: Add, _: Job| {
            let b = input.b;
            Ok(Sum { sum: input.a / b })
        };
        Registry::new().task("divide", "Divides.", Limits::seconds(30).retries(3, 0), work)
    };
    install(&client, &registry()).await;
    let _worker = Worker::start(&client, "careless", registry());
    let workflow = end(&client, &start(&client, "divide", json!({ "a": 1, "b": 0 })).await).await;
    let task = only(&workflow);
    assert_eq!(task.status, TaskState::FailedWithTerminalError);
    let reason = "the worker panicked: attempt to divide by zero";
    assert_eq!(task.reason_for_incompletion.as_deref(), Some(reason));
    assert_eq!(
        output(&client, &start(&client, "divide", json!({ "a": 6, "b": 2 })).await).await,
        json!({ "sum": 3 })
    );
}

#[tokio::test]
async fn a_result_whose_answer_is_lost_is_sent_again_and_counts_once() {
    let client = shared::client().await;
    let registry = || Registry::new().task("add_over_relay", "Adds.", Limits::seconds(30), add);
    install(&client, &registry()).await;
    let relay = Relay::to(&client).await;
    let mut worker = Worker::start(&relay.client(), "adder", registry());
    relay.lose_next_update();
    let id = start(&client, "add_over_relay", json!({ "a": 1, "b": 1 })).await;
    assert_eq!(worker.ended().await, "COMPLETED");
    assert_eq!(output(&client, &id).await, json!({ "sum": 2 }));
}

#[tokio::test]
async fn a_domain_gets_what_is_directed_to_it_and_nothing_else() {
    let client = shared::client().await;
    let registry = || Registry::new().task("add_somewhere", "Adds.", Limits::seconds(30), add);
    install(&client, &registry()).await;
    let folder = tempfile::tempdir().unwrap();
    let queues = [Queue::Domain("host-a".to_owned())].into();
    let options = WorkerOptions { queues, ..shared::options("on host a", folder.path()) };
    let _on_host = Worker::with(&client, registry(), options, None);
    let _anywhere = Worker::start(&client, "anywhere", registry());

    let plain = Start {
        name: "add_somewhere".to_owned(),
        input: object(json!({ "a": 1, "b": 2 })),
        ..Start::default()
    };
    let directed = Start { task_to_domain: [("*".to_owned(), "host-a".to_owned())].into(), ..plain.clone() };
    let mut started = Vec::new();
    for _ in 0..3 {
        started.push((client.start(&plain).await.unwrap(), "anywhere"));
        started.push((client.start(&directed).await.unwrap(), "on host a"));
    }
    for (id, worker) in started {
        assert_eq!(only(&end(&client, &id).await).worker_id.as_deref(), Some(worker));
    }
}

#[tokio::test]
async fn no_more_are_done_at_once_than_the_limit_says() {
    let client = shared::client().await;
    let at_once = Arc::new(AtomicU32::new(0));
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let registry = || {
        let (at_once, begun, gate) = (at_once.clone(), begun.clone(), gate.clone());
        let work = move |_: Nothing, _: Job| {
            let (at_once, begun, gate) = (at_once.clone(), begun.clone(), gate.clone());
            async move {
                let now = at_once.fetch_add(1, Ordering::SeqCst) + 1;
                begun.send(()).unwrap();
                gate.acquire().await.unwrap().forget();
                at_once.fetch_sub(1, Ordering::SeqCst);
                Ok(json!({ "at_once": now }))
            }
        };
        Registry::new().task("crowded", "Counts.", Limits::seconds(60).at_once(3), work)
    };
    install(&client, &registry()).await;
    let _worker = Worker::start(&client, "narrow", registry());
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(start(&client, "crowded", json!({})).await);
    }
    // All three places are taken, however the polls grow; then one after the other is let go.
    for _ in 0..3 {
        soon(begins.recv()).await.unwrap();
    }
    gate.add_permits(8);
    let mut most = 0;
    for id in ids {
        most = most.max(output(&client, &id).await["at_once"].as_u64().unwrap());
    }
    assert_eq!(most, 3);
}
