//! `k1-hil demo`: the six patterns that come with this program, on a virtual board; or the same by workflows.

mod by_workflows;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use k1_hil::session::{Baselines, Session};
use k1_hil::{Event, patterns};

use crate::args::{BoardArgs, PlanArgs};
use crate::failure::Failure;
use crate::run::{self, Firmware, OutArgs};
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Instead: start a Conductor server and a worker, push a commit to them, and follow what it starts
    #[arg(long, conflicts_with_all = ["frames", "warmup", "seed", "stimulus", "audio"])]
    conductor: bool,
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    out: OutArgs,
}

pub(crate) async fn main(shell: &Shell, args: Args) -> Result<ExitCode, Failure> {
    if args.conductor {
        return by_workflows::main(shell, &args.out).await;
    }
    let progress = shell.progress();
    // Of tools that are there already nothing need be said.
    let on_event = |event: &Event| match event {
        Event::ToolReady { .. } => {}
        event => progress.event(event),
    };
    k1_hil::tools::setup(&shell.toolbox, &on_event).await?;
    drop(progress);
    let (graphs, baselines) = (patterns::graphs()?, patterns::baselines()?);
    let session = Session {
        plan: args.plan.plan(shell, "")?,
        baselines: Baselines::Given(baselines),
        ..Session::default()
    };
    let (findings, started) = run::measure(
        shell,
        &Firmware::Graphs(graphs),
        &BoardArgs::virtual_board(),
        NonZeroUsize::MIN,
        &session,
    )
    .await?;
    run::present(shell, &findings, &args.out, &started)
}
