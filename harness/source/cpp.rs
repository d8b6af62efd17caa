//! C++ text that knows which node each of its lines stems from, and strings that cannot leave their quotes.

use std::fmt::Write as _;

/// A C++ file being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    line: u32,
    indent: usize,
    nodes: Vec<(u32, String)>,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ..Self::default() }
    }

    /// One line. A line that ends in `{` indents what follows (a namespace does not), one that begins with `}`
    /// ends that; no other line of ours does either.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if line.starts_with('}') {
            self.indent = self.indent.saturating_sub(1);
        }
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n("    ", self.indent));
        }
        self.text.push_str(line);
        self.text.push('\n');
        self.line += 1;
        if line.ends_with('{') && !line.starts_with("namespace") {
            self.indent += 1;
        }
    }

    /// One line that stems from `node`.
    pub(super) fn node_line(&mut self, line: impl AsRef<str>, node: &str) {
        self.line(line);
        self.nodes.push((self.line, node.to_owned()));
    }

    /// The text, and the node of each line that stems from one.
    pub(super) fn finish(self) -> (String, Vec<(u32, String)>) {
        (self.text, self.nodes)
    }
}

/// `text` as a string literal of printable ASCII alone: nothing in it can end the literal, begin a comment or make
/// a trigraph, and the firmware gets the same bytes.
pub(super) fn string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'?' => literal.extend(['\\', byte as char]),
            b' '..=b'~' => literal.push(byte as char),
            // Three digits always, so that a digit after it does not belong to it.
            _ => {
                let _ = write!(literal, "\\{byte:03o}"); // Writing to a string cannot fail.
            }
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("calm", r#""calm""#)]
    #[case("\"; system(\"x\"); //", r#""\"; system(\"x\"); //""#)]
    #[case("a\\\n*/ ??/", r#""a\\\012*/ \?\?/""#)]
    #[case("é1\0", r#""\303\2511\000""#)]
    fn strings_stay_in_their_quotes(#[case] text: &str, #[case] literal: &str) {
        assert_eq!(string(text), literal);
    }

    /// Reads a literal as a C++ compiler does.
    fn read(literal: &str) -> Option<Vec<u8>> {
        let mut rest = literal.strip_prefix('"')?.strip_suffix('"')?.bytes();
        let mut bytes = Vec::new();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'"' | b'\n' => return None,
                b'\\' => match rest.next()? {
                    escaped @ (b'"' | b'\\' | b'?') => escaped,
                    first @ b'0'..=b'7' => {
                        let digits = [first, rest.next()?, rest.next()?];
                        u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?
                    }
                    _ => return None,
                },
                plain => plain,
            });
        }
        Some(bytes)
    }

    proptest! {
        #[test]
        fn a_compiler_reads_the_same_bytes(text: String) {
            let literal = string(&text);
            prop_assert!(literal.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert!(!literal.contains("??"));
            prop_assert_eq!(read(&literal), Some(text.into_bytes()));
        }
    }

    #[test]
    fn lines_know_their_nodes() {
        let mut writer = Writer::default();
        writer.line("void f() {");
        writer.node_line("g();", "tide");
        writer.line("}");
        let (text, nodes) = writer.finish();
        assert_eq!(text, "void f() {\n    g();\n}\n");
        assert_eq!(nodes, [(2, "tide".to_owned())]);
    }
}
