//! From a request to an answer.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::post;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::connections::Connections;
use super::payload::{self, Heard};
use super::queue::{Added, Queue, QueueError};
use super::rules::starts;
use super::signature::Signature;
use super::{Config, Start};
use crate::digest::Sha;
use crate::event::Event;
use crate::stored::is_name;
use crate::story;

/// Receives deliveries. Clones share the queue.
#[derive(Clone)]
pub struct Receiver {
    config: Arc<Config>,
    queue: Queue,
    /// A place for each body that is held in memory.
    bodies: Arc<Semaphore>,
    on_event: Arc<dyn Fn(&Event) + Send + Sync>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("config", &self.config).finish_non_exhaustive()
    }
}

/// So many bodies are in memory at most.
const BODIES: usize = 8;

/// So many connections are open at most; each lives for the deadline of a body and this.
const CONNECTIONS: usize = 64;
const BESIDE_BODY: std::time::Duration = std::time::Duration::from_secs(20);

/// When to come again, in seconds, for who found no place for a body or in the queue.
const SOON: u32 = 2;
const LATER: u32 = 60;

/// Why a delivery is not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the body is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the header {0} is not there just once, or not well-formed")]
    Header(&'static str),
    #[error("the delivery is not signed with X-Hub-Signature-256")]
    Unsigned,
    #[error("the signature is not that of the body")]
    Forged,
    #[error("the body is not application/json; choose that content type in the webhook's settings")]
    ContentType,
    #[error("the body took longer than {seconds} s")]
    Slow { seconds: u64 },
    #[error("the body broke off")]
    Cut,
    #[error("too many deliveries are being received")]
    Busy,
    #[error("this delivery came before")]
    Replayed,
    #[error("the body is not a delivery of the event {event}: {reason}")]
    Malformed { event: String, reason: String },
    #[error("the queue does not take it")]
    Queue(#[from] QueueError),
}

/// What a delivery led to.
enum Done {
    Pong,
    Ignored { reason: String },
    Queued { workflows: Vec<String> },
}

impl Receiver {
    /// A receiver that puts what is to be started into `queue`. What happens is told to `on_event`.
    pub fn new(config: Config, queue: Queue, on_event: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        let bodies = Arc::new(Semaphore::new(BODIES));
        Self { config: Arc::new(config), queue, bodies, on_event: Arc::new(on_event) }
    }

    /// Its one route, to be merged into a server with others.
    pub fn router(self) -> Router {
        Router::new().route(&self.config.path.clone(), post(answer)).with_state(self)
    }

    async fn hear(&self, request: Request) -> Result<(String, Done), Refusal> {
        let (head, body) = request.into_parts();
        let limit = self.config.body_limit;
        // A length that was announced, and the least that there will be, is known without reading anything.
        if body.size_hint().lower() > limit as u64 {
            return Err(Refusal::TooLong { limit });
        }
        let delivery = text(&head.headers, "x-github-delivery").filter(|id| is_name(id) && id.len() <= 64);
        let delivery = delivery.ok_or(Refusal::Header("X-GitHub-Delivery"))?.to_owned();
        let event = text(&head.headers, "x-github-event").filter(|event| is_name(event));
        let event = event.ok_or(Refusal::Header("X-GitHub-Event"))?.to_owned();
        let signature = match only(&head.headers, "x-hub-signature-256") {
            Some(header) => Signature::parse(header).ok_or(Refusal::Forged)?,
            None => return Err(Refusal::Unsigned),
        };
        let kind = text(&head.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(Refusal::ContentType);
        }
        let _place = self.bodies.try_acquire().map_err(|_| Refusal::Busy)?;
        let body = self.read(body).await?;
        if !self.config.secret.signed(&body, &signature) {
            return Err(Refusal::Forged);
        }
        let heard = payload::read(&event, &body)
            .map_err(|reason| Refusal::Malformed { event: event.clone(), reason })?;
        let done = match heard {
            Heard::Ping => Done::Pong,
            // Whatever was said, it would be ignored the next time too.
            Heard::Nothing(reason) => Done::Ignored { reason: reason.to_owned() },
            Heard::Change(change) => match starts(&self.config.rules, &change, &delivery) {
                Ok(starts) => {
                    let workflows = starts.iter().map(|start| start.workflow.clone()).collect();
                    self.add(&delivery, &body, starts).await?;
                    Done::Queued { workflows }
                }
                // Remembered: with other rules, later, it would not be.
                Err(reason) => {
                    self.add(&delivery, &body, Vec::new()).await?;
                    Done::Ignored { reason }
                }
            },
        };
        Ok((delivery, done))
    }

    async fn read(&self, body: Body) -> Result<Vec<u8>, Refusal> {
        let (limit, deadline) = (self.config.body_limit, self.config.body_deadline);
        let read = async {
            let (mut stream, mut bytes) = (body.into_data_stream(), Vec::new());
            while let Some(piece) = stream.next().await {
                let piece = piece.map_err(|_| Refusal::Cut)?;
                if bytes.len() + piece.len() > limit {
                    return Err(Refusal::TooLong { limit });
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(bytes)
        };
        let read = tokio::time::timeout(deadline, read).await;
        read.unwrap_or(Err(Refusal::Slow { seconds: deadline.as_secs() }))
    }

    async fn add(&self, delivery: &str, body: &[u8], starts: Vec<Start>) -> Result<(), Refusal> {
        let (queue, delivery, body) = (self.queue.clone(), delivery.to_owned(), Sha::of(body));
        // It waits for the disk.
        let added = tokio::task::spawn_blocking(move || queue.add(&delivery, body, starts)).await;
        match added.map_err(|_| Refusal::Busy)?? {
            Added::New => Ok(()),
            Added::Known => Err(Refusal::Replayed),
        }
    }
}

/// Serves `receiver` on `listener` until `stop` ends and what was begun is answered.
///
/// Connections are limited in number (64) and life (the deadline of a body and 20 s).
///
/// # Errors
///
/// If the socket fails.
pub async fn serve(
    listener: TcpListener,
    receiver: Receiver,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let life = receiver.config.body_deadline + BESIDE_BODY;
    let connections = Connections::new(listener, CONNECTIONS, life);
    axum::serve(connections, receiver.router()).with_graceful_shutdown(stop).await
}

async fn answer(State(receiver): State<Receiver>, request: Request) -> Response<Body> {
    let (status, wait, told) = match receiver.hear(request).await {
        Ok((delivery, done)) => done.answer(&delivery, &receiver),
        Err(refusal) => {
            let status = refusal.status();
            let reason = story::one_line(&refusal);
            (receiver.on_event)(&Event::DeliveryRefused { status: status.as_u16(), reason });
            // Without the cause: whoever asks need not know where this machine keeps its files.
            (status, refusal.wait(), json!({ "error": refusal.to_string() }))
        }
    };
    let mut response = Response::new(Body::from(told.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(seconds) = wait {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status.is_client_error() || status.is_server_error() {
        // What is left of a body that was refused is not read to get at the next request.
        headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    response
}

impl Done {
    fn answer(self, delivery: &str, receiver: &Receiver) -> (StatusCode, Option<u32>, Value) {
        let delivery = delivery.to_owned();
        match self {
            Self::Pong => (StatusCode::OK, None, json!({ "pong": delivery })),
            Self::Ignored { reason } => {
                (receiver.on_event)(&Event::DeliveryIgnored { delivery, reason: reason.clone() });
                (StatusCode::OK, None, json!({ "ignored": reason }))
            }
            Self::Queued { workflows } => {
                (receiver.on_event)(&Event::DeliveryQueued { delivery, workflows: workflows.clone() });
                (StatusCode::ACCEPTED, None, json!({ "queued": workflows }))
            }
        }
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Header(_) | Self::Cut | Self::Malformed { .. } => StatusCode::BAD_REQUEST,
            Self::Unsigned | Self::Forged => StatusCode::UNAUTHORIZED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Slow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Replayed => StatusCode::CONFLICT,
            Self::Busy | Self::Queue(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn wait(&self) -> Option<u32> {
        match self {
            Self::Busy => Some(SOON),
            Self::Queue(_) => Some(LATER),
            _ => None,
        }
    }
}

/// The value of a header that is there just once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    std::str::from_utf8(only(headers, name)?).ok()
}
