//! Where the instructions of a frame go: each executed instruction is counted, none is sampled.
//!
//! [`profile`] runs an image on an emulated CPU that tells what it executes ([`crate::vboard::trace`]), keeps what
//! belongs to drawing frames, and names functions and source lines by the debug information in the ELF. Each frame's sum
//! is checked against the time that the firmware itself measured for it.
//!
//! Not for: chips, which cannot tell what they execute.

mod flame;
mod recorder;
mod symbols;
mod text;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::blame::Blame;
use crate::board::RunOrder;
use crate::capture::Plan;
use crate::digest::Sha;
use crate::image::Image;
use crate::stored::{self, StoredError};
use crate::tools::Toolbox;
use crate::vboard::{self, TraceError, Traced};

use recorder::{Recorder, Sample};
pub(crate) use symbols::{Place, Symbols};

pub use flame::flame_graph;
pub use text::{folded, table};

/// How many instructions drawing takes, and which.
///
/// All counts are over all frames together; divided by `frames` they are instructions per frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Profile {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub plan: Plan,
    /// Of the program.
    pub elf_sha256: Sha,
    /// Instructions of each frame. Each is the frame's `render_ticks`.
    pub frames: Vec<u64>,
    /// The sum of `frames`, and of all functions' `own`.
    pub instructions: u64,
    /// Most instructions of its own first.
    pub functions: Vec<Function>,
    /// Each stack of calls with the instructions of its innermost function, in alphabetical order.
    pub stacks: Vec<Stack>,
}

/// What one function costs. A function that was inlined is one too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Function {
    /// As C++ writes it.
    pub name: String,
    /// Instructions of its own code.
    pub own: u64,
    /// With those of all that it called; of a recursive function each counts once.
    pub total: u64,
    /// Of its own code, most instructions first.
    pub lines: Vec<Line>,
}

/// What one source line costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Line {
    /// As it lies in the build; empty if the debug information names none.
    pub file: String,
    /// From 1; 0 if the debug information names none.
    pub line: u32,
    pub instructions: u64,
}

/// A function and how it was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stack {
    /// Outermost first.
    pub functions: Vec<String>,
    pub instructions: u64,
}

impl Profile {
    /// Writes [`folded`] to `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`StoredError::Unwritable`].
    pub fn write_folded(&self, path: &Path) -> Result<(), StoredError> {
        write(path, &folded(self))
    }

    /// Writes [`flame_graph`] to `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`StoredError::Unwritable`].
    pub fn write_flame_graph(&self, path: &Path) -> Result<(), StoredError> {
        write(path, &flame_graph(self))
    }
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    #[error(transparent)]
    Tools(#[from] crate::tools::ToolsError),
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error("cannot read {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("cannot use {path} for a profile: {reason}")]
    Unfit { path: PathBuf, reason: String },
    /// A profile that does not explain the measured time is none.
    #[error(
        "the profile counts {counted:?} instructions in the frames, but the firmware measured {measured:?}"
    )]
    Disagrees { counted: Vec<u64>, measured: Vec<u64> },
}

impl ProfileError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Tools(e) => e.blame(),
            Self::Trace(e) => e.blame(),
            Self::Unreadable { .. } => Blame::Configuration,
            Self::Unfit { .. } => Blame::Input,
            Self::Disagrees { .. } => Blame::Bug,
        }
    }
}

/// Runs `plan` with `image` on an emulated CPU and counts where its frames spend their instructions.
///
/// # Errors
///
/// See [`ProfileError`].
pub async fn profile(image: &Image, plan: &Plan, toolbox: &Toolbox) -> Result<Profile, ProfileError> {
    let recorder = Recorder::new(symbols::draw_in(&image.elf)?, plan.warmup);
    let order = RunOrder {
        pattern: &plan.pattern,
        seed: plan.seed,
        warmup: plan.warmup,
        frames: plan.frames,
        stimulus: plan.stimulus,
        audio: plan.audio,
    };
    let Traced { state, render_ticks, elf_sha256 } =
        vboard::trace(&toolbox.qemu()?, &image.bin, &order, recorder, Recorder::executed).await?;
    let (frames, samples) = state.finish();
    let measured: Vec<u64> = render_ticks.into_iter().map(u64::from).collect();
    if frames != measured {
        return Err(ProfileError::Disagrees { counted: frames, measured });
    }
    let (functions, stacks) = named(&samples, &mut Symbols::open(&image.elf)?)?;
    let instructions = frames.iter().sum();
    Ok(Profile { format: 1, plan: plan.clone(), elf_sha256, frames, instructions, functions, stacks })
}

fn write(path: &Path, text: &str) -> Result<(), StoredError> {
    let unwritable = |source| StoredError::Unwritable { path: path.to_owned(), source };
    stored::write(path, text.as_bytes()).map_err(unwritable)
}

/// The samples by function and by stack.
fn named(samples: &[Sample], symbols: &mut Symbols) -> Result<(Vec<Function>, Vec<Stack>), ProfileError> {
    #[derive(Default)]
    struct Counts {
        own: u64,
        total: u64,
        lines: BTreeMap<(String, u32), u64>,
    }
    let mut functions: BTreeMap<String, Counts> = BTreeMap::new();
    let mut stacks: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for Sample { calls, address, count } in samples {
        let mut stack = Vec::new();
        for call in calls {
            stack.extend(symbols.at(*call)?.iter().map(|place| place.function.clone()));
        }
        let places = symbols.at(*address)?;
        stack.extend(places.iter().map(|place| place.function.clone()));
        if let Some(place) = places.last() {
            let counts = functions.entry(place.function.clone()).or_default();
            counts.own += count;
            *counts.lines.entry((place.file.clone(), place.line)).or_insert(0) += count;
        }
        for function in stack.iter().collect::<HashSet<_>>() {
            functions.entry(function.clone()).or_default().total += count;
        }
        *stacks.entry(stack).or_insert(0) += count;
    }
    let mut functions: Vec<Function> = functions
        .into_iter()
        .map(|(name, Counts { own, total, lines })| {
            let mut lines: Vec<Line> = lines
                .into_iter()
                .map(|((file, line), instructions)| Line { file, line, instructions })
                .collect();
            lines.sort_by_key(|line| std::cmp::Reverse(line.instructions));
            Function { name, own, total, lines }
        })
        .collect();
    functions.sort_by_key(|function| std::cmp::Reverse(function.own));
    let stacks =
        stacks.into_iter().map(|(functions, instructions)| Stack { functions, instructions }).collect();
    Ok((functions, stacks))
}
