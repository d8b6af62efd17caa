//! `k1-hil boards`: the boards of this machine.

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::shell::Shell;

mod doctor;
mod list;
mod lock;
mod scan;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Find boards and write them into the inventory
    Scan(scan::Args),
    /// The boards of the inventory: who has them, and how reliable they are
    List(list::Args),
    /// What is wrong with boards and with this machine's ways to them, with remedies
    Doctor(doctor::Args),
    /// Keep a board for yourself: until Ctrl-C, or for a time that outlives the command
    Lock(lock::LockArgs),
    /// End a reservation
    Unlock(lock::UnlockArgs),
}

pub(crate) async fn main(shell: &Shell, args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Scan(args) => scan::main(shell, &args).await,
        Command::List(args) => list::main(shell, &args),
        Command::Doctor(args) => doctor::main(shell, &args).await,
        Command::Lock(args) => lock::lock(shell, &args).await,
        Command::Unlock(args) => lock::unlock(shell, &args).await,
    }
}
