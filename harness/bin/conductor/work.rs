//! `k1-hil conductor work`: does the tasks of a server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use k1_hil::board::inventory;
use k1_hil::conductor::tasks::{self, Lab, Settings, Variables};
use k1_hil::conductor::{Client, Queue, WorkerOptions, work};

use super::ServerArgs;
use crate::args::leasing;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::shell::Shell;
use crate::{artifacts, places};

/// How long a task waits for a board that somebody else has; its own time runs meanwhile.
const LEASE_WAIT: Duration = Duration::from_secs(300);

#[derive(clap::Args, Debug)]
pub(super) struct WorkArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Repositories, sites and channels that tasks may use, and where boards and artifacts are [default: none, and those
    /// of the other commands]
    #[arg(long, value_name = "FILE", env = "HIL_WORKER_FILE")]
    settings: Option<PathBuf>,
    /// What the server shows this worker as [default: the name of this host]
    #[arg(long)]
    name: Option<String>,
    /// Also do the tasks that are directed to this domain: those for the boards of this host, say
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Do only what is directed to the domains
    #[arg(long, requires = "domains")]
    only_domains: bool,
    /// Folder for results that the server does not have yet [default: in the cache folder]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// When interrupted: how long the work that was begun may take before it is ended and reported as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    drain: u64,
}

pub(super) async fn until_interrupted(shell: &Shell, args: WorkArgs) -> Result<ExitCode, Failure> {
    let client = args.server.client(shell)?;
    let lab = lab(shell, args.settings.as_deref(), client.clone())?;
    let mut queues: BTreeSet<Queue> = args.domains.into_iter().map(Queue::Domain).collect();
    if !args.only_domains {
        queues.insert(Queue::Everybody);
    }
    let name = args.name.unwrap_or_else(|| {
        nix::unistd::gethostname()
            .map_or_else(|_| "k1-hil".to_owned(), |name| name.to_string_lossy().into_owned())
    });
    let results = args.results.unwrap_or_else(|| shell.toolbox.cache().join("conductor").join("results"));
    let options =
        WorkerOptions { queues, drain: Duration::from_secs(args.drain), ..WorkerOptions::new(name, results) };
    let registry = tasks::registry();
    shell.note(&format!(
        "{} does {} kind(s) of tasks for {}; Ctrl-C lets it finish what it has begun, a second one ends it at once",
        options.name,
        registry.iter().count(),
        client.address()
    ));
    let progress = Progress::lines(shell.quiet);
    let on_event = Arc::new(move |event: &_| progress.event(event));
    let (told, stop) = tokio::sync::oneshot::channel::<()>();
    let stop = async {
        let _ = stop.await;
    };
    tokio::select! {
        done = work(client, registry, lab, options, stop, on_event) => done?,
        () = async {
            crate::interrupted().await;
            shell.note("finishing what was begun");
            let _ = told.send(()); // the worker waits for it
            crate::interrupted().await;
        } => return Ok(ExitCode::from(130)),
    }
    Ok(ExitCode::SUCCESS)
}

/// What the tasks work with, by the settings in `file`.
pub(crate) fn lab(shell: &Shell, file: Option<&Path>, client: Client) -> Result<Lab, Failure> {
    let settings = file.map(Settings::load).transpose()?.unwrap_or_default();
    let toolbox = shell.toolbox.clone();
    let variables = Variables::new(places::text);
    let notifiers = Lab::notifiers(&settings, &variables, &toolbox.cache().join("notified"))?;
    let (inventory, _) = inventory::find_or_new(&places::inventories(settings.boards.as_deref()))?;
    let store = settings.store.clone().or_else(|| places::text("K1_HIL_STORE"));
    Ok(Lab {
        store: artifacts::open(store.as_deref())?,
        leasing: leasing("k1-hil conductor work", "", LEASE_WAIT),
        ledger: places::ledger(),
        toolbox,
        settings,
        notifiers,
        inventory,
        variables,
        client,
    })
}
