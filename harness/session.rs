//! The one place that knows the order of the steps: from graphs and a board to a report.

use std::path::PathBuf;

use crate::board::Board;
use crate::capture::{self, Capture, Plan};
use crate::deploy::{self, DeployOptions, Deployment};
use crate::error::{Blame, Error};
use crate::event::{Event, OnEvent};
use crate::graph::Graph;
use crate::image::{self, Image, Target};
use crate::report::{Fault, PatternResult, Report};
use crate::source::{self, Source};
use crate::tools::Toolbox;
use crate::verdict::{self, Baseline, Budgets, Comparison};

/// How a session measures and judges.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The plan of every pattern; its `pattern` is replaced by each pattern's id.
    pub plan: Plan,
    pub deploy: DeployOptions,
    pub budgets: Budgets,
    pub comparison: Comparison,
    /// Where the baselines come from.
    pub baselines: Baselines,
}

/// Where a session finds what to compare with.
#[derive(Clone, Debug, Default)]
pub enum Baselines {
    /// Nowhere: only the budgets count.
    #[default]
    None,
    /// In a folder; a pattern without one there is judged by the budgets alone.
    Folder(PathBuf),
    /// Here.
    Given(Vec<Baseline>),
}

/// What a session found: the report, and the frames behind it.
#[derive(Clone, Debug)]
pub struct Findings {
    pub report: Report,
    /// In the order of the report's results.
    pub captures: Vec<Capture>,
}

/// Builds `graphs` into one image.
///
/// # Errors
///
/// Those of generating and compiling.
pub async fn build(graphs: &[Graph], toolbox: &Toolbox, on_event: OnEvent<'_>) -> Result<Image, Error> {
    let source = source::generate(graphs)?;
    on_event(&Event::Generated { patterns: source.patterns.len(), lines: lines(&source) });
    Ok(image::compile(&source, Target::Virtual, toolbox, on_event).await?)
}

impl Session {
    /// Puts `image` on `board` and measures and judges each of its patterns, in their order.
    ///
    /// A pattern whose firmware hangs or crashes is a fault in the report, and the others are measured all the
    /// same. `started` (RFC 3339) and `run_id` name the session.
    ///
    /// # Errors
    ///
    /// Those of deploying, capturing and reading baselines, where the board or the set-up is to blame.
    pub async fn run(
        &self,
        image: &Image,
        board: &Board,
        run_id: &str,
        started: &str,
        on_event: OnEvent<'_>,
    ) -> Result<Findings, Error> {
        let (mut captures, mut results, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        let mut deployment = deploy::deploy(image, board, &self.deploy, on_event).await?;
        for pattern in &image.patterns {
            match self.measure(pattern, image, board, &deployment, on_event).await {
                Ok((capture, result)) => {
                    captures.push(capture);
                    results.push(result);
                }
                Err(error) if error.blame() == Blame::Firmware => {
                    faults.push(Fault::new(Some(pattern), &error));
                    // It restarted: what it runs now must be proved anew.
                    deployment = deploy::deploy(image, board, &self.deploy, on_event).await?;
                }
                Err(error) => return Err(error),
            }
        }
        let seen = captures.first().map(|capture| capture.board.clone());
        let report = Report::new(run_id, started, Some(image.clone()), seen, results, faults);
        Ok(Findings { report, captures })
    }

    async fn measure(
        &self,
        pattern: &str,
        image: &Image,
        board: &Board,
        deployment: &Deployment,
        on_event: OnEvent<'_>,
    ) -> Result<(Capture, PatternResult), Error> {
        let plan = Plan { pattern: pattern.to_owned(), ..self.plan.clone() };
        let capture = capture::capture(deployment, board, &plan, on_event).await?;
        let result = self.judge(&capture, Some(image))?;
        Ok((capture, result))
    }

    /// Judges one capture by the budgets and by its baseline, if there is one.
    ///
    /// # Errors
    ///
    /// Those of reading the baseline.
    pub fn judge(&self, capture: &Capture, image: Option<&Image>) -> Result<PatternResult, Error> {
        let baseline = match &self.baselines {
            Baselines::None => None,
            Baselines::Folder(folder) => Baseline::load(folder, &capture.board.model, &capture.plan.pattern)?,
            Baselines::Given(all) => all
                .iter()
                .find(|b| b.model == capture.board.model && b.plan.pattern == capture.plan.pattern)
                .cloned(),
        };
        let verdict = verdict::judge(capture, image, &self.budgets, baseline.as_ref(), &self.comparison);
        Ok(PatternResult::new(capture, verdict))
    }
}

fn lines(source: &Source) -> usize {
    source.files.iter().map(|file| file.text.lines().count()).sum()
}
