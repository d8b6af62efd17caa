//! Telling people. A message that cannot be delivered is no reason for a workflow to fail.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::given;
use super::lab::Lab;
use crate::conductor::{Failed, Job, Limits, Registry};
use crate::notify::Message;

pub(super) fn tasks() -> Registry<Lab> {
    let limits = Limits::seconds(120).retries(1, 10);
    Registry::new()
        .task("send_failure_notification", "Tells people that something failed.", limits, send)
        .task(
            "send_build_failure_notification",
            "Tells people that a build does not pass the gates.",
            limits,
            send,
        )
        .task("send_rollback_notification", "Tells people that a release was rolled back.", limits, send)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SendAsked {
    /// Name of a channel in this worker's settings; none: all of them.
    #[serde(default)]
    channel: Option<String>,
    message: String,
    workflow_id: String,
    /// More about it: texts, or anything that reads as JSON.
    #[serde(default)]
    details: Option<Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Sent {
    /// Whether every channel took it.
    delivered: bool,
    /// What became of it in each channel.
    said: Vec<String>,
}

async fn send(asked: SendAsked, job: Job<Lab>) -> Result<Sent, Failed> {
    let details = match asked.details {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(plain).collect(),
        Some(other) => vec![plain(&other)],
    };
    let text = [asked.message].into_iter().chain(details.into_iter().map(|line| format!("• {line}")));
    let message = Message {
        // One message per step of a workflow, however often the step is done.
        key: format!("{}/{}", asked.workflow_id, job.reference),
        text: text.collect::<Vec<_>>().join("\n"),
        blocks: Vec::new(),
    };
    let (delivered, said) = job.context.notify(given(&asked.channel), &message).await;
    Ok(Sent { delivered, said })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
