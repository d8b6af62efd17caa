//! `k1-hil setup`: installs what is missing.

use std::process::ExitCode;

use k1_hil::tools;

use crate::failure::Failure;
use crate::shell::Shell;

pub(crate) async fn main(shell: &Shell) -> Result<ExitCode, Failure> {
    let progress = shell.progress();
    tools::setup(&shell.toolbox, &|event| progress.event(event)).await?;
    drop(progress);
    crate::doctor::main(shell)
}
