//! Profiles for people and for tools that draw flame graphs.

use super::{Line, Nodes, Profile, ProfileTable};
use crate::image::CHECKOUT;
use crate::verdict::words::{counted, thousands};

/// The functions that take most of a frame, each with its hottest lines, in instructions per frame; the nodes of the graph
/// before them, where there is one.
pub fn text(table: &ProfileTable) -> String {
    let mut text = format!(
        "{}: {} instructions to draw a frame (mean of {} after {})\n\n",
        table.plan.pattern,
        table.per_frame(table.instructions),
        counted(table.plan.frames.into(), "frame"),
        table.plan.warmup,
    );
    if let Some(nodes) = &table.nodes {
        text += &by_node(table, nodes);
    }
    text += &format!("{:>12}  {:>7}  {:>12}  function\n", "own", "share", "with calls");
    let mut row = |own: u64, total: &str, what: &str| {
        let (own, share) = (table.per_frame(own), table.percent(own));
        text += &format!("{own:>12}  {share:>5.1} %  {total:>12}  {what}\n");
    };
    for function in &table.functions {
        row(function.own, &table.per_frame(function.total), &function.name);
        for line in &function.lines {
            row(line.own, &table.per_frame(line.total), &format!("  {}", line.place()));
        }
    }
    if table.others > 0 {
        row(table.others_own, "", &format!("{} more", counted(table.others.into(), "function")));
    }
    text + "\nEvery instruction is counted, on an emulated CPU: exact, and a model of the chip.\n"
}

fn by_node(table: &ProfileTable, nodes: &Nodes) -> String {
    let row = |count: u64, what: &str| {
        format!("{:>12}  {:>5.1} %  {what}\n", table.per_frame(count), table.percent(count))
    };
    let mut text = format!("{:>12}  {:>7}  node\n", "with calls", "share");
    text.extend(nodes.nodes.iter().map(|node| row(node.instructions, &node.node)));
    text + &row(nodes.between, Nodes::BETWEEN) + &row(nodes.around, Nodes::AROUND) + "\n"
}

impl Nodes {
    /// What `between` is, in words.
    pub(crate) const BETWEEN: &str = "(of no single node: loops over the LEDs)";
    /// What `around` is, in words.
    pub(crate) const AROUND: &str = "(around the pattern: colour pipeline)";
}

impl Line {
    /// `FILE:LINE`.
    pub(crate) fn place(&self) -> String {
        match (self.file.as_str(), self.line) {
            ("", _) => "no line".to_owned(),
            (file, 0) => format!("{}, no line", path(file)), // what the compiler put there for several of them
            (file, line) => format!("{}:{line}", path(file)),
        }
    }
}

/// A file of a checkout as it is called there.
pub(crate) fn path(file: &str) -> &str {
    file.strip_prefix(CHECKOUT).unwrap_or(file)
}

/// A line per stack, `outermost;…;innermost COUNT`, as the tools that draw flame graphs read it. Counts are over all
/// frames.
pub fn folded(profile: &Profile) -> String {
    let line = |stack: &super::Stack| {
        let names: Vec<String> = stack.functions.iter().map(|name| name.replace([';', '\n'], ":")).collect();
        format!("{} {}\n", names.join(";"), stack.instructions)
    };
    profile.stacks.iter().map(line).collect()
}

/// A mean to a tenth, without the tenth where it is a whole number.
pub(crate) fn per_frame(count: u64, frames: u64) -> String {
    let frames = frames.max(1);
    let tenths = (10 * count + frames / 2) / frames;
    match tenths % 10 {
        0 => thousands(tenths / 10),
        tenth => format!("{}.{tenth}", thousands(tenths / 10)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_rounded_to_a_tenth() {
        assert_eq!(
            [(12_000, 3), (10, 3), (11, 3), (0, 1), (2, 3)].map(|(n, f)| per_frame(n, f)),
            ["4,000", "3.3", "3.7", "0", "0.7"]
        );
    }
}
