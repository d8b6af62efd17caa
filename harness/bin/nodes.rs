//! `k1-hil nodes`: the catalogue of node types.

use std::process::ExitCode;

use k1_hil::graph::catalogue;

use crate::failure::Failure;
use crate::shell::Shell;

pub(crate) fn main(shell: &Shell) -> Result<ExitCode, Failure> {
    let names: Vec<_> = catalogue::all()
        .map(|node| serde_json::json!({ "name": node.name, "summary": node.summary }))
        .collect();
    shell.print(&names, catalogue::reference)?;
    Ok(ExitCode::SUCCESS)
}
