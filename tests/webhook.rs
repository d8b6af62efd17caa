//! GitHub's webhook over real sockets: forgeries, hostile clients, filters, the queue.

mod hooked;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hooked::{
    Answer, COMMIT, CONFIG, Delivery, SECRET, Server, config, drained, good, pull_request, push, quick,
};
use k1_hil::Event;
use k1_hil::webhook::{Config, Start, Undelivered};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

#[tokio::test]
async fn a_push_and_a_pull_request_start_their_workflow() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), config()).await;
    let answer = server.post(&good("d-1")).await;
    assert_eq!((answer.status, &answer.body), (202, &json!({ "queued": ["firmware-ci-cd-pipeline"] })));
    let answer = server.post(&pull_request("d-2", "synchronize", "main", Some("acme/lamp"))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = server.post(&push("d-3", "refs/tags/v1.2", "docs/a.md")).await;
    assert_eq!(answer.status, 202, "{answer:?}");

    let started = drained(&server.queue, 3).await;
    let of = |input: Value, id: &str| Start {
        workflow: "firmware-ci-cd-pipeline".to_owned(),
        version: Some(2),
        input: input.as_object().unwrap().clone(),
        correlation_id: id.to_owned(),
    };
    let expected = [
        of(
            json!({ "environment": "bench", "event": "push", "repo": "acme/lamp", "ref": "refs/heads/main",
                "branch": "main", "commit_sha": COMMIT, "sender": "mona" }),
            "d-1",
        ),
        of(
            json!({ "environment": "bench", "event": "pull_request", "repo": "acme/lamp",
                "ref": "refs/pull/7/head", "branch": "topic", "base": "main", "pull_request": 7,
                "commit_sha": COMMIT, "sender": "mona" }),
            "d-2",
        ),
        of(
            json!({ "environment": "bench", "event": "push", "repo": "acme/lamp", "ref": "refs/tags/v1.2",
                "tag": "v1.2", "commit_sha": COMMIT, "sender": "mona" }),
            "d-3",
        ),
    ];
    assert_eq!(started, expected);
}

#[rstest]
#[case::no_signature(good("d").without("X-Hub-Signature-256"), 401)]
#[case::sha1_alone(good("d").without("X-Hub-Signature-256").with("X-Hub-Signature", "sha1=757107ea0eb2509fc211221cce984b8a37570b6d"), 401)]
#[case::sha1_in_its_place(good("d").with("X-Hub-Signature-256", "sha1=757107ea0eb2509fc211221cce984b8a37570b6d"), 401)]
#[case::another_algorithm(good("d").with("X-Hub-Signature-256", &format!("sha512={}", "a".repeat(128))), 401)]
#[case::of_another_body(good("d").with("X-Hub-Signature-256", good("e").header("X-Hub-Signature-256")), 401)]
#[case::truncated(good("d").with("X-Hub-Signature-256", &good("d").header("X-Hub-Signature-256")[..70]), 401)]
#[case::cut_to_nothing(good("d").with("X-Hub-Signature-256", "sha256="), 401)]
#[case::zeros(good("d").with("X-Hub-Signature-256", &format!("sha256={}", "0".repeat(64))), 401)]
#[case::changed_body(Delivery { body: good("d").body.replace("main", "mian"), ..good("d") }, 401)]
#[case::form(good("d").with("Content-Type", "application/x-www-form-urlencoded"), 415)]
#[case::no_content_type(good("d").without("Content-Type"), 415)]
#[case::no_delivery(good("d").without("X-GitHub-Delivery"), 400)]
#[case::delivery_that_is_a_path(good("d").with("X-GitHub-Delivery", "../../etc/passwd"), 400)]
#[case::no_event(good("d").without("X-GitHub-Event"), 400)]
#[case::event_of_another_body(good("d").with("X-GitHub-Event", "pull_request"), 400)]
#[case::no_json(Delivery::new("d", "push", &json!("text")), 400)]
#[case::commit_that_is_an_argument(Delivery::new("d", "push", &serde_json::from_str(&good("d").body.replace(COMMIT, "--upload-pack=x")).unwrap()), 400)]
#[tokio::test]
async fn what_github_did_not_send_is_not_accepted(#[case] delivery: Delivery, #[case] status: u16) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), config()).await;
    let answer = server.post(&delivery).await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(!answer.said().is_empty() && !answer.body.to_string().contains("Secret"));
    assert_eq!(server.waiting(), 0);
    let events = server.events.lock().unwrap().clone();
    assert!(matches!(&events[..], [Event::DeliveryRefused { .. }]), "{events:?}");
    // And the genuine one is taken, whatever came before.
    assert_eq!(server.post(&good("d")).await.status, 202);
}

#[tokio::test]
async fn two_signatures_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), config()).await;
    let mut delivery = good("d");
    delivery.headers.push(("X-Hub-Signature-256", format!("sha256={}", "0".repeat(64))));
    assert_eq!(server.post(&delivery).await.status, 401);
}

#[tokio::test]
async fn a_delivery_is_taken_once_whatever_id_it_comes_with() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), config()).await;
    assert_eq!(server.post(&good("d-1")).await.status, 202);
    for replay in
        [good("d-1"), good("d-1").with("X-GitHub-Delivery", "d-2"), push("d-1", "refs/heads/night", "a")]
    {
        let answer = server.post(&replay).await;
        assert_eq!((answer.status, answer.said()), (409, "this delivery came before"));
    }
    assert_eq!(drained(&server.queue, 1).await.len(), 1);
    assert_eq!(server.post(&good("d-1")).await.status, 409, "also after it was started");
    let ignored = push("d-3", "refs/heads/other", "a");
    assert_eq!(server.post(&ignored).await.status, 200);
    assert_eq!(server.post(&ignored).await.status, 409);
    server.kill().await;
    let server = Server::start(folder.path(), config()).await;
    assert_eq!(server.post(&good("d-1")).await.status, 409, "and after a restart");
    assert_eq!(server.post(&ignored).await.status, 409);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), config()).await;
    let head = |length: &str| {
        let signature = good("d").header("X-Hub-Signature-256").to_owned();
        format!(
            "POST /github HTTP/1.1\r\nHost: x\r\n{length}\r\nX-GitHub-Delivery: d\r\nX-GitHub-Event: push\r\n\
             Content-Type: application/json\r\nX-Hub-Signature-256: {signature}\r\n\r\n"
        )
    };
    // The answer comes though nothing of the body does.
    let answer = server.send(&head("Content-Length: 104857600")).await;
    assert_eq!((answer.status, answer.said()), (413, "the body is longer than 26214400 bytes"));
    assert!(answer.head.contains("connection: close"), "{answer:?}");

    // One that does not say how long it is is read up to the limit.
    let small = Config { body_limit: 1000, ..config() };
    let other = tempfile::tempdir().unwrap();
    let server = Server::start(other.path(), small).await;
    let chunk = format!("200\r\n{}\r\n", "x".repeat(0x200));
    let answer = server.send(&format!("{}{chunk}{chunk}", head("Transfer-Encoding: chunked"))).await;
    assert_eq!((answer.status, answer.said()), (413, "the body is longer than 1000 bytes"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let hasty = Config { body_deadline: Duration::from_millis(50), ..config() };
    let server = Server::start(folder.path(), hasty).await;
    let delivery = good("d");
    let mut request =
        format!("POST /github HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", delivery.body.len());
    for (name, value) in &delivery.headers {
        request += &format!("{name}: {value}\r\n");
    }
    let answer = server.send(&format!("{request}\r\n{}", &delivery.body[..10])).await;
    assert_eq!(answer.status, 408, "{answer:?}");

    let other = tempfile::tempdir().unwrap();
    let server = Server::start(other.path(), config()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{request}\r\n{}", &delivery.body[..10]).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = Answer::read(&mut stream).await;
    assert_eq!((answer.status, answer.said()), (400, "the body broke off"));
}

#[tokio::test]
async fn only_so_many_bodies_are_in_memory_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::start(folder.path(), Config { body_deadline: Duration::from_secs(60), ..config() }).await;
    let delivery = good("d");
    let mut request =
        format!("POST /github HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", delivery.body.len());
    for (name, value) in &delivery.headers {
        request += &format!("{name}: {value}\r\n");
    }
    let mut held = Vec::new();
    let busy = loop {
        assert!(held.len() < 20, "20 bodies are in memory");
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("{request}\r\n{{").as_bytes()).await.unwrap();
        held.push(stream);
        // Whether it has a place yet is not known; that one will be refused in the end is.
        let answer = server.send("POST /github HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX-GitHub-Delivery: e\r\nX-GitHub-Event: push\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256=0000000000000000000000000000000000000000000000000000000000000000\r\n\r\n{}").await;
        if answer.status == 503 {
            break answer;
        }
        assert_eq!(answer.status, 401);
    };
    assert!(busy.head.contains("retry-after: 2"), "{busy:?}");
    drop(held);
}

#[rstest]
#[case::another_branch(
    push("d", "refs/heads/topic", "firmware/a.cpp"),
    "firmware-ci-cd-pipeline: the branch topic is not one of its; nightly: the branch topic is not one of its"
)]
#[case::a_branch_left_out(
    push("d", "refs/heads/release/old", "firmware/a.cpp"),
    "the branch release/old is not one of its"
)]
#[case::another_path(push("d", "refs/heads/main", "webapp/a.ts"), "none of the changed files is one of its")]
#[case::a_path_left_out(
    push("d", "refs/heads/main", "firmware/docs/a.md"),
    "none of the changed files is one of its"
)]
#[case::another_tag(push("d", "refs/tags/nightly", "firmware/a.cpp"), "the tag nightly is not one of its")]
#[case::notes(push("d", "refs/notes/commits", "firmware/a.cpp"), "it is neither a branch nor a tag")]
#[case::another_base(
    pull_request("d", "opened", "topic", Some("acme/lamp")),
    "the branch topic is not one of its"
)]
#[case::closed(
    pull_request("d", "closed", "main", Some("acme/lamp")),
    "this action on a pull request changes no commit"
)]
#[case::a_fork(
    pull_request("d", "opened", "main", Some("mallory/lamp")),
    "pull requests from forks do not start it"
)]
#[case::a_fork_that_is_gone(
    pull_request("d", "opened", "main", None),
    "pull requests from forks do not start it"
)]
#[case::another_event(Delivery::new("d", "issues", &json!({ "action": "opened" })), "events of this kind start nothing")]
#[tokio::test]
async fn what_is_not_meant_is_acknowledged_and_starts_nothing(
    #[case] delivery: Delivery,
    #[case] reason: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), config()).await;
    let answer = server.post(&delivery).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.said().contains(reason), "{}", answer.said());
    assert_eq!(server.waiting(), 0);
}

#[tokio::test]
async fn what_a_deletion_and_another_repository_and_a_ping_start_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), config()).await;
    let body: Value = serde_json::from_str(&good("d").body).unwrap();
    let mut deleted = body.clone();
    deleted["deleted"] = true.into();
    deleted["after"] = "0".repeat(40).into();
    let answer = server.post(&Delivery::new("d-1", "push", &deleted)).await;
    assert_eq!((answer.status, answer.said()), (200, "the branch or tag was deleted"));
    let mut other = body.clone();
    other["repository"]["full_name"] = "mallory/lamp".into();
    let answer = server.post(&Delivery::new("d-2", "push", &other)).await;
    assert!(answer.said().contains("the repository mallory/lamp is not one of its"), "{answer:?}");
    let answer =
        server.post(&Delivery::new("d-3", "ping", &json!({ "zen": "Keep it logically awesome." }))).await;
    assert_eq!((answer.status, answer.body), (200, json!({ "pong": "d-3" })));
    // A new branch without a commit of its own says no files; it is started rather than missed.
    let mut created = body;
    created["commits"] = json!([]);
    assert_eq!(server.post(&Delivery::new("d-4", "push", &created)).await.status, 202);
    assert_eq!(server.waiting(), 1);
}

#[tokio::test]
async fn forks_are_accepted_where_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let text = CONFIG.replace("paths =", "forks = \"accept\"\npaths =");
    let config = Config::parse(&text, "hook.toml", |_| Some(SECRET.to_owned())).unwrap();
    let server = Server::start(folder.path(), config).await;
    assert_eq!(server.post(&pull_request("d", "opened", "main", Some("mona/lamp"))).await.status, 202);
}

#[tokio::test]
async fn a_full_queue_asks_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), Config { queue_limit: 2, ..config() }).await;
    for id in ["d-1", "d-2"] {
        assert_eq!(server.post(&good(id)).await.status, 202);
    }
    let answer = server.post(&good("d-3")).await;
    assert_eq!((answer.status, answer.said()), (503, "the queue does not take it"));
    assert!(answer.head.contains("retry-after: 60"), "{answer:?}");
    drained(&server.queue, 2).await;
    assert_eq!(server.post(&good("d-3")).await.status, 202, "it was not remembered for having been refused");
}

#[tokio::test]
async fn another_path_or_method_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), config()).await;
    for (line, status) in [("GET /github", " 405 "), ("POST /", " 404 "), ("POST /github/x", " 404 ")] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.lines().next().unwrap().contains(status), "{text}");
    }
}

/// A workflow server that remembers what it was asked for, as a real one does by correlation id.
#[derive(Clone, Default)]
struct Workflows(Arc<Mutex<BTreeSet<String>>>);

impl Workflows {
    /// Whether this made it.
    fn start(&self, start: &Start) -> bool {
        self.0.lock().unwrap().insert(format!("{} {}", start.workflow, start.correlation_id))
    }
}

#[tokio::test]
async fn a_delivery_is_started_once_though_the_process_dies_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let workflows = Workflows::default();
    let server = Server::start(folder.path(), config()).await;
    for id in ["d-1", "d-2"] {
        assert_eq!(server.post(&good(id)).await.status, 202);
    }
    // It dies after the first workflow was started, before that is noted.
    let (sender, mut asked) = mpsc::unbounded_channel();
    {
        let dying = server.queue.deliver(quick(), &k1_hil::event::ignore, |start| {
            sender.send(workflows.start(&start)).unwrap();
            std::future::pending()
        });
        tokio::select! {
            _ = dying => unreachable!(),
            made = asked.recv() => assert_eq!(made, Some(true)),
        }
    }
    server.kill().await;

    let server = Server::start(folder.path(), config()).await;
    assert_eq!(server.waiting(), 2);
    let started = drained(&server.queue, 2).await;
    let made: Vec<bool> = started.iter().map(|start| workflows.start(start)).collect();
    assert_eq!(made, [false, true], "the first is asked for again, and was there");
    server.kill().await;
    assert_eq!(Server::start(folder.path(), config()).await.waiting(), 0);
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_again_and_one_that_refuses_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), config()).await;
    for id in ["d-1", "d-2", "d-3"] {
        assert_eq!(server.post(&good(id)).await.status, 202);
    }
    let (events, mut told) = mpsc::unbounded_channel();
    let on_event = move |event: &Event| events.send(event.clone()).unwrap();
    let attempts = Mutex::new(0);
    let start = |start: Start| {
        let mut attempts = attempts.lock().unwrap();
        *attempts += 1;
        let outcome = match (start.correlation_id.as_str(), *attempts) {
            ("d-1", 1..=3) => Err(Undelivered::Passing { reason: "connection refused".to_owned() }),
            ("d-2", _) => Err(Undelivered::Final { reason: "no such workflow".to_owned() }),
            _ => Ok(()),
        };
        async { outcome }
    };
    let delivering = server.queue.deliver(quick(), &on_event, start);
    tokio::pin!(delivering);
    let mut heard = Vec::new();
    while heard.last() != Some(&"started d-3".to_owned()) {
        tokio::select! {
            _ = &mut delivering => unreachable!(),
            event = told.recv() => heard.push(match event.unwrap() {
                Event::StartDelayed { delivery, wait, .. } => format!("delayed {delivery} {wait:?}"),
                Event::StartGivenUp { delivery, reason, .. } => format!("given up {delivery}: {reason}"),
                Event::WorkflowStarted { delivery, .. } => format!("started {delivery}"),
                other => panic!("{other:?}"),
            }),
        }
    }
    let expected = [
        "delayed d-1 1ms",
        "delayed d-1 2ms",
        "delayed d-1 4ms",
        "started d-1",
        "given up d-2: no such workflow",
        "started d-3",
    ];
    assert_eq!(heard, expected);
    let failed = std::fs::read_dir(folder.path().join("failed")).unwrap().next().unwrap().unwrap();
    assert!(std::fs::read_to_string(failed.path()).unwrap().contains("no such workflow"));
}
