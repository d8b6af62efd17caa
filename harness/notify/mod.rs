//! Telling people: a Slack-compatible webhook, a file, or a program of one's own.
//!
//! A notification is never a reason for what it tells about to fail: [`Notifier::notify`] returns what became of it, in
//! bounded time, and never an error. A message is told at least once to each channel while its key is remembered, and
//! twice only if this process is killed between the telling and the note of it, or an answer is lost on the way.
//!
//! Not for: deciding what is worth telling.

mod local;
mod seen;
mod webhook;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use webhook::{NotAWebhook, WebhookUrl};

use seen::{Claim, Seen};

/// What is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Message {
    /// What it is about, so that the same thing is told once: `firmware-ci-cd-pipeline/<run>/failed`.
    pub key: String,
    /// The text, in Slack's markup where that is where it goes.
    pub text: String,
    /// Slack's layout blocks, shown in place of the text where there are some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<serde_json::Value>,
}

/// Where messages go.
#[derive(Clone, Debug)]
pub enum Channel {
    /// An incoming webhook of Slack, or of what understands its messages (Mattermost, Rocket.Chat …).
    Webhook(WebhookUrl),
    /// Each message is one line of JSON at the end of this file.
    File(PathBuf),
    /// A program that is given each message as JSON on its input, and succeeds with exit status 0.
    Command { program: PathBuf, arguments: Vec<String> },
}

/// Tells messages to people.
#[derive(Clone, Debug)]
pub struct Notifier {
    /// In which order does not matter: all are told at once.
    pub channels: Vec<Channel>,
    /// The folder that remembers what was told; none: everything is told each time.
    pub memory: Option<PathBuf>,
    /// For how long a key is remembered.
    pub remembered_for: Duration,
    /// How long telling one channel may take, with all attempts.
    pub limit: Duration,
    /// The wait before a webhook is tried again; doubled each time, unless the server says how long.
    pub first_wait: Duration,
}

/// A channel that notices its limit by itself can say more about it.
const LAST_WORD: Duration = Duration::from_millis(500);

/// What became of a message on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Told {
    /// Which channel, without secrets: `webhook`, `file PATH`, `command PROGRAM`.
    pub channel: String,
    pub outcome: Outcome,
    /// If what was told cannot be remembered: why. Then the message may be told again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<String>,
}

/// Whether a message arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum Outcome {
    /// It arrived, at the last of so many attempts.
    Told { attempts: u32 },
    /// It was told before, or is being told just now.
    Known,
    /// It did not arrive.
    Failed { attempts: u32, reason: String },
}

/// Why one attempt, or all of them, failed.
#[derive(Debug)]
struct Failure {
    attempts: u32,
    reason: String,
}

impl Notifier {
    /// Remembers for 7 days, and gives each channel 30 seconds.
    pub fn new(channels: Vec<Channel>, memory: Option<PathBuf>) -> Self {
        Self {
            channels,
            memory,
            remembered_for: Duration::from_secs(7 * 24 * 60 * 60),
            limit: Duration::from_secs(30),
            first_wait: Duration::from_millis(500),
        }
    }

    /// Tells `message` on every channel that does not know its key yet, and says for each what became of it.
    ///
    /// Takes a little longer than `limit` at most. If the future is dropped, what was not told stays untold, and is
    /// told by the next call with the same key once `limit` is over.
    pub async fn notify(&self, message: &Message) -> Vec<Told> {
        futures_util::future::join_all(self.channels.iter().map(|channel| self.tell(channel, message))).await
    }

    async fn tell(&self, channel: &Channel, message: &Message) -> Told {
        let seen = self.memory.as_deref().map(|folder| Seen::new(folder, channel, &message.key));
        // Whatever is wrong with the memory: a message twice is better than none.
        let claimed = match &seen {
            Some(seen) => seen.claim(self.limit).await,
            None => Ok(Claim::Mine),
        };
        let name = channel.name();
        let mut forgotten = match claimed {
            Ok(Claim::Known) => return Told { channel: name, outcome: Outcome::Known, forgotten: None },
            Ok(Claim::Mine) => None,
            Err(reason) => Some(reason),
        };
        let sent = tokio::time::timeout(self.limit + LAST_WORD, self.send(channel, message)).await;
        let sent = sent.unwrap_or_else(|_| {
            let reason = format!("it took longer than {:.0?}", self.limit);
            Err(Failure { attempts: 1, reason })
        });
        if let Some(seen) = seen.filter(|_| forgotten.is_none()) {
            let noted = match sent {
                Ok(_) => seen.told(self.remembered_for).await,
                Err(_) => seen.release().await,
            };
            forgotten = noted.err();
        }
        let outcome = match sent {
            Ok(attempts) => Outcome::Told { attempts },
            Err(Failure { attempts, reason }) => Outcome::Failed { attempts, reason },
        };
        Told { channel: name, outcome, forgotten }
    }

    /// The number of attempts that it took.
    async fn send(&self, channel: &Channel, message: &Message) -> Result<u32, Failure> {
        match channel {
            Channel::Webhook(url) => webhook::send(url, message, self.limit, self.first_wait).await,
            Channel::File(path) => local::append(path, message).await,
            Channel::Command { program, arguments } => {
                local::run(program, arguments, message, self.limit).await
            }
        }
    }
}

impl Channel {
    fn name(&self) -> String {
        match self {
            Self::Webhook(_) => "webhook".to_owned(),
            Self::File(path) => format!("file {}", path.display()),
            Self::Command { program, .. } => format!("command {}", program.display()),
        }
    }

    /// What tells it from other channels, secrets included: to be hashed.
    fn identity(&self) -> String {
        match self {
            Self::Webhook(url) => format!("webhook {}", url.reveal()),
            Self::File(_) => self.name(),
            Self::Command { arguments, .. } => format!("{} {arguments:?}", self.name()),
        }
    }
}
