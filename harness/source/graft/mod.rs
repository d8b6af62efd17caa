//! Patterns generated from graphs inside somebody's firmware: its own list, frame step, palettes and colour pipeline.
//!
//! [`graft`] adds them to a source, for a build that measures them beside the ones that are written by hand; [`insert`]
//! and [`remove`] change a working tree, for good. All of them make the same changes, in the places that the
//! checkout's manifest names: a header of its own for each pattern, two that all of them share, and one marked line
//! each in the list and in the headers that include and declare.

mod lines;
mod list;
mod runtime;
mod site;
mod worktree;

use std::path::PathBuf;

pub use worktree::{Changes, insert, remove};

use super::checkout::{CheckoutError, source_of};
use super::{Firmware, GenerateError, Source, SourceFile, check};
use crate::blame::Blame;
use crate::graph::Graph;
use site::{Edit, Site};

/// Why patterns cannot be added to a firmware, or taken out of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraftError {
    #[error("patterns are added to the firmware of a checkout, and this is k1-hil's own")]
    NoCheckout,
    #[error("the manifest {manifest} does not say how patterns are added: it has no table `patterns`")]
    NoPlaces { manifest: String },
    /// A file is not as the manifest says.
    #[error("patterns cannot be added to {path}: the manifest {manifest} expects {expected}")]
    Unfit { path: String, manifest: String, expected: String },
    /// A pattern that is written by hand has the graph's name, or that of its function.
    #[error(
        "the graph {graph} cannot be added: {path}:{line} lists {name:?} with the id {id}, drawn by {function}; the \
         graph needs another name"
    )]
    Taken { graph: String, path: String, line: usize, name: String, id: String, function: String },
    #[error("{path} is there already and was not generated")]
    TakenFile { path: String },
    #[error("{path} lists {limit} patterns already, and more do not fit")]
    TooMany { path: String, limit: usize },
    #[error("no pattern {id} was added to the checkout{}", those(known))]
    NotAdded { id: String, known: Vec<String> },
    #[error("{path} is not UTF-8 text")]
    NotText { path: String },
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    #[error("cannot write {path}")]
    Unwritable { path: PathBuf, source: std::io::Error },
}

impl GraftError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Checkout(e) => e.blame(),
            Self::Unwritable { .. } => Blame::Configuration,
            _ => Blame::Input,
        }
    }
}

fn those(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!("; added were {}", known.join(", ")) }
}

/// Adds the patterns of `graphs` to the firmware of a checkout. The checkout itself is not touched.
///
/// # Errors
///
/// See [`GraftError`].
pub fn graft(source: &Source, graphs: &[Graph]) -> Result<Source, GraftError> {
    check(graphs)?;
    let Firmware::Checkout(checkout) = &source.firmware else { return Err(GraftError::NoCheckout) };
    let tree = &checkout.tree;
    let unreadable = |source| CheckoutError::Unreadable { path: tree.folder.clone(), source };
    let files = tree.read().map_err(unreadable)?;
    let read = |path: &str| match files.get(path).map(|bytes| String::from_utf8(bytes.clone())) {
        Some(Err(_)) => Err(GraftError::NotText { path: path.to_owned() }),
        text => Ok(text.and_then(Result::ok)),
    };
    let site = Site::at(&checkout.origin.manifest, checkout.patterns.as_ref(), &read)?;
    let edits = site.inserted(graphs)?;
    let mut checkout = checkout.as_ref().clone();
    checkout.origin.added = graphs.iter().map(|graph| graph.name.clone()).collect();
    Ok(source_of(checkout, edits.into_iter().filter_map(laid_over).collect()))
}

fn laid_over(edit: Edit) -> Option<SourceFile> {
    let Edit { path, text, pattern, nodes } = edit;
    Some(SourceFile { path, text: text?, pattern, nodes })
}

#[cfg(test)]
mod tests;
