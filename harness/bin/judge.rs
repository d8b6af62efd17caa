//! `k1-hil judge`: Captures + Baselines → Verdicts.

use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::capture::Capture;
use k1_hil::image::Image;
use k1_hil::session::{Baselines, Session};
use k1_hil::verdict::{Outcome, Verdict};

use crate::args::JudgeArgs;
use crate::failure::{self, Failure};
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Captures, as `k1-hil capture` wrote them
    #[arg(required = true, value_name = "CAPTURE.json")]
    captures: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// What captures are judged by.
#[derive(clap::Args, Debug)]
pub(crate) struct Given {
    /// The image that was measured, for its flash, RAM and warnings
    #[arg(long, value_name = "IMAGE.json")]
    image: Option<PathBuf>,
    #[command(flatten)]
    judge: JudgeArgs,
}

impl Given {
    pub(crate) fn image(&self) -> Result<Option<Image>, Failure> {
        Ok(self.image.as_deref().map(Image::load).transpose()?)
    }

    pub(crate) fn session(&self) -> Session {
        Session {
            budgets: self.judge.budgets(),
            comparison: self.judge.comparison(),
            baselines: Baselines::Folder(self.judge.baselines.clone()),
            ..Session::default()
        }
    }
}

pub(crate) fn load_captures(paths: &[PathBuf]) -> Result<Vec<Capture>, Failure> {
    Ok(paths.iter().map(|path| Capture::load(path)).collect::<Result<_, _>>()?)
}

pub(crate) fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let (image, session) = (args.given.image()?, args.given.session());
    let verdicts = load_captures(&args.captures)?
        .iter()
        .map(|capture| Ok(session.judge(capture, image.as_ref())?.verdict))
        .collect::<Result<Vec<Verdict>, Failure>>()?;
    shell.print(&verdicts, || verdicts.iter().map(|verdict| format!("{verdict}\n")).collect())?;
    Ok(failure::code(Outcome::worst(verdicts.iter().map(|verdict| verdict.outcome))))
}
