//! A client of the board's sockets that can also misbehave; the library's own client cannot.

use std::time::Duration;

use k1_hil::board::probe::{Frames, Pictures};
use k1_hil::board::{Address, ProbeInfo, RunState};
use k1_hil::vboard::{Options, VirtualBoard};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::images::images;

/// Nothing in these tests takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The answer to a request, as it came.
pub struct Response {
    pub status: u16,
    /// In the order in which they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub async fn options() -> Options {
    Options { mac: [0xA0, 0xB7, 0x65, 0x12, 0x34, 0x56], ..Options::new(images().await.qemu.clone()) }
}

/// A board that runs `bin`.
pub async fn board_with(bin: &[u8]) -> VirtualBoard {
    let board = VirtualBoard::start(options().await).await.unwrap();
    assert_eq!(upload(board.address(), bin).await, "OK");
    board
}

/// Sends `bin` and waits until the board has restarted; what the board said at the end.
pub async fn upload(address: &Address, bin: &[u8]) -> String {
    let before = info(address).await.boot_id;
    let said = send(address, bin, &md5_hex(bin), None).await.expect("the board connects");
    if said == "OK" {
        next_boot(address, before).await;
    }
    said
}

/// Invites the board, proves the password if one is asked for, and sends all of `bin`. The board's last words without
/// the acknowledgements; none if it did not accept.
pub async fn send(address: &Address, bin: &[u8], md5: &str, password: Option<&str>) -> Option<String> {
    let mut offer = Offer::new(address, bin.len(), md5).await;
    match offer.invite(password).await.as_str() {
        "OK" => {}
        _ => return None,
    }
    let mut stream = offer.connection().await;
    for block in bin.chunks(1024) {
        stream.write_all(block).await.ok()?;
        let mut acknowledged = 0;
        while acknowledged < block.len() {
            match read_some(&mut stream).await {
                text if text.starts_with(|c: char| c.is_ascii_digit()) => {
                    let (numbers, rest) =
                        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
                    acknowledged += numbers.parse::<usize>().unwrap();
                    if !rest.is_empty() {
                        return Some(rest.to_owned());
                    }
                }
                text => return Some(text),
            }
        }
    }
    let mut last = String::new();
    stream.read_to_string(&mut last).await.ok()?;
    Some(last)
}

/// An update on offer: the socket that invites and the port to which the board is to connect.
pub struct Offer {
    udp: UdpSocket,
    listener: TcpListener,
    invitation: String,
}

impl Offer {
    pub async fn new(address: &Address, size: usize, md5: &str) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        udp.connect(("127.0.0.1", address.ota_port)).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let invitation = format!("0 {} {size} {md5}\n", listener.local_addr().unwrap().port());
        Self { udp, listener, invitation }
    }

    /// The datagram that invites.
    pub fn invitation(&self) -> &str {
        &self.invitation
    }

    /// What the board answers in the end.
    pub async fn invite(&mut self, password: Option<&str>) -> String {
        let invitation = self.invitation.clone();
        let answer = self.ask(&invitation).await;
        let Some(nonce) = answer.strip_prefix("AUTH ") else { return answer };
        let cnonce = md5_hex(self.invitation.as_bytes());
        let secret = md5_hex(password.unwrap_or_default().as_bytes());
        let response = md5_hex(format!("{secret}:{nonce}:{cnonce}").as_bytes());
        self.ask(&format!("200 {cnonce} {response}\n")).await
    }

    pub async fn say(&self, text: &[u8]) {
        self.udp.send(text).await.unwrap();
    }

    pub async fn ask(&self, text: &str) -> String {
        self.say(text.as_bytes()).await;
        let mut answer = [0; 100];
        let length = within(self.udp.recv(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    pub async fn connection(&self) -> TcpStream {
        within(self.listener.accept()).await.unwrap().0
    }

    /// Whether the board has connected until now.
    pub async fn is_connected(&self) -> bool {
        tokio::time::timeout(Duration::ZERO, self.listener.accept()).await.is_ok()
    }
}

pub async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 64];
    let length = within(stream.read(&mut buffer)).await.unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

pub async fn get(address: &Address, path: &str) -> Response {
    request(address, &format!("GET {path} HTTP/1.1\r\nHost: board\r\n\r\n")).await
}

pub async fn post(address: &Address, path: &str, body: &Value) -> Response {
    post_as(address, path, "application/json", &body.to_string()).await
}

pub async fn post_as(address: &Address, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Response {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: board\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    request(address, [head.as_bytes(), body].concat()).await
}

/// Sends `sent` as it is and reads until the board closes the connection.
pub async fn request(address: &Address, sent: impl AsRef<[u8]>) -> Response {
    let mut stream = TcpStream::connect(("127.0.0.1", address.http_port)).await.unwrap();
    stream.write_all(sent.as_ref()).await.unwrap();
    let mut bytes = Vec::new();
    within(stream.read_to_end(&mut bytes)).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    Response { status, headers: lines.map(header).collect(), body: bytes[end + 4..].to_vec() }
}

pub async fn info(address: &Address) -> ProbeInfo {
    serde_json::from_slice(&get(address, "/api/hil/info").await.body).unwrap()
}

/// Asks until the board runs another boot than `before`.
pub async fn next_boot(address: &Address, before: u32) -> ProbeInfo {
    within(async {
        loop {
            let info = info(address).await;
            if info.boot_id != before {
                return info;
            }
        }
    })
    .await
}

/// Arms a run; its id.
pub async fn arm(address: &Address, pattern: &str, frames: u32) -> u32 {
    let order = json!({"pattern": pattern, "seed": 7, "warmup": 3, "frames": frames, "stimulus": "music"});
    let answer = post(address, "/api/hil/run", &order).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["run_id"].as_u64().unwrap() as u32
}

/// Does a whole run and reads its frames.
pub async fn run(address: &Address, pattern: &str, frames: u32) -> Frames {
    let id = arm(address, pattern, frames).await;
    within(async {
        loop {
            let info = info(address).await;
            assert_eq!((info.run.id, &info.panic), (id, &None));
            if info.run.state == RunState::Done {
                let first = info.run.first_sequence;
                let frames =
                    get(address, &format!("/api/hil/frames?since={first}&max={}", info.run.recorded)).await;
                return Frames::decode(&frames.body).unwrap();
            }
        }
    })
    .await
}

pub async fn pictures(address: &Address, query: &str) -> Pictures {
    Pictures::decode(&get(address, &format!("/api/hil/leds?{query}")).await.body).unwrap()
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("the board answers")
}

pub fn md5_hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
