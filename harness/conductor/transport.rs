//! One request to a Conductor server: address, token, deadline, repetitions, and errors that keep what it said.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use super::ConductorError;
use super::address::{base, is_loopback};
use crate::http::{self, Reply};
use crate::story;

/// An answer larger than this is none that is wanted: the server keeps at most 10 MB for each of input and output, and
/// a workflow is read with all of its tasks.
const ANSWER_LIMIT: usize = 256 << 20;
/// What is kept of a text that is no JSON.
const BODY_KEPT: usize = 500;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// The server closes connections that were idle for 20 s; one that it is just closing must not be used again.
const IDLE: Duration = Duration::from_secs(15);

/// What a program proves itself with to a server that wants it (Orkes). Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub id: String,
    pub secret: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// How long a request may take, and how often it is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For one attempt.
    pub deadline: Duration,
    /// Attempts if the connection breaks or the server is overloaded.
    pub attempts: u32,
}

impl Patience {
    /// For what a person asks.
    pub const USUAL: Self = Self { deadline: Duration::from_secs(30), attempts: 4 };

    /// For what is asked again by a loop with a pace of its own.
    pub const fn once(deadline: Duration) -> Self {
        Self { deadline, attempts: 1 }
    }
}

/// What is asked of the server.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    /// Below `/api`; each part is escaped.
    path: Vec<String>,
    /// Beside `/api` instead.
    beside: bool,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    /// Whether the server may see it twice without harm.
    repeatable: bool,
}

impl Request {
    pub fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn new(method: Method, path: &[&str]) -> Self {
        let path = path.iter().map(|&part| part.to_owned()).collect();
        Self { method, path, beside: false, query: Vec::new(), body: None, repeatable: true }
    }

    pub fn query(mut self, key: &'static str, value: impl ToString) -> Self {
        self.query.push((key, value.to_string()));
        self
    }

    pub fn body(self, body: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("maps with text keys, numbers and texts are always JSON");
        Self { body: Some(body), ..self }
    }

    /// Asks what is beside `/api`, not below it.
    pub fn beside_api(self) -> Self {
        Self { beside: true, ..self }
    }

    /// Tried again only while it cannot have arrived.
    pub fn begins_something(self) -> Self {
        Self { repeatable: false, ..self }
    }

    /// `GET /api/tasks/17`.
    pub fn name(&self) -> String {
        let api = if self.beside { "" } else { "/api" };
        format!("{} {api}/{}", self.method, self.path.join("/"))
    }
}

/// An answer of status 2xx.
#[derive(Debug)]
pub(super) struct Answer {
    pub body: Vec<u8>,
    /// The server's clock, in milliseconds since 1970, to the second.
    pub clock: Option<i64>,
}

/// Connections to one server.
#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    /// Ends with `/api`.
    base: Url,
    keys: Option<Keys>,
    token: Mutex<Option<HeaderValue>>,
    renewal: tokio::sync::Mutex<()>,
}

impl Transport {
    pub fn new(address: &str, keys: Option<Keys>) -> Result<Self, ConductorError> {
        let unfit = |reason: String| ConductorError::Address { address: address.to_owned(), reason };
        let base = base(address).map_err(unfit)?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none());
        if base.host_str().is_some_and(is_loopback) {
            builder = builder.no_proxy();
        }
        if base.scheme() == "http" {
            // No certificates are read that will not be looked at.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| unfit(story::innermost(&error)))?;
        Ok(Self { http, base, keys, token: Mutex::default(), renewal: tokio::sync::Mutex::default() })
    }

    /// The address without `/api`, as people write it.
    pub fn address(&self) -> &str {
        let base = self.base.as_str();
        base.strip_suffix("/api").unwrap_or(base)
    }

    /// Sends `request` and returns the answer of status 2xx; none if what it names does not exist (404).
    pub async fn find(
        &self,
        request: &Request,
        patience: Patience,
    ) -> Result<Option<Answer>, ConductorError> {
        match self.ask(request, patience).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ConductorError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends `request` and returns the answer of status 2xx. A token that the server refuses is renewed once.
    pub async fn ask(&self, request: &Request, patience: Patience) -> Result<Answer, ConductorError> {
        let mut attempts = 0;
        let mut renewed = false;
        loop {
            let token = self.token(None, patience).await?;
            match self.attempt(request, token.as_ref(), patience.deadline).await {
                Err(Fault::Refused { status: 401, .. }) if self.keys.is_some() && !renewed => {
                    renewed = true;
                    self.token(token.as_ref(), patience).await?;
                }
                Err(fault) => {
                    attempts += 1;
                    if attempts >= patience.attempts || !fault.is_worth_another(request) {
                        return Err(fault.into_error(self, request));
                    }
                    tokio::time::sleep(backoff(attempts)).await;
                }
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// The token to send; a new one if there is none or only the `refused` one. None where there are no keys.
    async fn token(
        &self,
        refused: Option<&HeaderValue>,
        patience: Patience,
    ) -> Result<Option<HeaderValue>, ConductorError> {
        let Some(keys) = &self.keys else { return Ok(None) };
        let known = || {
            let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
            token.filter(|token| Some(token) != refused)
        };
        if let Some(token) = known() {
            return Ok(Some(token));
        }
        // Of many requests that are refused at once, one renews the token.
        let _renewing = self.renewal.lock().await;
        if let Some(token) = known() {
            return Ok(Some(token));
        }
        let request = Request::new(Method::POST, &["token"])
            .body(&json!({ "keyId": keys.id, "keySecret": keys.secret }));
        let answer = match self.attempt(&request, None, patience.deadline).await {
            Ok(answer) => answer,
            Err(Fault::Refused { status: 400 | 401 | 403 | 404, message, .. }) => {
                return Err(ConductorError::Key { server: self.address().to_owned(), reason: message });
            }
            Err(fault) => return Err(fault.into_error(self, &request)),
        };
        let token: Option<HeaderValue> = serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|answer| answer["token"].as_str()?.parse().ok());
        let mut token = token.ok_or_else(|| self.malformed(&request, "it has no token"))?;
        token.set_sensitive(true);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(Some(token))
    }

    async fn attempt(
        &self,
        request: &Request,
        token: Option<&HeaderValue>,
        deadline: Duration,
    ) -> Result<Answer, Fault> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            if request.beside {
                segments.pop();
            }
            segments.extend(&request.path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut builder = self.http.request(request.method.clone(), url);
        if let Some(token) = token {
            builder = builder.header("X-Authorization", token);
        }
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let Reply { status, headers, body } =
            http::exchange(builder, deadline, ANSWER_LIMIT).await.map_err(Fault::Lost)?;
        match status {
            status if status.is_success() => {
                Ok(Answer { body, clock: headers.get(DATE).and_then(milliseconds) })
            }
            status => Err(refusal(status, &body)),
        }
    }

    /// The error that an answer to `request`, though delivered, cannot be read.
    pub fn malformed(&self, request: &Request, reason: impl ToString) -> ConductorError {
        ConductorError::Malformed {
            server: self.address().to_owned(),
            request: request.name(),
            reason: reason.to_string(),
        }
    }
}

enum Fault {
    Lost(http::Fault),
    Refused { status: u16, message: String },
}

impl Fault {
    fn is_worth_another(&self, request: &Request) -> bool {
        match self {
            Self::Lost(fault) => fault.is_worth_another(request.repeatable),
            Self::Refused { status: 429 | 503, .. } => true,
            Self::Refused { status: 502 | 504, .. } => request.repeatable,
            Self::Refused { .. } => false,
        }
    }

    fn into_error(self, transport: &Transport, request: &Request) -> ConductorError {
        let server = transport.address().to_owned();
        match self {
            Self::Lost(fault @ http::Fault::TooLarge(_)) => {
                transport.malformed(request, fault.reason(&request.name()))
            }
            Self::Lost(fault) => {
                ConductorError::Unreachable { server, reason: fault.reason(&request.name()) }
            }
            Self::Refused { status, message } => {
                ConductorError::Refused { server, request: request.name(), status, message }
            }
        }
    }
}

/// What the server says of a request that it did not carry out; of a definition, every fault of it.
fn refusal(status: StatusCode, body: &[u8]) -> Fault {
    let text = String::from_utf8_lossy(body);
    let message = match serde_json::from_slice::<Value>(body) {
        Ok(answer) => {
            let fault = |fault: &Value| {
                let of = |key: &str| fault[key].as_str().unwrap_or_default().to_owned();
                format!("{}: {}", of("path"), of("message"))
            };
            let faults = answer["validationErrors"].as_array().into_iter().flatten().map(fault);
            let faults: Vec<_> = faults.collect();
            match (faults.is_empty(), answer["message"].as_str().or(answer["error"].as_str())) {
                (false, _) => faults.join("; "),
                (true, Some(message)) => message.to_owned(),
                (true, None) => text.chars().take(BODY_KEPT).collect(),
            }
        }
        Err(_) => text.trim().chars().take(BODY_KEPT).collect(),
    };
    Fault::Refused { status: status.as_u16(), message }
}

/// 100, 200, 400 … milliseconds, to 30 s, and up to half of it more, so that many who wait do not return together.
pub(super) fn backoff(failures: u32) -> Duration {
    let base = Duration::from_millis(100)
        .saturating_mul(1 << (failures.clamp(1, 10) - 1))
        .min(Duration::from_secs(30));
    base.mul_f64(1.0 + fastrand::f64() / 2.0)
}

fn milliseconds(date: &HeaderValue) -> Option<i64> {
    jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok().map(|date| date.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://127.0.0.1:8080", "http://127.0.0.1:8080/api", "http://127.0.0.1:8080")]
    #[case("http://127.0.0.1:8080/api/", "http://127.0.0.1:8080/api", "http://127.0.0.1:8080")]
    #[case(
        "https://play.example.org/conductor?x#y",
        "https://play.example.org/conductor/api",
        "https://play.example.org/conductor"
    )]
    fn an_address_is_taken_with_or_without_api(#[case] given: &str, #[case] base: &str, #[case] shown: &str) {
        let transport = Transport::new(given, None).unwrap();
        assert_eq!((transport.base.as_str(), transport.address()), (base, shown));
    }

    #[test]
    fn a_refused_definition_tells_all_its_faults() {
        let body = json!({
            "status": 400, "message": "Validation failed, check below errors for detail.", "retryable": false,
            "validationErrors": [{ "path": "a.b", "message": "must not be empty" }, { "path": "c", "message": "is twice" }],
        });
        let told = |body: &[u8]| match refusal(StatusCode::BAD_REQUEST, body) {
            Fault::Refused { status: 400, message } => message,
            _ => unreachable!("it is a refusal"),
        };
        assert_eq!(told(body.to_string().as_bytes()), "a.b: must not be empty; c: is twice");
        assert_eq!(told(br#"{"message":"No such workflow"}"#), "No such workflow");
        assert_eq!(told(b"<html>\n"), "<html>");
    }

    #[test]
    fn waits_grow_to_half_a_minute_and_a_half() {
        for failures in [1, 2, 3, 40] {
            let expected = (0.1 * f64::from(1_u32 << (failures.min(10) - 1))).min(30.0);
            let wait = backoff(failures).as_secs_f64();
            assert!((expected..=expected * 1.5).contains(&wait), "{failures}: {wait}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = Keys { id: "id".to_owned(), secret: "hush".to_owned() };
        assert_eq!(format!("{keys:?}"), "Keys(…)");
    }
}
