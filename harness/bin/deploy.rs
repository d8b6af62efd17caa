//! `k1-hil deploy`: Image + Board → Deployment.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use k1_hil::board::Mac;
use k1_hil::board::serial::ResetBy;
use k1_hil::deploy::serial::{self, Proof, SerialDeployment, SerialOptions, Slot};
use k1_hil::deploy::{self, Deployment};
use k1_hil::image::Image;

use crate::args::BoardArgs;
use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What `k1-hil compile --json` printed
    #[arg(value_name = "IMAGE.json")]
    image: PathBuf,
    #[command(flatten)]
    board: BoardArgs,
    /// Send the image even if the board runs it already
    #[arg(long)]
    always: bool,
    #[command(flatten)]
    serial: SerialArgs,
}

/// By serial instead of over the air.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "By serial")]
struct SerialArgs {
    /// Flash at the serial port that the inventory has for the board
    #[arg(long, group = "by_serial")]
    serial: bool,
    /// Flash at this serial port; without --board, the board's log is the only proof of what runs
    #[arg(long, value_name = "PORT", group = "by_serial")]
    port: Option<PathBuf>,
    /// Speed of the transfer
    #[arg(long, requires = "by_serial", default_value_t = SerialOptions::default().baud, value_parser = clap::value_parser!(u32).range(1200..=4_000_000))]
    baud: u32,
    /// How the board is reset from its port [default: as the inventory allows and is usual for that kind of port]
    #[arg(long, requires = "by_serial", value_enum)]
    reset: Option<ResetBy>,
    /// Where the image goes
    #[arg(long, requires = "by_serial", value_enum, default_value_t)]
    slot: Slot,
    /// Flash only the board with this MAC [default: that of the board in the inventory, or of the one that answers]
    #[arg(long, requires = "by_serial")]
    mac: Option<Mac>,
    /// Write this boot loader, too
    #[arg(long, requires = "by_serial", value_name = "FILE.bin")]
    bootloader: Option<PathBuf>,
    /// Write this partition table, too
    #[arg(long, requires = "by_serial", value_name = "FILE.bin")]
    partition_table: Option<PathBuf>,
}

impl SerialArgs {
    const fn is_wanted(&self) -> bool {
        self.serial || self.port.is_some()
    }
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let image = Image::load(&args.image)?;
    match args.serial.is_wanted() {
        true => by_serial(shell, args, &image).await?,
        false => over_the_air(shell, args, &image).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn over_the_air(shell: &Shell, args: &Args, image: &Image) -> Result<(), Failure> {
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let bench = args.board.required()?.lease(shell, "k1-hil deploy", &on_event).await?;
    let options = deploy::DeployOptions { always: args.always, ..args.board.deploy_options() };
    let deployment = deploy::deploy(image, bench.board(), &options, &on_event).await?;
    bench.still_held()?;
    drop(progress);
    shell.print(&deployment, || sentence(&deployment))
}

async fn by_serial(shell: &Shell, args: &Args, image: &Image) -> Result<(), Failure> {
    let SerialArgs { port, baud, reset, slot, mac, bootloader, partition_table, .. } = &args.serial;
    let (bootloader, partition_table) = (read(bootloader.as_deref())?, read(partition_table.as_deref())?);
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let leased = args.board.at_port(port.as_deref(), *mac, shell, "k1-hil deploy", &on_event).await?;
    let mut port = leased.port.clone();
    port.reset = reset.unwrap_or(port.reset);
    let options = SerialOptions {
        baud: *baud,
        slot: *slot,
        mac: leased.mac,
        bootloader,
        partition_table,
        always: args.always,
        ..SerialOptions::default()
    };
    let deployed = serial::deploy(image, &port, leased.address.as_ref(), &options, &on_event).await?;
    leased.still_held()?;
    drop(progress);
    shell.print(&deployed, || flashed(&deployed, image))
}

fn read(path: Option<&Path>) -> Result<Option<Vec<u8>>, Failure> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|e| Failure::Usage(format!("cannot read {}: {e}", path.display())))
    };
    path.map(read).transpose()
}

fn sentence(deployment: &Deployment) -> String {
    let how = if deployment.skipped { "already ran" } else { "runs" };
    format!(
        "image {} {how} on {} ({}) from {}, boot {}\n",
        deployment.elf_sha256.short(),
        deployment.mac,
        deployment.model,
        deployment.slot,
        deployment.boot_id
    )
}

fn flashed(deployed: &SerialDeployment, image: &Image) -> String {
    let SerialDeployment { port, mac, slot, written, unchanged, proof, .. } = deployed;
    let amount = format!("{written} bytes written at {port}, {unchanged} were there\n");
    let image = image.elf_sha256.short();
    match proof {
        Proof::Probe(deployment) => amount + &sentence(deployment),
        Proof::LogNamesImage(line) => {
            amount + &format!("image {image} runs on {mac} from {slot}, as its log says: {line}\n")
        }
        Proof::LogSaysReady(line) => {
            amount
                + &format!(
                    "image {image} is in {slot} of {mac}, and firmware came up; which one, its log does not say: {line}\n"
                )
        }
        _ => amount,
    }
}
