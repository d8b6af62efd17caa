//! What GitHub says in a delivery, as far as it matters here.

use std::collections::BTreeSet;

use serde::Deserialize;

/// What a signed delivery says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Ping,
    Change(Change),
    /// Nothing that could start a workflow, and why.
    Nothing(&'static str),
}

/// Something that may start workflows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// `owner/name` of the repository that the webhook belongs to.
    pub repository: String,
    /// 40 or 64 hexadecimal digits.
    pub commit: String,
    /// Who did it.
    pub sender: String,
    pub to: To,
    /// The files that it changes; none if GitHub did not say (all) of them.
    pub paths: Option<BTreeSet<String>>,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum To {
    Branch(String),
    Tag(String),
    PullRequest {
        number: u64,
        /// The branch that it is to be merged into.
        base: String,
        /// Its own branch.
        head: String,
        /// Whether that is in another repository, or in one that is gone.
        fork: bool,
    },
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    commits: Vec<Commit>,
    repository: Repository,
    sender: User,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    modified: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
}

#[derive(Deserialize)]
struct PullRequestEvent {
    action: String,
    number: u64,
    pull_request: PullRequest,
    repository: Repository,
    sender: User,
}

#[derive(Deserialize)]
struct PullRequest {
    base: Side,
    head: Side,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    /// Null where the repository of a pull request was deleted.
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

/// The kinds of event that may start workflows.
pub(super) const EVENTS: [&str; 2] = ["push", "pull_request"];

/// A push says no more commits than this, and does not say that there were more.
const COMMITS_SAID: usize = 2048;

/// Reads the body of a delivery of the kind `event`.
///
/// # Errors
///
/// Why it is not one, in words.
pub(super) fn read(event: &str, body: &[u8]) -> Result<Heard, String> {
    match event {
        "ping" => Ok(Heard::Ping),
        "push" => push(serde_json::from_slice(body).map_err(|error| error.to_string())?),
        "pull_request" => pull_request(serde_json::from_slice(body).map_err(|error| error.to_string())?),
        _ => Ok(Heard::Nothing("events of this kind start nothing")),
    }
}

fn push(push: Push) -> Result<Heard, String> {
    if push.deleted {
        return Ok(Heard::Nothing("the branch or tag was deleted"));
    }
    let to = match (push.reference.strip_prefix("refs/heads/"), push.reference.strip_prefix("refs/tags/")) {
        (Some(branch), _) => To::Branch(branch.to_owned()),
        (None, Some(tag)) => To::Tag(tag.to_owned()),
        (None, None) => return Ok(Heard::Nothing("it is neither a branch nor a tag")),
    };
    let said_all = !push.commits.is_empty() && push.commits.len() < COMMITS_SAID;
    let commits = push.commits.into_iter();
    let paths =
        commits.flat_map(|commit| commit.added.into_iter().chain(commit.modified).chain(commit.removed));
    Ok(Heard::Change(Change {
        repository: push.repository.full_name,
        commit: commit_id(push.after)?,
        sender: push.sender.login,
        to,
        paths: said_all.then(|| paths.collect()),
    }))
}

fn pull_request(event: PullRequestEvent) -> Result<Heard, String> {
    if !["opened", "synchronize", "reopened"].contains(&event.action.as_str()) {
        return Ok(Heard::Nothing("this action on a pull request changes no commit"));
    }
    let PullRequest { base, head } = event.pull_request;
    let repository = event.repository.full_name;
    let fork = head.repo.is_none_or(|repo| !repo.full_name.eq_ignore_ascii_case(&repository));
    Ok(Heard::Change(Change {
        repository,
        commit: commit_id(head.sha)?,
        sender: event.sender.login,
        to: To::PullRequest { number: event.number, base: base.branch, head: head.branch, fork },
        paths: None,
    }))
}

/// It will become an argument of programs.
fn commit_id(text: String) -> Result<String, String> {
    let good = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if good { Ok(text) } else { Err(format!("{text:?} is not the id of a commit")) }
}
