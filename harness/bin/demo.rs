//! `k1-hil demo`: the six patterns that come with this program, on a virtual board.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use k1_hil::session::{Baselines, Session};
use k1_hil::verdict::Baseline;
use k1_hil::{Event, graph};
use rust_embed::Embed;

use crate::args::{BoardArgs, PlanArgs};
use crate::failure::Failure;
use crate::run::{self, Firmware, OutArgs};
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// The patterns, and the baselines that they have on every machine.
#[derive(Embed)]
#[folder = "patterns/"]
#[include = "*.json"]
#[include = "baselines/k1-virtual/*.json"]
struct Patterns;

pub(crate) async fn main(shell: &Shell, args: Args) -> Result<ExitCode, Failure> {
    let progress = shell.progress();
    // Of tools that are there already nothing need be said.
    let on_event = |event: &Event| match event {
        Event::ToolReady { .. } => {}
        event => progress.event(event),
    };
    k1_hil::tools::setup(&shell.toolbox, &on_event).await?;
    drop(progress);
    let (mut graphs, mut baselines) = (Vec::new(), Vec::new());
    for name in Patterns::iter() {
        let Some(file) = Patterns::get(&name) else { continue };
        let text = String::from_utf8_lossy(&file.data);
        if name.contains('/') {
            let baseline: Baseline = serde_json::from_str(&text)
                .map_err(|error| Failure::Usage(format!("the built-in {name} is no baseline: {error}")))?;
            baselines.push(baseline);
        } else {
            graphs.push(graph::parse(&text, &name)?);
        }
    }
    graphs.sort_by(|a, b| a.name.cmp(&b.name));
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
