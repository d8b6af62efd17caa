//! The web application that belongs to a firmware: built from a commit by its own command, and put up as a release of a
//! [`Site`]. Not a web server: that is whoever serves the site's folder.

mod site;

use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::blame::Blame;
use crate::source::{CheckoutError, Commit, Repository};
use crate::tools::Toolbox;
use crate::tools::process::{self, RunError};

pub use site::{Release, Site};

/// How a web application is built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Where it lies in the repository; empty: at its root.
    #[serde(default)]
    pub folder: PathBuf,
    /// The program and its arguments, run in that folder. It gets no more of the environment than `PATH` and `HOME`.
    pub command: Vec<String>,
    /// Where the command leaves the files to serve, relative to that folder.
    pub output: PathBuf,
    /// Seconds that it may take.
    #[serde(default = "ten_minutes")]
    pub limit_s: u64,
}

fn ten_minutes() -> u64 {
    600
}

/// The files of a built web application.
#[derive(Debug)]
pub struct Webapp {
    /// The commit that it was built from.
    pub commit: Commit,
    /// Paths relative to [`Self::root`], in order.
    pub files: Vec<String>,
    /// Sum of their sizes, bytes.
    pub bytes: u64,
    root: PathBuf,
    _folder: tempfile::TempDir,
}

impl Webapp {
    /// The folder that holds the files; it goes when this is dropped.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Why a web application is not built or not put up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebappError {
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    #[error("the command of the web application is empty")]
    NoCommand,
    #[error("{path} does not stay in the folder of the web application")]
    Outside { path: PathBuf },
    #[error("cannot run the command of the web application")]
    Run(#[from] RunError),
    #[error("the command of the web application ended with {status}; its last lines:\n{log_end}")]
    Failed { status: std::process::ExitStatus, log_end: String },
    #[error("the command of the web application left no file in {output}")]
    Nothing { output: PathBuf },
    #[error("{path} is not a regular file, and only those are served")]
    NotAFile { path: String },
    #[error("{path} cannot be read or written")]
    Unusable { path: PathBuf, source: io::Error },
    #[error("the site at {path} has no release {release}")]
    NoRelease { path: PathBuf, release: String },
}

impl WebappError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Checkout(error) => error.blame(),
            Self::Run(RunError::Start { .. })
            | Self::NoCommand
            | Self::Outside { .. }
            | Self::Unusable { .. } => Blame::Configuration,
            Self::Run(_) => Blame::Infrastructure,
            Self::Failed { .. } | Self::Nothing { .. } | Self::NotAFile { .. } | Self::NoRelease { .. } => {
                Blame::Input
            }
        }
    }
}

/// Builds the web application of `commit` in a folder of its own, away from the repository.
///
/// The command is the repository's own program and may do what this user may do; it gets none of this program's
/// environment, where passwords may be: `PATH`, `CI`, and as `HOME` a folder in the cache of `toolbox`.
///
/// # Errors
///
/// See [`WebappError`]. If the future is dropped, the command and all that it started are ended and the folder goes.
pub async fn build(
    repository: &Repository,
    commit: &Commit,
    recipe: &Recipe,
    toolbox: &Toolbox,
) -> Result<Webapp, WebappError> {
    let (program, arguments) = recipe.command.split_first().ok_or(WebappError::NoCommand)?;
    for path in [&recipe.folder, &recipe.output] {
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(WebappError::Outside { path: path.clone() });
        }
    }
    let builds = toolbox.cache().join("webapp");
    let home = builds.join("home");
    std::fs::create_dir_all(&home).map_err(unusable(&home))?;
    let folder = tempfile::Builder::new().prefix("build-").tempdir_in(&builds).map_err(unusable(&builds))?;
    repository.export(commit, folder.path()).await?;
    let place = folder.path().join(&recipe.folder);
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&place).env_clear();
    command.env("PATH", toolbox.search_path()).env("HOME", &home).env("CI", "true");
    let limit = Duration::from_secs(recipe.limit_s);
    let finished = process::run(command, limit, &mut |_, _| ()).await?;
    if !finished.status.success() {
        return Err(WebappError::Failed { status: finished.status, log_end: finished.log_end });
    }
    let root = place.join(&recipe.output);
    let (mut files, mut bytes) = (Vec::new(), 0);
    list(&root, "", &mut files, &mut bytes)?;
    if files.is_empty() {
        return Err(WebappError::Nothing { output: recipe.output.clone() });
    }
    files.sort();
    Ok(Webapp { commit: commit.clone(), files, bytes, root, _folder: folder })
}

/// Adds the files below `folder`, whose paths begin with `prefix`.
fn list(folder: &Path, prefix: &str, files: &mut Vec<String>, bytes: &mut u64) -> Result<(), WebappError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // The command made no such folder: there is nothing in it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(unusable(folder))?;
        let what = entry.metadata().map_err(unusable(folder))?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if what.is_dir() {
            list(&entry.path(), &format!("{path}/"), files, bytes)?;
        } else if what.is_file() {
            files.push(path);
            *bytes += what.len();
        } else {
            return Err(WebappError::NotAFile { path });
        }
    }
    Ok(())
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> WebappError {
    let path = path.to_owned();
    move |source| WebappError::Unusable { path, source }
}
