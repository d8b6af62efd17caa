//! Incoming webhooks as Slack has them: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::Instant;

use super::{Failure, Message};
use crate::story;

/// The address of an incoming webhook. Whoever knows it may post, so no debug output shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

/// Why a text is not the address of a webhook; it does not hold the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address of the webhook is not one that begins with https:// or http://")]
pub struct NotAWebhook;

/// How much of a server's answer is kept, and of how much of it.
const ANSWER_LIMIT: usize = 200;

/// One attempt has at least so long, however little is left of the limit.
const LEAST: Duration = Duration::from_millis(100);

impl WebhookUrl {
    pub(super) fn reveal(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for WebhookUrl {
    type Err = NotAWebhook;

    fn from_str(text: &str) -> Result<Self, NotAWebhook> {
        let url: Url = text.trim().parse().map_err(|_| NotAWebhook)?;
        if matches!(url.scheme(), "https" | "http") && url.has_host() {
            Ok(Self(url))
        } else {
            Err(NotAWebhook)
        }
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookUrl(…)")
    }
}

/// Why one attempt failed.
enum Fault {
    /// The next attempt may succeed, after this wait if the server named one.
    Passing {
        reason: String,
        wait: Option<Duration>,
    },
    Final {
        reason: String,
    },
}

/// Posts `message`, again and again while that may help and `limit` lasts, and returns the number of attempts.
pub(super) async fn send(
    url: &WebhookUrl,
    message: &Message,
    limit: Duration,
    first_wait: Duration,
) -> Result<u32, Failure> {
    let deadline = Instant::now() + limit;
    let mut body = serde_json::json!({ "text": message.text });
    if !message.blocks.is_empty() {
        body["blocks"] = message.blocks.clone().into();
    }
    let body = body.to_string();
    // A redirection would hand the message, and the address in its referrer, to somebody else.
    let client = Client::builder().redirect(Policy::none()).referer(false).build();
    let client =
        client.map_err(|error| Failure { attempts: 0, reason: story::one_line(&error.without_url()) })?;
    let mut wait = first_wait;
    for attempts in 1.. {
        let left = deadline.saturating_duration_since(Instant::now()).max(LEAST);
        let fault = match attempt(&client, url, body.clone(), left).await {
            Ok(()) => return Ok(attempts),
            Err(fault) => fault,
        };
        let (reason, asked) = match fault {
            Fault::Passing { reason, wait } => (reason, wait),
            Fault::Final { reason } => return Err(Failure { attempts, reason }),
        };
        let next = asked.unwrap_or(wait);
        if Instant::now() + next >= deadline {
            let reason = match asked {
                Some(asked) => {
                    format!("{reason}; it asks to wait {} s, longer than is left", asked.as_secs())
                }
                None => reason,
            };
            return Err(Failure { attempts, reason });
        }
        tokio::time::sleep(next).await;
        wait = wait.saturating_mul(2);
    }
    unreachable!("the deadline comes before 2^32 attempts")
}

async fn attempt(client: &Client, url: &WebhookUrl, body: String, limit: Duration) -> Result<(), Fault> {
    let request = client.post(url.0.clone()).header(CONTENT_TYPE, "application/json").body(body);
    let response = request
        .timeout(limit)
        .send()
        .await
        .map_err(|error| Fault::Passing { reason: story::one_line(&error.without_url()), wait: None })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let wait = retry_after(&response);
    let reason = match answer(response).await {
        said if said.is_empty() => format!("the webhook answered {status}"),
        said => format!("the webhook answered {status}: {said}"),
    };
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Err(Fault::Passing { reason, wait });
    }
    Err(Fault::Final { reason })
}

/// In seconds, as Slack writes it; a date is not understood, and then the next wait is the usual one.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The beginning of what the server said, on one line.
async fn answer(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_LIMIT {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    bytes.truncate(ANSWER_LIMIT);
    String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://hooks.example.com/services/T/B/hidden", true)]
    #[case(" http://127.0.0.1:8065/hooks/hidden\n", true)]
    #[case("hooks.example.com/hidden", false)]
    #[case("file:///hidden", false)]
    #[case("https://", false)]
    fn an_address_is_never_shown(#[case] text: &str, #[case] good: bool) {
        let parsed = text.parse::<WebhookUrl>();
        assert_eq!(parsed.is_ok(), good);
        assert!(!format!("{parsed:?}").contains("hidden"));
    }
}
