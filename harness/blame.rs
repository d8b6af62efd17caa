//! Whose concern an error is.

use serde::{Deserialize, Serialize};

/// Who can do something about an error. The exit code, a retry and the advice all follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The input is wrong: a graph, a source, an argument. The same step again fails again.
    Input,
    /// The machine is not set up: a tool is missing, a folder cannot be written, a port is taken.
    Configuration,
    /// The board or its link broke. The same step may succeed when tried again.
    Infrastructure,
    /// The firmware under test failed: it hung, crashed or lost frames.
    Firmware,
    /// This program contradicts itself.
    Bug,
}
