//! What is worth reading of a profile: small enough for a terminal, and for a report of many patterns.

use serde::{Deserialize, Serialize};

use super::{Function, Nodes, Profile};
use crate::capture::Plan;

/// Lines kept of a function.
const LINES: usize = 5;
/// What has a smaller share of the frame than this, in percent, is summed up.
const SMALL: f64 = 0.5;

/// The functions that take most of a frame. Counts are over all frames together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProfileTable {
    pub plan: Plan,
    /// Of all frames.
    pub instructions: u64,
    /// Those that have half a percent of them or more, the largest first; of each its five largest lines at most.
    pub functions: Vec<Function>,
    /// How many others there are, and the instructions of their own code.
    pub others: u32,
    pub others_own: u64,
    /// By the nodes of the graph that the pattern was made from, if it was.
    pub nodes: Option<Nodes>,
}

impl Profile {
    /// What is worth reading of it, with `nodes` if there are any.
    pub fn table(&self, nodes: Option<Nodes>) -> ProfileTable {
        let is_large = |count: u64| percent(count, self.instructions) >= SMALL;
        let (large, small): (Vec<&Function>, Vec<&Function>) =
            self.functions.iter().filter(|function| function.own > 0).partition(|f| is_large(f.own));
        let shortened = |function: &&Function| {
            let lines = function.lines.iter().filter(|line| is_large(line.total)).take(LINES);
            Function { lines: lines.cloned().collect(), ..(*function).clone() }
        };
        ProfileTable {
            plan: self.plan.clone(),
            instructions: self.instructions,
            functions: large.iter().map(shortened).collect(),
            others: small.len() as u32,
            others_own: small.iter().map(|function| function.own).sum(),
            nodes,
        }
    }
}

impl ProfileTable {
    /// Share of all instructions.
    pub(crate) fn percent(&self, count: u64) -> f64 {
        percent(count, self.instructions)
    }

    /// An amount per frame, for people.
    pub(crate) fn per_frame(&self, count: u64) -> String {
        super::text::per_frame(count, self.plan.frames.into())
    }
}

fn percent(count: u64, of: u64) -> f64 {
    100.0 * count as f64 / of.max(1) as f64
}
