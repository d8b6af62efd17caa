//! `k1-hil run`: from pattern graphs to a verdict.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use k1_hil::graph::Graph;
use k1_hil::report::{self, Report, Written};
use k1_hil::session::{self, Baselines, Findings, Session};
use k1_hil::verdict::{Baseline, Outcome};

use crate::args::{BoardArgs, JudgeArgs, PlanArgs};
use crate::failure::{self, Failure};
use crate::shell::{Shell, load_graphs};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Pattern graphs; they go into one image
    #[arg(required = true, value_name = "PATTERN")]
    patterns: Vec<PathBuf>,
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
    let graphs = load_graphs(&args.patterns)?;
    let folder = &args.judge.baselines;
    let session = Session {
        plan: args.plan.plan(""),
        deploy: args.board.deploy_options(),
        budgets: args.judge.budgets(),
        comparison: args.judge.comparison(),
        baselines: if args.save_baseline { Baselines::None } else { Baselines::Folder(folder.clone()) },
    };
    let (findings, started) = measure(shell, &graphs, &args.board, &session).await?;
    if args.save_baseline {
        for path in save_baselines(&findings, &session, folder)? {
            shell.note(&format!("stored {}", path.display()));
        }
    }
    present(shell, &findings, &args.out, &started)
}

/// Builds, deploys, measures and judges.
pub(crate) async fn measure(
    shell: &Shell,
    graphs: &[Graph],
    board: &BoardArgs,
    session: &Session,
) -> Result<(Findings, Started), Failure> {
    let started = Started::now();
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let image = session::build(graphs, &shell.toolbox, &on_event).await?;
    let bench = shell.bench(board.board.as_ref()).await?;
    let findings = session.run(&image, &bench.board, &started.run_id, &started.time, &on_event).await?;
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
