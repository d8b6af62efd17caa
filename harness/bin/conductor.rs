//! `k1-hil conductor`: a server on this machine, and workers for any server.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use k1_hil::conductor::server::{self, LocalServer, Up};
use k1_hil::conductor::tasks::{self, Lab};
use k1_hil::conductor::{Client, ConductorError, Keys, Queue, WorkerOptions, work};

use crate::failure::Failure;
use crate::progress::Progress;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Start the local server, which goes on until `down`; installs it first if it is missing
    Up(UpArgs),
    /// End the local server; what it knows is kept
    Down,
    /// Say whether the local server runs
    Status,
    /// Do the tasks that a server has, until interrupted
    Work(WorkArgs),
}

impl Args {
    /// Whether the command brings itself to an end when it is interrupted.
    pub(crate) fn ends_itself(&self) -> bool {
        matches!(self.command, Command::Work(_))
    }
}

pub(crate) async fn main(shell: &Shell, args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Up(args) => up(shell, &args).await,
        Command::Down => down(shell).await,
        Command::Status => status(shell),
        Command::Work(args) => work_until_interrupted(shell, args).await,
    }
}

/// The server to talk to.
#[derive(clap::Args, Debug)]
pub(crate) struct ServerArgs {
    /// The server's address [default: the local server]
    #[arg(long, value_name = "URL", env = "CONDUCTOR_SERVER_URL", hide_env_values = true)]
    server: Option<String>,
    /// Key of a server that wants one (Orkes); only from the environment, so that no process list shows its secret
    #[arg(
        long = "auth-key",
        env = "CONDUCTOR_AUTH_KEY",
        hide_env_values = true,
        hide = true,
        requires = "secret"
    )]
    key: Option<String>,
    #[arg(
        id = "secret",
        long = "auth-secret",
        env = "CONDUCTOR_AUTH_SECRET",
        hide_env_values = true,
        hide = true
    )]
    secret: Option<String>,
}

impl ServerArgs {
    /// A client of it.
    pub(crate) fn client(&self, shell: &Shell) -> Result<Client, Failure> {
        let keys = self.key.clone().zip(self.secret.clone()).map(|(id, secret)| Keys { id, secret });
        match &self.server {
            Some(server) => Ok(Client::new(server, keys)?),
            None => Ok(server::status(&shell.toolbox)?.ok_or(ConductorError::NoServer)?.client()?),
        }
    }
}

#[derive(clap::Args, Debug)]
struct UpArgs {
    /// TCP port on the loopback interface; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

async fn up(shell: &Shell, args: &UpArgs) -> Result<ExitCode, Failure> {
    let progress = shell.progress();
    let up = server::up(&shell.toolbox, args.port, &|event| progress.event(event)).await?;
    drop(progress);
    shell.print(up.server(), || match &up {
        Up::Started(server) => format!("{}\nend it with `k1-hil conductor down`\n", told(server)),
        Up::RanBefore(server) => format!("it ran before: {}\n", told(server)),
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn down(shell: &Shell) -> Result<ExitCode, Failure> {
    let ended = server::down(&shell.toolbox).await?;
    shell.print(&ended, || match &ended {
        Some(server) => format!("ended the Conductor server on {}\n", server.address),
        None => "no Conductor server ran\n".to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn status(shell: &Shell) -> Result<ExitCode, Failure> {
    let server = server::status(&shell.toolbox)?;
    shell.print(&server, || match &server {
        Some(server) => format!("{}\n", told(server)),
        None => "no Conductor server runs; `k1-hil conductor up` starts one\n".to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn told(server: &LocalServer) -> String {
    let LocalServer { address, pid, version, folder, .. } = server;
    format!("Conductor {version} on {address} (process {pid}), data in {}", folder.display())
}

#[derive(clap::Args, Debug)]
struct WorkArgs {
    #[command(flatten)]
    server: ServerArgs,
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

async fn work_until_interrupted(shell: &Shell, args: WorkArgs) -> Result<ExitCode, Failure> {
    let client = args.server.client(shell)?;
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
    let lab = Lab { toolbox: shell.toolbox.clone() };
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
