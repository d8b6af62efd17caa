//! Choosing boards by what they are: `model == k1-s3 and psram and not flaky`.
//!
//! ```text
//! any   = all { "or" all }
//! all   = one { "and" one }
//! one   = "not" one | "(" any ")" | test
//! test  = KEY ( "==" | "!=" ) VALUE | LABEL
//! ```
//!
//! A value is a word (letters, digits, `_`, `-`, `.`, `:`, `/`) or anything in double quotes. A label alone is true of
//! the boards that have it; `virtual` is true of virtual boards. There are no wildcards and no numbers: what a lab
//! wants to choose by, it writes as a label.

use std::fmt;

/// What an expression asks of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// The board has this label.
    Label(String),
    Is(Key, String),
    IsNot(Key, String),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

/// What can be compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Name,
    Model,
    Mac,
    Host,
    UsbSerial,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected} expected at column {column} of {text:?}, found {found}")]
pub struct ExpressionError {
    pub text: String,
    /// Of the first character that does not fit, from 1, in characters.
    pub column: usize,
    pub expected: String,
    pub found: String,
}

/// What an expression is asked about.
pub trait Described {
    fn has_label(&self, label: &str) -> bool;
    /// Whether the board's `key` is `value`; false if it has none.
    fn is(&self, key: Key, value: &str) -> bool;
}

impl Expression {
    /// Whether `board` is what is asked for.
    pub fn fits(&self, board: &impl Described) -> bool {
        match self {
            Self::Label(label) => board.has_label(label),
            Self::Is(key, value) => board.is(*key, value),
            Self::IsNot(key, value) => !board.is(*key, value),
            Self::Not(inner) => !inner.fits(board),
            Self::And(left, right) => left.fits(board) && right.fits(board),
            Self::Or(left, right) => left.fits(board) || right.fits(board),
        }
    }
}

/// As few parentheses as its meaning needs.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => f.write_str(label),
            Self::Is(key, value) => write!(f, "{} == {}", key.word(), Quoted(value)),
            Self::IsNot(key, value) => write!(f, "{} != {}", key.word(), Quoted(value)),
            Self::Not(inner) => write!(f, "not {}", Inside(inner, 2)),
            Self::And(left, right) => write!(f, "{} and {}", Inside(left, 1), Inside(right, 2)),
            Self::Or(left, right) => write!(f, "{left} or {}", Inside(right, 1)),
        }
    }
}

impl Key {
    pub(super) const ALL: [Self; 5] = [Self::Name, Self::Model, Self::Mac, Self::Host, Self::UsbSerial];

    /// As it is written in expressions and in the inventory.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Model => "model",
            Self::Mac => "mac",
            Self::Host => "host",
            Self::UsbSerial => "usb_serial",
        }
    }
}

/// Whether `text` may be a label: a word that is none of the grammar's, and no key of a comparison.
pub(super) fn is_label(text: &str) -> bool {
    let is_reserved =
        matches!(text, "and" | "or" | "not" | "virtual") || Key::ALL.iter().any(|key| key.word() == text);
    !text.is_empty() && !is_reserved && text.chars().all(is_of_word)
}

/// An expression within another one that binds as tightly as `.1` says: 0 `or`, 1 `and`, 2 `not`.
struct Inside<'a>(&'a Expression, u8);

impl fmt::Display for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binds = match self.0 {
            Expression::Or(..) => 0,
            Expression::And(..) => 1,
            _ => 2,
        };
        if binds < self.1 { write!(f, "({})", self.0) } else { write!(f, "{}", self.0) }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_word = !self.0.is_empty() && self.0.chars().all(is_of_word);
        if is_word && !matches!(self.0, "and" | "or" | "not") {
            f.write_str(self.0)
        } else {
            write!(f, "\"{}\"", self.0)
        }
    }
}

/// Whether a word may hold `c`.
pub(super) fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A board that has one label and one model.
    struct OneOf(&'static str, &'static str);

    impl Described for OneOf {
        fn has_label(&self, label: &str) -> bool {
            label == self.0
        }

        fn is(&self, key: Key, value: &str) -> bool {
            key == Key::Model && value == self.1
        }
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tightest() {
        let cases = [
            ("psram", true),
            ("flaky", false),
            ("not flaky", true),
            ("model == k1-s3 and psram and not flaky", true),
            ("model != k1-s3", false),
            ("mac != A0:B7:65:12:34:56", true),
            ("psram or flaky and flaky", true),
            ("(psram or flaky) and flaky", false),
            ("not psram or psram", true),
            ("not (psram or flaky)", false),
            ("model==\"k1-s3\"", true),
        ];
        for (text, fits) in cases {
            let expression: Expression = text.parse().unwrap();
            assert_eq!(expression.fits(&OneOf("psram", "k1-s3")), fits, "{text}");
        }
    }

    #[test]
    fn an_error_names_the_place_and_what_would_fit() {
        let told: Vec<String> = [
            "",
            "psram and",
            "(psram",
            "psram flaky",
            "modle == k1",
            "model",
            "model = k1",
            "model == and",
            "psram && flaky",
            "!flaky",
            "model == \"k1",
            "psram, flaky",
            "psram)",
            "é ü",
        ]
        .into_iter()
        .map(|text| text.parse::<Expression>().unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn endless_nesting_is_refused() {
        for text in ["(".repeat(100_000), "not ".repeat(100_000)] {
            assert!(text.parse::<Expression>().is_err());
        }
    }

    fn expressions() -> impl Strategy<Value = Expression> {
        let keys = prop::sample::select(Key::ALL.to_vec());
        let label = "[a-z][a-z0-9_.-]{0,6}".prop_filter("a label", |text| is_label(text));
        let leaf = prop_oneof![
            label.prop_map(Expression::Label),
            (keys.clone(), "[^\"]{0,8}").prop_map(|(key, value)| Expression::Is(key, value)),
            (keys, "[^\"]{0,8}").prop_map(|(key, value)| Expression::IsNot(key, value)),
        ];
        leaf.prop_recursive(6, 40, 2, |inner| {
            let pair = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
            prop_oneof![
                inner.clone().prop_map(|one| Expression::Not(Box::new(one))),
                pair().prop_map(|(left, right)| Expression::And(left, right)),
                pair().prop_map(|(left, right)| Expression::Or(left, right)),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_expression_is_read_back_as_it_was_printed(expression in expressions()) {
            prop_assert_eq!(expression.to_string().parse(), Ok(expression));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-c()=!&|\" andornot\\PC]{0,30}") {
            if let Ok(expression) = text.parse::<Expression>() {
                prop_assert_eq!(expression.to_string().parse(), Ok(expression));
            }
        }
    }
}
