//! Pattern graphs: reading and checking (K1 graph schema v1.0).
//!
//! A file is read in steps, each of which goes as far as it can so that all faults are found at once: text to JSON
//! values with positions (`json`), the parts of the document (`document`), nodes against the [`catalogue`]
//! (`node`), and the graph as a whole (`check`): order, types, outputs, state.
//!
//! Not for: what a graph becomes ([`crate::source`]).

use std::fmt;
use std::path::Path;

pub mod catalogue;
pub mod types;

mod check;
mod document;
mod fault;
mod json;
mod node;
mod order;
mod suggest;

pub use catalogue::NodeType;
pub use types::Type;

/// A valid pattern: a directed acyclic graph of catalogue nodes, each input connected or defaulted.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The pattern's id on the board: `^[a-z][a-z0-9_]*$`, at most 63 letters.
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

/// One node of a [`Graph`].
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in its graph: `^[a-z][a-z0-9_]*$`, at most 63 letters.
    pub id: String,
    pub kind: &'static NodeType,
    /// One for each of the type's inputs, in the catalogue's order.
    pub inputs: Vec<Input>,
    /// One for each of the type's parameters, in the catalogue's order, within their bounds.
    pub params: Vec<Value>,
    /// `None` for an output of the graph.
    pub output: Option<Type>,
}

/// Where an input's value comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// The node at this place of [`Graph::nodes`].
    Node(usize),
    /// A constant.
    Number(f32),
    /// A constant: red, green, blue.
    Color([f32; 3]),
    /// Nowhere; the input is optional.
    Absent,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f32),
    Integer(i64),
    /// One of the choices of the catalogue.
    Choice(&'static str),
    Integers(Vec<i64>),
    /// Red, green, blue.
    Colors(Vec<[f32; 3]>),
    /// An empty list, or a text that has no influence.
    Empty,
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
pub fn load(path: impl AsRef<Path>) -> Result<Graph, GraphError> {
    let path = path.as_ref();
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
    // Some editors begin a file with a byte order mark; it is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut faults = fault::Faults::of(text);
    let graph = document::read(text, &mut faults).and_then(|document| check::check(document, &mut faults));
    let faults = faults.in_file_order();
    match graph {
        Some(graph) => Ok(Graph { warnings: faults, ..graph }),
        None => Err(GraphError::Invalid { file: file.to_owned(), faults }),
    }
}

impl Fault {
    /// The fault as people and editors read it, with `file` before the position:
    ///
    /// ```text
    /// patterns/tide.json:12:7: error[E1001]: there is no node type `Mx`
    ///   hint: did you mean `Mix`?
    /// ```
    pub fn display<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        InFile { file, fault: self }
    }
}

struct InFile<'a> {
    file: &'a str,
    fault: &'a Fault,
}

impl fmt::Display for InFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, fault: Fault { code, severity, line, column, message, hint, .. } } = self;
        let severity = match severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{file}:{line}:{column}: {severity}[{code}]: {message}")?;
        match hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}
