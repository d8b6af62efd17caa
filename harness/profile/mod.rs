//! Where the instructions of a frame go: each executed instruction is counted, none is sampled.
//!
//! [`profile`] runs an image on an emulated CPU that tells what it executes ([`crate::vboard::trace`]), keeps what
//! belongs to drawing frames, and names functions and source lines by the debug information in the ELF. Each frame's sum
//! is checked against the time that the firmware itself measured for it. [`difference()`] says how two of them differ, and
//! [`nodes()`] what each node of a graph costs; both are pure.
//!
//! Not for: chips, which cannot tell what they execute.

mod difference;
mod flame;
mod named;
mod nodes;
mod recorder;
mod store;
mod symbols;
mod table;
mod text;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::audio::{AudioError, RecordingName};
use crate::blame::Blame;
use crate::board::RunOrder;
use crate::capture::Plan;
use crate::digest::Sha;
use crate::event::{Event, OnEvent};
use crate::image::Image;
use crate::stored::{self, StoredError};
use crate::tools::Toolbox;
use crate::vboard::{self, TraceError, Traced};

use named::named;
use recorder::Recorder;
pub(crate) use symbols::{Place, Symbols};

pub use difference::{FunctionChange, ProfileDifference, difference};
pub use flame::flame_graph;
pub use nodes::{NodeCost, Nodes, nodes};
pub use table::ProfileTable;
pub(crate) use text::path;
pub use text::{folded, text};

/// How many instructions drawing takes, and which.
///
/// All counts are over all frames together; divided by `frames` they are instructions per frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Profile {
    /// Version of this structure's stored form; 2.
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
    /// Where its code is, as it lies in the build: files of a checkout below `checkout/`, generated ones below `generated/`,
    /// others are of this program. Empty if the debug information names none.
    pub file: String,
    /// Instructions of its own code.
    pub own: u64,
    /// With those of all that it called; of a recursive function each counts once.
    pub total: u64,
    /// Of its code, most instructions with calls first.
    pub lines: Vec<Line>,
}

/// What one source line costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Line {
    /// As in [`Function::file`]; empty if the debug information names none.
    pub file: String,
    /// From 1; 0 if the debug information names none.
    pub line: u32,
    /// Instructions of the line's own code.
    pub own: u64,
    /// With those of all that it called.
    pub total: u64,
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
    /// The recording of the plan.
    #[error(transparent)]
    Audio(#[from] AudioError),
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error(transparent)]
    Stored(#[from] StoredError),
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
            Self::Audio(e) => e.blame(),
            Self::Trace(e) => e.blame(),
            Self::Stored(e) => e.blame(),
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
    let recorder = Recorder::new(symbols::draw_in(&image.elf)?);
    let order = RunOrder {
        pattern: &plan.pattern,
        seed: plan.seed,
        warmup: plan.warmup,
        frames: plan.frames,
        stimulus: &plan.stimulus,
        audio: plan.audio,
    };
    let recording = plan.stimulus.recording().map(RecordingName::load).transpose()?;
    let Traced { state, render_ticks, elf_sha256 } =
        vboard::trace(&toolbox.qemu()?, &image.bin, &order, recording.as_ref(), recorder, Recorder::executed)
            .await?;
    let (frames, samples) = state.finish();
    let measured: Vec<u64> = render_ticks.into_iter().map(u64::from).collect();
    if frames != measured {
        return Err(ProfileError::Disagrees { counted: frames, measured });
    }
    let elf = image.elf.clone();
    let (functions, stacks) = tokio::task::spawn_blocking(move || named(&samples, &mut Symbols::open(&elf)?))
        .await
        .map_err(|e| unfit(&image.elf, &e.to_string()))??;
    let (plan, instructions) = (plan.clone(), frames.iter().sum());
    Ok(Profile { format: store::FORMAT, plan, elf_sha256, frames, instructions, functions, stacks })
}

/// The profile of `plan` with `image`, from the cache of `toolbox` if it was made before.
///
/// # Errors
///
/// See [`ProfileError`].
pub async fn known_or_profile(
    image: &Image,
    plan: &Plan,
    toolbox: &Toolbox,
    on_event: OnEvent<'_>,
) -> Result<Profile, ProfileError> {
    let pattern = plan.pattern.clone();
    if let Some(known) = store::read(toolbox.cache(), image.elf_sha256, plan) {
        on_event(&Event::ProfiledBefore { pattern });
        return Ok(known);
    }
    on_event(&Event::ProfileStarted { pattern: pattern.clone(), frames: plan.frames });
    let made = profile(image, plan, toolbox).await?;
    store::write(toolbox.cache(), image.elf_sha256, &made)?;
    on_event(&Event::Profiled { pattern, frames: plan.frames });
    Ok(made)
}

fn unfit(elf: &Path, reason: &str) -> ProfileError {
    ProfileError::Unfit { path: elf.to_owned(), reason: reason.to_owned() }
}

fn write(path: &Path, text: &str) -> Result<(), StoredError> {
    let unwritable = |source| StoredError::Unwritable { path: path.to_owned(), source };
    stored::write(path, text.as_bytes()).map_err(unwritable)
}
