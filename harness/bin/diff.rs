//! `k1-hil diff`: what a change did to the patterns of a checkout.

use std::process::ExitCode;

use k1_hil::compare::{self, Finding};

use crate::args::CheckoutArgs;
use crate::failure::{self, Failure};
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The commit before the change
    #[arg(value_name = "REV")]
    base: String,
    /// The commit after it [default: the working tree]
    #[arg(value_name = "REV")]
    head: Option<String>,
    /// Only this pattern; may be given several times
    #[arg(long = "pattern", short, value_name = "ID")]
    patterns: Vec<String>,
    /// Name the functions of so many patterns at most, of those that got slower or faster; 0 names none
    #[arg(long, value_name = "N", default_value_t = 3)]
    functions: usize,
    /// Print Markdown for a pull request
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    checkout: CheckoutArgs,
}

pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let mut lab = args.checkout.lab(shell, &args.patterns)?;
    let progress = shell.progress();
    let on_event = |event: &k1_hil::Event| progress.event(event);
    let diff = lab.diff(&args.base, args.head.as_deref(), args.functions, &on_event).await?;
    drop(progress);
    shell.print(&diff, || {
        if args.markdown { compare::diff_markdown(&diff) } else { compare::diff_table(&diff, paint) }
    })?;
    Ok(failure::code(diff.outcome))
}

/// The colour of a finding.
fn paint(finding: Finding, word: &str) -> String {
    use anstyle::AnsiColor::{Green, Red, Yellow};
    let style = match finding {
        Finding::Same | Finding::Faster => Green,
        Finding::OtherPicture | Finding::New | Finding::Gone => Yellow,
        Finding::Slower | Finding::Fails | Finding::StillFails | Finding::DoesNotBuild => Red,
    }
    .on_default()
    .bold();
    format!("{style}{word}{style:#}")
}
