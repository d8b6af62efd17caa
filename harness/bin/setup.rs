//! `k1-hil setup`: installs what is missing.

use std::process::ExitCode;

use k1_hil::tools;

use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Also what is installed otherwise when a command first asks for it: the Conductor server and its Java (about 600 MB)
    #[arg(long)]
    all: bool,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let progress = shell.progress();
    tools::setup(&shell.toolbox, &|event| progress.event(event)).await?;
    if args.all {
        tools::setup_conductor(&shell.toolbox, &|event| progress.event(event)).await?;
    }
    drop(progress);
    crate::doctor::main(shell)
}
