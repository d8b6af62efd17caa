//! `k1-hil vboard`: a virtual board for people and other programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use k1_hil::board::{Address, Password};
use k1_hil::vboard::{Options, VirtualBoard};

use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// TCP port of the REST interface; 0 takes any free one
    #[arg(long, default_value_t = 8032)]
    http_port: u16,
    /// UDP port of over-the-air updates; 0 takes any free one
    #[arg(long, default_value_t = 3232)]
    ota_port: u16,
    /// File that keeps the board's 4 MiB of flash; without it the flash is forgotten at the end
    #[arg(long, value_name = "FILE")]
    flash: Option<PathBuf>,
    /// Password that the board wants for updates
    #[arg(long = "ota-password", env = "HIL_OTA_PASSWORD", hide_env_values = true, hide = true)]
    password: Option<Password>,
}

/// Where a virtual board is reached.
#[derive(serde::Serialize)]
struct Reached<'a> {
    #[serde(flatten)]
    address: &'a Address,
    serial_port: &'a Path,
}

pub(crate) async fn main(shell: &Shell, args: Args) -> Result<ExitCode, Failure> {
    let options = Options {
        http_port: args.http_port,
        ota_port: args.ota_port,
        ota_password: args.password,
        flash: args.flash,
        ..Options::new(shell.toolbox.qemu()?)
    };
    let board = VirtualBoard::start(options).await?;
    let address = board.address();
    let reached = Reached { address, serial_port: board.serial_port() };
    shell.print(&reached, || {
        format!(
            "virtual board (emulated CPU) on http://{}:{}, updates on UDP port {}, serial port {}\nuse it with --board {}:{}:{}; Ctrl-C ends it\n",
            address.host,
            address.http_port,
            address.ota_port,
            reached.serial_port.display(),
            address.host,
            address.http_port,
            address.ota_port
        )
    })?;
    // Ends with the process, which Ctrl-C ends.
    std::future::pending().await
}
