//! Measuring commits: each is built while the one before it runs, and each program is measured once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::revision::{Found, Measured, Numbers, Refusal, Revision, Run};
use super::store::Known;
use crate::bench::Bench;
use crate::digest::Sha;
use crate::error::Error;
use crate::event::{Event, OnEvent};
use crate::image::{CompileError, Image};
use crate::session::{self, Baselines, Findings, Selection, Session};
use crate::source::{CheckoutError, Source};
use crate::tools::Toolbox;
use crate::verdict::Statistics;

/// A place to measure the commits of one checkout: the tools, the plan, and virtual boards, which start when the first
/// program has to be measured.
#[derive(Debug)]
pub struct Lab<'a> {
    pub(super) checkout: PathBuf,
    pub(super) toolbox: &'a Toolbox,
    pub(super) session: Session,
    /// The patterns that count; empty: all.
    pub(super) patterns: Vec<String>,
    pub(super) bench: Option<Bench>,
    /// What was built, by what it executes.
    pub(super) programs: HashMap<Sha, Program>,
}

/// An image, and the source that it was built from.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) source: Source,
    pub(super) image: Image,
}

/// What became of building a revision.
enum Built {
    Program(Box<Program>),
    Refused(Refusal),
}

impl<'a> Lab<'a> {
    /// A lab for `checkout`. `session` says how to measure and what change counts; its baselines and selection do not:
    /// revisions are compared with each other. Of each revision those of `patterns` are measured that it has, and all
    /// if `patterns` is empty.
    pub fn new(checkout: &Path, toolbox: &'a Toolbox, session: Session, patterns: Vec<String>) -> Self {
        let session = Session { baselines: Baselines::None, ..session };
        let mut lab = Self {
            checkout: checkout.to_owned(),
            toolbox,
            session,
            patterns: Vec::new(),
            bench: None,
            programs: HashMap::new(),
        };
        lab.count(patterns);
        lab
    }

    /// From now on `patterns` count; all, if there are none.
    pub(super) fn count(&mut self, patterns: Vec<String>) -> Vec<String> {
        self.session.selection = match patterns.as_slice() {
            [] => Selection::All,
            some => Selection::IfThere(some.to_vec()),
        };
        std::mem::replace(&mut self.patterns, patterns)
    }

    /// Measures `revisions`, in their order. That one does not build is a finding.
    ///
    /// # Errors
    ///
    /// Those of the set-up: a missing tool, a cache or a repository that cannot be read, a board that does not start.
    pub async fn measure(
        &mut self,
        revisions: &[Revision],
        on_event: OnEvent<'_>,
    ) -> Result<Vec<Measured>, Error> {
        let mut measured = Vec::with_capacity(revisions.len());
        let (checkout, toolbox) = (self.checkout.clone(), self.toolbox);
        let build = async |at: usize| match revisions.get(at) {
            Some(revision) => {
                let (name, of) = (revision.title(), revisions.len());
                on_event(&Event::Revision { revision: name, number: at + 1, of });
                build(&checkout, revision, toolbox, on_event).await.map(Some)
            }
            None => Ok(None),
        };
        let mut built = build(0).await?;
        for (at, revision) in revisions.iter().enumerate() {
            let Some(this) = built else { break };
            let (next, found) = tokio::join!(build(at + 1), self.found(this, revision, on_event));
            measured.push(Measured { revision: revision.clone(), found: found? });
            built = next?;
        }
        Ok(measured)
    }

    async fn found(
        &mut self,
        built: Built,
        revision: &Revision,
        on_event: OnEvent<'_>,
    ) -> Result<Found, Error> {
        let built = match built {
            Built::Program(program) => program,
            Built::Refused(refusal) => return Ok(Found::Refused(refusal)),
        };
        let (program, cache) = (built.image.program_sha256, self.toolbox.cache());
        let (plan, deadline_ns) = (self.session.plan.clone(), self.session.budgets.deadline_ns());
        let mut known = Known::read(cache, program, &plan, deadline_ns);
        if known.as_ref().is_some_and(|known| self.wanted(known).all(|id| known.numbers.contains_key(id))) {
            on_event(&Event::MeasuredBefore { revision: revision.title() });
        } else {
            let findings = self.run(&built.image, on_event).await?;
            let mut learnt = known.unwrap_or_else(|| Known::new(findings.patterns.clone()));
            learnt.numbers.extend(numbers(&findings, deadline_ns));
            learnt.write(cache, program, &plan, deadline_ns)?;
            known = Some(learnt);
        }
        let known = known.unwrap_or_else(|| Known::new(Vec::new()));
        let of = |id: &String| Some((id.clone(), known.numbers.get(id)?.clone()));
        let numbers = self.wanted(&known).filter_map(of).collect();
        self.programs.insert(program, *built);
        Ok(Found::Built { program_sha256: program, patterns: known.patterns, numbers })
    }

    /// The patterns that count, in registry order.
    fn wanted<'k>(&self, known: &'k Known) -> impl Iterator<Item = &'k String> {
        let counts = |id: &&String| self.patterns.is_empty() || self.patterns.contains(id);
        known.patterns.iter().filter(counts)
    }

    async fn run(&mut self, image: &Image, on_event: OnEvent<'_>) -> Result<Findings, Error> {
        let bench = match self.bench.take() {
            Some(bench) => bench,
            None => Bench::of_virtual_boards(usize::MAX, self.toolbox).await?,
        };
        let bench = self.bench.insert(bench);
        self.session.run_on(image, &bench.boards, "", "", on_event).await
    }
}

async fn build(
    checkout: &Path,
    revision: &Revision,
    toolbox: &Toolbox,
    on_event: OnEvent<'_>,
) -> Result<Built, Error> {
    let rev = revision.commit.as_ref().map(|commit| commit.id.as_str());
    match session::build_checkout_with_source(checkout, rev, toolbox, on_event).await {
        Ok((source, image)) => Ok(Built::Program(Box::new(Program { source, image }))),
        Err(Error::Checkout(error)) if rev.is_some() && error.is_of_the_commit() => {
            Ok(Built::Refused(Refusal { reason: error.to_string(), errors: Vec::new() }))
        }
        Err(Error::Compile(error)) => {
            let reason = error.to_string();
            match error {
                CompileError::Refused { errors, .. } | CompileError::Contradictory { errors, .. } => {
                    Ok(Built::Refused(Refusal { reason, errors }))
                }
                error => Err(error.into()),
            }
        }
        Err(error) => Err(error),
    }
}

fn numbers(findings: &Findings, deadline_ns: u64) -> impl Iterator<Item = (String, Numbers)> {
    let ran = findings.captures.iter().map(move |capture| {
        let numbers = match Statistics::of(capture, deadline_ns) {
            Ok(statistics) => Numbers::Ran(Box::new(Run {
                statistics,
                led_hashes: capture.frames.iter().map(|frame| frame.led_hash).collect(),
                render_ticks: capture.frames.iter().map(|frame| frame.render_ticks.into()).collect(),
            })),
            Err(unusable) => Numbers::Failed(unusable.to_string()),
        };
        (capture.plan.pattern.clone(), numbers)
    });
    let failed = findings
        .report
        .faults
        .iter()
        .filter_map(|fault| Some((fault.pattern.clone()?, Numbers::Failed(fault.errors.join(": ")))));
    ran.chain(failed)
}

/// The patterns of the last revision that was built, for a message.
pub(super) fn known_patterns(measured: &[Measured]) -> String {
    let of = |measured: &Measured| match &measured.found {
        Found::Built { patterns, .. } => Some(patterns.join(", ")),
        Found::Refused(_) => None,
    };
    measured.iter().rev().find_map(of).unwrap_or_else(|| "none".to_owned())
}

/// # Errors
///
/// [`CheckoutError`], if the commit is not there.
pub(super) async fn revision(
    repository: &crate::source::Repository,
    name: &str,
) -> Result<Revision, CheckoutError> {
    Ok(Revision::of(name, repository.commit(name).await?))
}
