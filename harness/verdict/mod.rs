//! Judging captures: budgets, and the comparison with a stored baseline.
//!
//! Pure: no clock, no files (but a baseline's own), no randomness. The same frames give the same verdict on any
//! machine, in any year.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::board::Cpu;
use crate::capture::Capture;
use crate::image::Image;

mod baseline;
mod budget;
mod change;
mod outcome;
mod statistics;
mod usable;
pub(crate) mod words;

pub use baseline::{Baseline, BaselineError, RenderTicks};
pub use budget::{Bound, Budget, BudgetCheck, Budgets};
pub use change::{Change, Comparison, Direction, Likeness, Metric, exact_changes};
pub use outcome::Outcome;
pub(crate) use statistics::work_ticks;
pub use statistics::{FRAMES_FOR_P999, Statistics, Summary, effective_frames};
pub use usable::{Unusable, usable};

use words::{counted, plain, thousands, ticks_of, time};

/// What a capture amounts to, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Verdict {
    pub pattern: String,
    pub outcome: Outcome,
    /// Whether the numbers are instruction counts of an emulated CPU: exact, and a model of the chip.
    pub emulated: bool,
    /// Whole sentences for people, those that decided first.
    pub reasons: Vec<String>,
    /// Absent if the capture cannot be judged.
    pub statistics: Option<Statistics>,
    /// Those of the image only if one was given, those of the run only if it can be judged.
    pub budgets: Vec<BudgetCheck>,
    /// Empty if there is no baseline, or none that fits.
    pub changes: Vec<Change>,
    pub picture: Likeness,
}

/// Judges `capture`, made with `image`, by `budgets` and, where there is one, by `baseline`.
///
/// Without `image` its flash, RAM and warnings are not judged, nor where it is built from a checkout.
///
/// * INVALID: the capture cannot be judged ([`Unusable`]), or `image` is not what ran.
/// * FAILED: a budget is exceeded.
/// * REGRESSED: on an emulated CPU, render median or p99 is slower than the baseline by more than the minimum
///   effect, or more frames are late by more percentage points than that.
/// * INCONCLUSIVE: the baseline does not fit, or comes from a chip, where one run a side decides nothing.
/// * IMPROVED: one of the three is better by more than that, and none is worse.
/// * PASS: none of these.
pub fn judge(
    capture: &Capture,
    image: Option<&Image>,
    budgets: &Budgets,
    baseline: Option<&Baseline>,
    comparison: &Comparison,
) -> Verdict {
    let mut verdict = Verdict {
        pattern: capture.plan.pattern.clone(),
        outcome: Outcome::Pass,
        emulated: capture.board.cpu == Cpu::Emulated,
        reasons: Vec::new(),
        statistics: None,
        budgets: Vec::new(),
        changes: Vec::new(),
        picture: Likeness::Unknown,
    };
    verdict.weigh_run(capture, budgets);
    verdict.weigh_image(capture, image, budgets);
    if let Some(baseline) = baseline {
        verdict.weigh_baseline(capture, image, baseline, comparison);
    }
    if verdict.outcome == Outcome::Pass {
        verdict.explain_pass(baseline.is_some(), comparison);
    }
    verdict
}

impl Verdict {
    /// Whether the outcome is PASS or IMPROVED.
    pub fn passed(&self) -> bool {
        self.outcome.passed()
    }

    fn weigh_run(&mut self, capture: &Capture, budgets: &Budgets) {
        match Statistics::of(capture, budgets.deadline_ns()) {
            Ok(statistics) => {
                self.check(budgets.check_run(&statistics));
                self.statistics = Some(statistics);
            }
            Err(unusable) => self.because(Outcome::Invalid, unusable.to_string()),
        }
    }

    fn weigh_image(&mut self, capture: &Capture, image: Option<&Image>, budgets: &Budgets) {
        let Some(image) = image else { return };
        if image.elf_sha256 != capture.elf_sha256 {
            let (ran, given) = (capture.elf_sha256.short(), image.elf_sha256.short());
            self.because(Outcome::Invalid, format!("the frames are those of image {ran}, not of {given}"));
        }
        // Of a checkout it is another build than its owner's: size and warnings say nothing of that one.
        if image.origin.is_none() {
            self.check(budgets.check_image(image));
        }
    }

    fn weigh_baseline(
        &mut self,
        capture: &Capture,
        image: Option<&Image>,
        baseline: &Baseline,
        comparison: &Comparison,
    ) {
        let Some(statistics) = &self.statistics else { return };
        let misfits = baseline.misfits(capture);
        if !misfits.is_empty() {
            let reason =
                format!("the baseline does not fit this run: {}; make a new baseline", misfits.join(", "));
            return self.because(Outcome::Inconclusive, reason);
        }
        self.changes = change::changes(statistics, baseline, comparison);
        self.picture = change::picture(statistics, baseline);
        let other_deadline = statistics.deadline_ns != baseline.deadline_ns;
        match capture.board.cpu {
            Cpu::Emulated => self.weigh_changes(),
            Cpu::Chip => self.defer(),
        }
        self.note(baseline, image, other_deadline);
    }

    /// Exact counts: each gated change is a fact.
    fn weigh_changes(&mut self) {
        let gated: Vec<Change> = self.changes.iter().filter(|change| change.gates).cloned().collect();
        for (direction, outcome) in
            [(Direction::Worse, Outcome::Regressed), (Direction::Better, Outcome::Improved)]
        {
            for change in gated.iter().filter(|change| change.direction == direction) {
                self.because(outcome, change.sentence(Cpu::Emulated));
            }
        }
    }

    /// One run a side: how far runs differ by themselves is unknown, so no difference means anything yet.
    fn defer(&mut self) {
        let reason = "one run a side decides nothing on a chip, whose runs differ by themselves; it needs several runs of each, in turn";
        self.because(Outcome::Inconclusive, reason.to_owned());
        let seen = self.changes.iter().filter(|change| change.gates).map(|change| change.sentence(Cpu::Chip));
        self.reasons.extend(seen);
    }

    /// What a reader of the comparison should know, and what decides nothing.
    fn note(&mut self, baseline: &Baseline, image: Option<&Image>, other_deadline: bool) {
        if self.picture == Likeness::Changed {
            let doubt = if self.outcome == Outcome::Improved {
                ", so it may be faster because it draws something else"
            } else {
                ""
            };
            self.reasons.push(format!("the LED frames are not those of the baseline{doubt}"));
        }
        if other_deadline {
            self.reasons.push(format!(
                "late frames are not compared: the deadline is another one than the baseline's {} ms",
                plain(baseline.deadline_ns as f64 / 1e6)
            ));
        }
        let Some(image) = image else { return };
        for (tool, then) in &baseline.tools {
            if let Some(now) = image.tools.get(tool).filter(|now| *now != then) {
                self.reasons.push(format!("{tool} {now} built this image, and {tool} {then} the baseline's"));
            }
        }
    }

    fn explain_pass(&mut self, compared: bool, comparison: &Comparison) {
        let largest = self.changes.iter().filter(|change| change.gates && change.difference != 0.0);
        let largest = largest.max_by(|a, b| a.difference.abs().total_cmp(&b.difference.abs()));
        let against = match largest {
            _ if !compared => "there is no baseline to compare with".to_owned(),
            None => "every gated number is that of the baseline".to_owned(),
            Some(change) => {
                let within = plain(comparison.min_effect_percent);
                format!("no change from the baseline exceeds {within} %: {}", change.sentence(Cpu::Emulated))
            }
        };
        let within = format!("all {} budgets are kept; {against}", self.budgets.len());
        self.reasons.insert(0, within);
    }

    fn check(&mut self, checks: Vec<BudgetCheck>) {
        for check in checks.iter().filter(|check| !check.ok) {
            self.because(Outcome::Failed, check.to_string());
        }
        self.budgets.extend(checks);
    }

    fn because(&mut self, outcome: Outcome, reason: String) {
        // Reasons of a worse outcome come first, others after those that stand already.
        if outcome.severity() > self.outcome.severity() {
            self.outcome = outcome;
            self.reasons.insert(0, reason);
        } else {
            self.reasons.push(reason);
        }
    }
}

/// The outcome with its numbers, and each reason on a line of its own.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pattern, self.outcome)?;
        if self.emulated {
            write!(f, " (emulated)")?;
        }
        for reason in &self.reasons {
            write!(f, "\n  {reason}")?;
        }
        let Some(s) = &self.statistics else { return Ok(()) };
        let cpu = if self.emulated { Cpu::Emulated } else { Cpu::Chip };
        write!(
            f,
            "\n  {} at {} FPS, {} late; render median {} {} ({}), p99 {}",
            counted(u64::from(s.frames), "frame"),
            plain(s.fps),
            s.late_frames,
            thousands(s.render.median_ticks),
            ticks_of(cpu, s.render.median_ticks),
            time(s.render.median_ticks as f64, s.tick_hz),
            thousands(s.render.p99_ticks),
        )
    }
}
