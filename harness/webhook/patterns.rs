//! Which branches, tags and paths are meant, in GitHub's own way of writing it.

use globset::{GlobBuilder, GlobMatcher};

/// Patterns in order; the last one that matches decides, and one that begins with `!` decides against. `*` and `?` match
/// within a segment, `**` across slashes.
#[derive(Clone, Debug)]
pub struct Patterns(Vec<(bool, GlobMatcher)>);

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a pattern: {reason}")]
pub struct NotAPattern {
    pattern: String,
    reason: String,
}

impl Patterns {
    /// Patterns as they are written: `main`, `release/**`, `!release/old`.
    ///
    /// # Errors
    ///
    /// [`NotAPattern`]; also if all of them decide against, for then nothing would ever match.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, NotAPattern> {
        let mut compiled = Vec::new();
        let mut last = None;
        for pattern in patterns {
            let (takes, glob) = match pattern.strip_prefix('!') {
                Some(glob) => (false, glob),
                None => (true, pattern),
            };
            let unfit = |reason: String| NotAPattern { pattern: pattern.to_owned(), reason };
            if glob.is_empty() {
                return Err(unfit("it is empty".to_owned()));
            }
            let glob = GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build();
            compiled.push((takes, glob.map_err(|error| unfit(error.kind().to_string()))?.compile_matcher()));
            last = Some(pattern.to_owned());
        }
        match last {
            Some(pattern) if compiled.iter().all(|(takes, _)| !takes) => {
                let reason = "nothing is left to match where every pattern begins with `!`".to_owned();
                Err(NotAPattern { pattern, reason })
            }
            _ => Ok(Self(compiled)),
        }
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `name` is meant.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().rev().find(|(_, glob)| glob.is_match(name)).is_some_and(|(takes, _)| *takes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&["main"], "main", true)]
    #[case(&["main"], "maintenance", false)]
    #[case(&["release/*"], "release/1", true)]
    #[case(&["release/*"], "release/1/fix", false)]
    #[case(&["release/**"], "release/1/fix", true)]
    #[case(&["**"], "any/thing", true)]
    #[case(&["**", "!wip/**"], "wip/a", false)]
    #[case(&["**", "!wip/**", "wip/really"], "wip/really", true)]
    #[case(&["**/*.md"], "docs/a.md", true)]
    #[case(&["**/*.md"], "a.md", true)]
    #[case(&["v[0-9]*"], "v1.2", true)]
    #[case(&[], "main", false)]
    fn the_last_pattern_that_matches_decides(
        #[case] patterns: &[&str],
        #[case] name: &str,
        #[case] matches: bool,
    ) {
        assert_eq!(Patterns::new(patterns.iter().copied()).unwrap().matches(name), matches);
    }

    #[rstest]
    #[case(&["a", "["], "\"[\" is not a pattern: unclosed character class; missing ']'")]
    #[case(&["!a"], "\"!a\" is not a pattern: nothing is left to match where every pattern begins with `!`")]
    #[case(&["a", "!"], "\"!\" is not a pattern: it is empty")]
    fn what_is_no_pattern_is_refused(#[case] patterns: &[&str], #[case] message: &str) {
        assert_eq!(Patterns::new(patterns.iter().copied()).unwrap_err().to_string(), message);
    }
}
