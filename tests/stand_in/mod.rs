//! A board by script: an HTTP server whose answers the test decides, and a receiver for updates that the test
//! plays. For what a virtual board would never do.

#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use k1_hil::board::Address;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// What the board was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// `GET /api/params`
    pub request: String,
    pub body: String,
}

/// What it answers.
pub enum Reply {
    Json(Value),
    Bytes(Vec<u8>),
    /// Status, further headers, body.
    Error(u16, &'static str, &'static str),
    /// Closes the connection without a word.
    Cut,
}

/// A server that closes the connection after each answer, as a board does.
pub struct StandIn {
    pub address: Address,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: tokio::task::JoinHandle<()>,
}

impl StandIn {
    pub async fn start(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http_port = listener.local_addr().unwrap().port();
        let address = Address { host: "127.0.0.1".to_owned(), http_port, ota_port: 9 };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = tokio::spawn(serve(listener, asked.clone(), script));
        Self { address, asked, server }
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often `request` was asked.
    pub fn count(&self, request: &str) -> usize {
        self.asked().iter().filter(|asked| asked.request == request).count()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, all: Arc<Mutex<Vec<Asked>>>, mut script: impl FnMut(&Asked) -> Reply) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some(asked) = read_request(&mut stream).await else { continue };
        all.lock().unwrap().push(asked.clone());
        let (status, headers, body) = match script(&asked) {
            Reply::Json(value) => (200, "", value.to_string().into_bytes()),
            Reply::Bytes(bytes) => (200, "", bytes),
            Reply::Error(status, headers, body) => (status, headers, body.as_bytes().to_vec()),
            Reply::Cut => continue,
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}accept-ranges: none\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
        let _ = stream.shutdown().await;
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length: ").map(|length| length.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                let request = head.lines().next()?.strip_suffix(" HTTP/1.1")?.to_owned();
                return Some(Asked { request, body: body.to_owned() });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// The answer to `GET /api/device/info`.
pub fn device_info() -> Value {
    json!({ "device": "K1.reinvented", "uptime_ms": 735020, "ip": "127.0.0.1", "mac": "A0:B7:65:12:34:56" })
}

/// The answer to `GET /api/hil/info` of boot `boot_id`, which runs `image`.
pub fn probe_info(boot_id: u32, image: Option<k1_hil::digest::Sha>) -> Value {
    json!({
        "probe": 1, "model": "k1-virtual", "cpu": "emulated", "tick_hz": 1_000_000_000, "led_count": 160,
        "image_sha256": image, "version": "1", "slot": image.map(|_| "app0"), "reset_reason": "software",
        "boot_id": boot_id, "uptime_us": 1000, "panic": null,
        "run": { "id": 0, "state": "none", "first_sequence": 0, "recorded": 0 },
    })
}

/// The board's side of an update, which the test plays.
pub struct Receiver {
    datagrams: UdpSocket,
    host: Option<SocketAddr>,
}

/// What an invitation says.
#[derive(Debug)]
pub struct Invited {
    pub port: u16,
    pub size: usize,
    pub md5: String,
}

impl Receiver {
    pub async fn bind() -> Self {
        Self { datagrams: UdpSocket::bind("127.0.0.1:0").await.unwrap(), host: None }
    }

    pub fn port(&self) -> u16 {
        self.datagrams.local_addr().unwrap().port()
    }

    /// The next datagram.
    pub async fn hear(&mut self) -> String {
        let mut buffer = [0; 512];
        let (length, host) = self.datagrams.recv_from(&mut buffer).await.unwrap();
        self.host = Some(host);
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    pub async fn say(&self, text: &str) {
        self.datagrams.send_to(text.as_bytes(), self.host.unwrap()).await.unwrap();
    }

    /// The next datagram, which must be an invitation.
    pub async fn invited(&mut self) -> Invited {
        let text = self.hear().await;
        let parts: Vec<&str> = text.strip_suffix('\n').unwrap().split(' ').collect();
        let [command, port, size, md5] = parts[..] else { panic!("not an invitation: {text:?}") };
        assert_eq!((command, md5.len()), ("0", 32), "{text:?}");
        Invited { port: port.parse().unwrap(), size: size.parse().unwrap(), md5: md5.to_owned() }
    }

    /// Accepts an invitation and connects.
    pub async fn accept(&mut self) -> (Invited, TcpStream) {
        let invited = self.invited().await;
        self.say("OK").await;
        let stream = TcpStream::connect(("127.0.0.1", invited.port)).await.unwrap();
        // As a board does; otherwise its last word waits in its buffers, and is lost if it then closes.
        stream.set_nodelay(true).unwrap();
        (invited, stream)
    }
}

/// Reads exactly `length` bytes.
pub async fn take(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// Reads the whole image and acknowledges each chunk.
pub async fn take_all(stream: &mut TcpStream, size: usize) -> Vec<u8> {
    let mut image = Vec::new();
    while image.len() < size {
        let chunk = take(stream, (size - image.len()).min(1024)).await;
        stream.write_all(chunk.len().to_string().as_bytes()).await.unwrap();
        image.extend(chunk);
    }
    image
}
