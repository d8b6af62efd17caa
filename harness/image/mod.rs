//! Compiling a source into firmware with PlatformIO, its log, sizes, and the build cache.
//!
//! Not for: installing the tools ([`crate::tools::setup`]), judging sizes and warnings ([`crate::verdict`]).

mod build;
mod cache;
mod contradiction;
mod firmware;
mod log;
mod origin;
mod slot;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::blame::Blame;
use crate::digest::Sha;
use crate::event::{Event, OnEvent};
use crate::source::{Firmware, Origin, Source};
use crate::stored::{self, StoredError};
use crate::tools::Toolbox;

use build::{Outcome, Product};
use cache::Entry;

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
    /// Of what the CPU executes: the file `bin` without the hash of the ELF in it and the check sums that follow from
    /// that. Two images with the same one do the same, though the debug information in their ELFs may differ.
    pub program_sha256: Sha,
    /// Of the [`Source`].
    pub source_sha256: Sha,
    /// Where the firmware comes from, if it is not this project's. Then flash, RAM and warnings are not what its
    /// owner's own build would show.
    pub origin: Option<Origin>,
    pub flash: Usage,
    pub ram: Usage,
    /// Compiler warnings, each once.
    pub warnings: Vec<Diagnostic>,
    /// Pattern ids in registry order; empty for a checkout, whose patterns are known once it runs.
    pub patterns: Vec<String>,
    /// Versions of the tools that built it: `platformio`, `ziglang`, `esptool` …
    pub tools: BTreeMap<String, String>,
}

impl Image {
    /// The present version of the stored form.
    pub const FORMAT: u32 = 1;

    /// Reads a stored description of an image.
    ///
    /// # Errors
    ///
    /// [`StoredError`].
    pub fn load(path: &Path) -> Result<Self, StoredError> {
        stored::read(path, "the description of an image", Self::FORMAT)
    }
}

/// Where the files of a checkout lie in a build: how their paths begin in messages and debug information.
pub(crate) const CHECKOUT: &str = "checkout/";
/// Where those that were generated lie.
pub(crate) const GENERATED: &str = "generated/";

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
    /// Relative to the checkout or the firmware folder where it lies in one of them.
    pub file: String,
    /// From 1; 0 where the tool named none.
    pub line: u32,
    pub column: u32,
    pub message: String,
    /// The pattern and node that the line was generated from.
    pub pattern: Option<String>,
    pub node: Option<String>,
}

/// `FILE:LINE:COLUMN: MESSAGE`, and the node that the line was generated from.
impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message)?,
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message)?,
        }
        match (&self.pattern, &self.node) {
            (Some(pattern), Some(node)) => write!(f, " (node {node} of {pattern})"),
            _ => Ok(()),
        }
    }
}

/// Why no image came out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The compiler or linker refused the source.
    #[error("the compiler refused the source: {}", first(errors))]
    Refused { errors: Vec<Diagnostic>, log_end: String },
    /// The files of a checkout contradict each other: no compiler takes them, with whatever SDK. The first of `errors`
    /// proves it.
    #[error("the firmware is broken in itself, whatever it is built for: {}", first(errors))]
    Contradictory { errors: Vec<Diagnostic>, log_end: String },
    /// A file of the source has a name that is not one, or two have the same.
    #[error("the source names a file {name:?}, which cannot be laid out")]
    FileName { name: String },
    /// A manifest names what joins a checkout to the measuring firmware, and there is no such thing.
    #[error("the manifest names the host {host}, which this version of k1-hil does not have")]
    Host { host: String },
    /// The build tool did not start, was killed, or failed for a reason of its own.
    #[error("{tool} failed: {reason}")]
    Tool { tool: String, reason: String, log_end: String },
    /// A needed tool is missing.
    #[error(transparent)]
    Missing(#[from] crate::tools::ToolsError),
    /// A file or folder of the build cache could not be read or written.
    #[error("cannot use the build cache at {path}")]
    Cache { path: PathBuf, source: std::io::Error },
}

impl CompileError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Refused { .. } | Self::Contradictory { .. } | Self::FileName { .. } | Self::Host { .. } => {
                Blame::Input
            }
            Self::Tool { .. } => Blame::Infrastructure,
            Self::Missing(e) => e.blame(),
            Self::Cache { .. } => Blame::Configuration,
        }
    }
}

fn first(errors: &[Diagnostic]) -> String {
    match errors.first() {
        Some(error) => error.to_string(),
        None => "no message".to_owned(),
    }
}

/// Compiles `source` for `target`, or takes the image from the build cache of `toolbox`.
///
/// An image is found again by the content of its source, the firmware tree and the versions of the tools; then no
/// tool is started, and none needs to be installed. Any number of compiles may run at once: of two that need the
/// same image one builds it and the other waits. If the future is dropped, every process of the build is ended and
/// its folder removed before the drop returns.
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
    let begun = Instant::now();
    check_file_names(source)?;
    check_host(source)?;
    let cache = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source| CompileError::Cache { path, source }
    };
    let entry = Entry::of(toolbox.cache(), source, target).map_err(cache(toolbox.cache()))?;
    if let Some(image) = entry.read() {
        on_event(&Event::CompileCached);
        return Ok(of_source(image, source));
    }
    let python = toolbox.python()?;
    let _held = entry.lock().await.map_err(cache(entry.folder()))?;
    if let Some(image) = entry.read() {
        on_event(&Event::CompileCached);
        return Ok(of_source(image, source)); // the build that was waited for made it
    }
    on_event(&Event::CompileStarted);
    let product = match build::build(source, target, toolbox, &python, on_event).await? {
        Outcome::Built(product) => product,
        Outcome::Failed { log, log_end, status } => return Err(failure(log, log_end, status, source)),
    };
    let image = image_of(&product, source, target)?;
    let image = entry.store(image, &product.bin, &product.elf).map_err(cache(entry.folder()))?;
    on_event(&Event::Compiled {
        flash_bytes: image.flash.used,
        ram_bytes: image.ram.used,
        seconds: begun.elapsed().as_secs_f64(),
    });
    Ok(of_source(image, source))
}

/// Several commits may have the same firmware: the cache does not know for which of them it was asked.
fn of_source(image: Image, source: &Source) -> Image {
    Image { origin: source.origin().cloned(), source_sha256: source.sha256, ..image }
}

fn check_host(source: &Source) -> Result<(), CompileError> {
    match &source.firmware {
        Firmware::Checkout(checkout) if !firmware::has_folder(&checkout.host.host) => {
            Err(CompileError::Host { host: checkout.host.host.clone() })
        }
        _ => Ok(()),
    }
}

/// The source may come from a file: its names become paths, and arguments of a compiler.
fn check_file_names(source: &Source) -> Result<(), CompileError> {
    let mut names = std::collections::BTreeSet::new();
    match source.files.iter().find(|file| !build::is_file_name(&file.path) || !names.insert(&file.path)) {
        Some(file) => Err(CompileError::FileName { name: file.path.clone() }),
        None => Ok(()),
    }
}

fn image_of(product: &Product, source: &Source, target: Target) -> Result<Image, CompileError> {
    let log = &product.log;
    let (Some(flash), Some(ram)) = (log.flash, log.ram) else {
        return Err(CompileError::Tool {
            tool: "PlatformIO".to_owned(),
            reason: "it did not say how large the image is".to_owned(),
            log_end: String::new(),
        });
    };
    Ok(Image {
        format: Image::FORMAT,
        target,
        bin: PathBuf::new(), // known once it is stored
        elf: PathBuf::new(),
        sha256: Sha::of(&product.bin),
        elf_sha256: Sha::of(&product.elf),
        program_sha256: program_sha256(&product.bin),
        source_sha256: source.sha256,
        origin: None,
        flash,
        ram,
        warnings: log.warnings.iter().map(|warning| origin::trace(warning.clone(), source)).collect(),
        patterns: source.patterns.iter().map(|pattern| pattern.id.clone()).collect(),
        tools: cache::tools(),
    })
}

/// Where the builder has the ELF's hash put: behind 24 bytes of image header, 8 of segment header, and 144 of the
/// application descriptor.
const ELF_SHA_AT: std::ops::Range<usize> = 176..208;

/// Check sum and SHA-256 at the end of an image in ESP format.
const SUMS: usize = 1 + 32;

fn program_sha256(bin: &[u8]) -> Sha {
    let end = bin.len().saturating_sub(SUMS);
    let (before, after) = (ELF_SHA_AT.start.min(end), ELF_SHA_AT.end.min(end));
    Sha::of_parts([&bin[..before], &bin[after..end]])
}

/// With an error of the compiler or linker the source is to blame, without one the tool.
fn failure(
    log: log::Log,
    log_end: String,
    status: std::process::ExitStatus,
    source: &Source,
) -> CompileError {
    // A compiler reports a full disk as if the source were at fault.
    if log_end.contains("No space left on device") {
        let reason = "no space is left on the disk".to_owned();
        return CompileError::Tool { tool: "PlatformIO".to_owned(), reason, log_end };
    }
    if log.errors.is_empty() {
        let reason = log.complaint.unwrap_or_else(|| status.to_string());
        return CompileError::Tool { tool: "PlatformIO".to_owned(), reason, log_end };
    }
    let Firmware::Checkout(checkout) = &source.firmware else {
        let errors = log.errors.into_iter().map(|error| origin::trace(error, source)).collect();
        return CompileError::Refused { errors, log_end };
    };
    // What cannot be read proves nothing.
    let files = checkout.tree.read().unwrap_or_default();
    let defines = |name: &str| {
        files.values().any(|text| contradiction::defines_type(&String::from_utf8_lossy(text), name))
    };
    let is_generated = |error: &Diagnostic| origin::trace(error.clone(), source).pattern.is_some();
    let proof = log.evidence.proof(defines).filter(|error| !is_generated(error)).cloned();
    let others = log.errors.into_iter().filter(|error| Some(error) != proof.as_ref());
    let errors = proof.iter().cloned().chain(others).map(|error| origin::trace(error, source)).collect();
    match proof {
        Some(_) => CompileError::Contradictory { errors, log_end },
        None => CompileError::Refused { errors, log_end },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::process::Pipe;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    fn failure_of(stderr: &str, status: ExitStatus) -> CompileError {
        let source = Source {
            sha256: Sha::of(""),
            firmware: crate::source::Firmware::Core,
            patterns: Vec::new(),
            files: Vec::new(),
        };
        let mut log = log::Log::new(std::path::Path::new("/build"));
        for line in stderr.lines() {
            log.read(Pipe::Stderr, line);
        }
        log.close();
        failure(log, stderr.to_owned(), status, &source)
    }

    #[rstest::rstest]
    #[case(
        "core/a.cpp:1:2: error: no\n*** [a.o] Error 1",
        256,
        "the compiler refused the source: core/a.cpp:1:2: no",
        Blame::Input
    )]
    #[case(
        "core/a.cpp:1:2: error: unable to write: No space left on device",
        256,
        "PlatformIO failed: no space is left on the disk",
        Blame::Infrastructure
    )]
    #[case(
        "*** [a.o] Error -9\n[FAILED] Took 1 seconds",
        256,
        "PlatformIO failed: [a.o] Error -9",
        Blame::Infrastructure
    )]
    #[case("", 9, "PlatformIO failed: signal: 9 (SIGKILL)", Blame::Infrastructure)]
    fn a_failed_build_has_one_cause(
        #[case] stderr: &str,
        #[case] status: i32,
        #[case] message: &str,
        #[case] blame: Blame,
    ) {
        let error = failure_of(stderr, ExitStatus::from_raw(status));
        assert_eq!(error.to_string(), message);
        assert_eq!(error.blame(), blame);
    }
}
