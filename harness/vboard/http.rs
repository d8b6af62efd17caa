//! The board's HTTP server: which request goes where, and the rules that all routes share.
//!
//! They are those of the K1 firmware's server library: a route also answers paths below it, every response closes
//! its connection, a wrong method is an unknown path, a POST without a JSON-like body never reaches its handler.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use super::boot::Boot;
use super::machine::Machine;
use super::mailbox::RECORDING_LIMIT;
use super::{k1_routes, probe_routes};

/// A longer body is refused, bytes; that of a recording may be longer.
const MAX_BODY: usize = 65_536;
/// A body that has not come for so long, and a microsecond per byte that it may have, ends the connection.
const RECEIVE_LIMIT: Duration = Duration::from_secs(3);

const CORS: [(HeaderName, &str); 4] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET,POST,OPTIONS"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "false"),
];

/// What a handler is given.
pub struct Call {
    pub machine: Arc<Machine>,
    /// The boot that answers, whatever happens meanwhile.
    pub boot: Arc<Boot>,
    pub query: Query,
    /// The fields of the body; empty for a body that is JSON but no object.
    pub body: Map<String, Value>,
    /// The body of a route that takes bytes.
    pub bytes: Bytes,
    /// IP address at which the board was reached.
    pub ip: String,
}

/// What a handler answers.
pub enum Answer {
    Json(String),
    Binary(Vec<u8>),
}

/// An error as the K1 firmware spells it.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
}

/// The parameters after the question mark.
pub struct Query(Vec<(String, String)>);

/// A POST that no handler is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unheard {
    TooLarge(usize),
    /// Empty, or read as a form by the server library.
    NoBody,
    /// It did not come to its end.
    Late,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    K1(k1_routes::Route),
    Probe(probe_routes::Route),
}

/// The server of `machine`, which is reached at `ip`.
pub fn router(machine: Arc<Machine>, ip: String) -> Router {
    Router::new().fallback(answer).with_state((machine, ip))
}

async fn answer(State((machine, ip)): State<(Arc<Machine>, String)>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    if head.method == Method::OPTIONS {
        return respond(StatusCode::NO_CONTENT, None, Bytes::new(), true);
    }
    let Some(route) = find(&head.method, head.uri.path()) else {
        return json(StatusCode::NOT_FOUND, r#"{"error":"Not found"}"#.to_owned());
    };
    let bytes = if head.method == Method::POST {
        match read_body(&head, body, route.longest_body()).await {
            Ok(body) => body,
            Err(unheard) => return unheard.response(),
        }
    } else {
        Bytes::new()
    };
    let fields = if bytes.is_empty() || route.takes_bytes() { Ok(Map::new()) } else { parse(&bytes) };
    let Some(boot) = machine.up().await else {
        return respond(StatusCode::SERVICE_UNAVAILABLE, None, Bytes::new(), false); // the board is being dropped
    };
    let uptime_ms = (boot.uptime_ns() / 1_000_000) as u32;
    let outcome = match fields {
        Ok(body) => {
            let call = Call { machine, boot, query: Query::of(head.uri.query()), body, bytes, ip };
            match route {
                Route::K1(route) => k1_routes::handle(route, call).await,
                Route::Probe(route) => probe_routes::handle(route, call).await,
            }
        }
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(Answer::Json(text)) => json(StatusCode::OK, text),
        Ok(Answer::Binary(bytes)) => {
            respond(StatusCode::OK, Some("application/octet-stream"), bytes.into(), true)
        }
        Err(refusal) => json(refusal.status, refusal.body(uptime_ms)),
    }
}

/// The first route of that method whose path is the request's or an ancestor of it.
fn find(method: &Method, path: &str) -> Option<Route> {
    let k1 = k1_routes::ROUTES.iter().map(|(method, path, route)| (method, path, Route::K1(*route)));
    let probe = probe_routes::ROUTES.iter().map(|(method, path, route)| (method, path, Route::Probe(*route)));
    let serves = |registered: &str| {
        path.strip_prefix(registered).is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    k1.chain(probe).find(|(of, registered, _)| *of == method && serves(registered)).map(|(_, _, route)| route)
}

/// The body of a POST for its handler.
async fn read_body(head: &Parts, body: Body, longest: usize) -> Result<Bytes, Unheard> {
    let header = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let length = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > longest as u64) {
        return Err(Unheard::TooLarge(longest));
    }
    let limit = RECEIVE_LIMIT + Duration::from_micros(longest as u64);
    let received = tokio::time::timeout(limit, axum::body::to_bytes(body, longest)).await;
    let body = received.map_err(|_| Unheard::Late)?.map_err(|_| Unheard::TooLarge(longest))?;
    if body.is_empty() || is_form(header(header::CONTENT_TYPE).unwrap_or_default(), &body) {
        return Err(Unheard::NoBody);
    }
    Ok(body)
}

/// Whether the server library would read the body as a form.
fn is_form(content_type: &str, body: &[u8]) -> bool {
    let begins_like_a_form = || {
        let name =
            body.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte)).count();
        name > 0 && body.get(name) == Some(&b'=')
    };
    content_type.starts_with("application/x-www-form-urlencoded")
        || content_type.starts_with("multipart/form-data")
        || (content_type.starts_with("text/plain") && begins_like_a_form())
}

/// The fields of the first JSON value in `body`; whatever follows it is ignored.
fn parse(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::Deserializer::from_slice(body).into_iter::<Value>().next() {
        Some(Ok(Value::Object(fields))) => Ok(fields),
        Some(Ok(_)) => Ok(Map::new()),
        Some(Err(_)) | None => Err(Refusal::bad("invalid_json", "Request body contains invalid JSON")),
    }
}

impl Route {
    /// Whether the body is no JSON.
    fn takes_bytes(self) -> bool {
        self == Self::Probe(probe_routes::Route::Recording)
    }

    fn longest_body(self) -> usize {
        if self.takes_bytes() { RECORDING_LIMIT as usize } else { MAX_BODY }
    }
}

impl Unheard {
    fn response(self) -> Response<Body> {
        match self {
            Self::TooLarge(longest) => {
                let text = format!(r#"{{"error":"payload_too_large","max_size":{longest}}}"#);
                json(StatusCode::PAYLOAD_TOO_LARGE, text)
            }
            Self::NoBody => {
                let text = "Handler did not handle the request";
                respond(StatusCode::NOT_IMPLEMENTED, Some("text/plain"), text.into(), false)
            }
            Self::Late => respond(StatusCode::REQUEST_TIMEOUT, None, Bytes::new(), false),
        }
    }
}

impl Query {
    fn of(query: Option<&str>) -> Self {
        let uri = format!("/?{}", query.unwrap_or_default()).parse().unwrap_or_default();
        let pairs = axum::extract::Query::try_from_uri(&uri).map(|axum::extract::Query(pairs)| pairs);
        Self(pairs.unwrap_or_default())
    }

    /// The number named `name`, or `default`.
    ///
    /// # Errors
    ///
    /// `invalid_param` if it is no unsigned 32-bit number.
    pub fn number(&self, name: &str, default: u32) -> Result<u32, Refusal> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| Refusal::bad("invalid_param", format!("{name} must be a whole number"))),
        }
    }

    /// The parameter named `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Answer {
    /// An answer in JSON.
    ///
    /// # Errors
    ///
    /// Never for the answers of this board, which are plain structs.
    pub fn json(value: &impl Serialize) -> Result<Self, Refusal> {
        serde_json::to_string(value).map(Self::Json).map_err(|e| Refusal {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "internal",
            message: e.to_string(),
        })
    }
}

impl Refusal {
    /// A 400.
    pub fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into() }
    }

    fn body(&self, uptime_ms: u32) -> String {
        let (code, message, status) = (self.code, Value::from(self.message.as_str()), self.status.as_u16());
        format!(r#"{{"error":"{code}","message":{message},"timestamp":{uptime_ms},"status":{status}}}"#)
    }
}

fn json(status: StatusCode, text: String) -> Response<Body> {
    respond(status, Some("application/json"), text.into(), true)
}

/// A response with the headers in the order in which the board sends them.
fn respond(
    status: StatusCode,
    content_type: Option<&'static str>,
    body: Bytes,
    cors: bool,
) -> Response<Body> {
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if cors {
        CORS.into_iter()
            .for_each(|(name, value)| drop(headers.insert(name, HeaderValue::from_static(value))));
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    if status != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("GET", "/api/params", Some(Route::K1(k1_routes::Route::Params)))]
    #[case("POST", "/api/params", Some(Route::K1(k1_routes::Route::SetParams)))]
    #[case("GET", "/api/params/bounds", Some(Route::K1(k1_routes::Route::Params)))]
    #[case("GET", "/api/device-info", Some(Route::K1(k1_routes::Route::DeviceInfo)))]
    #[case("GET", "/api/hil/frames", Some(Route::Probe(probe_routes::Route::Frames)))]
    #[case("GET", "/api/paramsx", None)]
    #[case("GET", "/api/select", None)]
    #[case("HEAD", "/api/health", None)]
    #[case("PUT", "/api/params", None)]
    #[case("GET", "/", None)]
    fn a_route_also_answers_below_its_path(
        #[case] method: &str,
        #[case] path: &str,
        #[case] route: Option<Route>,
    ) {
        assert_eq!(find(&method.parse().unwrap(), path), route);
    }

    #[rstest]
    #[case("application/x-www-form-urlencoded", "{}", true)]
    #[case("multipart/form-data; boundary=x", "{}", true)]
    #[case("text/plain", "name=value", true)]
    #[case("text/plain;charset=UTF-8", r#"{"a":1}"#, false)]
    #[case("application/json", "a=1", false)]
    #[case("", "a=1", false)]
    fn forms_are_told_as_the_library_does(
        #[case] content_type: &str,
        #[case] body: &str,
        #[case] form: bool,
    ) {
        assert_eq!(is_form(content_type, body.as_bytes()), form);
    }

    #[test]
    fn a_body_is_its_first_json_value() {
        assert_eq!(parse(br#"{"a":1} and so on"#).unwrap()["a"], 1);
        assert!(parse(b"[1]").unwrap().is_empty());
        assert!(parse(b"null").unwrap().is_empty());
        assert_eq!(parse(b"{\"a\":").unwrap_err().code, "invalid_json");
        assert_eq!(parse(b"  ").unwrap_err().code, "invalid_json");
    }

    #[test]
    fn numbers_in_the_query_are_checked() {
        let query = Query::of(Some("since=7&max=x&name=a%20b"));
        assert_eq!(query.number("since", 0).unwrap(), 7);
        assert_eq!(query.number("every", 3).unwrap(), 3);
        assert_eq!(query.text("name"), Some("a b"));
        assert_eq!(query.number("max", 0).unwrap_err().code, "invalid_param");
    }
}
