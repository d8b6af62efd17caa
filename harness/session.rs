//! The one place that knows the order of the steps: from graphs or a checkout, and one or several boards, to a report.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;

use crate::blame::Blame;
use crate::board::Board;
use crate::capture::{self, Capture, CaptureError, Plan};
use crate::deploy::{self, DeployOptions, Deployment};
use crate::error::Error;
use crate::event::{Event, OnEvent};
use crate::graph::Graph;
use crate::image::{self, Image, Target};
use crate::profile::{self, Profile};
use crate::report::{Fault, PatternResult, Report};
use crate::source::{self, Source, SourceFile};
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
    pub selection: Selection,
}

/// Which patterns of an image a session measures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    #[default]
    All,
    /// These, each of which the image must have.
    Named(Vec<String>),
    /// Those of these that the image has.
    IfThere(Vec<String>),
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
    /// Of those results that were profiled, in their order.
    pub profiles: Vec<Profile>,
    /// All patterns of the image in registry order, measured or not.
    pub patterns: Vec<String>,
}

/// Instructions of a pattern that are profiled for a report: about half a second.
const PROFILED: u64 = 1_000_000;
/// More frames than that say nothing more.
const MOST_PROFILED: u64 = 20;

/// What became of one pattern.
enum Measured {
    Judged(Box<(Capture, PatternResult)>),
    Fault(Fault),
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

/// Builds the firmware of the checkout at `path`: that of the commit `rev`, or the working tree as it is.
///
/// # Errors
///
/// Those of reading the checkout and compiling it.
pub async fn build_checkout(
    path: &Path,
    rev: Option<&str>,
    toolbox: &Toolbox,
    on_event: OnEvent<'_>,
) -> Result<Image, Error> {
    Ok(build_checkout_with_source(path, rev, toolbox, on_event).await?.1)
}

/// As [`build_checkout`], with what the image was built from.
///
/// # Errors
///
/// As [`build_checkout`].
pub async fn build_checkout_with_source(
    path: &Path,
    rev: Option<&str>,
    toolbox: &Toolbox,
    on_event: OnEvent<'_>,
) -> Result<(Source, Image), Error> {
    let source = source::checkout(path, rev, toolbox).await?;
    let image = image::compile(&source, Target::Virtual, toolbox, on_event).await?;
    Ok((source, image))
}

/// As [`build_checkout`], with the patterns of `graphs` added to the firmware's own.
///
/// # Errors
///
/// Those of reading the checkout, of adding patterns to it, and of compiling it.
pub async fn build_grafted(
    path: &Path,
    rev: Option<&str>,
    graphs: &[Graph],
    toolbox: &Toolbox,
    on_event: OnEvent<'_>,
) -> Result<Image, Error> {
    let source = source::graft(&source::checkout(path, rev, toolbox).await?, graphs)?;
    on_event(&Event::Generated { patterns: graphs.len(), lines: lines(&source) });
    Ok(image::compile(&source, Target::Virtual, toolbox, on_event).await?)
}

impl Session {
    /// Puts `image` on `board` and measures and judges its patterns, in their order.
    ///
    /// A pattern whose firmware hangs or crashes is a fault in the report, and the others are measured all the
    /// same. `started` (RFC 3339) and `run_id` name the session.
    ///
    /// # Errors
    ///
    /// Those of deploying, capturing and reading baselines, where the board or the set-up is to blame;
    /// [`CaptureError::NoPattern`] if a named pattern is not there.
    pub async fn run(
        &self,
        image: &Image,
        board: &Board,
        run_id: &str,
        started: &str,
        on_event: OnEvent<'_>,
    ) -> Result<Findings, Error> {
        self.run_on(image, std::slice::from_ref(board), run_id, started, on_event).await
    }

    /// As [`Self::run`], on several boards of one model at once: each takes the next pattern when it is free.
    ///
    /// # Errors
    ///
    /// As [`Self::run`]; the first error of any board ends the session.
    pub async fn run_on(
        &self,
        image: &Image,
        boards: &[Board],
        run_id: &str,
        started: &str,
        on_event: OnEvent<'_>,
    ) -> Result<Findings, Error> {
        let deploying = boards.iter().map(|board| deploy::deploy(image, board, &self.deploy, on_event));
        let deployments = try_join_all(deploying).await?;
        let patterns = match boards.first() {
            Some(board) if image.patterns.is_empty() => patterns_of(board).await?,
            _ => image.patterns.clone(),
        };
        let chosen = self.chosen(&patterns, boards)?;
        let next = AtomicUsize::new(0);
        let working = boards
            .iter()
            .zip(deployments)
            .map(|(board, deployment)| self.work(image, board, deployment, &chosen, &next, on_event));
        let mut measured: Vec<(usize, Measured)> =
            try_join_all(working).await?.into_iter().flatten().collect();
        measured.sort_by_key(|(place, _)| *place);
        let (mut captures, mut results, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (_, measured) in measured {
            match measured {
                Measured::Judged(judged) => {
                    captures.push(judged.0);
                    results.push(judged.1);
                }
                Measured::Fault(fault) => faults.push(fault),
            }
        }
        let seen = captures.first().map(|capture| capture.board.clone());
        let report = Report::new(run_id, started, Some(image.clone()), seen, results, faults);
        Ok(Findings { report, captures, profiles: Vec::new(), patterns })
    }

    /// The patterns to measure, of those that the image has.
    fn chosen(&self, patterns: &[String], boards: &[Board]) -> Result<Vec<String>, Error> {
        let has = |name: &&String| patterns.contains(*name);
        match &self.selection {
            Selection::All => Ok(patterns.to_vec()),
            Selection::IfThere(names) => Ok(names.iter().filter(has).cloned().collect()),
            Selection::Named(names) => match names.iter().find(|name| !has(name)) {
                None => Ok(names.clone()),
                Some(unknown) => Err(CaptureError::NoPattern {
                    board: boards.first().map(|board| board.address.to_string()).unwrap_or_default(),
                    pattern: unknown.clone(),
                    known: patterns.join(", "),
                }
                .into()),
            },
        }
    }

    /// Measures patterns on one board until none is left.
    async fn work(
        &self,
        image: &Image,
        board: &Board,
        mut deployment: Deployment,
        patterns: &[String],
        next: &AtomicUsize,
        on_event: OnEvent<'_>,
    ) -> Result<Vec<(usize, Measured)>, Error> {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(pattern) = patterns.get(place) else { return Ok(done) };
            match self.measure(pattern, image, board, &deployment, on_event).await {
                Ok(judged) => done.push((place, Measured::Judged(Box::new(judged)))),
                Err(error) if error.blame() == Blame::Firmware => {
                    done.push((place, Measured::Fault(Fault::new(Some(pattern), &error, error.blame()))));
                    // It restarted: what it runs now must be proved anew.
                    deployment = deploy::deploy(image, board, &self.deploy, on_event).await?;
                }
                Err(error) => return Err(error),
            }
        }
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

/// Looks where the instructions of each measured pattern go, and puts that into the report: its first frames after the
/// warm-up, so many that they have about a million instructions together. `graphs` are those that the image was built from,
/// if it was.
///
/// # Errors
///
/// Those of profiling. `findings` stay as they are then.
pub async fn profile(
    findings: &mut Findings,
    graphs: &[Graph],
    toolbox: &Toolbox,
    on_event: OnEvent<'_>,
) -> Result<(), Error> {
    let Some(image) = &findings.report.image else { return Ok(()) };
    let source = if graphs.is_empty() { None } else { Some(source::generate(graphs)?) };
    let results = &findings.report.results;
    let next = AtomicUsize::new(0);
    let work = async || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(result) = results.get(place) else { return Ok::<_, Error>(done) };
            // Without numbers there was a loss on the way, and the frames were drawn all the same.
            let ticks = result.verdict.statistics.as_ref().map_or(PROFILED, |s| s.render.median_ticks);
            let frames = (PROFILED / ticks.max(1)).clamp(1, MOST_PROFILED.min(result.plan.frames.into()));
            let plan = Plan { frames: frames as u32, ..result.plan.clone() };
            done.push((place, profile::known_or_profile(image, &plan, toolbox, on_event).await?));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut profiles: Vec<(usize, Profile)> =
        try_join_all((0..cores).map(|_| work())).await?.into_iter().flatten().collect();
    profiles.sort_by_key(|(place, _)| *place);
    for (place, profile) in &profiles {
        let nodes = source.as_ref().and_then(|source| profile::nodes(profile, source));
        findings.report.results[*place].profile = Some(Box::new(profile.table(nodes)));
    }
    findings.profiles = profiles.into_iter().map(|(_, profile)| profile).collect();
    Ok(())
}

/// The ids of the patterns that the board runs, in registry order.
async fn patterns_of(board: &Board) -> Result<Vec<String>, Error> {
    Ok(board.patterns().await?.patterns.into_iter().map(|pattern| pattern.id).collect())
}

/// Of all patterns' files, or of a source that is generated whole.
fn lines(source: &Source) -> usize {
    let generated = |file: &&SourceFile| file.pattern.is_some() || source.origin().is_none();
    source.files.iter().filter(generated).map(|file| file.text.lines().count()).sum()
}
