//! A checkout of somebody's firmware as a source: its working tree, or one of its commits, untouched.
//!
//! The files are read, checked, and laid out in the cache by content; the checkout itself is never written to, and of
//! a commit only objects are read. Which files, and what they have to hold, a [`Manifest`] says.

mod manifest;
mod places;
mod repository;
mod snapshot;
mod tree;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use manifest::{Expectation, Host, Manifest, Missing, SourcePath};
pub use places::{Palette, Places};
pub(crate) use repository::short;
pub use repository::{Commit, Repository};
pub use tree::Tree;

use super::{Firmware, Source, SourceFile};
use crate::blame::Blame;
use crate::digest::Sha;
use crate::tools::{Toolbox, ToolsError};
use snapshot::{Files, Snapshot};

/// Where a checkout may have a manifest of its own, in its table `[firmware]`.
const HIL_TOML: &str = "hil.toml";

/// A firmware checkout, laid out in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    pub tree: Tree,
    pub host: Host,
    /// How patterns are added to it.
    #[serde(default)]
    pub patterns: Option<Places>,
    pub origin: Origin,
}

/// Where firmware under test comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Origin {
    /// Name of the manifest that describes the checkout.
    pub manifest: String,
    /// The commit whose files these are, or which the working tree is based on; absent outside a repository.
    pub commit: Option<String>,
    /// Whether the files differ from those of the commit; true where there is none.
    pub dirty: bool,
    /// Ids of the generated patterns that were added to it for this build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
}

/// `6c241c7`, `6c241c7 with changes`, `a working tree without commits`; `6c241c7 and glow, tide from graphs`.
impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.commit {
            Some(commit) if self.dirty => write!(f, "{} with changes", short(commit))?,
            Some(commit) => write!(f, "{}", short(commit))?,
            None => write!(f, "a working tree without commits")?,
        }
        match self.added.as_slice() {
            [] => Ok(()),
            added => write!(f, " and {} from graphs", added.join(", ")),
        }
    }
}

/// Why a checkout is no source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckoutError {
    #[error("{path} is not a folder that can be read")]
    NotAFolder { path: PathBuf, source: std::io::Error },
    /// No manifest describes it.
    #[error(
        "{place} is not a firmware checkout: the manifest {manifest} knows one by {missing}, which is not there"
    )]
    NotACheckout { place: String, manifest: String, missing: String },
    /// It is one, but not as its manifest says.
    #[error("{place} does not fit the manifest {manifest}, which expects {}", joined(missing))]
    Misfit { place: String, manifest: String, missing: Vec<Missing> },
    #[error("{path} holds no usable [firmware]: {reason}")]
    Manifest { path: String, reason: String },
    #[error("{path} is a symbolic link to {target:?}, which is not followed: {reason}")]
    Link { path: String, target: String, reason: &'static str },
    #[error("{path} in {place} is a submodule, whose files are in another repository")]
    Submodule { place: String, path: String },
    #[error("the commit holds a file named {path:?}, which cannot be laid out")]
    FileName { path: String },
    #[error("the manifest takes more than {most_files} files or {} MiB from {place}", most_bytes >> 20)]
    TooLarge { place: String, most_files: usize, most_bytes: u64 },
    #[error("{path} is not in a git repository: {said}")]
    NotARepository { path: PathBuf, said: String },
    #[error("{path} has no commit {rev}")]
    NotACommit { path: PathBuf, rev: String },
    #[error("the clone at {path} is shallow and does not hold {rev}")]
    Shallow { path: PathBuf, rev: String },
    #[error("{to} does not build on {from}: {from} is not among its ancestors")]
    NotAncestor { from: String, to: String },
    #[error("git {what} failed in {path}: {reason}")]
    Git { path: PathBuf, what: String, reason: String },
    #[error(transparent)]
    Tools(#[from] ToolsError),
    #[error("cannot read {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("cannot lay files out in the cache at {path}")]
    Cache { path: PathBuf, source: std::io::Error },
}

impl CheckoutError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Git { .. } => Blame::Infrastructure,
            Self::Tools(e) => e.blame(),
            Self::Cache { .. } | Self::Unreadable { .. } => Blame::Configuration,
            _ => Blame::Input,
        }
    }

    /// Whether the files of this one commit are at fault, and others of the same repository may be good.
    pub fn is_of_the_commit(&self) -> bool {
        matches!(
            self,
            Self::NotACheckout { .. }
                | Self::Misfit { .. }
                | Self::Manifest { .. }
                | Self::Link { .. }
                | Self::Submodule { .. }
                | Self::FileName { .. }
                | Self::TooLarge { .. }
        )
    }
}

fn joined(missing: &[Missing]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The firmware in the checkout at `path`: that of the commit `rev`, or the working tree as it is.
///
/// The manifest is the checkout's own `hil.toml` if that has a table `[firmware]`: the commit's, else the working
/// tree's; otherwise one that comes with this program.
///
/// # Errors
///
/// See [`CheckoutError`]. Without `rev` neither git nor a repository is needed.
pub async fn checkout(path: &Path, rev: Option<&str>, toolbox: &Toolbox) -> Result<Source, CheckoutError> {
    let not_a_folder = |source| CheckoutError::NotAFolder { path: path.to_owned(), source };
    std::fs::read_dir(path).map_err(not_a_folder)?;
    let (files, manifest, commit, dirty) = match rev {
        Some(rev) => {
            let repository = Repository::open(path, toolbox).await?;
            let commit = repository.commit(rev).await?;
            let (manifest, files) = taken(&Snapshot::of_commit(&repository, &commit.id).await?, path).await?;
            (files, manifest, Some(commit.id), false)
        }
        None => {
            let (manifest, files) = taken(&Snapshot::Worktree(path.to_owned()), path).await?;
            let (commit, dirty) = base(path, &files, toolbox).await;
            (files, manifest, commit, dirty)
        }
    };
    let host = manifest.host(&files);
    let cache = toolbox.cache();
    let tree = Tree::store(&files, cache)
        .map_err(|source| CheckoutError::Cache { path: cache.to_owned(), source })?;
    let origin = Origin { manifest: manifest.name, commit, dirty, added: Vec::new() };
    Ok(source_of(Checkout { tree, host, patterns: manifest.patterns, origin }, Vec::new()))
}

/// The manifest of the working tree at `path`.
///
/// # Errors
///
/// [`CheckoutError::NotAFolder`], [`CheckoutError::NotACheckout`], [`CheckoutError::Manifest`].
pub(super) async fn manifest_of_worktree(path: &Path) -> Result<Manifest, CheckoutError> {
    let not_a_folder = |source| CheckoutError::NotAFolder { path: path.to_owned(), source };
    std::fs::read_dir(path).map_err(not_a_folder)?;
    manifest_of(&Snapshot::Worktree(path.to_owned()), path).await
}

/// The manifest of a snapshot, and the files that it takes, among which is all that it expects.
async fn taken(snapshot: &Snapshot, root: &Path) -> Result<(Manifest, Files), CheckoutError> {
    let manifest = manifest_of(snapshot, root).await?;
    let files = snapshot.files(&manifest).await?;
    let mut missing = manifest.missing_sources(&files);
    for expectation in manifest.expectations.iter().filter(|expectation| !expectation.optional) {
        if !is_met(expectation, &files, snapshot).await? {
            missing.push(Missing::Symbol(expectation.clone()));
        }
    }
    if missing.is_empty() {
        return Ok((manifest, files));
    }
    Err(CheckoutError::Misfit { place: snapshot.place(), manifest: manifest.name, missing })
}

async fn is_met(
    expectation: &Expectation,
    files: &Files,
    snapshot: &Snapshot,
) -> Result<bool, CheckoutError> {
    for path in &expectation.files {
        // A file that is not compiled may hold it all the same.
        let met = match files.get(path) {
            Some(text) => expectation.is_met_by(text),
            None => snapshot.text(path).await?.is_some_and(|text| expectation.is_met_by(text.as_bytes())),
        };
        if met {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn manifest_of(snapshot: &Snapshot, root: &Path) -> Result<Manifest, CheckoutError> {
    let unfit = |manifest: &Manifest| manifest.root.iter().find(|path| !snapshot.has(path)).cloned();
    let mut first_unfit = None;
    for manifest in candidates(snapshot, root).await? {
        match unfit(&manifest) {
            None => return Ok(manifest),
            Some(missing) => _ = first_unfit.get_or_insert((manifest.name, missing)),
        }
    }
    let (manifest, missing) = first_unfit.unwrap_or_default();
    Err(CheckoutError::NotACheckout { place: snapshot.place(), manifest, missing })
}

/// The checkout's own manifest, or all that come with this program.
async fn candidates(snapshot: &Snapshot, root: &Path) -> Result<Vec<Manifest>, CheckoutError> {
    for place in [snapshot, &Snapshot::Worktree(root.to_owned())] {
        let Some(text) = place.text(HIL_TOML).await? else { continue };
        let malformed =
            |reason| CheckoutError::Manifest { path: format!("{HIL_TOML} of {}", place.place()), reason };
        if let Some(manifest) = Manifest::in_hil_toml(&text).map_err(malformed)? {
            return Ok(vec![manifest]);
        }
    }
    Manifest::built_in().map_err(|(path, reason)| CheckoutError::Manifest { path, reason })
}

/// The commit that a working tree with `files` is based on, and whether the files differ from the commit's.
///
/// The bytes are compared, not the index asked: asking it runs the filters of the repository's configuration.
/// Whatever cannot be found out makes the files nobody's but the working tree's.
async fn base(path: &Path, files: &Files, toolbox: &Toolbox) -> (Option<String>, bool) {
    let head = async {
        let repository = Repository::open(path, toolbox).await.ok()?;
        let commit = repository.commit("HEAD").await.ok()?;
        let snapshot = Snapshot::of_commit(&repository, &commit.id).await.ok()?;
        // A folder that only happens to lie in some repository is not based on its commits.
        let (_, committed) = taken(&snapshot, path).await.ok()?;
        Some((commit.id, tree::hash(&committed)))
    };
    match head.await {
        Some((commit, sha)) => (Some(commit), sha != tree::hash(files)),
        None => (None, true),
    }
}

/// The source of a checkout, over whose files `files` are laid.
pub(super) fn source_of(checkout: Checkout, files: Vec<SourceFile>) -> Source {
    let Host { sources, include, defines, host } = &checkout.host;
    let lists = [sources, include, defines].map(|list| list.join("\n"));
    let parts = [b"checkout", checkout.tree.sha256.bytes().as_slice(), host.as_bytes()];
    let lists = lists.iter().map(|list| list.as_bytes());
    let laid_over = files.iter().flat_map(|file| [file.path.as_bytes(), file.text.as_bytes()]);
    let sha256 = Sha::of_parts(parts.into_iter().chain(lists).chain(laid_over));
    Source { sha256, firmware: Firmware::Checkout(Box::new(checkout)), patterns: Vec::new(), files }
}
