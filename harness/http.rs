//! One HTTP exchange with a deadline and a limit for the answer, and what can go wrong with it. What is asked, how often,
//! and what an answer means is the caller's: a board's ([`crate::board`]) or a server's ([`crate::conductor`]).

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};

use crate::story;

/// An answer that arrived whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Why no answer arrived whole.
#[derive(Debug)]
pub(crate) enum Fault {
    /// No connection came about: the other side has not seen the request.
    NotSent(String),
    /// The connection broke after that.
    Broken(String),
    Silent(Duration),
    /// More than so many bytes.
    TooLarge(usize),
}

/// Sends `request` and reads the answer, which has at most `limit` bytes and is whole within `deadline`.
pub(crate) async fn exchange(
    request: RequestBuilder,
    deadline: Duration,
    limit: usize,
) -> Result<Reply, Fault> {
    let answered = async {
        let mut response = request.send().await.map_err(fault)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            if body.len() + chunk.len() > limit {
                return Err(Fault::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
    };
    match tokio::time::timeout(deadline, answered).await {
        Ok(result) => result,
        Err(_) => Err(Fault::Silent(deadline)),
    }
}

impl Fault {
    /// Whether the same request may be sent again; `repeatable` if it does no harm when it arrives twice. Who was silent
    /// until the deadline is not asked again.
    pub(crate) fn is_worth_another(&self, repeatable: bool) -> bool {
        match self {
            Self::NotSent(_) => true,
            Self::Broken(_) => repeatable,
            Self::Silent(_) | Self::TooLarge(_) => false,
        }
    }

    /// What happened to `request`, as in `GET /api/hil/info`.
    pub(crate) fn reason(&self, request: &str) -> String {
        match self {
            Self::NotSent(reason) => reason.clone(),
            Self::Broken(reason) => format!("{request} broke off: {reason}"),
            Self::Silent(deadline) => format!("silence for {} s after {request}", deadline.as_secs_f64()),
            Self::TooLarge(limit) => format!("more than {limit} bytes"),
        }
    }
}

fn fault(error: reqwest::Error) -> Fault {
    let reason = story::innermost(&error);
    if error.is_connect() { Fault::NotSent(reason) } else { Fault::Broken(reason) }
}
