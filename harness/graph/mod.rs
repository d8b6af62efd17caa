//! Pattern graphs: reading and checking (K1 graph schema v1.0).
//!
//! Not for: what a graph becomes ([`crate::source`]).

use std::path::Path;

/// A valid pattern: a directed acyclic graph of catalogue nodes, each input connected or defaulted.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The pattern's id on the board: `^[a-z][a-z0-9_]*$`.
    pub name: String,
    /// `meta.title`, or the name in words: `slow_tide` becomes `Slow Tide`.
    pub title: String,
    /// `meta.description`, or empty.
    pub description: String,
    /// In an order in which each node comes after its sources.
    pub nodes: Vec<Node>,
    /// Faults of severity [`Severity::Warning`].
    pub warnings: Vec<Fault>,
}

/// One node of a [`Graph`]. (To be completed by the catalogue.)
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in its graph: `^[a-z][a-z0-9_]*$`.
    pub id: String,
}

/// Whether a fault makes a graph unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    Error,
}

/// One thing that is wrong with a graph.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Fault {
    /// `E1001` … as in the K1 graph documents; codes from `E1013` on are this project's own.
    pub code: &'static str,
    pub severity: Severity,
    /// The id of the node concerned.
    pub node: Option<String>,
    /// The input port or parameter concerned.
    pub port: Option<String>,
    /// Line in the file, from 1.
    pub line: u32,
    /// Column in the line, in characters, from 1.
    pub column: u32,
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A file that is not a valid graph.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The file could not be read.
    #[error("cannot read the graph {file}")]
    Unreadable { file: String, source: std::io::Error },
    /// The graph has at least one fault of severity [`Severity::Error`]; `faults` are in file order.
    #[error("{file} is not a valid pattern graph: {} fault(s)", faults.len())]
    Invalid { file: String, faults: Vec<Fault> },
}

/// Reads the graph at `path`.
///
/// # Errors
///
/// [`GraphError::Unreadable`], or [`GraphError::Invalid`] with every fault of the file.
pub fn load(path: &Path) -> Result<Graph, GraphError> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, &file),
        Err(source) => Err(GraphError::Unreadable { file, source }),
    }
}

/// Reads a graph from `text`; `file` is how errors name it.
///
/// # Errors
///
/// [`GraphError::Invalid`] with every fault of the text.
pub fn parse(text: &str, file: &str) -> Result<Graph, GraphError> {
    let _ = (text, file);
    unimplemented!()
}
