//! Compiling a source into firmware with PlatformIO, its log, sizes, and the build cache.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Sha;
use crate::error::Blame;
use crate::event::OnEvent;
use crate::source::Source;
use crate::tools::Toolbox;

/// Built firmware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Image {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub target: Target,
    /// The application image (ESP image format) as it is sent to a board.
    pub bin: PathBuf,
    pub elf: PathBuf,
    /// Of the file `bin`.
    pub sha256: Sha,
    /// Of the file `elf`; the image carries it in its application descriptor and the running board reports it.
    pub elf_sha256: Sha,
    /// Of the [`Source`].
    pub source_sha256: Sha,
    pub flash: Usage,
    pub ram: Usage,
    /// Compiler warnings, each once.
    pub warnings: Vec<Diagnostic>,
    /// Pattern ids in registry order.
    pub patterns: Vec<String>,
    /// Versions of the tools that built it: `platformio`, `ziglang`, `esptool` …
    pub tools: BTreeMap<String, String>,
}

/// What an image is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The virtual board: rv32imafc on an emulated CPU.
    Virtual,
}

/// How much of a memory is used, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Usage {
    pub used: u64,
    pub of: u64,
}

/// A message of the compiler or linker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Diagnostic {
    /// Relative to the firmware folder where it lies in it.
    pub file: String,
    /// From 1; 0 where the tool named none.
    pub line: u32,
    pub column: u32,
    pub message: String,
    /// The pattern and node that the line was generated from.
    pub pattern: Option<String>,
    pub node: Option<String>,
}

/// Why no image came out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The compiler or linker refused the source.
    #[error("the compiler refused the source: {}", first(errors))]
    Refused { errors: Vec<Diagnostic>, log_end: String },
    /// The build tool did not start, was killed, or failed for a reason of its own.
    #[error("{tool} failed: {reason}")]
    Tool { tool: String, reason: String, log_end: String },
    /// A needed tool is missing.
    #[error(transparent)]
    Missing(#[from] crate::tools::ToolsError),
    /// A file or folder of the build cache could not be read or written.
    #[error("cannot write the build cache at {path}")]
    Cache { path: PathBuf, source: std::io::Error },
}

impl CompileError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Refused { .. } => Blame::Input,
            Self::Tool { .. } => Blame::Infrastructure,
            Self::Missing(e) => e.blame(),
            Self::Cache { .. } => Blame::Configuration,
        }
    }
}

fn first(errors: &[Diagnostic]) -> String {
    match errors.first() {
        Some(e) => format!("{}:{}:{}: {}", e.file, e.line, e.column, e.message),
        None => "no message".to_owned(),
    }
}

/// Compiles `source` for `target`, or takes the image from the build cache.
///
/// # Errors
///
/// See [`CompileError`].
pub async fn compile(
    source: &Source,
    target: Target,
    toolbox: &Toolbox,
    on_event: OnEvent<'_>,
) -> Result<Image, CompileError> {
    let _ = (source, target, toolbox, on_event);
    unimplemented!()
}
