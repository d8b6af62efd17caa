//! The C++ of the patterns under test, behind the K1 pattern ABI.
//!
//! Either it is generated from graphs ([`generate`]) and drawn by this project's own firmware, or it is somebody's
//! firmware, taken as it is from a checkout ([`checkout`]), perhaps with patterns from graphs beside its own
//! ([`graft`]). No later step asks which; what differs is in [`Firmware`].

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Sha;
use crate::graph::{Graph, Input, Type};
use crate::stored::{self, StoredError};

mod checkout;
mod cpp;
mod emit;
mod graft;
mod plan;
mod registry;

pub(crate) use checkout::short;
pub use checkout::{
    Checkout, CheckoutError, Commit, Expectation, Host, Manifest, Missing, Origin, Palette, Places,
    Repository, SourcePath, Tree, checkout,
};
pub use graft::{Changes, GraftError, graft, insert, remove};

/// The firmware counts its patterns in 8 bits.
const MOST_PATTERNS: usize = 255;

/// C++ sources of one or many patterns, ready to be compiled into one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Over the firmware kind and all files: the same source has the same hash everywhere.
    pub sha256: Sha,
    pub firmware: Firmware,
    /// In registry order: the index on the board is the index here. Empty for a checkout, whose patterns are known
    /// once it runs.
    pub patterns: Vec<Pattern>,
    /// What goes into the firmware's `generated/` folder; of a checkout, what replaces or joins its own files.
    pub files: Vec<SourceFile>,
}

/// The firmware that draws the patterns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// `firmware/core` of this project.
    Core,
    /// Somebody's own.
    Checkout(Box<Checkout>),
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
    /// Relative to the firmware's `generated/` folder, or to the checkout's root. Files include `graph_runtime.h` and `pattern_abi.h`
    /// (`firmware/core`) and each other by their bare names.
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
    check(graphs)?;
    let mut files: Vec<SourceFile> = graphs
        .iter()
        .map(|graph| {
            let (text, nodes) = emit::header(graph);
            SourceFile { path: format!("{}.hpp", graph.name), text, pattern: Some(graph.name.clone()), nodes }
        })
        .collect();
    let text = registry::registry(graphs);
    files.push(SourceFile { path: "registry.cpp".to_owned(), text, pattern: None, nodes: Vec::new() });
    let patterns = graphs.iter().map(|graph| Pattern {
        id: graph.name.clone(),
        title: graph.title.clone(),
        audio_reactive: is_audio_reactive(graph),
    });
    Ok(Source { sha256: hash(&files), firmware: Firmware::Core, patterns: patterns.collect(), files })
}

impl Source {
    /// Where the firmware comes from, if it is not this project's.
    pub fn origin(&self) -> Option<&Origin> {
        match &self.firmware {
            Firmware::Core => None,
            Firmware::Checkout(checkout) => Some(&checkout.origin),
        }
    }

    /// Writes the files into `folder`, each whole or not at all, and returns their paths.
    ///
    /// # Errors
    ///
    /// [`StoredError::Unwritable`].
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, StoredError> {
        let write = |file: &SourceFile| {
            let path = folder.join(&file.path);
            stored::write(&path, file.text.as_bytes())
                .map_err(|source| StoredError::Unwritable { path: path.clone(), source })?;
            Ok(path)
        };
        self.files.iter().map(write).collect()
    }
}

impl SourceFile {
    /// The node of `line` (from 1), or of an earlier line of the same statement: a statement may go over several lines,
    /// of which only the first is known to belong to a node. A line is never credited to the statement before it.
    pub fn node_at(&self, line: u32) -> Option<&str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let text = |number: u32| lines.get(usize::try_from(number.checked_sub(1)?).ok()?).copied();
        let mut number = line;
        loop {
            if let Ok(index) = self.nodes.binary_search_by_key(&number, |(line, _)| *line) {
                return Some(&self.nodes[index].1);
            }
            number = number.checked_sub(1)?;
            if ends_statement(text(number)?) {
                return None;
            }
        }
    }
}

fn ends_statement(line: &str) -> bool {
    let code = line.split_once("//").map_or(line, |(code, _)| code).trim();
    code.is_empty() || code.starts_with('#') || code.ends_with([';', '{', '}', ':'])
}

fn check(graphs: &[Graph]) -> Result<(), GenerateError> {
    if graphs.is_empty() {
        return Err(GenerateError::Nothing);
    }
    if graphs.len() > MOST_PATTERNS {
        return Err(GenerateError::TooMany { count: graphs.len(), limit: MOST_PATTERNS });
    }
    let mut names = HashSet::new();
    match graphs.iter().find(|graph| !names.insert(&graph.name)) {
        Some(graph) => Err(GenerateError::Duplicate { name: graph.name.clone() }),
        None => Ok(()),
    }
}

/// Whether anything that is drawn depends on sound.
fn is_audio_reactive(graph: &Graph) -> bool {
    let mut drawn = vec![false; graph.nodes.len()];
    // Backwards, each node comes before its sources.
    graph.nodes.iter().enumerate().rev().any(|(index, node)| {
        let drawn_here = drawn[index] || node.kind.is_terminal();
        for input in node.inputs.iter().filter(|_| drawn_here) {
            if let Input::Node(source) = input {
                drawn[*source] = true;
            }
        }
        drawn_here && matches!(node.output, Some(Type::AudioEnvelope | Type::AudioSpectrum))
    })
}

fn hash(files: &[SourceFile]) -> Sha {
    let parts = files.iter().flat_map(|file| [file.path.as_bytes(), file.text.as_bytes()]);
    Sha::of_parts(std::iter::once(b"core".as_slice()).chain(parts))
}
