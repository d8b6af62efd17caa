//! `k1-hil run`: from pattern graphs, or a firmware checkout, to a verdict.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use k1_hil::bench::Bench;
use k1_hil::graph::Graph;
use k1_hil::report::{self, Report, Written};
use k1_hil::session::{self, Baselines, Findings, Selection, Session};
use k1_hil::verdict::{Baseline, Outcome};

use crate::args::{BoardArgs, JudgeArgs, PlanArgs};
use crate::failure::{self, Failure};
use crate::shell::{Shell, load_graphs};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Pattern graphs, which go into one image; with --checkout, ids of its patterns [default: all of them]
    #[arg(required_unless_present = "checkout", value_name = "PATTERN")]
    patterns: Vec<PathBuf>,
    /// Measure the firmware of this checkout instead, as it is
    #[arg(long, value_name = "PATH")]
    checkout: Option<PathBuf>,
    /// Measure this commit of the checkout; the working tree is not touched
    #[arg(long, value_name = "REV", requires = "checkout")]
    commit: Option<String>,
    #[command(flatten)]
    board: BoardArgs,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    /// Store what is measured as the new baselines instead of comparing with the old ones
    #[arg(long)]
    save_baseline: bool,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(clap::Args, Debug)]
pub(crate) struct OutArgs {
    /// Folder of the report [default: target/hil/<run id>]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let firmware = match &args.checkout {
        Some(path) => Firmware::Checkout { path, rev: args.commit.as_deref() },
        None => Firmware::Graphs(load_graphs(&args.patterns)?),
    };
    let folder = &args.judge.baselines;
    let session = Session {
        plan: args.plan.plan(shell, "")?,
        deploy: args.board.deploy_options(),
        budgets: args.judge.budgets(),
        comparison: args.judge.comparison(),
        baselines: if args.save_baseline { Baselines::None } else { Baselines::Folder(folder.clone()) },
        selection: match &firmware {
            Firmware::Checkout { .. } if !args.patterns.is_empty() => Selection::Named(ids(&args.patterns)),
            _ => Selection::All,
        },
    };
    let (findings, started) = measure(shell, &firmware, &args.board, &session).await?;
    if args.save_baseline {
        for path in save_baselines(&findings, &session, folder)? {
            shell.note(&format!("stored {}", path.display()));
        }
    }
    present(shell, &findings, &args.out, &started)
}

/// What is measured.
#[derive(Debug)]
pub(crate) enum Firmware<'a> {
    Graphs(Vec<Graph>),
    Checkout { path: &'a Path, rev: Option<&'a str> },
}

fn ids(patterns: &[PathBuf]) -> Vec<String> {
    patterns.iter().map(|id| id.to_string_lossy().into_owned()).collect()
}

/// Builds, deploys, measures and judges: on the board that is given, or on as many virtual ones as there are cores.
pub(crate) async fn measure(
    shell: &Shell,
    firmware: &Firmware<'_>,
    board: &BoardArgs,
    session: &Session,
) -> Result<(Findings, Started), Failure> {
    let started = Started::now();
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let image = match firmware {
        Firmware::Graphs(graphs) => session::build(graphs, &shell.toolbox, &on_event).await?,
        Firmware::Checkout { path, rev } => {
            session::build_checkout(path, *rev, &shell.toolbox, &on_event).await?
        }
    };
    let bench = match (&board.board, firmware, &session.selection) {
        (Some(address), ..) => Bench::at(address).await,
        (None, Firmware::Graphs(_), _) => Bench::of_virtual_boards(1, &shell.toolbox).await,
        (None, _, Selection::Named(ids)) => Bench::of_virtual_boards(ids.len(), &shell.toolbox).await,
        (None, ..) => Bench::of_virtual_boards(usize::MAX, &shell.toolbox).await,
    }?;
    let (run_id, time) = (&started.run_id, &started.time);
    let findings = session.run_on(&image, &bench.boards, run_id, time, &on_event).await?;
    Ok((findings, started))
}

/// When a session began, and its name.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) time: String,
    pub(crate) run_id: String,
}

impl Started {
    pub(crate) fn now() -> Self {
        let now = jiff::Timestamp::now();
        // The process id keeps two sessions of the same moment apart.
        let run_id = format!("{}-{}", now.strftime("%Y%m%dT%H%M%S"), std::process::id());
        Self { time: format!("{now:.3}"), run_id }
    }
}

/// Writes the report, then prints it; the exit code is that of its outcome.
pub(crate) fn present(
    shell: &Shell,
    findings: &Findings,
    out: &OutArgs,
    started: &Started,
) -> Result<ExitCode, Failure> {
    #[derive(serde::Serialize)]
    struct Printed<'a> {
        files: &'a Written,
        #[serde(flatten)]
        report: &'a Report,
    }
    let folder = out.out.clone().unwrap_or_else(|| Path::new("target/hil").join(&started.run_id));
    let report = &findings.report;
    let files = report.write(&findings.captures, &folder)?;
    shell.print(&Printed { files: &files, report }, || {
        format!("{}report   {}\n", report::table(report, paint), files.html.display())
    })?;
    Ok(failure::code(report.outcome))
}

fn save_baselines(findings: &Findings, session: &Session, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let image = findings.report.image.as_ref();
    let mut stored = Vec::new();
    for (capture, result) in findings.captures.iter().zip(&findings.report.results) {
        // What cannot be judged cannot be a measure; the report says why.
        if result.verdict.outcome != Outcome::Invalid {
            let baseline = Baseline::of(capture, image, session.budgets.deadline_ns())
                .map_err(|unusable| Failure::Usage(unusable.to_string()))?;
            stored.push(baseline.save(folder)?);
        }
    }
    Ok(stored)
}

/// The colour of an outcome.
pub(crate) fn paint(outcome: Outcome, word: &str) -> String {
    use anstyle::AnsiColor::{Green, Red, Yellow};
    let style = match outcome {
        Outcome::Pass | Outcome::Improved => Green,
        Outcome::Inconclusive => Yellow,
        Outcome::Failed | Outcome::Regressed | Outcome::Invalid => Red,
    }
    .on_default()
    .bold();
    format!("{style}{word}{style:#}")
}
