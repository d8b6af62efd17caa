//! `k1-hil capture`: Deployment + Board → Capture.

use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::image::Image;
use k1_hil::{capture, deploy};

use crate::args::{BoardArgs, PlanArgs};
use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What `k1-hil compile --json` printed; it is put on the board unless it runs there already
    #[arg(value_name = "IMAGE.json")]
    image: PathBuf,
    /// Id of the pattern
    #[arg(value_name = "ID")]
    pattern: String,
    #[command(flatten)]
    board: BoardArgs,
    #[command(flatten)]
    plan: PlanArgs,
    /// File to write the capture to; without it the capture is printed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let image = Image::load(&args.image)?;
    let plan = args.plan.plan(shell, &args.pattern)?;
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let bench = args.board.required()?.lease(shell, "k1-hil capture", &on_event).await?;
    let board = bench.board();
    let deployment = deploy::deploy(&image, board, &args.board.deploy_options(), &on_event).await?;
    let capture = capture::capture(&deployment, board, &plan, &on_event).await?;
    bench.still_held()?;
    drop(progress);
    match &args.output {
        Some(path) => {
            capture.save(path)?;
            shell.print(&serde_json::json!({ "capture": path }), || format!("{}\n", path.display()))?;
        }
        None => shell.print(&capture, || serde_json::json!(capture).to_string() + "\n")?,
    }
    Ok(ExitCode::SUCCESS)
}
