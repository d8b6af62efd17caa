//! `k1-hil profile`: where the instructions of a pattern's frames go.

use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::profile::{self, Nodes, Profile};
use k1_hil::{session, source};

use crate::args::RunArgs;
use crate::failure::Failure;
use crate::shell::{Shell, load_graphs};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A pattern graph; with --checkout, the id of one of its patterns
    pattern: PathBuf,
    /// Take the pattern from the firmware of this checkout, as it is
    #[arg(long, value_name = "PATH")]
    checkout: Option<PathBuf>,
    /// Take this commit of the checkout; the working tree is not touched
    #[arg(long, value_name = "REV", requires = "checkout")]
    commit: Option<String>,
    /// Frames to count the instructions of
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=2048))]
    frames: u32,
    #[command(flatten)]
    run: RunArgs,
    /// Write the stacks of calls to this file, in the folded form that tools for flame graphs read
    #[arg(long, value_name = "FILE")]
    folded: Option<PathBuf>,
    /// Draw the stacks of calls into this file, as a flame graph (SVG)
    #[arg(long, value_name = "FILE")]
    flame_graph: Option<PathBuf>,
}

#[derive(serde::Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    profile: &'a Profile,
    nodes: &'a Option<Nodes>,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let mut plan = args.run.plan(shell, "", args.frames)?;
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let (image, source);
    (image, plan.pattern, source) = match &args.checkout {
        Some(path) => {
            let rev = args.commit.as_deref();
            let image = session::build_checkout(path, rev, &shell.toolbox, &on_event).await?;
            (image, args.pattern.to_string_lossy().into_owned(), None)
        }
        None => {
            let graphs = load_graphs(std::slice::from_ref(&args.pattern))?;
            let source = source::generate(&graphs)?;
            let image = session::build(&graphs, &shell.toolbox, &on_event).await?;
            (image, graphs.into_iter().map(|graph| graph.name).collect(), Some(source))
        }
    };
    let found = profile::known_or_profile(&image, &plan, &shell.toolbox, &on_event).await?;
    drop(progress);
    let nodes = source.and_then(|source| profile::nodes(&found, &source));
    if let Some(path) = &args.folded {
        found.write_folded(path)?;
        shell.note(&format!("wrote {}", path.display()));
    }
    if let Some(path) = &args.flame_graph {
        found.write_flame_graph(path)?;
        shell.note(&format!("wrote {}", path.display()));
    }
    shell
        .print(&Printed { profile: &found, nodes: &nodes }, || profile::text(&found.table(nodes.clone())))?;
    Ok(ExitCode::SUCCESS)
}
