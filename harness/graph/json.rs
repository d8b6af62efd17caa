//! JSON with positions: each value is a piece of the text it was read from, so where it stands is where it begins.
//!
//! One level is taken apart at a time, and no value is ever entered deeper than the schema goes, so that nesting
//! cannot exhaust the stack (serde_json skips over a value without recursion).

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A piece of the text that is one whole JSON value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json<'t>(&'t str);

/// The members of an object in the order of the text, repeated keys included.
pub(super) type Members<'t> = Vec<(Json<'t>, Json<'t>)>;

impl<'t> Json<'t> {
    /// Reads `text` as one value.
    ///
    /// # Errors
    ///
    /// The first place at which the text is not JSON.
    pub(super) fn read(text: &'t str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<&'t RawValue>(text).map(Self::from)
    }

    /// The text of the value.
    pub(super) fn text(self) -> &'t str {
        self.0
    }

    /// For messages: what kind of value this is.
    pub(super) fn kind(self) -> &'static str {
        match self.0.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    pub(super) fn members(self) -> Option<Members<'t>> {
        serde_json::from_str::<Object<'t>>(self.0).ok().map(|object| object.0)
    }

    pub(super) fn items(self) -> Option<Vec<Self>> {
        serde_json::from_str::<Array<'t>>(self.0).ok().map(|array| array.0)
    }

    /// A string; escapes that are no character (lone surrogates) are none.
    pub(super) fn string(self) -> Option<Cow<'t, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str::<String>(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// A number that a 32-bit float can hold, rounded to one.
    pub(super) fn number(self) -> Option<f32> {
        // The grammar was checked when the value was read, and JSON's numbers are all ones that Rust reads.
        let digit = self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        digit.then(|| self.0.parse::<f32>().ok()).flatten().filter(|number| number.is_finite())
    }

    /// A whole number, however it is written (`8`, `8.0`).
    pub(super) fn integer(self) -> Option<i64> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        self.number()?;
        let number = self.0.parse::<f64>().ok()?;
        (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
    }
}

impl<'t> From<&'t RawValue> for Json<'t> {
    fn from(value: &'t RawValue) -> Self {
        Self(value.get())
    }
}

struct Object<'t>(Members<'t>);
struct Array<'t>(Vec<Json<'t>>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    members.push((key.into(), value.into()));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl<'de> Deserialize<'de> for Array<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Array<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element::<&'de RawValue>()? {
                    items.push(item.into());
                }
                Ok(Array(items))
            }
        }
        deserializer.deserialize_seq(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_place_and_repeated_keys_stay() {
        let text = r#" { "b": 1, "a" : [2], "b": "\u0041" } "#;
        let members = Json::read(text).unwrap().members().unwrap();
        let seen: Vec<_> = members.iter().map(|(key, value)| (key.text(), value.text())).collect();
        assert_eq!(seen, [(r#""b""#, "1"), (r#""a""#, "[2]"), (r#""b""#, r#""\u0041""#)]);
        assert_eq!(
            members[1].0.text().as_ptr() as usize - text.as_ptr() as usize,
            text.find(r#""a""#).unwrap()
        );
        assert_eq!(members[2].1.string().unwrap(), "A");
    }

    #[test]
    fn numbers_are_those_that_a_float_can_hold() {
        let number = |text| Json::read(text).unwrap().number();
        assert_eq!(number("-1.5e2"), Some(-150.0));
        assert_eq!(number("1e39"), None);
        assert_eq!(number("1e999"), None);
        assert_eq!(number("\"1\""), None);
        assert_eq!(number("null"), None);
        assert_eq!(Json::read("8.0").unwrap().integer(), Some(8));
        assert_eq!(Json::read("8.5").unwrap().integer(), None);
    }

    #[test]
    fn deep_nesting_is_read_without_recursion() {
        let text = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(Json::read(&text).unwrap().items().unwrap().len(), 1);
    }

    #[test]
    fn a_lone_surrogate_is_no_string() {
        assert!(Json::read(r#""\ud800""#).unwrap().string().is_none());
    }
}
