//! A run beside its baseline.
//!
//! On an emulated CPU both sides are exact counts, so the comparison is exact: no interval, no probability.
//! On a chip one run a side says nothing of how runs differ among themselves, so no interval can be given and
//! nothing is decided; the differences are shown all the same.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::budget::amount;
use super::statistics::{Statistics, rounded};
use super::words::{plain, signed_percent, signed_thousands, thousands, ticks_of};
use crate::board::Cpu;

/// How a run is compared with a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Comparison {
    /// A change up to this size, in percent, is none: 0.5 by default. For late frames, percentage points.
    #[serde(deserialize_with = "amount")]
    pub min_effect_percent: f64,
}

impl Default for Comparison {
    fn default() -> Self {
        Self { min_effect_percent: 0.5 }
    }
}

/// One number of a run beside the same number of its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Change {
    pub metric: Metric,
    /// Ticks per frame, or percent of frames for late frames; `measured` and `difference` too.
    pub baseline: f64,
    pub measured: f64,
    /// `measured - baseline`.
    pub difference: f64,
    /// How much slower, `measured / baseline - 1`, in percent; absent if the baseline is 0, and for late frames.
    pub effect_percent: Option<f64>,
    pub direction: Direction,
    /// Whether this number takes part in the verdict; the others are shown.
    pub gates: bool,
    /// Whether both sides are exact counts.
    pub exact: bool,
}

/// What is compared. The median sees shifts, p99 and late frames see stutter; the mean sees little of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    RenderMedian,
    RenderP99,
    RenderMean,
    LateFrames,
}

/// Which way a number went, by more than the minimum effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Worse,
    Same,
    Better,
}

/// Whether the run drew what its baseline drew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Likeness {
    /// Every LED of every frame is the same.
    Same,
    /// At least one LED of one frame differs.
    Changed,
    /// There is nothing to compare with, or frames of a chip, which are drawn at times that no two runs share.
    Unknown,
}

/// Each number of `run` beside that of `baseline`, which must fit. Late frames are left out where the two
/// sides had different deadlines.
pub(crate) fn changes(run: &Statistics, baseline: &Baseline, comparison: &Comparison) -> Vec<Change> {
    let then = Then {
        median: baseline.render.median,
        p99: baseline.render.p99,
        mean: baseline.render.mean,
        late_percent: baseline.late_percent(),
        deadline_ns: baseline.deadline_ns,
        exact: baseline.cpu == Cpu::Emulated,
    };
    changes_from(&then, run, comparison)
}

/// Each number of `now` beside that of `then`, two runs of the same plan on an emulated CPU: exact on both sides.
pub fn exact_changes(then: &Statistics, now: &Statistics, comparison: &Comparison) -> Vec<Change> {
    let then = Then {
        median: then.render.median_ticks,
        p99: then.render.p99_ticks,
        mean: then.render.mean_ticks,
        late_percent: then.late_percent(),
        deadline_ns: then.deadline_ns,
        exact: true,
    };
    changes_from(&then, now, comparison)
}

/// The earlier side of a comparison.
struct Then {
    median: u64,
    p99: u64,
    mean: f64,
    late_percent: f64,
    deadline_ns: u64,
    exact: bool,
}

fn changes_from(then: &Then, run: &Statistics, comparison: &Comparison) -> Vec<Change> {
    let now = &run.render;
    let pairs = [
        (Metric::RenderMedian, then.median as f64, now.median_ticks as f64),
        (Metric::RenderP99, then.p99 as f64, now.p99_ticks as f64),
        (Metric::RenderMean, then.mean, now.mean_ticks),
        (Metric::LateFrames, then.late_percent, run.late_percent()),
    ];
    pairs
        .into_iter()
        .filter(|(metric, ..)| *metric != Metric::LateFrames || run.deadline_ns == then.deadline_ns)
        .map(|(metric, was, is)| change(metric, was, is, then.exact, comparison))
        .collect()
}

/// Whether `run` drew what `baseline` drew.
pub(crate) fn picture(run: &Statistics, baseline: &Baseline) -> Likeness {
    match (run.picture_sha256 == baseline.picture_sha256, baseline.cpu) {
        (true, _) => Likeness::Same,
        (false, Cpu::Emulated) => Likeness::Changed,
        (false, Cpu::Chip) => Likeness::Unknown,
    }
}

fn change(metric: Metric, baseline: f64, measured: f64, exact: bool, comparison: &Comparison) -> Change {
    let difference = measured - baseline;
    let effect = (metric != Metric::LateFrames && baseline > 0.0).then(|| 100.0 * difference / baseline);
    let size = match effect {
        Some(percent) => percent,
        // Late frames are compared by points; a time that was nothing has no ratio, and any more is too much.
        None if metric == Metric::LateFrames || difference <= 0.0 => difference,
        None => f64::INFINITY,
    };
    let direction = if size > comparison.min_effect_percent {
        Direction::Worse
    } else if size < -comparison.min_effect_percent {
        Direction::Better
    } else {
        Direction::Same
    };
    Change {
        metric,
        baseline: rounded(baseline, 6),
        measured: rounded(measured, 6),
        difference: rounded(difference, 3),
        effect_percent: effect.map(|percent| rounded(percent, 4)),
        direction,
        gates: metric != Metric::RenderMean,
        exact,
    }
}

impl Change {
    /// `92,500`, or `1.333 %` for late frames.
    pub fn value_text(&self, value: f64) -> String {
        match self.metric {
            Metric::LateFrames => format!("{} %", plain(value)),
            _ => thousands(value.round() as u64),
        }
    }

    /// `+1,850`, or `+1.333 points` for late frames.
    pub fn difference_text(&self) -> String {
        match self.metric {
            Metric::LateFrames if self.difference == 0.0 => "0".to_owned(),
            Metric::LateFrames => format!("{:+.3} points", self.difference),
            _ => signed_thousands(self.difference.round() as i64),
        }
    }

    /// `+2.00 %`, or nothing where there is no ratio.
    pub fn effect_text(&self) -> String {
        self.effect_percent.map(signed_percent).unwrap_or_default()
    }

    /// `render median is 2.00 % slower than the baseline: 94,350 instead of 92,500 instructions per frame (+1,850)`
    pub(crate) fn sentence(&self, cpu: Cpu) -> String {
        let (was, is) = (self.value_text(self.baseline), self.value_text(self.measured));
        if self.metric == Metric::LateFrames && self.difference == 0.0 {
            return format!("as many frames are late as in the baseline: {is}");
        }
        if self.metric == Metric::LateFrames {
            let way = if self.difference > 0.0 { "more" } else { "fewer" };
            return format!("{way} frames are late than in the baseline: {is} instead of {was}");
        }
        let way = match self.difference {
            d if d > 0.0 => "slower than",
            d if d < 0.0 => "faster than",
            _ => {
                return format!(
                    "{} is that of the baseline: {is} {} per frame",
                    self.metric,
                    ticks_of(cpu, self.measured as u64)
                );
            }
        };
        let by = match self.effect_percent {
            Some(percent) => signed_percent(percent.abs()).trim_start_matches('+').to_owned() + " ",
            None => String::new(),
        };
        let unit = ticks_of(cpu, self.baseline.round() as u64);
        format!(
            "{} is {by}{way} the baseline: {is} instead of {was} {unit} per frame ({})",
            self.metric,
            self.difference_text()
        )
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RenderMedian => "render median",
            Self::RenderP99 => "render p99",
            Self::RenderMean => "render mean",
            Self::LateFrames => "late frames",
        })
    }
}
