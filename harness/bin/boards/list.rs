//! `k1-hil boards list`: the inventory, who has what, and how reliable each board has been.

use std::process::ExitCode;
use std::time::Duration;

use k1_hil::board::inventory::{Entry, Looked};
use k1_hil::board::lease::State;
use k1_hil::board::ledger::Reliability;
use k1_hil::board::{Address, Mac};

use crate::args::{InventoryArgs, leasing};
use crate::failure::Failure;
use crate::places;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only the boards that this means: a name, a MAC or labels (`model == k1-s3 and psram and not flaky`)
    #[arg(value_name = "BOARDS")]
    boards: Option<String>,
    /// Say where the inventory and the files beside it come from
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    inventory: InventoryArgs,
}

#[derive(serde::Serialize)]
struct List {
    boards: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<Sources>,
}

#[derive(serde::Serialize)]
struct Row {
    name: String,
    mac: Option<Mac>,
    model: Option<String>,
    labels: Vec<String>,
    address: Option<Address>,
    #[serde(rename = "virtual")]
    is_virtual: bool,
    enabled: bool,
    notes: String,
    state: State,
    reliability: Option<Reliability>,
}

/// Where things are, and why there.
#[derive(serde::Serialize)]
struct Sources {
    inventories: Vec<Looked>,
    locks: std::path::PathBuf,
    reliability: Option<std::path::PathBuf>,
}

pub(crate) fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let (inventory, inventories) = args.inventory.read()?;
    let entries = match &args.boards {
        Some(asked) => inventory.select(asked)?.candidates,
        None => inventory.entries.clone(),
    };
    let leasing = leasing("k1-hil boards list", "", Duration::ZERO);
    let ledger = places::ledger();
    let mut boards = Vec::with_capacity(entries.len());
    for entry in entries {
        let state = match entry.mac {
            Some(mac) => leasing.state(mac).map_err(|error| {
                Failure::Usage(format!("cannot read {}: {error}", leasing.locks.folder().display()))
            })?,
            None => State::default(),
        };
        let past = entry.mac.zip(ledger.as_ref()).map(|(mac, ledger)| ledger.read(mac)).transpose()?;
        boards.push(row(entry, state, past));
    }
    let sources = args.explain.then(|| Sources {
        inventories,
        locks: leasing.locks.folder().to_owned(),
        reliability: ledger.map(|ledger| ledger.folder().to_owned()),
    });
    let list = List { boards, sources };
    shell.print(&list, || text(&list))?;
    Ok(ExitCode::SUCCESS)
}

fn row(entry: Entry, state: State, reliability: Option<Reliability>) -> Row {
    Row {
        address: entry.address().cloned(),
        is_virtual: entry.is_virtual(),
        name: entry.name,
        mac: entry.mac,
        model: entry.model,
        labels: entry.labels,
        enabled: entry.enabled,
        notes: entry.notes,
        state,
        reliability,
    }
}

fn text(list: &List) -> String {
    let mut text = list.sources.as_ref().map(explained).unwrap_or_default();
    if list.boards.is_empty() {
        text += "no boards; `k1-hil boards scan` finds some\n";
        return text;
    }
    let wide =
        |of: &dyn Fn(&Row) -> usize, least: usize| list.boards.iter().map(of).max().unwrap_or(0).max(least);
    let name = wide(&|row| row.name.chars().count(), 4);
    let model = wide(&|row| row.model.as_ref().map_or(1, |model| model.chars().count()), 5);
    text += &format!("{:<name$}  {:<17}  {:<model$}  {:<8}  state\n", "name", "MAC", "model", "well");
    for row in &list.boards {
        let mac = row.mac.map_or_else(|| "-".to_owned(), |mac| mac.to_string());
        let said = row.model.as_deref().unwrap_or("-");
        let well = match &row.reliability {
            Some(past) if past.leases > 0 => format!("{}/{}", past.well_at_once, past.leases),
            _ => "-".to_owned(),
        };
        let line = format!("{:<name$}  {mac:<17}  {said:<model$}  {well:<8}  {}", row.name, state(row));
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// What keeps the board from being used, or `free`.
fn state(row: &Row) -> String {
    let mut facts = Vec::new();
    if !row.enabled {
        facts.push("disabled".to_owned());
    }
    if row.state.held {
        let holder =
            row.state.holder.as_ref().map_or_else(|| "an unnamed program".to_owned(), ToString::to_string);
        facts.push(format!("in use by {holder}"));
    }
    facts.extend(row.state.reservation.as_ref().map(|reservation| format!("reserved for {reservation}")));
    let sick = row.reliability.as_ref().and_then(|past| past.sick.as_ref());
    facts.extend(sick.map(|sick| format!("sick since {:.0}: {}", sick.at, sick.reason)));
    match facts.is_empty() {
        true => "free".to_owned(),
        false => facts.join("; "),
    }
}

fn explained(sources: &Sources) -> String {
    let mut text = "inventory, the first that is there:\n".to_owned();
    for looked in &sources.inventories {
        let mark = if looked.used { "->" } else { "  " };
        text += &format!("{mark} {} ({})\n", looked.path.display(), looked.origin);
    }
    text += &format!("locks: {} (HIL_LOCKS changes it)\n", sources.locks.display());
    if let Some(folder) = &sources.reliability {
        text += &format!("reliability: {}\n", folder.display());
    }
    text.push('\n');
    text
}
