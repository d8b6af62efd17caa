//! `k1-hil conductor`: a server on this machine, workers for any server, and the workflows on one.

mod local;
pub(crate) mod work;
mod workflows;

pub(crate) use workflows::{summary, told};

use std::process::ExitCode;

use k1_hil::conductor::server;
use k1_hil::conductor::{Client, ConductorError, Keys};

use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Start the local server, which goes on until `down`; installs it first if it is missing
    Up(local::UpArgs),
    /// End the local server; what it knows is kept
    Down,
    /// Say whether the local server runs
    Status,
    /// Put the definitions of tasks and workflows on a server
    Install(workflows::InstallArgs),
    /// Write the definitions of the tasks, and JSON Schemas of what they take and give, into a folder
    Definitions(workflows::DefinitionsArgs),
    /// Do the tasks that a server has, until interrupted
    Work(work::WorkArgs),
    /// Start a workflow
    Start(workflows::StartArgs),
    /// Follow a run of a workflow to its end
    Watch(workflows::WatchArgs),
    /// Answer a run that waits for a person
    Approve(workflows::ApproveArgs),
    /// Write a server's definitions, and runs that ended, into a folder
    Export(workflows::ExportArgs),
    /// Put the definitions that `export` wrote on a server
    Import(workflows::ImportArgs),
}

impl Args {
    /// Whether the command brings itself to an end when it is interrupted.
    pub(crate) fn ends_itself(&self) -> bool {
        matches!(self.command, Command::Work(_))
    }
}

pub(crate) async fn main(shell: &Shell, args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Up(args) => local::up(shell, &args).await,
        Command::Down => local::down(shell).await,
        Command::Status => local::status(shell),
        Command::Install(args) => workflows::install(shell, &args).await,
        Command::Definitions(args) => workflows::definitions(shell, &args),
        Command::Work(args) => work::until_interrupted(shell, args).await,
        Command::Start(args) => workflows::start(shell, args).await,
        Command::Watch(args) => workflows::watch(shell, &args).await,
        Command::Approve(args) => workflows::approve(shell, args).await,
        Command::Export(args) => workflows::export(shell, &args).await,
        Command::Import(args) => workflows::import(shell, &args).await,
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
