//! In which functions a change of cost lies: one frame of the pattern, instruction by instruction, on both sides.
//!
//! One frame is exact, so one is enough: that which stands for the number that decided, where there is one with the median
//! (or p99) of the base on one side and that of the head on the other. It is a frame of the run that was measured, and its
//! count must be the one that was measured.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::bisect::Bisection;
use super::diff::{Diff, Finding, deciding};
use super::lab::Lab;
use super::revision::{Measured, Run};
use crate::capture::Plan;
use crate::digest::Sha;
use crate::error::Error;
use crate::event::OnEvent;
use crate::image::Image;
use crate::profile::{self, Profile, ProfileDifference, ProfileError};
use crate::source::{CheckoutError, Firmware, Source};
use crate::verdict::{Change, Metric};

/// The firmware draws no more frames before those that it records.
const LONGEST_WARMUP: u32 = 65_536;

/// The functions of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Functions {
    /// The frame that was looked at: its place in the measured run, from 0.
    pub frame: u32,
    /// All counts are those of this frame.
    #[serde(flatten)]
    pub difference: ProfileDifference,
}

impl Lab<'_> {
    /// Names the functions of the first `most` rows of `diff` that are slower or faster; `measured` are its two sides.
    ///
    /// # Errors
    ///
    /// Those of [`profile::profile`].
    pub(super) async fn name_functions(
        &mut self,
        diff: &mut Diff,
        measured: [&Measured; 2],
        most: usize,
        on_event: OnEvent<'_>,
    ) -> Result<(), Error> {
        let changed = |finding| matches!(finding, Finding::Slower | Finding::Faster);
        for row in diff.rows.iter_mut().filter(|row| changed(row.finding)).take(most) {
            let runs = measured.map(|side| Some((side.program()?, side.numbers(&row.pattern)?.run()?)));
            if let ([Some(base), Some(head)], Some(change)) = (runs, deciding(&row.changes, row.finding)) {
                row.functions = self.functions(&row.pattern, change, [base, head], on_event).await?;
            }
        }
        Ok(())
    }

    /// Names the functions of what a bisection found; `measured` are the last good and the first bad commit.
    ///
    /// # Errors
    ///
    /// Those of [`profile::profile`].
    pub(super) async fn name_functions_of(
        &mut self,
        found: &mut Bisection,
        measured: [&Measured; 2],
        on_event: OnEvent<'_>,
    ) -> Result<(), Error> {
        let runs = measured.map(|side| Some((side.program()?, side.numbers(&found.pattern)?.run()?)));
        if let ([Some(base), Some(head)], Some(change)) = (runs, deciding(&found.changes, Finding::Slower)) {
            found.functions = self.functions(&found.pattern, change, [base, head], on_event).await?;
        }
        Ok(())
    }

    async fn functions(
        &mut self,
        pattern: &str,
        change: &Change,
        [(base, then), (head, now)]: [(Sha, &Run); 2],
        on_event: OnEvent<'_>,
    ) -> Result<Option<Functions>, Error> {
        // An idle board keeps drawing: what is measured has been.
        self.bench = None;
        let before = self.session.plan.warmup;
        let Some(frame) = telling_frame(then, now, change, LONGEST_WARMUP.saturating_sub(before)) else {
            return Ok(None);
        };
        let plan = Plan {
            pattern: pattern.to_owned(),
            warmup: before + frame,
            frames: 1,
            ..self.session.plan.clone()
        };
        let (Some(base), Some(head)) = (self.programs.get(&base), self.programs.get(&head)) else {
            return Ok(None);
        };
        let changed = changed_files(&base.source, &head.source)?;
        let of = async |image: &Image, run: &Run| {
            let profile = profile::known_or_profile(image, &plan, self.toolbox, on_event).await?;
            agrees(&profile, run, frame).map(|()| profile)
        };
        let (base, head) = tokio::try_join!(of(&base.image, then), of(&head.image, now))?;
        Ok(Some(Functions { frame, difference: profile::difference(&base, &head, &changed) }))
    }
}

/// The files of the checkouts that are not the same on both sides.
fn changed_files(base: &Source, head: &Source) -> Result<BTreeSet<String>, CheckoutError> {
    let files = |source: &Source| match &source.firmware {
        Firmware::Core => Ok(BTreeMap::new()),
        Firmware::Checkout(checkout) => {
            let folder = &checkout.tree.folder;
            checkout.tree.read().map_err(|source| CheckoutError::Cache { path: folder.clone(), source })
        }
    };
    let (base, head) = (files(base)?, files(head)?);
    let differs = |path: &&String| base.get(*path) != head.get(*path);
    Ok(base.keys().chain(head.keys()).filter(differs).cloned().collect())
}

/// The frame is the same one that was measured.
fn agrees(profile: &Profile, run: &Run, frame: u32) -> Result<(), ProfileError> {
    let measured: Vec<u64> = run.render_ticks.iter().skip(frame as usize).take(1).copied().collect();
    if profile.frames == measured {
        Ok(())
    } else {
        Err(ProfileError::Disagrees { counted: profile.frames.clone(), measured })
    }
}

/// The frame, of the first `most`, whose cost on both sides is nearest to the number that decided. Of late frames it is the
/// one that changed most in the direction of the change. Of several, the first.
fn telling_frame(then: &Run, now: &Run, change: &Change, most: u32) -> Option<u32> {
    let pairs =
        then.render_ticks.iter().zip(&now.render_ticks).map(|(then, now)| (*then as f64, *now as f64));
    let distance = |(then, now): (f64, f64)| match change.metric {
        Metric::LateFrames => (then - now) * change.difference.signum(),
        _ => (then - change.baseline).abs() + (now - change.measured).abs(),
    };
    let frames = (0..=most).zip(pairs);
    frames.min_by(|(_, a), (_, b)| distance(*a).total_cmp(&distance(*b))).map(|(frame, _)| frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Direction;
    use rstest::rstest;

    #[rstest]
    #[case::the_median(Metric::RenderMedian, 20.0, 22.0, 9, Some(1))]
    #[case::the_worst(Metric::RenderP99, 30.0, 60.0, 9, Some(2))]
    #[case::more_late_frames(Metric::LateFrames, 0.0, 25.0, 9, Some(2))]
    #[case::fewer_late_frames(Metric::LateFrames, 25.0, 0.0, 9, Some(0))]
    #[case::within_reach_only(Metric::RenderP99, 30.0, 60.0, 1, Some(1))]
    fn the_frame_that_stands_for_the_number_is_looked_at(
        #[case] metric: Metric,
        #[case] baseline: f64,
        #[case] measured: f64,
        #[case] most: u32,
        #[case] frame: Option<u32>,
    ) {
        let run = |render_ticks: &[u64]| {
            let ticks = render_ticks.to_vec();
            let frames = ticks.len() as u32;
            let statistics = crate::verdict::Statistics {
                frames,
                tick_hz: 1,
                fps: 1.0,
                span_ns: 1,
                render: crate::verdict::Summary::of(&ticks),
                work: crate::verdict::Summary::of(&ticks),
                deadline_ns: 1,
                late_frames: 0,
                heap_min_bytes: 0,
                audio_age_p99_us: 0,
                picture_sha256: Sha::of(""),
            };
            Run { statistics, led_hashes: vec![0; ticks.len()], render_ticks: ticks }
        };
        let difference = measured - baseline;
        let (direction, effect_percent) = (Direction::Worse, None);
        let change = Change {
            metric,
            baseline,
            measured,
            difference,
            effect_percent,
            direction,
            gates: true,
            exact: true,
        };
        let (then, now) = (run(&[10, 20, 30, 20]), run(&[9, 22, 60, 22]));
        assert_eq!(telling_frame(&then, &now, &change, most), frame);
        assert_eq!(telling_frame(&run(&[]), &now, &change, most), None);
    }
}
