//! `k1-hil run`: from pattern graphs, or a firmware checkout, to a verdict.

use std::num::NonZeroUsize;
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
    /// Pattern graphs, which go into one image; with --checkout, ids of its patterns [default: all of them], and
    /// graphs (*.json) as for --graph
    #[arg(required_unless_present = "checkout", value_name = "PATTERN")]
    patterns: Vec<PathBuf>,
    /// Measure the firmware of this checkout instead, as it is
    #[arg(long, value_name = "PATH")]
    checkout: Option<PathBuf>,
    /// Measure this commit of the checkout; the working tree is not touched
    #[arg(long, value_name = "REV", requires = "checkout")]
    commit: Option<String>,
    /// Build the pattern of this graph into the checkout's firmware, for this run only, and measure it too; may be
    /// given several times
    #[arg(long = "graph", value_name = "FILE", requires = "checkout")]
    graphs: Vec<PathBuf>,
    #[command(flatten)]
    board: BoardArgs,
    /// How many of the boards that --board matches share the patterns; all of one model
    #[arg(long, value_name = "N", default_value = "1", requires = "board")]
    boards: NonZeroUsize,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    judge: JudgeArgs,
    /// Show where the instructions of each pattern's frames go, too: functions, lines, graph nodes, a flame graph
    #[arg(long)]
    profile: bool,
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
        Some(path) => {
            let graphs = load_graphs(&args.added().collect::<Vec<_>>())?;
            Firmware::Checkout { path, rev: args.commit.as_deref(), graphs }
        }
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
            Firmware::Checkout { graphs, .. } => selection(args.ids().collect(), graphs),
            Firmware::Graphs(_) => Selection::All,
        },
    };
    let (mut findings, started) = measure(shell, &firmware, &args.board, args.boards, &session).await?;
    if args.profile {
        let progress = shell.progress();
        let on_event = |event: &k1_hil::Event| progress.event(event);
        session::profile(&mut findings, firmware.graphs(), &shell.toolbox, &on_event).await?;
    }
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
    Checkout { path: &'a Path, rev: Option<&'a str>, graphs: Vec<Graph> },
}

impl Firmware<'_> {
    fn graphs(&self) -> &[Graph] {
        match self {
            Self::Graphs(graphs) | Self::Checkout { graphs, .. } => graphs,
        }
    }
}

impl Args {
    /// The graphs to add to a checkout. No id ends in `.json`, so that `--graph patterns/*.json`, of which a shell
    /// makes one graph and many patterns, is what it looks like.
    fn added(&self) -> impl Iterator<Item = &PathBuf> {
        self.graphs.iter().chain(self.patterns.iter().filter(|path| is_graph(path)))
    }

    /// The ids among the patterns.
    fn ids(&self) -> impl Iterator<Item = String> {
        let ids = self.patterns.iter().filter(|path| !is_graph(path));
        ids.map(|id| id.to_string_lossy().into_owned())
    }
}

fn is_graph(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// Who names patterns wants these and the graphs' beside them.
fn selection(ids: Vec<String>, graphs: &[Graph]) -> Selection {
    if ids.is_empty() {
        return Selection::All;
    }
    let mut named = ids;
    for graph in graphs {
        if !named.contains(&graph.name) {
            named.push(graph.name.clone());
        }
    }
    Selection::Named(named)
}

/// Builds, deploys, measures and judges: on `boards` of the boards that are asked for, or on as many virtual ones as
/// there are cores.
pub(crate) async fn measure(
    shell: &Shell,
    firmware: &Firmware<'_>,
    board: &BoardArgs,
    boards: NonZeroUsize,
    session: &Session,
) -> Result<(Findings, Started), Failure> {
    let started = Started::now();
    let wanted = board.wanted(boards)?;
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let image = match firmware {
        Firmware::Graphs(graphs) => session::build(graphs, &shell.toolbox, &on_event).await?,
        Firmware::Checkout { path, rev, graphs } if graphs.is_empty() => {
            session::build_checkout(path, *rev, &shell.toolbox, &on_event).await?
        }
        Firmware::Checkout { path, rev, graphs } => {
            session::build_grafted(path, *rev, graphs, &shell.toolbox, &on_event).await?
        }
    };
    let bench = match (&wanted, firmware, &session.selection) {
        (Some(wanted), ..) => wanted.lease(shell, "k1-hil run", &on_event).await?,
        (None, Firmware::Graphs(_), _) => Bench::of_virtual_boards(1, &shell.toolbox).await?,
        (None, _, Selection::Named(ids)) => Bench::of_virtual_boards(ids.len(), &shell.toolbox).await?,
        (None, ..) => Bench::of_virtual_boards(usize::MAX, &shell.toolbox).await?,
    };
    let (run_id, time) = (&started.run_id, &started.time);
    let findings = session.run_on(&image, &bench.boards, run_id, time, &on_event).await?;
    bench.still_held()?;
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
    let files = report.write(&findings.captures, &findings.profiles, &folder)?;
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
