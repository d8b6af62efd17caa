//! Limits that hold whatever the baseline says.
//!
//! Where a limit concerns frames it is kept if 99 of 100 frames keep it (p99): a single spike does not fail a
//! pattern on a real board, a stutter does. Free heap is the exception, since its lowest value is the one that
//! crashes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::statistics::{Statistics, rounded};
use super::words::{plain, thousands};
use crate::image::Image;

/// The limits. Defaults are those of the K1 project: frame rate, render time and audio latency from the
/// `compare` step of its pattern-test workflow, heap from its alert threshold, flash, RAM and warnings from its
/// build gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budgets {
    /// Frames per second, at least.
    #[serde(deserialize_with = "amount")]
    pub min_fps: f64,
    /// Render time of 99 of 100 frames, at most.
    #[serde(deserialize_with = "amount")]
    pub max_render_ms: f64,
    /// Age of the audio that 99 of 100 frames are drawn from, at most.
    #[serde(deserialize_with = "amount")]
    pub max_audio_latency_ms: f64,
    /// Free heap after each frame, above; in bytes (K1 alerts below 50,000 bytes, not 50 KiB).
    pub min_heap_bytes: u64,
    /// Share of the application partition, below.
    #[serde(deserialize_with = "amount")]
    pub max_flash_percent: f64,
    /// Share of the static RAM, below.
    #[serde(deserialize_with = "amount")]
    pub max_ram_percent: f64,
    /// Compiler warnings, at most.
    pub max_warnings: u32,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            min_fps: 30.0,
            max_render_ms: 20.0,
            max_audio_latency_ms: 50.0,
            min_heap_bytes: 50_000,
            max_flash_percent: 70.0,
            max_ram_percent: 80.0,
            max_warnings: 0,
        }
    }
}

/// One limit and what was measured against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BudgetCheck {
    pub name: Budget,
    pub bound: Bound,
    pub limit: f64,
    pub measured: f64,
    /// Of `limit` and `measured`: `FPS`, `ms`, `B`, `%`, or empty for counts.
    pub unit: String,
    pub ok: bool,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    FrameRate,
    Render,
    AudioLatency,
    Heap,
    Flash,
    Ram,
    Warnings,
}

/// On which side of the limit the measured value must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The limit itself is allowed.
    AtLeast,
    /// The limit itself is allowed.
    AtMost,
    /// The limit itself is not allowed.
    Above,
    /// The limit itself is not allowed.
    Below,
}

impl Budgets {
    /// What a frame's work may take: the time between frames at the lowest allowed rate.
    pub fn deadline_ns(&self) -> u64 {
        // The cast saturates: no lowest rate allows any time, and a rate that is no number allows none.
        (1e9 / self.min_fps) as u64
    }

    /// Checks what a run shows.
    pub fn check_run(&self, run: &Statistics) -> Vec<BudgetCheck> {
        let render_ms = run.render.p99_ticks as f64 * 1e3 / f64::from(run.tick_hz.max(1));
        let audio_ms = f64::from(run.audio_age_p99_us) / 1e3;
        let heap = f64::from(run.heap_min_bytes);
        vec![
            BudgetCheck::new(Budget::FrameRate, Bound::AtLeast, self.min_fps, run.fps),
            BudgetCheck::new(Budget::Render, Bound::AtMost, self.max_render_ms, render_ms),
            BudgetCheck::new(Budget::AudioLatency, Bound::AtMost, self.max_audio_latency_ms, audio_ms),
            BudgetCheck::new(Budget::Heap, Bound::Above, self.min_heap_bytes as f64, heap),
        ]
    }

    /// Checks what an image shows.
    pub fn check_image(&self, image: &Image) -> Vec<BudgetCheck> {
        self.check_build(image.flash.percent(), image.ram.percent(), image.warnings.len())
    }

    /// Checks what is known of a build: how full flash and RAM are, in percent, and the compiler's warnings.
    pub fn check_build(&self, flash_percent: f64, ram_percent: f64, warnings: usize) -> Vec<BudgetCheck> {
        let (most, warnings) = (f64::from(self.max_warnings), warnings as f64);
        vec![
            BudgetCheck::new(Budget::Flash, Bound::Below, self.max_flash_percent, flash_percent),
            BudgetCheck::new(Budget::Ram, Bound::Below, self.max_ram_percent, ram_percent),
            BudgetCheck::new(Budget::Warnings, Bound::AtMost, most, warnings),
        ]
    }
}

impl BudgetCheck {
    fn new(name: Budget, bound: Bound, limit: f64, measured: f64) -> Self {
        let ok = match bound {
            Bound::AtLeast => measured >= limit,
            Bound::AtMost => measured <= limit,
            Bound::Above => measured > limit,
            Bound::Below => measured < limit,
        };
        Self { name, bound, limit, measured: rounded(measured, 6), unit: name.unit().to_owned(), ok }
    }

    /// `at least 30 FPS`, `below 70 %`, `at most 0`.
    pub fn limit_text(&self) -> String {
        let bound = match self.bound {
            Bound::AtLeast => "at least",
            Bound::AtMost => "at most",
            Bound::Above => "above",
            Bound::Below => "below",
        };
        format!("{bound} {}", self.with_unit(self.limit))
    }

    /// `166.667 FPS`, `12.5 %`.
    pub fn measured_text(&self) -> String {
        self.with_unit(self.measured)
    }

    fn with_unit(&self, value: f64) -> String {
        let number = match self.name {
            Budget::Heap | Budget::Warnings => thousands(value as u64),
            _ => plain(value),
        };
        if self.unit.is_empty() { number } else { format!("{number} {}", self.unit) }
    }
}

/// `render p99 is 21.3 ms; the budget is at most 20 ms`
impl fmt::Display for BudgetCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}; the budget is {}", self.name, self.measured_text(), self.limit_text())
    }
}

impl Budget {
    fn unit(self) -> &'static str {
        match self {
            Self::FrameRate => "FPS",
            Self::Render | Self::AudioLatency => "ms",
            Self::Heap => "B",
            Self::Flash | Self::Ram => "%",
            Self::Warnings => "",
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FrameRate => "frame rate",
            Self::Render => "render p99",
            Self::AudioLatency => "audio latency p99",
            Self::Heap => "lowest free heap",
            Self::Flash => "flash use",
            Self::Ram => "RAM use",
            Self::Warnings => "number of warnings",
        })
    }
}

/// Reads a number that is a finite amount, so that no limit is one that nothing can exceed by accident.
pub(super) fn amount<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if number.is_finite() && number >= 0.0 {
        Ok(number)
    } else {
        Err(serde::de::Error::custom(format!("{number} is not a finite number of at least 0")))
    }
}
