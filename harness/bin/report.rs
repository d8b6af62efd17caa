//! `k1-hil report`: Verdicts → Report.

use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::report::Report;
use k1_hil::session::Findings;

use crate::failure::Failure;
use crate::judge::{Given, load_captures};
use crate::run::{self, OutArgs, Started};
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Captures, as `k1-hil capture` wrote them
    #[arg(required = true, value_name = "CAPTURE.json")]
    captures: Vec<PathBuf>,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    out: OutArgs,
}

pub(crate) fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let (image, session) = (args.given.image()?, args.given.session());
    let captures = load_captures(&args.captures)?;
    let results = captures
        .iter()
        .map(|capture| Ok(session.judge(capture, image.as_ref())?))
        .collect::<Result<Vec<_>, Failure>>()?;
    let seen = captures.first().map(|capture| capture.board.clone());
    let started = Started::now();
    let report = Report::new(&started.run_id, &started.time, image, seen, results, Vec::new());
    let patterns = captures.iter().map(|capture| capture.plan.pattern.clone()).collect();
    run::present(shell, &Findings { report, captures, profiles: Vec::new(), patterns }, &args.out, &started)
}
