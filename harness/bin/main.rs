//! The command `k1-hil`: parses arguments, calls the library, presents what it found.
#![warn(clippy::unwrap_used)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a shell prints")]

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use k1_hil::tools::Toolbox;

mod args;
mod failure;
mod places;
mod progress;
mod shell;

mod audio;
mod artifacts;
mod boards;
mod capture;
mod clean;
mod compile;
mod conductor;
mod demo;
mod bisect;
mod deploy;
mod diff;
mod doctor;
mod generate;
mod history;
mod judge;
mod monitor;
mod nodes;
mod profile;
mod report;
mod run;
mod setup;
mod vboard;
mod webhook;

use failure::Failure;
use shell::Shell;

/// Did this change make the LED frames late, slow or wrong?
///
/// Takes pattern graphs, or the firmware of a checkout as it is, puts it on a board, measures every frame and judges
/// it.
#[derive(Parser, Debug)]
#[command(name = "k1-hil", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 pass, 1 a budget was exceeded or the firmware died, 2 usage, input or \
                        set-up, 3 slower than the baseline, 4 board or infrastructure, 5 inconclusive, 6 no matching board, 130 \
                        interrupted."
)]
struct Cli {
    /// Print one JSON document to standard output instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Print no progress
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Folder for tools and built images [default: k1-hil in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", env = "K1_HIL_CACHE", hide_env_values = true)]
    cache: Option<std::path::PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Measure six patterns that come with this program, on a virtual board
    Demo(demo::Args),
    /// From pattern graphs, or a firmware checkout, to a verdict: compile, deploy, measure, judge, report
    Run(run::Args),
    /// What a change did to each pattern of a firmware checkout
    Diff(diff::Args),
    /// Find the commit that made a pattern slower or changed its picture
    Bisect(bisect::Args),
    /// What each pattern cost over the commits of a firmware checkout
    History(history::Args),
    /// Where the instructions of a pattern's frames go, by function and source line
    Profile(profile::Args),
    /// Check pattern graphs and generate their C++, also into a firmware checkout
    Generate(generate::Args),
    /// Compile pattern graphs into a firmware image
    Compile(compile::Args),
    /// Put an image on a board and prove that it runs there
    Deploy(deploy::Args),
    /// Measure one pattern of the image that a board runs
    Capture(capture::Args),
    /// Judge captures against budgets and a baseline
    Judge(judge::Args),
    /// Write the report of captures again
    Report(report::Args),
    /// Keep built firmware and other files under names, versions and labels
    Artifacts(artifacts::Args),
    /// Describe the node types that graphs are made of, as Markdown
    Nodes,
    /// Follow the log at a board's serial port, with times, and panics as functions and lines
    Monitor(monitor::Args),
    /// The boards of this machine: find, list, check, lock
    Boards(boards::Args),
    /// Run a virtual board until interrupted
    Vboard(vboard::Args),
    /// What is in a sound file, and the stimulus that boards make of it
    Audio(audio::Args),
    /// The same steps as durable workflows: a Conductor server, and workers for it
    Conductor(conductor::Args),
    /// Receive GitHub's pushes and pull requests, and start their workflows
    Webhook(webhook::Args),
    /// List the tools that are needed, and which are there
    Doctor,
    /// Install the tools that are missing
    Setup(setup::Args),
    /// Remove built images that are no longer asked for
    Clean(clean::Args),
    /// Print the completion script of a shell
    Completions { shell: clap_complete::Shell },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Completions { shell } = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "k1-hil", &mut std::io::stdout());
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::Runtime(error).show(cli.json),
    };
    let json = cli.json;
    let ends_itself = match &cli.command {
        Command::Conductor(args) => args.ends_itself(),
        Command::Webhook(_) => true,
        _ => false,
    };
    let code = runtime.block_on(async {
        tokio::select! {
            biased;
            () = interrupted(), if !ends_itself => {
                eprintln!("interrupted");
                ExitCode::from(130)
            }
            done = dispatch(cli) => done.unwrap_or_else(|failure| failure.show(json)),
        }
    });
    // What was interrupted has been dropped by now, and its programs with it; a blocked thread is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    code
}

async fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let toolbox = match cli.cache {
        Some(cache) => Toolbox::at(cache),
        None => Toolbox::from_env()?,
    };
    let shell = Shell { json: cli.json, quiet: cli.quiet, toolbox };
    match cli.command {
        Command::Demo(args) => demo::main(&shell, args).await,
        Command::Run(args) => run::main(&shell, &args).await,
        Command::Diff(args) => diff::main(&shell, &args).await,
        Command::Bisect(args) => bisect::main(&shell, &args).await,
        Command::History(args) => history::main(&shell, &args).await,
        Command::Profile(args) => profile::main(&shell, &args).await,
        Command::Generate(args) => generate::main(&shell, &args).await,
        Command::Compile(args) => compile::main(&shell, &args).await,
        Command::Deploy(args) => deploy::main(&shell, &args).await,
        Command::Capture(args) => capture::main(&shell, &args).await,
        Command::Judge(args) => judge::main(&shell, &args),
        Command::Report(args) => report::main(&shell, &args),
        Command::Artifacts(args) => artifacts::main(&shell, &args).await,
        Command::Nodes => nodes::main(&shell),
        Command::Monitor(args) => monitor::main(&shell, &args).await,
        Command::Boards(args) => boards::main(&shell, args).await,
        Command::Vboard(args) => vboard::main(&shell, args).await,
        Command::Audio(args) => audio::main(&shell, &args),
        Command::Conductor(args) => conductor::main(&shell, args).await,
        Command::Webhook(args) => webhook::main(&shell, args).await,
        Command::Doctor => doctor::main(&shell),
        Command::Setup(args) => setup::main(&shell, &args).await,
        Command::Clean(args) => clean::main(&shell, &args),
        Command::Completions { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// Ends when the user or the system asks this process to stop.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
