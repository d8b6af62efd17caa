//! GitHub's webhook: a signed delivery becomes a request to start a workflow, once.
//!
//! ```text
//! POST ──checked──▶ Change ──rules──▶ Start… ──▶ Queue on disk ──deliver──▶ whoever starts workflows
//! ```
//!
//! What a delivery goes through, cheapest first: its length, its headers, its body in bounded time and memory, the
//! signature over that body, whether it came before, what it says. Nothing of a body is looked at before its signature
//! was found good, and an answer of success means that its consequences are on the disk.
//!
//! GitHub signs the body and no header. So a delivery that was listened to can be sent again under another id; hence
//! what came before is known by the body too, and the event's kind is believed only as far as the body has its shape.
//!
//! Not for: TLS, which a reverse proxy in front has; starting workflows, which the caller of [`Queue::deliver`] does.
//! Protocol: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>,
//! <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.

mod config;
mod connections;
mod deliver;
mod patterns;
mod payload;
mod queue;
mod receive;
mod rules;
mod signature;

use serde::{Deserialize, Serialize};

pub use config::{Config, ConfigError};
pub use deliver::{Pace, Undelivered};
pub use patterns::{NotAPattern, Patterns};
pub use queue::{Queue, QueueError};
pub use receive::{Receiver, serve};
pub use rules::{Forks, Rule};
pub use signature::{NotASecret, Secret};

/// A request to start a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Start {
    pub workflow: String,
    /// None: the newest.
    pub version: Option<u32>,
    /// What the rule says, and of the change: `event`, `repo`, `ref`, `branch`, `tag`, `commit_sha`, `sender`,
    /// `pull_request`, `base`, as far as there is one.
    pub input: serde_json::Map<String, serde_json::Value>,
    /// The id of the delivery. Two starts of one delivery have different workflows.
    pub correlation_id: String,
}
