//! Which changes start which workflows.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::payload::{Change, To};
use super::{Patterns, Start};

/// A change of one of these repositories that matches starts the workflow.
#[derive(Clone, Debug)]
pub struct Rule {
    pub workflow: String,
    /// None: the newest.
    pub version: Option<u32>,
    /// `owner/name`, of which upper and lower case are the same; at least one.
    pub repositories: Vec<String>,
    /// Whether pushes start it.
    pub push: bool,
    /// Whether pull requests do.
    pub pull_request: bool,
    /// Branches that are pushed to, or that a pull request is to be merged into.
    pub branches: Patterns,
    /// Tags that are pushed; none by default.
    pub tags: Patterns,
    /// One of the files that a push changes must match. Where GitHub does not say which (of tags, new branches without
    /// commits, huge pushes, pull requests), the workflow is started rather than missed.
    pub paths: Patterns,
    pub forks: Forks,
    /// What else the workflow is told.
    pub input: Map<String, Value>,
}

/// What is done about pull requests from forks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forks {
    /// Nothing. Building firmware runs what its repository says (build scripts, a tool's extensions), so a workflow
    /// on a fork's commit runs the code of anybody who has an account, on the machine that has the boards.
    #[default]
    Refuse,
    /// As those from within the repository.
    Accept,
}

/// The keys of a workflow's input that tell of the change.
pub(super) const KEYS: [&str; 9] =
    ["event", "repo", "ref", "branch", "tag", "commit_sha", "sender", "pull_request", "base"];

/// What `change` starts by `rules`, or for each rule why it does not. Of rules for the same workflow the first counts.
pub(super) fn starts(rules: &[Rule], change: &Change, delivery: &str) -> Result<Vec<Start>, String> {
    let mut starts: Vec<Start> = Vec::new();
    let mut reasons = Vec::new();
    for rule in rules {
        match rule.refuses(change) {
            Some(reason) => reasons.push(format!("{}: {reason}", rule.workflow)),
            None if starts.iter().any(|start| start.workflow == rule.workflow) => {}
            None => starts.push(rule.start(change, delivery)),
        }
    }
    if starts.is_empty() { Err(reasons.join("; ")) } else { Ok(starts) }
}

impl Rule {
    fn refuses(&self, change: &Change) -> Option<String> {
        if !self.repositories.iter().any(|name| name.eq_ignore_ascii_case(&change.repository)) {
            return Some(format!("the repository {} is not one of its", change.repository));
        }
        let (kind, name, patterns) = match &change.to {
            To::Branch(name) => ("branch", name, &self.branches),
            To::Tag(name) => ("tag", name, &self.tags),
            To::PullRequest { base, .. } => ("branch", base, &self.branches),
        };
        let wanted = match change.to {
            To::PullRequest { .. } => self.pull_request,
            To::Branch(_) | To::Tag(_) => self.push,
        };
        if !wanted {
            return Some("it is not started by this kind of event".to_owned());
        }
        if !patterns.matches(name) {
            return Some(format!("the {kind} {name} is not one of its"));
        }
        if matches!(change.to, To::PullRequest { fork: true, .. }) && self.forks == Forks::Refuse {
            return Some("pull requests from forks do not start it".to_owned());
        }
        let outside =
            |paths: &std::collections::BTreeSet<String>| !paths.iter().any(|path| self.paths.matches(path));
        if matches!(change.to, To::Branch(_)) && change.paths.as_ref().is_some_and(outside) {
            return Some("none of the changed files is one of its".to_owned());
        }
        None
    }

    fn start(&self, change: &Change, delivery: &str) -> Start {
        let mut input = self.input.clone();
        let mut set = |key: &str, value: Value| drop(input.insert(key.to_owned(), value));
        set("repo", change.repository.clone().into());
        set("commit_sha", change.commit.clone().into());
        set("sender", change.sender.clone().into());
        match &change.to {
            To::Branch(name) => {
                set("event", "push".into());
                set("ref", format!("refs/heads/{name}").into());
                set("branch", name.clone().into());
            }
            To::Tag(name) => {
                set("event", "push".into());
                set("ref", format!("refs/tags/{name}").into());
                set("tag", name.clone().into());
            }
            To::PullRequest { number, base, head, .. } => {
                set("event", "pull_request".into());
                // Of the repository itself, whatever the head's is.
                set("ref", format!("refs/pull/{number}/head").into());
                set("branch", head.clone().into());
                set("base", base.clone().into());
                set("pull_request", (*number).into());
            }
        }
        Start {
            workflow: self.workflow.clone(),
            version: self.version,
            input,
            correlation_id: delivery.to_owned(),
        }
    }
}
