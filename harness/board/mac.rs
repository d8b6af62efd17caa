//! The identity of a board: the MAC address of its chip, which is burnt in and never two boards'.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A MAC address, written as K1 firmware does: `A0:B7:65:12:34:56`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mac([u8; 6]);

/// Why a text is not a [`Mac`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no MAC address; expected six pairs of hexadecimal digits, as in A0:B7:65:12:34:56")]
pub struct NotAMac(String);

impl Mac {
    /// The address of these bytes, first byte first.
    pub const fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// The six bytes, first byte first.
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// With dashes, for the name of a file.
    pub(crate) fn file_name(self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

/// Reads pairs with colons, with dashes or with nothing between them, in either case.
impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let wrong = || NotAMac(text.to_owned());
        let digits: String = match text.len() {
            12 => text.to_owned(),
            17 if text.split(':').count() == 6 => text.replace(':', ""),
            17 if text.split('-').count() == 6 => text.replace('-', ""),
            _ => return Err(wrong()),
        };
        if digits.len() != 12 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 6];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * place..][..2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl TryFrom<String> for Mac {
    type Error = NotAMac;

    fn try_from(text: String) -> Result<Self, NotAMac> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_usual_spelling_is_the_same_board() {
        let one = Mac::from_bytes([0xA0, 0xB7, 0x65, 0x12, 0x34, 0x56]);
        for text in ["A0:B7:65:12:34:56", "a0:b7:65:12:34:56", "A0-B7-65-12-34-56", "a0b765123456"] {
            assert_eq!(text.parse(), Ok(one), "{text}");
        }
        assert_eq!(one.to_string(), "A0:B7:65:12:34:56");
    }

    #[test]
    fn what_is_no_address_is_said() {
        for text in [
            "",
            "desk",
            "A0:B7:65:12:34",
            "A0:B7:65:12:34:5G",
            "A0:B7-65:12:34:56",
            "+0:+1:+2:+3:+4:+5",
            "éééééé",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(NotAMac(text.to_owned())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_read_back_as_it_was_written(bytes: [u8; 6]) {
            let mac = Mac::from_bytes(bytes);
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
            prop_assert_eq!(mac.file_name().parse(), Ok(mac));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,20}") {
            let _ = text.parse::<Mac>();
        }
    }
}
