//! Names of artifacts, their versions and labels: valid by construction, because they become parts of object keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::stored::is_name;

/// What an artifact is called: 1 to 4 segments of ASCII letters, digits, `_`, `-` and `.` between slashes, each of up
/// to 100 and none beginning with a dot: `firmware/k1-node1`.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Which of the artifacts of a name: a commit, or a version as `1.4.0+k1`; as one segment of a [`Name`], and `+`.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// What a version is known as: `stable`, or of one board or environment, `last-good:bench-3`.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Why a text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}")]
pub struct NotAName {
    text: String,
    what: &'static str,
}

impl NotAName {
    pub(super) fn new(text: &str, what: &'static str) -> Self {
        Self { text: text.to_owned(), what }
    }
}

/// Stands for the slash in keys, so that a name is one segment there; no name contains it.
const JOINT: &str = "@";

const LAST_GOOD: &str = "last-good:";

impl Name {
    pub(super) fn key(&self) -> String {
        self.0.replace('/', JOINT)
    }

    pub(super) fn of_key(key: &str) -> Option<Self> {
        key.replace(JOINT, "/").parse().ok()
    }
}

impl Version {
    pub(super) fn key(&self) -> &str {
        &self.0
    }
}

impl Label {
    /// The label of the version that `target` (a board, an environment) was last seen healthy with.
    ///
    /// # Errors
    ///
    /// [`NotAName`] if `target` is not one segment of a name.
    pub fn last_good(target: &str) -> Result<Self, NotAName> {
        format!("{LAST_GOOD}{target}").parse()
    }

    /// Whether it says what a board or environment was last seen healthy with.
    pub fn is_last_good(&self) -> bool {
        self.0.starts_with(LAST_GOOD)
    }

    pub(super) fn key(&self) -> String {
        self.0.replace(':', JOINT)
    }

    pub(super) fn of_key(key: &str) -> Option<Self> {
        key.replace(JOINT, ":").parse().ok()
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let good = text.split('/').count() <= 4 && text.split('/').all(is_name);
        let what =
            "the name of an artifact (1 to 4 words of letters, digits, `_`, `-` and `.`, between slashes)";
        if good { Ok(Self(text.to_owned())) } else { Err(NotAName::new(text, what)) }
    }
}

impl FromStr for Version {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let good = !text.starts_with('+') && is_name(&text.replace('+', "-"));
        let what = "a version (1 to 100 letters, digits, `_`, `-`, `.` and `+`)";
        if good { Ok(Self(text.to_owned())) } else { Err(NotAName::new(text, what)) }
    }
}

impl FromStr for Label {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let good = text.split(':').count() <= 2 && text.split(':').all(is_name);
        let what = "a label (a word of letters, digits, `_`, `-` and `.`, or two with a colon between them)";
        if good { Ok(Self(text.to_owned())) } else { Err(NotAName::new(text, what)) }
    }
}

/// Whether `path` may be the path of a file in an artifact: up to 8 segments as those of a [`Name`].
pub(super) fn is_file_path(path: &str) -> bool {
    path.split('/').count() <= 8 && path.split('/').all(is_name)
}

macro_rules! text {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NotAName;

            fn try_from(text: String) -> Result<Self, NotAName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }
    };
}

text!(Name);
text!(Version);
text!(Label);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("firmware/k1-node1", true)]
    #[case("a/b/c/d", true)]
    #[case("a/b/c/d/e", false)]
    #[case("", false)]
    #[case("/a", false)]
    #[case("a/", false)]
    #[case("a//b", false)]
    #[case("a/../b", false)]
    #[case("a@b", false)]
    #[case("a b", false)]
    fn a_name_cannot_leave_its_place(#[case] text: &str, #[case] good: bool) {
        assert_eq!(text.parse::<Name>().is_ok(), good);
    }

    #[rstest]
    #[case("1.4.0+k1", true)]
    #[case("6c241c7", true)]
    #[case("+1", false)]
    #[case(".hidden", false)]
    #[case("a/b", false)]
    fn a_version_is_one_word(#[case] text: &str, #[case] good: bool) {
        assert_eq!(text.parse::<Version>().is_ok(), good);
    }

    #[rstest]
    #[case("stable", true)]
    #[case("last-good:bench-3", true)]
    #[case("last-good:", false)]
    #[case("a:b:c", false)]
    #[case("a/b", false)]
    fn a_label_is_a_word_or_two(#[case] text: &str, #[case] good: bool) {
        assert_eq!(text.parse::<Label>().is_ok(), good);
    }

    #[test]
    fn what_is_written_into_a_key_is_read_from_it() {
        let name: Name = "firmware/k1-node1".parse().unwrap();
        assert_eq!(Name::of_key(&name.key()), Some(name));
        let label = Label::last_good("bench-3").unwrap();
        assert_eq!(Label::of_key(&label.key()), Some(label));
    }
}
