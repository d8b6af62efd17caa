//! Profiles for people and for tools that draw flame graphs.

use super::{Function, Profile};
use crate::verdict::words::{counted, thousands};

/// Lines shown of a function.
const LINES: usize = 5;
/// What has a smaller share of the frame than this, in percent, is summed up.
const SMALL: f64 = 0.5;

/// The functions that take most of a frame, each with its hottest lines, in instructions per frame.
pub fn table(profile: &Profile) -> String {
    let frames = profile.frames.len() as u64;
    let mut text = format!(
        "{}: {} instructions to draw a frame (mean of {} after {})\n\n",
        profile.plan.pattern,
        per_frame(profile.instructions, frames),
        counted(frames, "frame"),
        profile.plan.warmup,
    );
    text += &format!("{:>12}  {:>7}  {:>12}  function\n", "own", "share", "with calls");
    let share = |count: u64| 100.0 * count as f64 / profile.instructions.max(1) as f64;
    let is_shown = |function: &&Function| share(function.own) >= SMALL;
    for function in profile.functions.iter().filter(is_shown) {
        text += &format!(
            "{:>12}  {:>5.1} %  {:>12}  {}\n",
            per_frame(function.own, frames),
            share(function.own),
            per_frame(function.total, frames),
            function.name
        );
        for line in function.lines.iter().filter(|line| share(line.instructions) >= SMALL).take(LINES) {
            let place = match (line.file.as_str(), line.line) {
                ("", _) => "no line".to_owned(),
                (file, 0) => format!("{file}, no line"), // what the compiler put there for several of them
                (file, line) => format!("{file}:{line}"),
            };
            let (own, share) = (per_frame(line.instructions, frames), share(line.instructions));
            text += &format!("{:>12}  {share:>5.1} %  {own:>12}    {place}\n", "");
        }
    }
    let small: Vec<&Function> =
        profile.functions.iter().filter(|f| f.own > 0 && share(f.own) < SMALL).collect();
    if !small.is_empty() {
        let own: u64 = small.iter().map(|function| function.own).sum();
        let count = counted(small.len() as u64, "function");
        text += &format!("{:>12}  {:>5.1} %  {:>12}  {count} more\n", per_frame(own, frames), share(own), "");
    }
    text + "\nEvery instruction is counted, on an emulated CPU: exact, and a model of the chip.\n"
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
pub(super) fn per_frame(count: u64, frames: u64) -> String {
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
