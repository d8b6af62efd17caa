//! Which pattern and node, or which file of a checkout, a compiler's message is about.

use super::Diagnostic;
use crate::source::{Source, SourceFile};

/// Adds pattern and node to a message about generated code, makes paths of a checkout relative to it, and leaves other
/// messages as they are.
pub(super) fn trace(mut diagnostic: Diagnostic, source: &Source) -> Diagnostic {
    if let Some(path) = diagnostic.file.strip_prefix("checkout/") {
        diagnostic.file = path.to_owned();
    }
    let path = diagnostic.file.strip_prefix("generated/").unwrap_or(&diagnostic.file);
    if let Some(file) = source.files.iter().find(|file| file.path == path) {
        diagnostic.pattern.clone_from(&file.pattern);
        diagnostic.node = node_at(file, diagnostic.line).map(str::to_owned);
    }
    diagnostic
}

/// The node of `line`, or of an earlier line of the same statement: a statement may go over several lines, of
/// which only the first is known to belong to a node. A line is never credited to the statement before it.
fn node_at(file: &SourceFile, line: u32) -> Option<&str> {
    let lines: Vec<&str> = file.text.lines().collect();
    let text = |number: u32| lines.get(usize::try_from(number.checked_sub(1)?).ok()?).copied();
    let mut number = line;
    loop {
        if let Ok(index) = file.nodes.binary_search_by_key(&number, |(line, _)| *line) {
            return Some(&file.nodes[index].1);
        }
        number = number.checked_sub(1)?;
        if ends_statement(text(number)?) {
            return None;
        }
    }
}

fn ends_statement(line: &str) -> bool {
    let code = line.split_once("//").map_or(line, |(code, _)| code).trim();
    code.is_empty() || code.starts_with('#') || code.ends_with([';', '{', '}', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha;
    use crate::source::Firmware;
    use rstest::rstest;

    const TEXT: &str = "\
#pragma once
static void draw(float t) {
    const float v_hue = t * 2.0f  // node hue
        + 1.0f
        + 2.0f;
    const float v_plain = 1.0f;

    v_led = v_hue;
}
";

    #[rstest]
    #[case::first_line(3, Some("hue"))]
    #[case::continued(5, Some("hue"))]
    #[case::next_statement(6, None)]
    #[case::after_a_blank_line(8, Some("led"))]
    #[case::closing_brace(9, None)]
    #[case::no_line(0, None)]
    #[case::beyond_the_end(40, None)]
    fn a_line_belongs_to_the_node_of_its_statement(#[case] line: u32, #[case] node: Option<&str>) {
        let file = SourceFile {
            path: "tide.hpp".to_owned(),
            text: TEXT.to_owned(),
            pattern: Some("tide".to_owned()),
            nodes: vec![(3, "hue".to_owned()), (8, "led".to_owned())],
        };
        let source =
            Source { sha256: Sha::of(""), firmware: Firmware::Core, patterns: Vec::new(), files: vec![file] };
        let message = |file: &str| Diagnostic {
            file: file.to_owned(),
            line,
            column: 1,
            message: String::new(),
            pattern: None,
            node: None,
        };
        let traced = trace(message("generated/tide.hpp"), &source);
        assert_eq!((traced.pattern.as_deref(), traced.node.as_deref()), (Some("tide"), node));
        assert_eq!(trace(message("core/tide.hpp"), &source), message("core/tide.hpp"));
        assert_eq!(trace(message("checkout/firmware/src/a.cpp"), &source), message("firmware/src/a.cpp"));
    }
}
