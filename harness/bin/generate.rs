//! `k1-hil generate`: Graph → Source.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::shell::{Shell, load_graphs};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Pattern graphs (JSON, K1 graph schema v1.0)
    #[arg(required = true, value_name = "PATTERN")]
    patterns: Vec<PathBuf>,
    /// Folder to write the C++ files to; without it they are printed
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let source = k1_hil::source::generate(&load_graphs(&args.patterns)?)?;
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
