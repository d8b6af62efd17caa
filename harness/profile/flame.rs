//! The stacks of a profile as one picture: a box per function in its caller's box, as wide as its share of the frame.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Profile;
use super::text::per_frame;

const WIDTH: f64 = 1200.0;
const ROW: usize = 18;
/// Of a letter of the labels, which are set in a font whose letters are all as wide.
const LETTER: f64 = 6.7;
/// A narrower box cannot be seen.
const NARROWEST: f64 = 0.2;
/// Runaway recursion goes on below it.
const DEEPEST: usize = 80;

#[derive(Default)]
struct Part<'a> {
    instructions: u64,
    inner: BTreeMap<&'a str, Part<'a>>,
}

/// An SVG that needs nothing but itself; a box under the pointer tells its name and its instructions per frame.
pub fn flame_graph(profile: &Profile) -> String {
    let mut all = Part { instructions: profile.instructions, inner: BTreeMap::new() };
    for stack in &profile.stacks {
        let mut at = &mut all;
        for function in stack.functions.iter().take(DEEPEST) {
            at = at.inner.entry(function).or_default();
            at.instructions += stack.instructions;
        }
    }
    let mut boxes = String::new();
    let mut rows = 0;
    draw(&mut boxes, &mut rows, profile, (&profile.plan.pattern, &all), (0.0, 0));
    let height = (rows + 1) * ROW;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"monospace\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{boxes}</svg>\n"
    )
}

fn draw(out: &mut String, rows: &mut usize, profile: &Profile, it: (&str, &Part<'_>), at: (f64, usize)) {
    let ((name, it), (left, row)) = (it, at);
    let share = it.instructions as f64 / profile.instructions.max(1) as f64;
    let width = share * WIDTH;
    if width < NARROWEST {
        return;
    }
    *rows = row.max(*rows);
    let (top, height) = (row * ROW, ROW - 1);
    let told = per_frame(it.instructions, profile.frames.len() as u64);
    let (hue, function) = (hue(name), escaped(name));
    let _ = write!(
        out,
        "<g><title>{function}: {told} instructions a frame, {:.1} %</title>\
         <rect x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\" fill=\"hsl({hue} 75% 72%)\"/>",
        100.0 * share
    ); // writing to a text does not fail
    let letters = ((width - 6.0) / LETTER) as usize;
    if letters >= 3 {
        let (x, y) = (left + 3.0, top + 13);
        let label = escaped(&shortened(name, letters));
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y}\" fill=\"#222\">{label}</text>");
    }
    out.push_str("</g>\n");
    let mut left = left;
    for (name, inner) in &it.inner {
        draw(out, rows, profile, (name, inner), (left, row + 1));
        left += WIDTH * inner.instructions as f64 / profile.instructions.max(1) as f64;
    }
}

/// From red to yellow, the same for the same name.
fn hue(name: &str) -> u32 {
    name.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % 55
}

fn shortened(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    name.chars().take(letters - 1).chain(['…']).collect()
}

fn escaped(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::Stack;
    use super::*;

    fn profile(stacks: &[(&[&str], u64)]) -> Profile {
        let stack = |(names, instructions): &(&[&str], u64)| Stack {
            functions: names.iter().map(|&name| name.to_owned()).collect(),
            instructions: *instructions,
        };
        let instructions = stacks.iter().map(|(_, instructions)| instructions).sum();
        Profile {
            format: 2,
            plan: crate::capture::Plan::of("glow"),
            elf_sha256: crate::digest::Sha::of(""),
            frames: vec![instructions],
            instructions,
            functions: Vec::new(),
            stacks: stacks.iter().map(stack).collect(),
        }
    }

    #[test]
    fn a_box_is_as_wide_as_its_share_and_lies_below_its_caller() {
        let picture =
            flame_graph(&profile(&[(&["draw"], 100), (&["draw", "sin<float>(a & b)"], 200), (&["x"], 100)]));
        insta::assert_snapshot!(picture);
    }

    #[test]
    fn deep_recursion_and_no_frames_are_pictures_too() {
        let deep = vec!["f"; 5000];
        let picture = flame_graph(&profile(&[(&deep, 1)]));
        assert_eq!(picture.matches("<rect x").count(), DEEPEST + 1);
        assert!(flame_graph(&profile(&[])).ends_with("</svg>\n"));
    }
}
