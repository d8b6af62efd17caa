//! `k1-hil vboard`: a virtual board for people and other programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use k1_hil::board::announce::{self, OwnMac};
use k1_hil::board::{Address, Mac, Password};
use k1_hil::vboard::{MODEL, Options, VirtualBoard};

use crate::failure::Failure;
use crate::places;
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
    /// Link to the serial port, at which it is found whatever the system calls it
    #[arg(long, value_name = "FILE")]
    serial_link: Option<PathBuf>,
    /// MAC of the board [default: the first from 02:4B:31:00:00:01 on that no virtual board of this host has]
    #[arg(long)]
    mac: Option<Mac>,
    /// Password that the board wants for updates
    #[arg(long = "ota-password", env = "HIL_OTA_PASSWORD", hide_env_values = true, hide = true)]
    password: Option<Password>,
}

/// Where a virtual board is reached.
#[derive(serde::Serialize)]
struct Reached<'a> {
    mac: Mac,
    #[serde(flatten)]
    address: &'a Address,
    serial_port: &'a Path,
}

pub(crate) async fn main(shell: &Shell, args: Args) -> Result<ExitCode, Failure> {
    let own = own_mac(args.mac).await?;
    let options = Options {
        http_port: args.http_port,
        ota_port: args.ota_port,
        ota_password: args.password,
        flash: args.flash,
        serial_link: args.serial_link,
        mac: own.mac.bytes(),
        ..Options::new(shell.toolbox.qemu()?)
    };
    let board = VirtualBoard::start(options).await?;
    let (address, serial_port) = (board.address(), board.serial_port());
    own.announce(MODEL, address, &serial_port).map_err(unusable)?;
    let reached = Reached { mac: own.mac, address, serial_port: &serial_port };
    shell.print(&reached, || {
        let Address { host, http_port, ota_port, .. } = address;
        format!(
            "virtual board {} (emulated CPU) on http://{host}:{http_port}, updates on UDP port {ota_port}, serial port {}\nuse it with --board {host}:{http_port}:{ota_port}; Ctrl-C ends it\n",
            own.mac,
            reached.serial_port.display()
        )
    })?;
    // Ends with the process, which Ctrl-C ends.
    std::future::pending().await
}

/// The MAC that the board has on this host as long as it runs.
async fn own_mac(wanted: Option<Mac>) -> Result<OwnMac, Failure> {
    let locks = places::locks();
    if let Some(mac) = wanted {
        let own = announce::own(&locks, mac).await.map_err(unusable)?;
        return own.ok_or_else(|| Failure::Usage(format!("a virtual board {mac} runs on this host already")));
    }
    for last in 1..=u8::MAX {
        // Locally administered, so that it is nobody's.
        let mac = Mac::from_bytes([0x02, 0x4B, 0x31, 0, 0, last]);
        if let Some(own) = announce::own(&locks, mac).await.map_err(unusable)? {
            return Ok(own);
        }
    }
    Err(Failure::Usage("255 virtual boards run on this host already; --mac names another MAC".to_owned()))
}

fn unusable(error: std::io::Error) -> Failure {
    let folder = places::locks().folder().display().to_string();
    Failure::Usage(format!("cannot use {folder}, where virtual boards announce themselves: {error}"))
}
