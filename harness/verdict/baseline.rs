//! Stored numbers of an earlier run: reviewed text in git, one file per board model and pattern, so that
//! accepting a slower pattern is a change that somebody reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::statistics::{Statistics, rounded};
use super::usable::Unusable;
use crate::blame::Blame;
use crate::board::Cpu;
use crate::capture::{Capture, Plan};
use crate::digest::Sha;
use crate::image::Image;
use crate::stored::{self, StoredError};

/// What a run of one pattern on one board model is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    /// Board model.
    pub model: String,
    /// Pattern id and how it was run; another plan is another measurement.
    pub plan: Plan,
    pub cpu: Cpu,
    /// Ticks per second.
    pub tick_hz: u32,
    pub render: RenderTicks,
    /// What a frame's work could take before the frame was late.
    pub deadline_ns: u64,
    pub late_frames: u32,
    /// As [`Statistics::picture_sha256`].
    pub picture_sha256: Sha,
    /// The ELF that ran; for information, since another one is what a comparison is for.
    pub elf_sha256: Sha,
    /// Versions of the tools that built it.
    pub tools: BTreeMap<String, String>,
}

/// Render times of a baseline, per frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenderTicks {
    pub median: u64,
    pub p99: u64,
    /// To a thousandth of a tick.
    pub mean: f64,
}

/// A baseline file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// A board model or pattern id that is no file name.
    #[error("{name:?} cannot be part of a baseline's path")]
    Name { name: String },
}

impl BaselineError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Stored(e) => e.blame(),
            Self::Name { .. } => Blame::Input,
        }
    }
}

impl Baseline {
    /// The baseline that `capture` would be; `image` is what ran, `deadline_ns` as in [`Statistics::of`].
    ///
    /// # Errors
    ///
    /// [`Unusable`]: what cannot be judged cannot be a measure.
    pub fn of(capture: &Capture, image: Option<&Image>, deadline_ns: u64) -> Result<Self, Unusable> {
        let statistics = Statistics::of(capture, deadline_ns)?;
        let render = &statistics.render;
        Ok(Self {
            format: 1,
            model: capture.board.model.clone(),
            plan: capture.plan.clone(),
            cpu: capture.board.cpu,
            tick_hz: capture.tick_hz,
            render: RenderTicks {
                median: render.median_ticks,
                p99: render.p99_ticks,
                mean: render.mean_ticks,
            },
            deadline_ns,
            late_frames: statistics.late_frames,
            picture_sha256: statistics.picture_sha256,
            elf_sha256: capture.elf_sha256,
            tools: image.map(|image| image.tools.clone()).unwrap_or_default(),
        })
    }

    /// Where the baseline of `pattern` on boards of `model` lies: `<dir>/<model>/<pattern>.json`.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Name`] if one of the two could lead out of `dir`.
    pub fn path(dir: &Path, model: &str, pattern: &str) -> Result<PathBuf, BaselineError> {
        match [model, pattern].into_iter().find(|name| !stored::is_name(name)) {
            Some(name) => Err(BaselineError::Name { name: name.to_owned() }),
            None => Ok(dir.join(model).join(format!("{pattern}.json"))),
        }
    }

    /// Reads the baseline of `pattern` on boards of `model`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`BaselineError`] if there is a file that cannot be read or is not a baseline.
    pub fn load(dir: &Path, model: &str, pattern: &str) -> Result<Option<Self>, BaselineError> {
        let path = Self::path(dir, model, pattern)?;
        let mut baseline: Self = match stored::read(&path, "a baseline", 1) {
            Ok(baseline) => baseline,
            Err(StoredError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if baseline.render.median > baseline.render.p99 || baseline.late_frames > baseline.plan.frames {
            let reason = "its numbers contradict each other".to_owned();
            return Err(StoredError::Malformed { path, what: "a baseline", reason }.into());
        }
        baseline.render.mean = rounded(baseline.render.mean, 3);
        Ok(Some(baseline))
    }

    /// Writes the baseline to its place under `dir` and returns the path; a killed process leaves the old file.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Name`] or [`StoredError::Unwritable`].
    pub fn save(&self, dir: &Path) -> Result<PathBuf, BaselineError> {
        let path = Self::path(dir, &self.model, &self.plan.pattern)?;
        match stored::write(&path, self.to_string().as_bytes()) {
            Ok(()) => Ok(path),
            Err(source) => Err(StoredError::Unwritable { path, source }.into()),
        }
    }

    /// Why `capture` cannot be compared with this baseline: each difference with both values; empty if it can.
    pub fn misfits(&self, capture: &Capture) -> Vec<String> {
        let (was, is) = (&self.plan, &capture.plan);
        let (board, cpu) = (&capture.board, |cpu| match cpu {
            Cpu::Emulated => "an emulated CPU",
            Cpu::Chip => "a chip",
        });
        let mut misfits = Vec::new();
        let mut differ = |what: &str, then: String, now: String| {
            if then != now {
                misfits.push(format!("{what} {now} instead of {then}"));
            }
        };
        differ("pattern", was.pattern.clone(), is.pattern.clone());
        differ("board model", self.model.clone(), board.model.clone());
        differ("CPU", cpu(self.cpu).to_owned(), cpu(board.cpu).to_owned());
        differ("ticks per second", self.tick_hz.to_string(), capture.tick_hz.to_string());
        differ("seed", was.seed.to_string(), is.seed.to_string());
        differ("warm-up frames", was.warmup.to_string(), is.warmup.to_string());
        differ("frames", was.frames.to_string(), is.frames.to_string());
        differ("audio", format!("{:?}", was.audio).to_lowercase(), format!("{:?}", is.audio).to_lowercase());
        if was.stimulus != is.stimulus {
            differ("stimulus", was.stimulus.to_string(), is.stimulus.to_string());
        }
        misfits
    }

    /// Share of late frames, in percent.
    pub(crate) fn late_percent(&self) -> f64 {
        100.0 * f64::from(self.late_frames) / f64::from(self.plan.frames.max(1))
    }
}

/// The file's text.
impl std::fmt::Display for Baseline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_string_pretty(self).map_err(|_| std::fmt::Error)?;
        writeln!(f, "{text}")
    }
}
