//! Which pattern and node, or which file of a checkout, a compiler's message is about.

use super::{CHECKOUT, Diagnostic, GENERATED};
use crate::source::Source;

/// Adds pattern and node to a message about generated code, makes paths of a checkout relative to it, and leaves other
/// messages as they are.
pub(super) fn trace(mut diagnostic: Diagnostic, source: &Source) -> Diagnostic {
    if let Some(path) = diagnostic.file.strip_prefix(CHECKOUT) {
        diagnostic.file = path.to_owned();
    }
    if source.origin().is_some() {
        diagnostic.message = diagnostic.message.replace(&format!(" of {CHECKOUT}"), " of ");
        if diagnostic.message.starts_with("undefined symbol: ") {
            diagnostic
                .message
                .push_str(", which neither k1-hil nor a source that the manifest names defines");
        }
    }
    let path = diagnostic.file.strip_prefix(GENERATED).unwrap_or(&diagnostic.file);
    if let Some(file) = source.files.iter().find(|file| file.path == path) {
        diagnostic.pattern.clone_from(&file.pattern);
        diagnostic.node = file.node_at(diagnostic.line).map(str::to_owned);
    }
    diagnostic
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha;
    use crate::source::{Firmware, SourceFile};
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
