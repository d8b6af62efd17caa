//! What is wrong with the boards of an inventory, and with this host's ways to them; each with its remedy.
//!
//! Changes nothing and takes no lease: a board that somebody uses is asked who it is, and nothing else.

use std::path::Path;

use futures_util::future::join_all;
use serde::Serialize;

use super::inventory::{Entry, Inventory, Reach};
use super::lease::{Leasing, State};
use super::ledger::Ledger;
use super::{Address, Board, BoardError, Mac};
use crate::story;

mod host;
mod network;
mod port;

/// What was found of one board, or of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checkup {
    /// Name of the board; none: the host.
    pub board: Option<String>,
    pub findings: Vec<Finding>,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub grade: Grade,
    pub topic: Topic,
    /// One sentence, for people.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Fine,
    /// Nothing is wrong, or not with the board.
    Note,
    Problem,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    Inventory,
    Locks,
    Disabled,
    Lease,
    Reservation,
    Sick,
    Network,
    Identity,
    Probe,
    Firewall,
    Password,
    Power,
    SerialPort,
}

/// What the doctor needs to know.
#[derive(Clone, Copy)]
pub struct Practice<'a> {
    pub inventory: &'a Inventory,
    pub leasing: &'a Leasing,
    pub ledger: Option<&'a Ledger>,
    /// Looks up environment variables: `PATH`, and where passwords may stand.
    pub env: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl std::fmt::Debug for Practice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Practice").field("inventory", &self.inventory).finish_non_exhaustive()
    }
}

/// Looks at the host first, then at `entries`, all at once; a board that is silent takes about 6 s.
pub async fn doctor(entries: &[Entry], practice: Practice<'_>) -> Vec<Checkup> {
    let mut checkups = vec![Checkup { board: None, findings: host::findings(practice) }];
    let boards = entries.iter().map(async |entry| Checkup {
        board: Some(entry.name.clone()),
        findings: findings(entry, practice).await,
    });
    checkups.extend(join_all(boards).await);
    checkups
}

impl Checkup {
    /// The worst of the findings.
    pub fn grade(&self) -> Grade {
        self.findings.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Fine)
    }
}

impl Finding {
    fn fine(topic: Topic, what: impl Into<String>) -> Self {
        Self { grade: Grade::Fine, topic, what: what.into(), remedy: None }
    }

    fn note(topic: Topic, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { grade: Grade::Note, topic, what: what.into(), remedy: Some(remedy.into()) }
    }

    fn problem(topic: Topic, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { grade: Grade::Problem, topic, what: what.into(), remedy: Some(remedy.into()) }
    }
}

async fn findings(entry: &Entry, practice: Practice<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !entry.enabled {
        findings.push(Finding::note(Topic::Disabled, "it is disabled", "set `enabled = true` in its entry"));
    }
    if let Some(mac) = entry.mac {
        findings.extend(whose(mac, practice));
        findings.extend(sickness(mac, &entry.name, practice));
    }
    match &entry.reach {
        Reach::StartedVirtual { .. } => {
            findings.push(Finding::fine(Topic::Network, "it is virtual and starts when it is leased"));
        }
        Reach::Network(Some(address)) | Reach::RunningVirtual(address) => {
            findings.extend(reached(entry, address).await);
            findings.extend(host::firewall(address));
        }
        Reach::Network(None) => findings.push(Finding::note(
            Topic::Network,
            "it has no address, so it cannot be leased over the network",
            "add `host`, or run k1-hil boards scan NETWORK",
        )),
    }
    findings.extend(host::password(entry, practice.env));
    findings.extend(host::power(entry, practice.env));
    if let Some(path) = &entry.serial_port {
        findings.extend(port::findings(path));
    }
    findings
}

fn whose(mac: Mac, practice: Practice<'_>) -> Vec<Finding> {
    let state = match practice.leasing.state(mac) {
        Ok(state) => state,
        Err(error) => {
            let folder = practice.leasing.locks.folder().display().to_string();
            let what = format!("its lock in {folder} cannot be read: {error}");
            return vec![Finding::problem(Topic::Locks, what, format!("sudo chmod 1777 {folder}"))];
        }
    };
    let State { held, holder, orphaned, reservation } = state;
    let mut findings = Vec::new();
    if held {
        let by =
            holder.map_or_else(|| "a program that left no record".to_owned(), |holder| holder.to_string());
        let remedy = "wait, or end that process: its lease ends with it";
        findings.push(Finding::note(Topic::Lease, format!("it is in use by {by}"), remedy));
    } else if orphaned {
        findings
            .push(Finding::fine(Topic::Lease, "it is free; its last holder was killed, which locks nothing"));
    } else {
        findings.push(Finding::fine(Topic::Lease, "it is free"));
    }
    if let Some(reservation) = reservation {
        let remedy = "k1-hil boards unlock ends it (another user's with --force)";
        findings.push(Finding::note(Topic::Reservation, format!("it is reserved for {reservation}"), remedy));
    }
    findings
}

fn sickness(mac: Mac, name: &str, practice: Practice<'_>) -> Option<Finding> {
    let past = match practice.ledger?.read(mac) {
        Ok(past) => past,
        Err(error) => {
            let remedy = "remove the file; the board's history begins anew";
            return Some(Finding::note(Topic::Sick, story::one_line(&error), remedy));
        }
    };
    let sick = past.sick?;
    let what = format!("it was given up at {:.0}: {}", sick.at, sick.reason);
    let remedy = format!("see to it; the next lease by name (--board {name}) that finds it well clears this");
    Some(Finding::problem(Topic::Sick, what, remedy))
}

async fn reached(entry: &Entry, address: &Address) -> Vec<Finding> {
    let identity = match Board::identify(address).await {
        Ok(identity) => identity,
        Err(BoardError::Unreachable { reason, .. }) => return vec![network::silence(address, &reason).await],
        Err(error) => {
            let remedy = format!("check that {address} is the board and not another device");
            return vec![Finding::problem(Topic::Network, story::one_line(&error), remedy)];
        }
    };
    let mut findings = vec![Finding::fine(Topic::Network, format!("it answers at {address}"))];
    if let Some(mac) = entry.mac.filter(|mac| *mac != identity.mac) {
        let what = format!("the board at {address} is {}, not {mac}", identity.mac);
        let remedy = "k1-hil boards scan NETWORK finds its address; a fixed lease in the router keeps it";
        findings.push(Finding::problem(Topic::Identity, what, remedy));
    }
    if identity.model.is_none() {
        let what = "its firmware has no measuring probe";
        findings.push(Finding::problem(Topic::Probe, what, "build the probe into it: firmware/README.md"));
    }
    if let (Some(said), Some(model)) = (&entry.model, &identity.model)
        && said != model
    {
        let what = format!("it says that it is a {model}, and its entry says {said}");
        findings.push(Finding::note(Topic::Identity, what, format!("set `model = \"{model}\"`")));
    }
    findings
}

/// Whether this process may do `wanted` with `path`.
fn may(path: &Path, wanted: nix::unistd::AccessFlags) -> bool {
    nix::unistd::access(path, wanted).is_ok()
}
