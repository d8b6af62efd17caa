//! `k1-hil doctor`: which tools are there.

use std::process::ExitCode;

use k1_hil::tools::{self, ToolStatus};

use crate::failure::Failure;
use crate::shell::Shell;

pub(crate) fn main(shell: &Shell) -> Result<ExitCode, Failure> {
    let tools = tools::doctor(&shell.toolbox);
    let ready = tools.iter().all(|tool| tool.ready || tool.on_demand);
    shell.print(&tools, || table(&tools))?;
    Ok(ExitCode::from(if ready { 0 } else { 2 }))
}

fn table(tools: &[ToolStatus]) -> String {
    let mut text = String::new();
    for tool in tools {
        let found = match (&tool.found, &tool.path) {
            (Some(version), Some(path)) => format!("{version} in {}", path.display()),
            (Some(version), None) => version.clone(),
            (None, _) => "not found".to_owned(),
        };
        let mark = if tool.ready { "ok" } else { "--" };
        text += &format!("{mark} {:<22} {:<10} {found}\n", tool.name, tool.wanted);
        if let Some(remedy) = tool.remedy.as_ref().filter(|_| !tool.ready) {
            text += &format!("   needed by {}; get it with: {remedy}\n", tool.needed_by);
        }
    }
    text
}
