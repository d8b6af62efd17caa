//! A capture in numbers. Pure.
//!
//! Times stay in the board's ticks, which are what was counted; on an emulated CPU a tick is an instruction.
//! A quantile is by nearest rank: the smallest measured value that at least the given share of frames does not
//! exceed. It is always the time of a real frame, so it is exact where the counts are.

use serde::{Deserialize, Serialize};

use super::usable::{Unusable, usable};
use crate::capture::{Capture, Frame};
use crate::digest::Sha;

/// Below this many effective frames no p99.9 is given: fewer than three frames would lie beyond it.
pub const FRAMES_FOR_P999: f64 = 3000.0;

/// The numbers of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Statistics {
    /// Frames of the run; none is missing.
    pub frames: u32,
    /// Ticks per second.
    pub tick_hz: u32,
    /// Frames per second of board time: intervals between starts, divided by the time from the first start to
    /// the last. (The mean of each frame's own rate, which K1 reports, is biased high.)
    pub fps: f64,
    /// From the first start to the last.
    pub span_ns: u64,
    /// Pattern and colour pipeline.
    pub render: Summary,
    /// Render, quantise, wait and transmit together, without the pause that paces the loop.
    pub work: Summary,
    /// What a frame's work may take before the frame is late.
    pub deadline_ns: u64,
    /// Frames whose work took longer than the deadline.
    pub late_frames: u32,
    /// Lowest free heap after any frame.
    pub heap_min_bytes: u32,
    /// Age of the audio that a frame was drawn from; 99 of 100 frames drew from younger audio.
    pub audio_age_p99_us: u32,
    /// SHA-256 over the LED hashes of all frames in order: two runs with the same digest drew the same.
    pub picture_sha256: Sha,
}

/// How one time is spread over the frames of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Summary {
    pub median_ticks: u64,
    pub p95_ticks: u64,
    pub p99_ticks: u64,
    /// Absent below 3,000 effective frames.
    pub p999_ticks: Option<u64>,
    pub max_ticks: u64,
    /// To a thousandth of a tick.
    pub mean_ticks: f64,
    /// How many independent frames these are worth: neighbouring frames resemble one another.
    pub effective_frames: f64,
}

impl Statistics {
    /// The numbers of `capture`; a frame is late if its work takes longer than `deadline_ns`.
    ///
    /// # Errors
    ///
    /// [`Unusable`] if the capture has no numbers that could be judged.
    pub fn of(capture: &Capture, deadline_ns: u64) -> Result<Self, Unusable> {
        usable(capture)?;
        let frames = &capture.frames;
        let render: Vec<u64> = frames.iter().map(|f| u64::from(f.render_ticks)).collect();
        let work: Vec<u64> = frames.iter().map(work_ticks).collect();
        let ages: Vec<u64> = frames.iter().map(|f| u64::from(f.audio_age_us)).collect();
        let starts = frames.iter().map(|f| f.start_ns);
        let span_ns = starts.clone().max().unwrap_or(0) - starts.min().unwrap_or(0);
        let late = |ticks: u64| {
            u128::from(ticks) * 1_000_000_000 > u128::from(deadline_ns) * u128::from(capture.tick_hz)
        };
        Ok(Self {
            frames: frames.len() as u32,
            tick_hz: capture.tick_hz,
            fps: rounded(1e9 * (frames.len() - 1) as f64 / span_ns as f64, 6),
            span_ns,
            late_frames: work.iter().filter(|ticks| late(**ticks)).count() as u32,
            render: Summary::of(&render),
            work: Summary::of(&work),
            deadline_ns,
            heap_min_bytes: frames.iter().map(|f| f.heap_free).min().unwrap_or(0),
            audio_age_p99_us: quantile(&sorted(&ages), 990) as u32,
            picture_sha256: picture(frames),
        })
    }

    /// Share of late frames, in percent.
    pub fn late_percent(&self) -> f64 {
        100.0 * f64::from(self.late_frames) / f64::from(self.frames.max(1))
    }
}

impl Summary {
    /// The spread of `ticks`, in the order of measurement; all zeros if there are none.
    pub fn of(ticks: &[u64]) -> Self {
        let sorted = sorted(ticks);
        let total: u128 = sorted.iter().copied().map(u128::from).sum();
        let effective = effective_frames(ticks);
        Self {
            median_ticks: quantile(&sorted, 500),
            p95_ticks: quantile(&sorted, 950),
            p99_ticks: quantile(&sorted, 990),
            p999_ticks: (effective >= FRAMES_FOR_P999).then(|| quantile(&sorted, 999)),
            max_ticks: sorted.last().copied().unwrap_or(0),
            mean_ticks: rounded(total as f64 / sorted.len().max(1) as f64, 3),
            effective_frames: rounded(effective, 3),
        }
    }
}

/// What the frame's work took, without the pause that paces the loop.
pub(crate) fn work_ticks(frame: &Frame) -> u64 {
    [frame.render_ticks, frame.quantize_ticks, frame.wait_ticks, frame.transmit_ticks]
        .into_iter()
        .map(u64::from)
        .sum()
}

/// How many independent values a series is worth, taken as a first-order autoregression with the series' own
/// correlation φ of neighbours: `n / (1 + 2 Σ (1 − j/n) φ^j)`, j from 1 to n − 1. A negative φ counts as none,
/// so the result lies between 1 and n (0 for no values).
pub fn effective_frames(series: &[u64]) -> f64 {
    let n = series.len() as f64;
    let mean = series.iter().map(|v| *v as f64).sum::<f64>() / n.max(1.0);
    let deviations: Vec<f64> = series.iter().map(|v| *v as f64 - mean).collect();
    let variance: f64 = deviations.iter().map(|d| d * d).sum();
    let covariance: f64 = deviations.windows(2).map(|pair| pair[0] * pair[1]).sum();
    // Values that are all equal have no correlation.
    let phi = if variance > 0.0 { (covariance / variance).clamp(0.0, 1.0) } else { 0.0 };
    let mut inflation = 1.0;
    let mut power = phi;
    for lag in 1..series.len() {
        inflation += 2.0 * (1.0 - lag as f64 / n) * power;
        power *= phi;
    }
    n / inflation
}

fn sorted(values: &[u64]) -> Vec<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted
}

/// Nearest rank; `per_mille` from 1 to 1000. 0 for no values.
fn quantile(sorted: &[u64], per_mille: usize) -> u64 {
    let rank = (sorted.len() * per_mille).div_ceil(1000);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

fn picture(frames: &[Frame]) -> Sha {
    let hashes: Vec<u8> = frames.iter().flat_map(|frame| frame.led_hash.to_le_bytes()).collect();
    Sha::of(hashes)
}

/// Rounds a number that is stored, so that it fits into the 15 digits that survive being written and read.
pub(crate) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quantile_is_the_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(Summary::of(&hundred).median_ticks, 50);
        assert_eq!(Summary::of(&hundred).p95_ticks, 95);
        assert_eq!(Summary::of(&hundred).p99_ticks, 99);
        assert_eq!(Summary::of(&[7]).p99_ticks, 7);
        assert_eq!(Summary::of(&[1, 2, 3]).median_ticks, 2);
        assert_eq!(Summary::of(&[]).max_ticks, 0);
    }

    #[test]
    fn effective_frames_agree_with_the_published_values() {
        // A long AR(1) series by a small linear congruential generator; 1000 frames at φ 0.7 are worth about 177.
        let mut state = 1_u64;
        let mut level = 0.0;
        let series: Vec<u64> = (0..1000)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                level = 0.7 * level + (state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5;
                (100_000.0 + 1000.0 * level) as u64
            })
            .collect();
        let worth = effective_frames(&series);
        assert!((140.0..220.0).contains(&worth), "{worth}");
        assert_eq!(effective_frames(&[5; 40]), 40.0);
    }

    #[test]
    fn p999_is_refused_below_three_thousand_effective_frames() {
        let alternating = |n: u64| (0..n).map(|i| 100 + i % 2).collect::<Vec<_>>();
        assert_eq!(Summary::of(&alternating(2999)).p999_ticks, None);
        assert_eq!(Summary::of(&alternating(3000)).p999_ticks, Some(101));
        let ramp: Vec<u64> = (0..10_000).collect();
        assert_eq!(Summary::of(&ramp).p999_ticks, None, "a ramp of 10,000 frames is worth few");
    }

    proptest! {
        #[test]
        fn a_spread_does_not_depend_on_the_order(
            (ticks, shuffled) in prop::collection::vec(0_u64..1 << 34, 1..200).prop_flat_map(|t| (Just(t.clone()), Just(t).prop_shuffle())),
        ) {
            let (a, b) = (Summary::of(&ticks), Summary::of(&shuffled));
            let quantiles = |s: &Summary| (s.median_ticks, s.p95_ticks, s.p99_ticks, s.max_ticks, s.mean_ticks);
            prop_assert_eq!(quantiles(&a), quantiles(&b));
        }

        #[test]
        fn a_quantile_is_a_measured_value_and_the_share_below_it_holds(ticks in prop::collection::vec(0_u64..1000, 1..300), per_mille in 1_usize..=1000) {
            let value = quantile(&sorted(&ticks), per_mille);
            prop_assert!(ticks.contains(&value));
            let at_most = ticks.iter().filter(|t| **t <= value).count();
            let below = ticks.iter().filter(|t| **t < value).count();
            prop_assert!(at_most * 1000 >= ticks.len() * per_mille);
            prop_assert!(below * 1000 < ticks.len() * per_mille);
        }

        #[test]
        fn effective_frames_lie_between_one_and_all(ticks in prop::collection::vec(0_u64..u64::from(u32::MAX), 1..300)) {
            let worth = effective_frames(&ticks);
            prop_assert!((0.999..=ticks.len() as f64 + 1e-9).contains(&worth), "{}", worth);
        }
    }
}
