//! Finding the array of patterns in a C++ file: where it begins and ends, and what its rows say.
//!
//! Just enough of C++ is read for that: comments, directives, strings and brackets. Nothing is expanded.

/// The array's definition. Lines are counted from 0.
#[derive(Debug, PartialEq)]
pub(super) struct List {
    /// Where its statement begins.
    pub begin: usize,
    /// Where its closing bracket is, alone at the beginning of its line.
    pub close: usize,
    /// Whether a row may follow the last one as it stands.
    pub open_ended: bool,
    pub rows: Vec<Row>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub line: usize,
    /// As they are written, between their quotes.
    pub name: String,
    pub id: String,
    /// The last name in the place of the draw function.
    pub function: String,
}

/// The definition of the array `name`; none if the text has none.
///
/// # Errors
///
/// What was expected of it, where it is written in a way that no row can be added to.
pub(super) fn find(text: &str, name: &str) -> Result<Option<List>, String> {
    let tokens = tokens(text);
    let starts = (0..tokens.len()).filter(|at| tokens[*at].is_word(name));
    let Some((at, open)) = starts.filter_map(|at| Some((at, opening(&tokens, at)?))).next() else {
        return Ok(None);
    };
    let before = tokens[..at].iter().rposition(|token| token.is_sign(";") || token.is_sign("}"));
    let begin = tokens[before.map_or(0, |before| before + 1)].line;
    let unclosed = || format!("the closing bracket of {name}");
    let close = closing(&tokens, open).ok_or_else(unclosed)?;
    if !tokens[close].first {
        return Err(format!("the closing bracket of {name} at the beginning of a line of its own"));
    }
    let last = &tokens[close - 1];
    Ok(Some(List {
        begin,
        close: tokens[close].line,
        open_ended: last.is_sign(",") || close == open + 1,
        rows: rows(&tokens[open + 1..close]),
    }))
}

/// The bracket that opens the array, if `name` at `at` is followed by `[…] = {` or `[…] {`.
fn opening(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let is = |at: usize, sign| tokens.get(at).is_some_and(|token: &Token<'_>| token.is_sign(sign));
    if !is(at + 1, "[") {
        return None;
    }
    let end = at + 2 + tokens[at + 2..].iter().position(|token| token.is_sign("]"))?;
    let open = if is(end + 1, "=") { end + 2 } else { end + 1 };
    is(open, "{").then_some(open)
}

fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "{" => depth += 1,
            "}" if depth == 1 => return Some(at),
            "}" => depth -= 1,
            _ => {}
        }
    }
    None
}

fn rows(tokens: &[Token<'_>]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut at = 0;
    while let Some(open) = tokens[at..].iter().position(|token| token.is_sign("{")).map(|p| p + at) {
        let Some(close) = closing(tokens, open) else { break };
        let mut fields: Vec<Vec<&Token<'_>>> = vec![Vec::new()];
        let mut depth = 0usize;
        for token in &tokens[open + 1..close] {
            match token.text {
                "(" | "{" | "[" => depth += 1,
                ")" | "}" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            match fields.last_mut() {
                Some(field) if !(token.is_sign(",") && depth == 0) => field.push(token),
                _ => fields.push(Vec::new()),
            }
        }
        let field = |number: usize| fields.get(number).map_or(&[][..], Vec::as_slice);
        let string = |number: usize| field(number).iter().filter_map(|token| token.string()).collect();
        let function = field(3).iter().rev().find(|token| token.kind == Kind::Word);
        rows.push(Row {
            line: tokens[open].line,
            name: string(0),
            id: string(1),
            function: function.map_or("", |token| token.text).to_owned(),
        });
        at = close + 1;
    }
    rows
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    /// With its quotes.
    String,
    Sign,
}

#[derive(Debug)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    line: usize,
    /// Whether nothing but blanks stands in front of it in its line.
    first: bool,
}

impl Token<'_> {
    fn is_word(&self, text: &str) -> bool {
        self.kind == Kind::Word && self.text == text
    }

    fn is_sign(&self, text: &str) -> bool {
        self.kind == Kind::Sign && self.text == text
    }

    fn string(&self) -> Option<&str> {
        (self.kind == Kind::String).then(|| self.text.trim_matches('"'))
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line, mut first) = (0, 0, true);
    while at < bytes.len() {
        let rest = &text[at..];
        let (kind, length) = match bytes[at] {
            b'\n' => (None, 1),
            b'#' if first => (None, directive(rest)),
            _ if rest.starts_with("//") => (None, rest.find('\n').unwrap_or(rest.len())),
            _ if rest.starts_with("/*") => (None, rest[2..].find("*/").map_or(rest.len(), |end| end + 4)),
            quote @ (b'"' | b'\'') => (Some(Kind::String), quoted(rest, quote)),
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                (Some(Kind::Word), end.unwrap_or(rest.len()))
            }
            byte if byte.is_ascii_whitespace() => (None, 1),
            _ => (Some(Kind::Sign), rest.chars().next().map_or(1, char::len_utf8)),
        };
        let passed = &rest[..length];
        if let Some(kind) = kind {
            tokens.push(Token { kind, text: passed, line, first });
        }
        let lines = passed.matches('\n').count();
        line += lines;
        first = if lines > 0 { kind.is_none() } else { first && passed.trim().is_empty() };
        at += length;
    }
    tokens
}

/// A directive goes on behind a line that ends with a backslash.
fn directive(rest: &str) -> usize {
    let mut length = 0;
    for line in rest.split_inclusive('\n') {
        length += line.len();
        if !line.trim_end().ends_with('\\') {
            break;
        }
    }
    length
}

fn quoted(rest: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            // It was no string after all: a digit separator, or a fault of the source.
            b'\n' => return at,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"#include "a.h"
#define ROW(x) \
    {x}
extern const PatternInfo g_list[];  // const PatternInfo g_list[] = {
uint8_t g_count = 0;

/* g_list[] = {{"no"}} */
static const
    PatternInfo g_list[2] = {
    // {"Old", "old", "", draw_old, true},
    {"Ember }", "ember", "One, \"two\" → three", draw_ember, false},
    {
        "Tide" " Pool", "tide",
        "", (PatternFunction)&draw_tide, true
    }  // the last
};
"#;

    fn row(line: usize, name: &str, id: &str, function: &str) -> Row {
        Row { line, name: name.to_owned(), id: id.to_owned(), function: function.to_owned() }
    }

    #[test]
    fn the_definition_is_found_among_all_that_looks_like_it() {
        let list = find(TEXT, "g_list").unwrap().unwrap();
        let rows = vec![row(10, "Ember }", "ember", "draw_ember"), row(11, "Tide Pool", "tide", "draw_tide")];
        assert_eq!(list, List { begin: 7, close: 15, open_ended: false, rows });
        let open = find(&TEXT.replace("}  // the last", "},"), "g_list").unwrap().unwrap();
        assert!(open.open_ended);
        assert_eq!(find(TEXT, "g_other"), Ok(None));
    }

    #[test]
    fn what_no_row_can_be_added_to_is_told() {
        let same_line = "const P g_list[] = {{\"a\"}};";
        let expected = "the closing bracket of g_list at the beginning of a line of its own";
        assert_eq!(find(same_line, "g_list"), Err(expected.to_owned()));
        assert_eq!(
            find("P g_list[] = {\n{\"a\"},", "g_list"),
            Err("the closing bracket of g_list".to_owned())
        );
    }

    #[test]
    fn an_empty_array_is_open() {
        let list = find("P l[] {\n};", "l").unwrap().unwrap();
        assert_eq!(list, List { begin: 0, close: 1, open_ended: true, rows: Vec::new() });
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[a-c{}\\[\\]=;,\"'#/*\\\\\n é]{0,60}") {
            let _ = find(&format!("{text} a[] = {{\n{text}\n}};"), "a");
        }
    }
}
