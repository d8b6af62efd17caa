//! A receiver of deliveries with its queue, and GitHub's part.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use k1_hil::Event;
use k1_hil::webhook::{Config, Pace, Queue, Receiver, Start, serve};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

pub const SECRET: &str = "It's a Secret to Everybody";
pub const COMMIT: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

pub const CONFIG: &str = r#"
secret = { env = "SECRET" }

[[start]]
workflow = "firmware-ci-cd-pipeline"
version = 2
repositories = ["acme/lamp"]
events = ["push", "pull_request"]
branches = ["main", "release/**", "!release/old"]
tags = ["v*"]
paths = ["firmware/**", "!firmware/docs/**"]
input = { environment = "bench" }

[[start]]
workflow = "nightly"
repositories = ["Acme/Lamp"]
branches = ["night"]
"#;

/// A receiver with its queue.
pub struct Server {
    pub address: SocketAddr,
    pub queue: Queue,
    pub events: Arc<Mutex<Vec<Event>>>,
    /// Its own, so that it can die with all that it was doing.
    runtime: Option<Runtime>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn config() -> Config {
    Config::parse(CONFIG, "hook.toml", |name| (name == "SECRET").then(|| SECRET.to_owned())).unwrap()
}

impl Server {
    pub async fn start(folder: &Path, config: Config) -> Self {
        let queue = Queue::open(folder, config.queue_limit, config.remembered).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let receiver =
            Receiver::new(config, queue.clone(), move |event| told.lock().unwrap().push(event.clone()));
        let listener = listener.into_std().unwrap();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            serve(listener, receiver, std::future::pending()).await.unwrap();
        });
        Self { address, queue, events, runtime: Some(runtime) }
    }

    /// Ends it as a killed process ends: in the middle of whatever it does.
    pub async fn kill(mut self) {
        let runtime = self.runtime.take();
        tokio::task::spawn_blocking(move || drop(runtime)).await.unwrap();
    }

    pub async fn post(&self, delivery: &Delivery) -> Answer {
        let mut request =
            format!("POST /github HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", delivery.body.len());
        for (name, value) in &delivery.headers {
            request += &format!("{name}: {value}\r\n");
        }
        self.send(&format!("{request}\r\n{}", delivery.body)).await
    }

    /// Writes `text`, and reads the answer while the connection stays open.
    pub async fn send(&self, text: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }

    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Answer {
    pub async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && let Ok(body) = serde_json::from_str(body)
            {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Self { status, head: head.to_ascii_lowercase(), body };
            }
            let mut piece = [0; 1024];
            let read = stream.read(&mut piece).await.unwrap();
            assert_ne!(read, 0, "the answer breaks off: {text:?}");
            bytes.extend_from_slice(&piece[..read]);
        }
    }

    pub fn said(&self) -> &str {
        ["error", "ignored"].iter().find_map(|key| self.body[key].as_str()).unwrap_or_default()
    }
}

#[derive(Clone)]
pub struct Delivery {
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Delivery {
    pub fn new(id: &str, event: &str, body: &Value) -> Self {
        let body = body.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let headers = vec![
            ("X-GitHub-Delivery", id.to_owned()),
            ("X-GitHub-Event", event.to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("X-Hub-Signature-256", format!("sha256={digits}")),
        ];
        Self { headers, body }
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    pub fn with(self, name: &'static str, value: &str) -> Self {
        let mut delivery = self.without(name);
        delivery.headers.push((name, value.to_owned()));
        delivery
    }

    pub fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(other, _)| *other == name).unwrap().1
    }
}

/// A push as GitHub sends it, of a commit that changes `path`.
pub fn push(id: &str, reference: &str, path: &str) -> Delivery {
    let body = json!({
        "ref": reference, "before": "0".repeat(40), "after": COMMIT, "created": false, "deleted": false,
        "forced": false, "compare": format!("https://github.com/acme/lamp/compare/{id}"),
        "commits": [{ "id": COMMIT, "message": "x", "added": [], "removed": [], "modified": [path] }],
        "repository": { "id": 1, "full_name": "acme/lamp", "private": true },
        "pusher": { "name": "mona" }, "sender": { "login": "mona", "id": 2 },
    });
    Delivery::new(id, "push", &body)
}

pub fn pull_request(id: &str, action: &str, base: &str, head_repository: Option<&str>) -> Delivery {
    let repository = |name: &str| json!({ "id": 1, "full_name": name });
    let body = json!({
        "action": action, "number": 7,
        "pull_request": {
            "draft": false,
            "base": { "ref": base, "sha": "a".repeat(40), "repo": repository("acme/lamp") },
            "head": { "ref": "topic", "sha": COMMIT, "repo": head_repository.map(repository) },
        },
        "repository": repository("acme/lamp"), "sender": { "login": "mona" },
    });
    Delivery::new(id, "pull_request", &body)
}

pub fn good(id: &str) -> Delivery {
    push(id, "refs/heads/main", "firmware/src/main.cpp")
}

/// Starts what waits, and returns it once `number` workflows were asked for.
pub async fn drained(queue: &Queue, number: usize) -> Vec<Start> {
    let (sender, mut started) = mpsc::unbounded_channel();
    let start = |start: Start| {
        sender.send(start).unwrap();
        async { Ok(()) }
    };
    let mut all = Vec::new();
    let delivering = queue.deliver(quick(), &k1_hil::event::ignore, start);
    tokio::pin!(delivering);
    while all.len() < number || queue.waiting() > 0 {
        tokio::select! {
            _ = &mut delivering => unreachable!(),
            start = started.recv() => all.push(start.unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    all
}

pub fn quick() -> Pace {
    Pace { first: Duration::from_millis(1), longest: Duration::from_millis(4) }
}
