//! `k1-hil history`: what each pattern cost over the commits of a checkout.

use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::compare::{self, History, HistoryFiles};

use crate::args::CheckoutArgs;
use crate::failure::Failure;
use crate::run::Started;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The first commit; all that follow it up to HEAD are measured, along first parents
    #[arg(long, value_name = "REV")]
    since: String,
    /// Ids of patterns [default: all]
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    #[command(flatten)]
    checkout: CheckoutArgs,
    /// Folder of the plots and tables [default: target/hil/<run id>]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    #[derive(serde::Serialize)]
    struct Printed<'a> {
        files: &'a HistoryFiles,
        #[serde(flatten)]
        history: &'a History,
    }
    let started = Started::now();
    let mut lab = args.checkout.lab(shell, &args.patterns)?;
    let progress = shell.progress();
    let history = lab.history(&args.since, &|event| progress.event(event)).await?;
    drop(progress);
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from("target/hil").join(&started.run_id));
    let files = history.write(&folder)?;
    shell.print(&Printed { files: &files, history: &history }, || {
        let paths = [&files.html, &files.csv, &files.json].map(|path| format!("{}\n", path.display()));
        format!("{}\n{}", compare::history_table(&history), paths.concat())
    })?;
    Ok(ExitCode::SUCCESS)
}
