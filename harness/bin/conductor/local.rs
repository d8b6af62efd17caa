//! `k1-hil conductor up|down|status`: the server on this machine.

use std::process::ExitCode;

use k1_hil::conductor::server::{self, LocalServer, Up};

use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(super) struct UpArgs {
    /// TCP port on the loopback interface; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

pub(super) async fn up(shell: &Shell, args: &UpArgs) -> Result<ExitCode, Failure> {
    let progress = shell.progress();
    let up = server::up(&shell.toolbox, args.port, &|event| progress.event(event)).await?;
    drop(progress);
    shell.print(up.server(), || match &up {
        Up::Started(server) => format!("{}\nend it with `k1-hil conductor down`\n", told(server)),
        Up::RanBefore(server) => format!("it ran before: {}\n", told(server)),
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn down(shell: &Shell) -> Result<ExitCode, Failure> {
    let ended = server::down(&shell.toolbox).await?;
    shell.print(&ended, || match &ended {
        Some(server) => format!("ended the Conductor server on {}\n", server.address),
        None => "no Conductor server ran\n".to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn status(shell: &Shell) -> Result<ExitCode, Failure> {
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
