//! `k1-hil deploy`: Image + Board → Deployment.

use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::deploy;
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
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let image = Image::load(&args.image)?;
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let bench = args.board.required()?.lease(shell, "k1-hil deploy", &on_event).await?;
    let options = deploy::DeployOptions { always: args.always, ..args.board.deploy_options() };
    let deployment = deploy::deploy(&image, bench.board(), &options, &on_event).await?;
    bench.still_held()?;
    drop(progress);
    shell.print(&deployment, || {
        let how = if deployment.skipped { "already ran" } else { "runs" };
        format!(
            "image {} {how} on {} ({}) from {}, boot {}\n",
            deployment.elf_sha256.short(),
            deployment.mac,
            deployment.model,
            deployment.slot,
            deployment.boot_id
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
