//! The instructions of a generated pattern by the nodes of its graph.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Profile;
use crate::image::{CHECKOUT, GENERATED};
use crate::source::{Source, SourceFile};

/// What the nodes of a graph cost, over all frames of a profile together.
///
/// `nodes`, `between` and `around` add up to the profile's instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Nodes {
    /// Those that have code of their own, most instructions first. A node that was folded into a constant, or merged with
    /// an equal one, has none.
    pub nodes: Vec<NodeCost>,
    /// Of the pattern, but of no single node: the loops over the LEDs, and what the compiler made for several nodes at
    /// once.
    pub between: u64,
    /// Of the frame, but not of the pattern: the colour pipeline.
    pub around: u64,
}

/// What one node costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NodeCost {
    pub node: String,
    /// Instructions of the node's lines and of all that they call.
    pub instructions: u64,
}

/// What each node of the profiled pattern costs; none if `source` did not make the pattern from a graph.
pub fn nodes(profile: &Profile, source: &Source) -> Option<Nodes> {
    let is_of_it = |file: &&SourceFile| file.pattern.as_deref() == Some(profile.plan.pattern.as_str());
    let file = source.files.iter().find(is_of_it)?;
    let is_it = |path: &str| is_file(path, &file.path);
    let of_the_pattern = profile.functions.iter().filter(|function| is_it(&function.file));
    // The function that draws it, with all that it calls.
    let all = of_the_pattern.clone().map(|function| function.total).max().unwrap_or(0);
    let mut costs: BTreeMap<&str, u64> = BTreeMap::new();
    for line in of_the_pattern.flat_map(|function| &function.lines).filter(|line| is_it(&line.file)) {
        if let Some(node) = file.node_at(line.line) {
            *costs.entry(node).or_insert(0) += line.total;
        }
    }
    let mut nodes: Vec<NodeCost> = costs
        .into_iter()
        .map(|(node, instructions)| NodeCost { node: node.to_owned(), instructions })
        .collect();
    nodes.sort_by_key(|node| std::cmp::Reverse(node.instructions));
    let of_nodes: u64 = nodes.iter().map(|node| node.instructions).sum();
    Some(Nodes {
        nodes,
        between: all.saturating_sub(of_nodes),
        around: profile.instructions.saturating_sub(all),
    })
}

/// Whether `path` in a build is the generated file `file`, which has the same text in `generated/` and in a checkout that it
/// was added to.
fn is_file(path: &str, file: &str) -> bool {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    match (path.strip_prefix(GENERATED), path.strip_prefix(CHECKOUT)) {
        (Some(path), _) => path == file,
        (_, Some(path)) => path.rsplit_once('/').is_some_and(|(_, found)| found == name),
        _ => false,
    }
}
