//! The password of a board's over-the-air receiver.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A password, which no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Password {
    fn from(password: &str) -> Self {
        Self(password.to_owned())
    }
}

impl FromStr for Password {
    type Err = Infallible;

    fn from_str(password: &str) -> Result<Self, Infallible> {
        Ok(password.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use crate::deploy::DeployOptions;

    #[test]
    fn no_debug_output_shows_it() {
        let options = DeployOptions { password: Some("secret".into()), ..DeployOptions::default() };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
