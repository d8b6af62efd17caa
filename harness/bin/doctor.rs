//! `k1-hil doctor`: which tools are there.

use std::process::ExitCode;

use k1_hil::tools::{self, ToolStatus};

use crate::failure::Failure;
use crate::shell::Shell;

pub(crate) async fn main(shell: &Shell) -> Result<ExitCode, Failure> {
    let tools = tools::doctor(&shell.toolbox).await;
    let ready = tools.iter().all(ToolStatus::ready);
    shell.print(&tools, || tools::table(&tools))?;
    Ok(ExitCode::from(if ready { 0 } else { 2 }))
}
