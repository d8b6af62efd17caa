//! Two revisions beside each other, pattern by pattern.

use serde::{Deserialize, Serialize};

use super::CompareError;
use super::functions::Functions;
use super::lab::{Lab, known_patterns, revision};
use super::revision::{Measured, Numbers, Refusal, Revision, Run};
use crate::error::Error;
use crate::event::OnEvent;
use crate::source::Repository;
use crate::verdict::{Change, Comparison, Direction, Likeness, Metric, Outcome, exact_changes};

/// What lies between two revisions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Diff {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub base: Revision,
    pub head: Revision,
    /// REGRESSED if a pattern is slower; FAILED if the head does not build, or a pattern fails that did not;
    /// INCONCLUSIVE if the base does not build; IMPROVED if one is faster and none slower; INVALID if nothing was
    /// measured.
    pub outcome: Outcome,
    pub min_effect_percent: f64,
    /// Why a side does not build.
    pub base_refusal: Option<Refusal>,
    pub head_refusal: Option<Refusal>,
    /// Those that ask for attention first: by finding, then by the size of the change.
    pub rows: Vec<Row>,
}

/// What became of one pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Row {
    pub pattern: String,
    pub finding: Finding,
    pub base: Option<Numbers>,
    pub head: Option<Numbers>,
    /// Empty unless both sides ran.
    pub changes: Vec<Change>,
    pub picture: Likeness,
    /// Frames whose LEDs differ, and the first of them, from 0.
    pub other_frames: u32,
    pub first_other_frame: Option<u32>,
    /// Where the change lies, if it is slower or faster and was looked at.
    pub functions: Option<Functions>,
}

/// What happened to a pattern, in the order in which people want to read it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It hangs or crashes, and did not before.
    Fails,
    /// The firmware does not build any more.
    DoesNotBuild,
    Slower,
    /// As fast, and something else.
    OtherPicture,
    Gone,
    New,
    Faster,
    /// Within the smallest effect, and the same picture.
    Same,
    /// It failed before and fails now.
    StillFails,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Fails => "fails",
            Self::DoesNotBuild => "does not build",
            Self::Slower => "slower",
            Self::OtherPicture => "other picture",
            Self::Gone => "gone",
            Self::New => "new",
            Self::Faster => "faster",
            Self::Same => "same",
            Self::StillFails => "still fails",
        })
    }
}

impl Lab<'_> {
    /// Measures `base` and `head` (none: the working tree) and puts them beside each other. Of the `functions` patterns that
    /// changed most it names the functions.
    ///
    /// # Errors
    ///
    /// [`CompareError::NoPattern`] if a pattern that counts is on neither side, those of [`Lab::measure`], and
    /// those of profiling.
    pub async fn diff(
        &mut self,
        base: &str,
        head: Option<&str>,
        functions: usize,
        on_event: OnEvent<'_>,
    ) -> Result<Diff, Error> {
        let repository = Repository::open(&self.checkout, self.toolbox).await?;
        let base = revision(&repository, base).await?;
        let head = match head {
            Some(name) => revision(&repository, name).await?,
            None => Revision::worktree(),
        };
        let measured = self.measure(&[base, head], on_event).await?;
        self.known(&measured)?;
        let [base, head] = measured.as_slice() else {
            return Err(
                CompareError::Page { reason: "two revisions gave other than two results".into() }.into()
            );
        };
        let mut diff = Diff::new(base, head, &self.session.comparison);
        self.name_functions(&mut diff, [base, head], functions, on_event).await?;
        Ok(diff)
    }

    /// Says if a pattern that counts is nowhere. Where nothing was built that cannot be known.
    pub(super) fn known(&self, measured: &[Measured]) -> Result<(), CompareError> {
        if measured.iter().all(|measured| measured.refusal().is_some()) {
            return Ok(());
        }
        let is_nowhere = |id: &&String| measured.iter().all(|measured| measured.numbers(id).is_none());
        match self.patterns.iter().find(is_nowhere) {
            Some(pattern) if measured.iter().all(|measured| measured.refusal().is_none()) => {
                Err(CompareError::NoPattern { pattern: pattern.clone(), known: known_patterns(measured) })
            }
            _ => Ok(()),
        }
    }
}

impl Diff {
    /// Puts two measured revisions beside each other; functions are not named. Pure.
    pub fn new(base: &Measured, head: &Measured, comparison: &Comparison) -> Self {
        let mut patterns: Vec<&str> = head.measured().collect();
        patterns.extend(base.measured().filter(|id| head.numbers(id).is_none()));
        let mut rows: Vec<Row> = patterns.into_iter().map(|id| row(id, base, head, comparison)).collect();
        rows.sort_by(|a, b| {
            a.finding
                .cmp(&b.finding)
                .then_with(|| size(b).total_cmp(&size(a)))
                .then_with(|| a.pattern.cmp(&b.pattern))
        });
        Self {
            format: 1,
            base: base.revision.clone(),
            head: head.revision.clone(),
            outcome: outcome(&rows, base, head),
            min_effect_percent: comparison.min_effect_percent,
            base_refusal: base.refusal().cloned(),
            head_refusal: head.refusal().cloned(),
            rows,
        }
    }
}

fn row(pattern: &str, base: &Measured, head: &Measured, comparison: &Comparison) -> Row {
    let (then, now) = (base.numbers(pattern).cloned(), head.numbers(pattern).cloned());
    let (mut changes, mut picture, mut others) = (Vec::new(), Likeness::Unknown, (0, None));
    let finding = match (&then, &now) {
        (Some(Numbers::Ran(then)), Some(Numbers::Ran(now))) => {
            changes = exact_changes(&then.statistics, &now.statistics, comparison);
            others = other_frames(then, now);
            picture = if others.0 == 0 { Likeness::Same } else { Likeness::Changed };
            finding_of(&changes, picture)
        }
        (None, Some(_)) => Finding::New,
        (Some(_), None) if head.refusal().is_some() => Finding::DoesNotBuild,
        (Some(_), None) => Finding::Gone,
        (Some(Numbers::Failed(_)), Some(Numbers::Failed(_))) => Finding::StillFails,
        (_, Some(Numbers::Failed(_))) => Finding::Fails,
        // It ran for the first time: there is nothing to be slower than.
        (Some(Numbers::Failed(_)), Some(Numbers::Ran(_))) | (None, None) => Finding::New,
    };
    let (other_frames, first_other_frame) = others;
    Row {
        pattern: pattern.to_owned(),
        finding,
        base: then,
        head: now,
        changes,
        picture,
        other_frames,
        first_other_frame,
        functions: None,
    }
}

/// Slower where any gated number is: a faster median does not make up for stutter.
pub(super) fn finding_of(changes: &[Change], picture: Likeness) -> Finding {
    let any = |direction| changes.iter().any(|change| change.gates && change.direction == direction);
    if any(Direction::Worse) {
        Finding::Slower
    } else if any(Direction::Better) {
        Finding::Faster
    } else if picture == Likeness::Changed {
        Finding::OtherPicture
    } else {
        Finding::Same
    }
}

/// The number behind a finding: of those that went its way the one that changed most.
pub(super) fn deciding(changes: &[Change], finding: Finding) -> Option<&Change> {
    let direction = match finding {
        Finding::Slower => Direction::Worse,
        Finding::Faster => Direction::Better,
        _ => return None,
    };
    let decides = changes.iter().filter(|change| change.gates && change.direction == direction);
    decides.max_by(|a, b| magnitude(a).total_cmp(&magnitude(b)))
}

/// In percent of the render time, or points of late frames.
fn magnitude(change: &Change) -> f64 {
    change.effect_percent.unwrap_or(change.difference).abs()
}

/// How many frames differ, and the first of them.
pub(super) fn other_frames(then: &Run, now: &Run) -> (u32, Option<u32>) {
    let pairs = then.led_hashes.iter().zip(&now.led_hashes);
    let others: Vec<u32> = (0..).zip(pairs).filter(|(_, (a, b))| a != b).map(|(index, _)| index).collect();
    (others.len() as u32, others.first().copied())
}

/// How large the change is.
fn size(row: &Row) -> f64 {
    row.changes.iter().filter(|change| change.gates).map(magnitude).fold(0.0, f64::max)
}

fn outcome(rows: &[Row], base: &Measured, head: &Measured) -> Outcome {
    let any = |finding| rows.iter().any(|row| row.finding == finding);
    if head.refusal().is_some() || any(Finding::Fails) {
        Outcome::Failed
    } else if any(Finding::Slower) {
        Outcome::Regressed
    } else if base.refusal().is_some() {
        Outcome::Inconclusive
    } else if rows.is_empty() {
        Outcome::Invalid
    } else if any(Finding::Faster) {
        Outcome::Improved
    } else {
        Outcome::Pass
    }
}

impl Row {
    /// The change of the render median, if both sides ran.
    pub(super) fn change(&self, metric: Metric) -> Option<&Change> {
        self.changes.iter().find(|change| change.metric == metric)
    }
}
