//! `k1-hil bisect`: the commit that made a pattern slower or changed its picture.

use std::process::ExitCode;

use k1_hil::compare;

use crate::args::CheckoutArgs;
use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A commit where the pattern is good, and a later one where it is not
    #[arg(value_name = "GOOD..BAD")]
    range: String,
    /// The pattern's id
    pattern: String,
    #[command(flatten)]
    checkout: CheckoutArgs,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let (good, bad) = compare::range(&args.range)?;
    let mut lab = args.checkout.lab(shell, &[])?;
    let progress = shell.progress();
    let found = lab.bisect(good, bad, &args.pattern, &|event| progress.event(event)).await?;
    drop(progress);
    shell.print(&found, || compare::bisection_text(&found))?;
    Ok(ExitCode::SUCCESS)
}
