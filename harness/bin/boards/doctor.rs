//! `k1-hil boards doctor`: what is wrong, and what to do.

use std::process::ExitCode;
use std::time::Duration;

use k1_hil::board::doctor::{self, Checkup, Grade, Practice};

use crate::args::{InventoryArgs, leasing};
use crate::failure::Failure;
use crate::places;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only the boards that this means: a name, a MAC, labels or an address
    #[arg(value_name = "BOARDS")]
    boards: Option<String>,
    #[command(flatten)]
    inventory: InventoryArgs,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let (inventory, _) = args.inventory.read()?;
    let entries = match &args.boards {
        Some(asked) => inventory.select(asked)?.candidates,
        None => inventory.entries.clone(),
    };
    let leasing = leasing("k1-hil boards doctor", "", Duration::ZERO);
    let ledger = places::ledger();
    let practice =
        Practice { inventory: &inventory, leasing: &leasing, ledger: ledger.as_ref(), env: &places::text };
    let checkups = doctor::doctor(&entries, practice).await;
    shell.print(&checkups, || text(&checkups))?;
    let worst = checkups.iter().map(Checkup::grade).max();
    Ok(ExitCode::from(match worst {
        _ if entries.is_empty() => 6,
        Some(Grade::Problem) => 4,
        _ => 0,
    }))
}

fn text(checkups: &[Checkup]) -> String {
    let mut text = String::new();
    for checkup in checkups {
        text += &format!("{}\n", checkup.board.as_deref().unwrap_or("this machine"));
        for finding in &checkup.findings {
            let mark = match finding.grade {
                Grade::Fine => "ok",
                Grade::Note => "..",
                Grade::Problem => "--",
            };
            text += &format!("{mark} {}\n", finding.what);
            text += &finding.remedy.iter().map(|remedy| format!("   {remedy}\n")).collect::<String>();
        }
    }
    text
}
