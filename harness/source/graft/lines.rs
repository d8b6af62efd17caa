//! A text as lines, of which some are ours: whole lines with a mark at their end, so that they can be found again.
//!
//! No line of anybody else's is ever changed, and what was inserted and is removed leaves the same bytes.

/// Stands in front of a pattern's id at the end of our lines.
const MARK: &str = "// k1-hil: ";

/// A text by its line ends: the last one is empty if the text ends with a line end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lines(Vec<String>);

/// What one of our lines is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Include,
    Declare,
    Row,
}

impl Purpose {
    /// Lines of one pattern in one file are told apart by how they begin.
    fn of(line: &str) -> Self {
        match line.trim_start() {
            line if line.starts_with("#include") => Self::Include,
            line if line.starts_with("void ") => Self::Declare,
            _ => Self::Row,
        }
    }
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.split('\n').map(str::to_owned).collect())
    }

    pub(super) fn text(&self) -> String {
        self.0.join("\n")
    }

    pub(super) fn get(&self, at: usize) -> &str {
        self.0.get(at).map_or("", String::as_str)
    }

    /// The place of our line for `id`.
    pub(super) fn find(&self, id: &str, purpose: Purpose) -> Option<usize> {
        self.0.iter().position(|line| id_of(line) == Some(id) && Purpose::of(line) == purpose)
    }

    /// The places of all our lines for `id`.
    pub(super) fn all_of(&self, id: &str) -> Vec<usize> {
        (0..self.0.len()).filter(|at| id_of(&self.0[*at]) == Some(id)).collect()
    }

    /// The ids of our lines, each as often as it stands there.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|line| id_of(line))
    }

    /// Puts a line of ours in front of the line at `at`.
    pub(super) fn insert(&mut self, at: usize, line: &str, id: &str) {
        let end = line_end(self.get(at.saturating_sub(1)));
        self.0.insert(at, format!("{line}  {MARK}{id}{end}"));
    }

    /// Puts a line of ours behind the last line that is not blank.
    pub(super) fn append(&mut self, line: &str, id: &str) {
        let last = self.0.iter().rposition(|line| !line.trim().is_empty());
        self.insert(last.map_or(0, |last| last + 1), line, id);
    }

    /// Puts another line of ours in the place of one.
    pub(super) fn replace(&mut self, at: usize, line: &str, id: &str) {
        let end = line_end(&self.0[at]);
        self.0[at] = format!("{line}  {MARK}{id}{end}");
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.0.remove(at);
    }

    /// The line at `at` without indentation and mark.
    pub(super) fn code(&self, at: usize) -> &str {
        let line = self.get(at);
        line.rsplit_once(MARK).map_or(line, |(code, _)| code).trim()
    }

    /// The blanks in front of the line at `at`.
    pub(super) fn indent(&self, at: usize) -> &str {
        let line = self.get(at);
        &line[..line.len() - line.trim_start().len()]
    }
}

/// The line end is the line feed, and what stands in front of it.
fn line_end(line: &str) -> &'static str {
    if line.ends_with('\r') { "\r" } else { "" }
}

fn id_of(line: &str) -> Option<&str> {
    let (code, id) = line.trim_end().rsplit_once(MARK)?;
    let is_id = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_id && code.ends_with(' ')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a\nb\n", "a\nb\nvoid x;  // k1-hil: x\n")]
    #[case::no_line_end_at_the_end("a\nb", "a\nb\nvoid x;  // k1-hil: x")]
    #[case::blank_lines_at_the_end("a\n\n \n", "a\nvoid x;  // k1-hil: x\n\n \n")]
    #[case::windows("a\r\nb\r\n", "a\r\nb\r\nvoid x;  // k1-hil: x\r\n")]
    #[case::nothing("", "void x;  // k1-hil: x\n")]
    fn a_line_is_appended_and_removed(#[case] before: &str, #[case] after: &str) {
        let mut lines = Lines::of(before);
        lines.append("void x;", "x");
        assert_eq!(lines.text(), after);
        let at = lines.find("x", Purpose::Declare).unwrap();
        assert_eq!(lines.code(at), "void x;");
        lines.remove(at);
        assert_eq!(lines.text(), before);
    }

    #[rstest]
    #[case("x  // k1-hil: glow", Some("glow"))]
    #[case("x  // k1-hil: glow\r", Some("glow"))]
    #[case("x  // k1-hil: my_glow", Some("my_glow"))]
    #[case("x  // k1-hil: the glow", None)]
    #[case("x  // k1-hil: ", None)]
    #[case("// k1-hil: glow", None)]
    #[case("{\"// k1-hil: glow\"},", None)]
    fn our_lines_end_with_the_mark(#[case] line: &str, #[case] id: Option<&str>) {
        assert_eq!(id_of(line), id);
    }
}
