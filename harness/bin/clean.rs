//! `k1-hil clean`: frees the disk of built images that are no longer asked for.

use std::process::ExitCode;
use std::time::Duration;

use k1_hil::image;

use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Remove images that were last asked for more than this many days ago; 0 removes all
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    unused_for: u64,
}

pub(crate) fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let unused_for = Duration::from_secs(args.unused_for.saturating_mul(24 * 60 * 60));
    let pruned = image::prune(&shell.toolbox, unused_for)?;
    let found = serde_json::json!({ "images": pruned.images, "bytes": pruned.bytes });
    shell.print(&found, || {
        format!("removed {} images, {:.1} MB\n", pruned.images, pruned.bytes as f64 / 1e6)
    })?;
    Ok(ExitCode::SUCCESS)
}
