//! `k1-hil webhook`: GitHub's deliveries start workflows.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use k1_hil::conductor::{Client, Start};
use k1_hil::webhook::{self, Config, Pace, Queue, Receiver, Undelivered};
use k1_hil::{Blame, story};
use tokio::net::TcpListener;

use crate::conductor::ServerArgs;
use crate::failure::Failure;
use crate::places;
use crate::progress::Progress;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where deliveries are received; a reverse proxy with TLS belongs in front
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8033")]
    listen: SocketAddr,
    /// What starts which workflow, and where the secret is
    #[arg(long, value_name = "FILE", default_value = "webhook.toml")]
    config: PathBuf,
    /// Folder of the deliveries that wait [default: in the cache folder]
    #[arg(long, value_name = "DIR")]
    queue: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn main(shell: &Shell, args: Args) -> Result<ExitCode, Failure> {
    let config = Config::read(&args.config, places::text)?;
    let client = args.server.client(shell)?;
    let folder = args.queue.unwrap_or_else(|| shell.toolbox.cache().join("webhook"));
    let queue = Queue::open(&folder, config.queue_limit, config.remembered)?;
    let unusable = |error| Failure::Usage(format!("cannot listen on {}: {error}", args.listen));
    let listener = TcpListener::bind(args.listen).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    let printed = serde_json::json!({ "address": address, "path": config.path, "queue": folder });
    shell.print(&printed, || {
        let (path, server) = (&config.path, client.address());
        format!("receiving deliveries on http://{address}{path} for {server}; Ctrl-C ends it, a second one at once\n")
    })?;

    let progress = Arc::new(Progress::lines(shell.quiet));
    let told = Arc::clone(&progress);
    let receiver = Receiver::new(config, queue.clone(), move |event| told.event(event));
    let on_event = move |event: &_| progress.event(event);
    let deliver = queue.deliver(Pace::default(), &on_event, |start| start_once(&client, start));
    // A delivery that is being received is answered; what waits goes on waiting on the disk.
    tokio::select! {
        served = webhook::serve(listener, receiver, crate::interrupted()) => served.map_err(unusable)?,
        never = deliver => match never {},
        () = async {
            crate::interrupted().await;
            crate::interrupted().await;
        } => return Ok(ExitCode::from(130)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn start_once(client: &Client, start: webhook::Start) -> Result<(), Undelivered> {
    let webhook::Start { workflow, version, input, correlation_id } = start;
    let start =
        Start { name: workflow, version, input, correlation_id: Some(correlation_id), ..Start::default() };
    client.start_once(&start).await.map(drop).map_err(|error| {
        let reason = story::one_line(&error);
        match error.blame() {
            Blame::Input => Undelivered::Final { reason },
            // A key that is refused can be put right while the deliveries wait.
            _ => Undelivered::Passing { reason },
        }
    })
}
