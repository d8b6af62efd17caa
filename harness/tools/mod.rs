//! What has to be installed: the pinned list, doctor, set-up, and where each tool is.

use std::path::{Path, PathBuf};

use crate::error::Blame;

pub mod process;

/// The tools of this project in their per-user cache.
#[derive(Clone, Debug)]
pub struct Toolbox {
    cache: PathBuf,
}

/// Why a tool is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolsError {
    /// A tool is not installed; `remedy` is a whole command.
    #[error("{tool} is not installed")]
    Missing { tool: String, remedy: String },
    /// A tool has the wrong version.
    #[error("{tool} is version {found}, but {wanted} is needed")]
    Version { tool: String, found: String, wanted: String, remedy: String },
    /// An installation step failed.
    #[error("could not install {what}: {reason}")]
    Install { what: String, reason: String, log_end: String },
    /// The cache folder cannot be used.
    #[error("cannot use the cache folder {path}")]
    Cache { path: PathBuf, source: std::io::Error },
    /// No cache folder could be determined.
    #[error("no folder for the cache is known: neither HOME, XDG_CACHE_HOME nor K1_HIL_CACHE is set")]
    NoHome,
}

impl ToolsError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        Blame::Configuration
    }
}

impl Toolbox {
    /// The tools under `cache`.
    pub fn at(cache: impl Into<PathBuf>) -> Self {
        Self { cache: cache.into() }
    }

    /// `K1_HIL_CACHE`, or `k1-hil` in the user's cache folder (`XDG_CACHE_HOME`, `~/.cache`, `~/Library/Caches`).
    ///
    /// # Errors
    ///
    /// [`ToolsError::NoHome`].
    pub fn from_env() -> Result<Self, ToolsError> {
        unimplemented!()
    }

    /// The root of the cache.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The Python interpreter of the tools' environment, with `platformio`, `SCons`, `esptool` and `ziglang` in it.
    ///
    /// # Errors
    ///
    /// [`ToolsError::Missing`] if the environment is not installed whole.
    pub fn python(&self) -> Result<PathBuf, ToolsError> {
        unimplemented!()
    }

    /// The QEMU program `qemu-system-riscv32`.
    ///
    /// # Errors
    ///
    /// [`ToolsError::Missing`] or [`ToolsError::Version`].
    pub fn qemu(&self) -> Result<PathBuf, ToolsError> {
        unimplemented!()
    }
}
