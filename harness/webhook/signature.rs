//! The signature of a delivery: HMAC-SHA256 of the body with the secret that GitHub was told.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The secret of the webhook, which no debug output shows.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// Why a text cannot be a secret; it does not hold the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret of the webhook has {0} bytes, and at least {LEAST} are needed")]
pub struct NotASecret(usize);

/// A secret that can be guessed is none: whoever has one signed delivery can try as many as he likes.
const LEAST: usize = 16;

/// What stands before the hexadecimal digits.
const SCHEME: &str = "sha256=";

/// A signature that a delivery claims to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signature([u8; 32]);

impl Secret {
    /// Whether `signature` is that of `body`. It takes as long whatever is wrong with it.
    pub(super) fn signed(&self, body: &[u8], signature: &Signature) -> bool {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return false };
        mac.update(body);
        mac.verify_slice(&signature.0).is_ok()
    }
}

impl FromStr for Secret {
    type Err = NotASecret;

    /// Spaces and line ends around it are not part of it: files end with one.
    fn from_str(text: &str) -> Result<Self, NotASecret> {
        let bytes = text.trim().as_bytes();
        if bytes.len() < LEAST { Err(NotASecret(bytes.len())) } else { Ok(Self(bytes.to_vec())) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Signature {
    /// Reads the header `X-Hub-Signature-256`; none if it is not `sha256=` and 64 hexadecimal digits.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let sha: crate::digest::Sha = std::str::from_utf8(header).ok()?.strip_prefix(SCHEME)?.parse().ok()?;
        Some(Self(*sha.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn the_example_of_the_documentation_is_good_and_no_other() {
        let secret: Secret = format!(" {SECRET}\n").parse().unwrap();
        let signature = Signature::parse(SIGNATURE.as_bytes()).unwrap();
        assert!(secret.signed(BODY, &signature));
        assert!(!secret.signed(b"Hello, World?", &signature));
        assert!(!"another secret of that length".parse::<Secret>().unwrap().signed(BODY, &signature));
        for bit in 0..256 {
            let mut other = signature;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!secret.signed(BODY, &other));
        }
    }

    #[rstest]
    #[case(&SIGNATURE[..SIGNATURE.len() - 1])]
    #[case(&SIGNATURE[7..])]
    #[case("sha256=")]
    #[case("sha256=zz7107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")]
    #[case("sha1=757107ea0eb2509fc211221cce984b8a37570b6d")]
    #[case("SHA256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")]
    fn what_is_no_signature_is_not_taken_for_one(#[case] header: &str) {
        assert_eq!(Signature::parse(header.as_bytes()), None);
    }

    #[test]
    fn a_secret_is_long_and_never_shown() {
        assert_eq!("short".parse::<Secret>().unwrap_err(), NotASecret(5));
        let secret: Secret = SECRET.parse().unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
