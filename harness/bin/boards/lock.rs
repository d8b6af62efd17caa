//! `k1-hil boards lock` and `unlock`: a board for a person.

use std::process::ExitCode;
use std::time::Duration;

use k1_hil::board::Mac;
use k1_hil::board::lease::LeaseError;

use crate::args::{InventoryArgs, LeaseArgs, duration, leasing};
use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct LockArgs {
    /// The board: its name or its MAC
    #[arg(value_name = "BOARD")]
    board: String,
    /// Keep it for so long, whether or not this command runs: `2h`, `90m`; without this, until Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    term: Option<Duration>,
    /// What for; those who wait are told
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    inventory: InventoryArgs,
    #[command(flatten)]
    lease: LeaseArgs,
}

#[derive(clap::Args, Debug)]
pub(crate) struct UnlockArgs {
    /// The board: its name or its MAC
    #[arg(value_name = "BOARD")]
    board: String,
    /// End another user's reservation too
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    inventory: InventoryArgs,
}

pub(crate) async fn lock(shell: &Shell, args: &LockArgs) -> Result<ExitCode, Failure> {
    let (mac, name) = meant(&args.inventory, &args.board)?;
    let leasing = args.lease.leasing("k1-hil boards lock", args.why.as_deref().unwrap_or_default());
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    if let Some(term) = args.term {
        let term = term.try_into().unwrap_or(k1_hil::board::lease::LONGEST);
        let reservation = leasing.reserve(mac, &name, term, &on_event).await?;
        drop(progress);
        shell.print(&reservation, || format!("{name} is reserved for {reservation}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let _lease = leasing.take(mac, &name, &on_event).await?;
    drop(progress);
    let state = leasing.state(mac).map_err(Failure::Output)?;
    shell.print(&state, || format!("{name} is yours; Ctrl-C returns it\n"))?;
    // Ends with the process, which Ctrl-C ends.
    std::future::pending().await
}

pub(crate) async fn unlock(shell: &Shell, args: &UnlockArgs) -> Result<ExitCode, Failure> {
    let (mac, name) = meant(&args.inventory, &args.board)?;
    let leasing = leasing("k1-hil boards unlock", "", Duration::ZERO);
    let released = leasing.release(mac, &name, args.force).await?;
    let state = leasing.state(mac).map_err(Failure::Output)?;
    if released.is_none() && state.held {
        let holder =
            state.holder.map_or_else(|| "an unnamed program".to_owned(), |holder| holder.to_string());
        return Err(LeaseError::Held { board: name, holder, waited: Duration::ZERO }.into());
    }
    shell.print(&serde_json::json!({ "released": released }), || match &released {
        Some(reservation) => format!("{name} is no longer reserved for {reservation}\n"),
        None => format!("{name} was not reserved\n"),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The board that is meant, which need not be in the inventory if its MAC is given.
fn meant(inventory: &InventoryArgs, asked: &str) -> Result<(Mac, String), Failure> {
    let (inventory, _) = inventory.read()?;
    let selected = match (inventory.select(asked), asked.parse::<Mac>()) {
        (Ok(selected), _) => selected,
        (Err(_), Ok(mac)) => return Ok((mac, mac.to_string())),
        (Err(error), Err(_)) => return Err(error.into()),
    };
    let names: Vec<&str> = selected.candidates.iter().map(|entry| entry.name.as_str()).collect();
    match selected.candidates.as_slice() {
        [entry] => match entry.mac {
            Some(mac) => Ok((mac, entry.name.clone())),
            None => Err(Failure::Usage(format!("{} has no MAC in the inventory; add one", entry.name))),
        },
        _ => Err(Failure::Usage(format!("{asked:?} means several boards: {}", names.join(", ")))),
    }
}
