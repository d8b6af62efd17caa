//! `k1-hil generate`: Graph → Source.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use k1_hil::source::{self, Changes};

use crate::failure::Failure;
use crate::shell::{Shell, load_graphs};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Pattern graphs (JSON, K1 graph schema v1.0)
    #[arg(required_unless_present = "remove", value_name = "PATTERN")]
    patterns: Vec<PathBuf>,
    /// Folder to write the C++ files to; without it they are printed
    #[arg(long, short, value_name = "DIR", conflicts_with = "into")]
    output: Option<PathBuf>,
    /// Add the patterns to the firmware of this checkout, in its own files; patterns that are there already are renewed
    #[arg(long, value_name = "CHECKOUT")]
    into: Option<PathBuf>,
    /// Take this pattern out of the checkout again; may be given several times
    #[arg(long, value_name = "ID", requires = "into", conflicts_with = "patterns")]
    remove: Vec<String>,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    if let Some(checkout) = &args.into {
        let changes = if args.remove.is_empty() {
            source::insert(checkout, &load_graphs(&args.patterns)?).await?
        } else {
            source::remove(checkout, &args.remove).await?
        };
        shell.print(&changes, || text(&changes, checkout))?;
        return Ok(ExitCode::SUCCESS);
    }
    let source = source::generate(&load_graphs(&args.patterns)?)?;
    let Some(folder) = &args.output else {
        shell.print(&source, || {
            source.files.iter().map(|file| format!("// {}\n{}\n", file.path, file.text)).collect()
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    let written = source.write(folder)?;
    shell.print(&source, || written.iter().map(|path| format!("{}\n", path.display())).collect())?;
    Ok(ExitCode::SUCCESS)
}

fn text(changes: &Changes, checkout: &Path) -> String {
    let line = |word: &str, path: &String| format!("{word} {}\n", checkout.join(path).display());
    let written = changes.written.iter().map(|path| line("wrote  ", path));
    let lines: String = written.chain(changes.removed.iter().map(|path| line("removed", path))).collect();
    if lines.is_empty() { "nothing to change\n".to_owned() } else { lines }
}
