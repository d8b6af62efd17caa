//! `k1-hil compile`: Source → Image.

use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::image::{self, Image};
use k1_hil::session;

use crate::failure::Failure;
use crate::shell::{Shell, load_graphs};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Pattern graphs; they go into one image
    #[arg(required = true, value_name = "PATTERN")]
    patterns: Vec<PathBuf>,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let graphs = load_graphs(&args.patterns)?;
    let progress = shell.progress();
    let image = session::build(&graphs, &shell.toolbox, &|event| progress.event(event)).await?;
    drop(progress);
    shell.print(&image, || text(&image))?;
    Ok(ExitCode::SUCCESS)
}

fn text(image: &Image) -> String {
    let percent = |usage: image::Usage| 100.0 * usage.used as f64 / usage.of.max(1) as f64;
    let warnings: String = image.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    format!(
        "{warnings}image    {}\nsha256   {}\nflash    {} of {} bytes ({:.1} %)\nram      {} of {} bytes ({:.1} %)\npatterns {}\n",
        image.bin.display(),
        image.sha256,
        image.flash.used,
        image.flash.of,
        percent(image.flash),
        image.ram.used,
        image.ram.of,
        percent(image.ram),
        image.patterns.join(", "),
    )
}
