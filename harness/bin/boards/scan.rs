//! `k1-hil boards scan`: what boards there are.

use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::board::inventory::{self, Changes, FILE_NAME, InventoryError};
use k1_hil::board::scan::{self, Scanned, Target};

use crate::args::InventoryArgs;
use crate::failure::Failure;
use crate::places;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Addresses (HOST[:HTTP[:OTA]]) and networks (192.168.1.0/24) to search, beside this machine's virtual boards and
    /// USB ports
    #[arg(value_name = "HOST|NETWORK")]
    targets: Vec<Target>,
    /// Write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    inventory: InventoryArgs,
}

#[derive(serde::Serialize)]
struct Found {
    #[serde(flatten)]
    scanned: Scanned,
    /// The inventory that was changed, or would be.
    inventory: PathBuf,
    written: bool,
    #[serde(flatten)]
    changes: Changes,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let (inventory, _) = args.inventory.read_or_new()?;
    let path = inventory.path.unwrap_or_else(|| PathBuf::from(FILE_NAME));
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let locks = places::locks();
    let scanned = scan::scan(&args.targets, &locks, &on_event)
        .await
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", locks.folder().display())))?;
    drop(progress);
    let before = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|source| InventoryError::Unwritable { path: path.clone(), source })?,
    };
    let (after, changes) = inventory::record(&before, &path, &scanned.boards)?;
    let written = !args.dry_run && !changes.is_empty();
    if written {
        inventory::save(&path, &after)?;
    }
    let found = Found { scanned, inventory: path, written, changes };
    shell.print(&found, || text(&found))?;
    Ok(ExitCode::from(if found.scanned.boards.is_empty() { 6 } else { 0 }))
}

fn text(found: &Found) -> String {
    let mut text = String::new();
    for board in &found.scanned.boards {
        let at = [
            board.address.as_ref().map(ToString::to_string),
            board.serial_port.as_ref().map(|p| p.display().to_string()),
        ];
        let at: Vec<String> = at.into_iter().flatten().collect();
        let model = board.model.as_deref().unwrap_or("no probe");
        text += &format!("{}  {model:<12} {}\n", board.mac, at.join(", "));
    }
    for port in &found.scanned.unknown_ports {
        text += &format!("{}: a USB serial port that does not say whose it is\n", port.path.display());
    }
    for (address, reason) in &found.scanned.silent {
        text += &format!("{address}: no board: {reason}\n");
    }
    if found.scanned.boards.is_empty() {
        text += "no board was found; name its address or network: k1-hil boards scan 192.168.1.0/24\n";
        return text;
    }
    let path = found.inventory.display();
    let would = if found.written || found.changes.is_empty() { "" } else { "would be " };
    for name in &found.changes.added {
        text += &format!("{would}added to {path}: {name}\n");
    }
    for change in &found.changes.changed {
        let from = change.from.as_deref().unwrap_or("nothing");
        text += &format!(
            "{would}changed in {path}: {}: {} from {from} to {}\n",
            change.board, change.key, change.to
        );
    }
    if found.changes.is_empty() {
        text += &format!("{path} has all of this\n");
    }
    text
}
