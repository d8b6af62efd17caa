//! Notifications, told to a real server, file and program.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use k1_hil::notify::{Channel, Message, Notifier, Outcome};
use rstest::rstest;
use serde_json::{Value, json};

/// A status, and what it says in `Retry-After`.
type Answer = (u16, Option<&'static str>);

/// A webhook that answers as it is told to, then well.
#[derive(Clone, Default)]
struct Hook {
    answers: Arc<Mutex<Vec<Answer>>>,
    received: Arc<Mutex<Vec<Value>>>,
}

/// A path that only who was told it knows.
const SECRET: &str = "T0/B0/hidden";

impl Hook {
    fn answering(answers: &[Answer]) -> Self {
        let hook = Self::default();
        hook.answers.lock().unwrap().extend(answers.iter().rev());
        hook
    }

    async fn start(&self) -> Channel {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/services/{SECRET}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Channel::Webhook(url.parse().unwrap())
    }

    fn received(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }
}

async fn answer(
    State(hook): State<Hook>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, HeaderMap, &'static str) {
    assert_eq!(headers["content-type"], "application/json");
    hook.received.lock().unwrap().push(serde_json::from_str(&body).unwrap());
    let (status, wait) = hook.answers.lock().unwrap().pop().unwrap_or((200, None));
    let mut headers = HeaderMap::new();
    if let Some(wait) = wait {
        headers.insert("retry-after", wait.parse().unwrap());
    }
    let text = if status == 200 { "ok" } else { "no_service" };
    (StatusCode::from_u16(status).unwrap(), headers, text)
}

fn message(key: &str) -> Message {
    Message {
        key: key.to_owned(),
        text: format!("{key} *failed*"),
        blocks: vec![json!({ "type": "divider" })],
    }
}

/// A notifier that waits no longer than it must.
fn notifier(channels: Vec<Channel>, memory: Option<&Path>) -> Notifier {
    let quick = Duration::from_millis(1);
    Notifier { first_wait: quick, ..Notifier::new(channels, memory.map(ToOwned::to_owned)) }
}

async fn outcome(notifier: &Notifier, key: &str) -> Outcome {
    let mut told = notifier.notify(&message(key)).await;
    assert_eq!(told.len(), 1);
    assert!(!format!("{told:?} {notifier:?}").contains("hidden"), "{told:?}");
    told.remove(0).outcome
}

#[tokio::test]
async fn a_webhook_that_fails_at_first_is_told_in_the_end() {
    let hook = Hook::answering(&[(503, None), (429, Some("0")), (500, None)]);
    let notifier = notifier(vec![hook.start().await], None);
    assert_eq!(outcome(&notifier, "build 7").await, Outcome::Told { attempts: 4 });
    let sent = json!({ "text": "build 7 *failed*", "blocks": [{ "type": "divider" }] });
    assert_eq!(hook.received(), vec![sent; 4]);
}

#[rstest]
#[case(404, None, "the webhook answered 404 Not Found: no_service")]
#[case(302, None, "the webhook answered 302 Found: no_service")]
#[case(
    429,
    Some("3600"),
    "the webhook answered 429 Too Many Requests: no_service; it asks to wait 3600 s, longer than is left"
)]
#[tokio::test]
async fn what_trying_again_does_not_help_is_tried_once(
    #[case] status: u16,
    #[case] wait: Option<&'static str>,
    #[case] reason: &str,
) {
    let hook = Hook::answering(&[(status, wait)]);
    let notifier = notifier(vec![hook.start().await], None);
    let failed = Outcome::Failed { attempts: 1, reason: reason.to_owned() };
    assert_eq!(outcome(&notifier, "build 7").await, failed);
}

#[tokio::test]
async fn a_webhook_that_is_not_there_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/{SECRET}", listener.local_addr().unwrap());
    drop(listener);
    let channels = vec![Channel::Webhook(url.parse().unwrap())];
    let notifier = Notifier { limit: Duration::from_secs(1), ..notifier(channels, None) };
    let Outcome::Failed { attempts, reason } = outcome(&notifier, "build 7").await else { panic!() };
    assert!(attempts > 1 && reason.contains("onnect"), "{attempts} attempts: {reason}");
}

#[tokio::test]
async fn a_webhook_that_never_answers_is_given_up_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/{SECRET}", listener.local_addr().unwrap());
    let channels = vec![Channel::Webhook(url.parse().unwrap())];
    let notifier = Notifier { limit: Duration::from_millis(50), ..notifier(channels, None) };
    assert!(matches!(outcome(&notifier, "build 7").await, Outcome::Failed { .. }));
}

#[tokio::test]
async fn the_same_thing_is_told_once_and_a_failure_again() {
    let memory = tempfile::tempdir().unwrap();
    let hook = Hook::answering(&[(404, None)]);
    let channel = hook.start().await;
    let notifier = notifier(vec![channel], Some(memory.path()));
    assert!(matches!(outcome(&notifier, "build 7").await, Outcome::Failed { .. }));
    assert_eq!(outcome(&notifier, "build 7").await, Outcome::Told { attempts: 1 });
    assert_eq!(outcome(&notifier, "build 7").await, Outcome::Known);
    assert_eq!(outcome(&notifier, "build 8").await, Outcome::Told { attempts: 1 });
    let brief = Notifier { remembered_for: Duration::ZERO, ..notifier };
    assert_eq!(outcome(&brief, "build 9").await, Outcome::Told { attempts: 1 });
    assert_eq!(outcome(&brief, "build 9").await, Outcome::Told { attempts: 1 });
    assert!(!std::fs::read_to_string(memory.path().join("notified.json")).unwrap().contains("build"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_tell_the_same_at_once_one_does() {
    let memory = tempfile::tempdir().unwrap();
    let hook = Hook::default();
    let notifier = notifier(vec![hook.start().await], Some(memory.path()));
    let all = futures_util::future::join_all((0..16).map(|_| outcome(&notifier, "build 7"))).await;
    assert_eq!(all.iter().filter(|outcome| **outcome == Outcome::Told { attempts: 1 }).count(), 1);
    assert_eq!(hook.received().len(), 1);
}

#[tokio::test]
async fn a_memory_that_cannot_be_used_keeps_nothing_from_being_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let hook = Hook::default();
    let notifier = notifier(vec![hook.start().await], Some(&file.path().join("memory")));
    let told = notifier.notify(&message("build 7")).await;
    assert_eq!(told[0].outcome, Outcome::Told { attempts: 1 });
    assert!(told[0].forgotten.as_ref().unwrap().starts_with("cannot remember in "), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_gets_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/notifications.jsonl");
    let notifier = notifier(vec![Channel::File(path.clone())], None);
    outcome(&notifier, "first").await;
    let mut text = std::fs::read_to_string(&path).unwrap();
    text += "{\"cut"; // as a writer leaves it that was killed
    std::fs::write(&path, &text).unwrap();
    let keys: Vec<String> = (0..16).map(|number| number.to_string()).collect();
    let all = futures_util::future::join_all(keys.iter().map(|key| outcome(&notifier, key))).await;
    assert!(all.iter().all(|outcome| *outcome == Outcome::Told { attempts: 1 }), "{all:?}");

    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!((text.lines().count(), lines.len()), (18, 17));
    let mut told: Vec<&str> = lines[1..].iter().map(|line| line["key"].as_str().unwrap()).collect();
    told.sort_by_key(|key| key.parse::<u32>().unwrap());
    assert_eq!(told, keys);
    assert!(lines[0]["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
}

#[tokio::test]
async fn a_program_is_given_the_message_and_its_failure_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("told.json");
    let shell = |script: &str, arguments: &[&str]| {
        let arguments = ["-c", script, "sh"].iter().chain(arguments).map(ToString::to_string).collect();
        notifier(vec![Channel::Command { program: "/bin/sh".into(), arguments }], None)
    };
    let writes = shell("cat > \"$1\"", &[path.to_str().unwrap()]);
    assert_eq!(outcome(&writes, "build 7").await, Outcome::Told { attempts: 1 });
    assert_eq!(serde_json::from_slice::<Message>(&std::fs::read(path).unwrap()).unwrap(), message("build 7"));

    let fails = shell("echo first; echo no such room >&2; exit 3", &[]);
    let reason = "/bin/sh ended with exit status: 3: no such room".to_owned();
    assert_eq!(outcome(&fails, "build 7").await, Outcome::Failed { attempts: 1, reason });
    let hangs = Notifier { limit: Duration::from_millis(50), ..shell("sleep 60", &[]) };
    assert!(matches!(outcome(&hangs, "build 7").await, Outcome::Failed { .. }));
}
