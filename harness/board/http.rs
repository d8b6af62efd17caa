//! One request to a board: deadline, repetitions, rate limits, and errors that keep what the board said.
//!
//! The boards' server closes the connection after each answer, so connections are never kept. Nothing is sent
//! through a proxy: a board is reached directly or not at all.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode};

use super::{Address, BoardError};
use crate::http::{self, Fault, Reply};

/// An answer larger than this is not a board's: 2,048 pictures of 160 LEDs are under 1 MB.
const ANSWER_LIMIT: usize = 4 << 20;
/// What is kept of the body of an error.
const BODY_KEPT: usize = 1000;
/// The longest window of the boards' rate limits is 5 s.
const RATE_LIMIT_WAIT: Duration = Duration::from_secs(6);
/// Waits for the rate limit, which all clients of a board share, before it counts as an error.
const RATE_LIMIT_WAITS: u32 = 10;
/// Kinds of bodies.
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// How long a request may take and how often it is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For one attempt.
    pub deadline: Duration,
    /// Attempts if the connection breaks; a board that is silent until the deadline is not asked again.
    pub attempts: u32,
}

impl Patience {
    /// For a board that should be there.
    pub const USUAL: Self = Self { deadline: Duration::from_secs(5), attempts: 4 };
    /// For megabytes.
    pub const LONG: Self = Self { deadline: Duration::from_secs(60), attempts: 4 };
    /// For a board that may be restarting: asked again by a caller with a deadline of its own.
    pub const ONE_LOOK: Self = Self { deadline: Duration::from_secs(2), attempts: 1 };
}

/// What is asked of the board.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    /// From the first slash on, with the query.
    path: String,
    body: Option<(&'static str, Vec<u8>)>,
    /// Whether the board may see the request twice without harm.
    repeatable: bool,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, repeatable: true }
    }

    /// A request that sets something: twice is as good as once.
    pub fn set(path: impl Into<String>, body: &impl serde::Serialize) -> Self {
        Self { method: Method::POST, path: path.into(), body: Some((JSON, json(body))), repeatable: true }
    }

    /// As [`Request::set`], with bytes that are no JSON.
    pub fn put_bytes(path: impl Into<String>, bytes: &[u8]) -> Self {
        let body = Some((BYTES, bytes.to_vec()));
        Self { method: Method::POST, path: path.into(), body, repeatable: true }
    }

    /// A request that begins something: tried again only while it cannot have arrived.
    pub fn begin(path: impl Into<String>, body: &impl serde::Serialize) -> Self {
        Self { repeatable: false, ..Self::set(path, body) }
    }

    /// `GET /api/hil/info`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The error that an answer to this request, though delivered, cannot be read.
    pub fn malformed(&self, address: &Address, reason: impl ToString) -> BoardError {
        BoardError::Malformed { board: address.to_string(), request: self.name(), reason: reason.to_string() }
    }
}

/// A client for boards.
pub(super) fn client() -> Client {
    Client::builder()
        .pool_max_idle_per_host(0)
        .no_proxy()
        .tcp_nodelay(true)
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client without TLS and DNS settings has nothing that could fail to load")
}

/// Sends `request` and returns the body of the board's answer of status 2xx.
pub(super) async fn ask(
    client: &Client,
    address: &Address,
    request: &Request,
    patience: Patience,
) -> Result<Vec<u8>, BoardError> {
    let mut broken = 0;
    let mut waits = 0;
    loop {
        match request.attempt(client, address, patience.deadline).await {
            Ok(Reply { status: StatusCode::TOO_MANY_REQUESTS, headers, .. }) if waits < RATE_LIMIT_WAITS => {
                waits += 1;
                tokio::time::sleep(next_allowed(&headers).min(RATE_LIMIT_WAIT)).await;
            }
            Ok(answer) if answer.status.is_success() => return Ok(answer.body),
            Ok(answer) => {
                return Err(BoardError::Refused {
                    board: address.to_string(),
                    request: request.name(),
                    status: answer.status.as_u16(),
                    body: end_of(&answer.body),
                });
            }
            Err(fault) => {
                broken += 1;
                if broken >= patience.attempts || !fault.is_worth_another(request.repeatable) {
                    return Err(request.fault(address, &fault));
                }
                tokio::time::sleep(Duration::from_millis(25) * 4_u32.pow(broken.min(4) - 1)).await;
            }
        }
    }
}

impl Request {
    fn fault(&self, address: &Address, fault: &Fault) -> BoardError {
        let reason = fault.reason(&self.name());
        match fault {
            Fault::TooLarge(_) => self.malformed(address, reason),
            _ => BoardError::Unreachable { board: address.to_string(), reason },
        }
    }

    async fn attempt(&self, client: &Client, address: &Address, deadline: Duration) -> Result<Reply, Fault> {
        let mut builder = client.request(self.method.clone(), format!("http://{address}{}", self.path));
        if let Some((kind, body)) = &self.body {
            builder = builder.header("content-type", *kind).body(body.clone());
        }
        http::exchange(builder, deadline, ANSWER_LIMIT).await
    }
}

/// The rest of the rate limit's window, from the header `X-RateLimit-NextAllowedMs`, and a few milliseconds because the
/// board's clock is not this one.
fn next_allowed(headers: &HeaderMap) -> Duration {
    let header = headers.get("x-ratelimit-nextallowedms");
    let ms = header.and_then(|value| value.to_str().ok()?.trim().parse().ok()).unwrap_or(200);
    Duration::from_millis(ms).saturating_add(Duration::from_millis(3))
}

fn end_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let start = text.len().saturating_sub(BODY_KEPT);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text[start..].to_owned()
}

fn json(body: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("structures of strings and numbers are always JSON")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_silent_board_is_given_up_at_the_deadline_and_not_asked_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http_port = listener.local_addr().unwrap().port();
        let address = Address { host: "127.0.0.1".to_owned(), http_port, ota_port: 9 };
        let patience = Patience { deadline: Duration::from_millis(50), attempts: 4 };
        let error = ask(&client(), &address, &Request::get("/"), patience).await.unwrap_err();
        assert!(error.to_string().ends_with("silence for 0.05 s after GET /"), "{error}");
        let connections = async {
            let mut count = 0;
            while listener.accept().await.is_ok() {
                count += 1;
                if count == 2 {
                    break;
                }
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_millis(20), connections).await.is_err(),
            "a second connection"
        );
    }

    #[test]
    fn the_end_of_a_long_body_is_kept_whole_characters_only() {
        let body = format!("<{}é{}>", "a".repeat(1000), "b".repeat(998));
        assert_eq!(end_of(body.as_bytes()), format!("{}>", "b".repeat(998)));
        assert_eq!(end_of(b" short\r\n"), "short");
    }
}
