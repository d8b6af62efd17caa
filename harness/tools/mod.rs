//! What has to be installed: the pinned list, doctor, set-up, and where each tool is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::blame::Blame;

mod conductor;
mod doctor;
mod download;
mod environment;
pub(crate) mod lock;
mod maven;
mod object_server;
pub mod pins;
pub mod process;
mod setup;
mod system;

pub use conductor::ConductorTools;
pub use doctor::{ToolStatus, doctor};
pub use object_server::setup_object_server;
pub use setup::{setup, setup_conductor};

use environment::Environment;
use maven::Maven;

/// The tools of this project in their per-user cache.
#[derive(Clone, Debug)]
pub struct Toolbox {
    cache: PathBuf,
    search: Vec<PathBuf>,
    maven: Maven,
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

    /// The whole command that helps, where one does.
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Self::Missing { remedy, .. } | Self::Version { remedy, .. } => Some(remedy),
            Self::Install { .. } | Self::Cache { .. } | Self::NoHome => None,
        }
    }
}

/// Where programs of the system are searched if nothing else is said.
const USUAL_FOLDERS: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin"];

impl Toolbox {
    /// The tools under `cache`; programs of the system are searched in the usual folders.
    pub fn at(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            search: USUAL_FOLDERS.map(PathBuf::from).to_vec(),
            maven: Maven::default(),
        }
    }

    /// Fetches what is from Maven Central from this mirror of it instead.
    pub fn mirroring(self, address: impl Into<String>) -> Self {
        Self { maven: Maven { address: Some(address.into()), ..self.maven }, ..self }
    }

    /// Searches programs of the system (Python, QEMU, package managers) in `folders`, in this order.
    pub fn searching(self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { search: folders.into_iter().collect(), ..self }
    }

    /// `K1_HIL_CACHE`, or `k1-hil` in the user's cache folder (`XDG_CACHE_HOME`, `~/.cache`, `~/Library/Caches`);
    /// programs of the system are searched in the folders of `PATH`. Maven Central is reached at the address in
    /// `K1_HIL_MAVEN`, or at the mirror of it in the user's `~/.m2/settings.xml`, or itself; through a proxy where
    /// `HTTPS_PROXY` names one.
    ///
    /// # Errors
    ///
    /// [`ToolsError::NoHome`].
    pub fn from_env() -> Result<Self, ToolsError> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let cache = cache_folder(var)?;
        // A relative folder would move with the working folder of each program that is given it.
        let cache =
            std::path::absolute(&cache).map_err(|source| ToolsError::Cache { path: cache, source })?;
        let maven = Maven {
            address: var("K1_HIL_MAVEN").and_then(|address| address.into_string().ok()),
            settings: var("HOME").map(|home| Path::new(&home).join(".m2").join("settings.xml")),
        };
        let toolbox = Self { maven, ..Self::at(cache) };
        Ok(match std::env::var_os("PATH") {
            Some(path) => toolbox.searching(std::env::split_paths(&path).collect::<Vec<_>>()),
            None => toolbox,
        })
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
        let environment = self.environment();
        if environment.is_whole() {
            return Ok(environment.python());
        }
        Err(ToolsError::Missing {
            tool: "the build tool PlatformIO".to_owned(),
            remedy: pins::SETUP_COMMAND.to_owned(),
        })
    }

    /// The QEMU program `qemu-system-riscv32`. It is asked for its version, which takes about 20 ms.
    ///
    /// # Errors
    ///
    /// [`ToolsError::Missing`] or [`ToolsError::Version`].
    pub fn qemu(&self) -> Result<PathBuf, ToolsError> {
        Ok(system::qemu(self)?.path)
    }

    /// The program `git`. It is asked for its version, which takes a few milliseconds.
    ///
    /// # Errors
    ///
    /// [`ToolsError::Missing`] or [`ToolsError::Version`].
    pub fn git(&self) -> Result<PathBuf, ToolsError> {
        Ok(system::git(self)?.path)
    }

    fn environment(&self) -> Environment {
        Environment::of_pins(&self.cache)
    }

    /// The first program called `name` in the search path.
    fn find(&self, name: &str) -> Option<PathBuf> {
        self.find_all(name).next()
    }

    fn find_all(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let executable = |path: &PathBuf| {
            path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        };
        self.search.iter().map(move |folder| folder.join(name)).filter(executable)
    }
}

/// The cache folder that the environment variables name.
fn cache_folder(var: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, ToolsError> {
    if let Some(folder) = var("K1_HIL_CACHE") {
        return Ok(folder.into());
    }
    // The specification of XDG_CACHE_HOME has a relative folder ignored.
    let xdg = var("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || {
        let usual = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
        var("HOME").map(|home| Path::new(&home).join(usual))
    };
    Ok(xdg.or_else(home).ok_or(ToolsError::NoHome)?.join("k1-hil"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[("K1_HIL_CACHE", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")], Some("/a"))]
    #[case(&[("XDG_CACHE_HOME", "/b"), ("HOME", "/c")], Some("/b/k1-hil"))]
    #[case(&[], None)]
    #[cfg_attr(not(target_os = "macos"), case(&[("XDG_CACHE_HOME", "b"), ("HOME", "/c")], Some("/c/.cache/k1-hil")))]
    #[cfg_attr(target_os = "macos", case(&[("HOME", "/c")], Some("/c/Library/Caches/k1-hil")))]
    fn the_cache_folder_follows_the_environment(#[case] set: &[(&str, &str)], #[case] folder: Option<&str>) {
        let var = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        assert_eq!(cache_folder(var).ok(), folder.map(PathBuf::from));
    }

    #[test]
    fn an_environment_that_was_never_set_up_is_missing() {
        let error = Toolbox::at("/nonexistent").python().unwrap_err();
        assert_eq!(error.to_string(), "the build tool PlatformIO is not installed");
        assert_eq!(error.remedy(), Some("k1-hil setup"));
    }
}
