//! The C++ of the patterns under test, behind the K1 pattern ABI.
//!
//! Today it is generated from graphs ([`generate`]); a firmware checkout is the second kind to come, which is
//! why [`Source`] names the [`Firmware`] that its files belong to.

use serde::{Deserialize, Serialize};

use crate::digest::Sha;
use crate::graph::Graph;

/// C++ sources of one or many patterns, ready to be compiled into one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Over the firmware kind and all files: the same source has the same hash everywhere.
    pub sha256: Sha,
    pub firmware: Firmware,
    /// In registry order: the index on the board is the index here.
    pub patterns: Vec<Pattern>,
    pub files: Vec<SourceFile>,
}

/// The firmware that draws the patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// `firmware/core` of this project.
    Core,
}

/// One registered pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    pub id: String,
    pub title: String,
    pub audio_reactive: bool,
}

/// One C++ file, and which node each of its lines stems from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Relative to the firmware's `generated/` folder.
    pub path: String,
    pub text: String,
    /// The pattern drawn by this file, if it is one pattern's.
    pub pattern: Option<String>,
    /// `(line from 1, node id)`, ascending by line; lines that stem from no node are absent.
    pub nodes: Vec<(u32, String)>,
}

/// Graphs that are each valid but cannot go into one image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    #[error("no pattern was given")]
    Nothing,
    #[error("two patterns are named {name}")]
    Duplicate { name: String },
    #[error("{count} patterns do not fit into one image, whose list holds {limit}")]
    TooMany { count: usize, limit: usize },
}

/// Generates the C++ of `graphs`; the same graphs give the same bytes.
///
/// # Errors
///
/// See [`GenerateError`].
pub fn generate(graphs: &[Graph]) -> Result<Source, GenerateError> {
    let _ = graphs;
    unimplemented!()
}
