//! Where a pattern is added to a kind of firmware: a manifest's table `patterns`.

use serde::{Deserialize, Serialize};

/// How a pattern joins the ones that are written by hand: in a header of its own, which is included, declared and
/// listed beside theirs. Paths are relative to the checkout's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Places {
    /// Folder of the pattern's header.
    pub folder: String,
    /// The array of patterns, whose rows are `{name, id, description, draw function, whether it listens}`.
    pub list: String,
    /// The file that defines the array: the first of these that does, today's place first.
    pub listed: Vec<String>,
    /// The header that includes the patterns' headers. Where it is the file of the array, the header is included in
    /// front of the array.
    pub included: String,
    /// The header that declares the draw functions. A checkout may lack it.
    #[serde(default)]
    pub declared: Option<String>,
    /// Headers with what a pattern is given: the K1 pattern ABI.
    pub uses: Vec<String>,
    /// The firmware's own palettes. A checkout may lack them, and then patterns bring palettes of their own.
    #[serde(default)]
    pub palette: Option<Palette>,
}

/// A function `CRGBF (uint8_t palette, float progress, float brightness)`, whose progress wraps at 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Palette {
    pub function: String,
    pub header: String,
}

impl Places {
    /// Every path, for a check.
    pub(super) fn paths(&self) -> Vec<&String> {
        let palette = self.palette.iter().map(|palette| &palette.header);
        let mut paths = vec![&self.folder, &self.included];
        paths.extend(self.listed.iter().chain(&self.declared).chain(&self.uses).chain(palette));
        paths
    }

    /// Every name, for a check.
    pub(super) fn symbols(&self) -> Vec<&String> {
        self.palette.iter().map(|palette| &palette.function).chain([&self.list]).collect()
    }

    /// `path` as a file in the folder of the file `from` includes it: `../led_driver.h`.
    pub(in crate::source) fn relative(from: &str, path: &str) -> String {
        let folder: Vec<&str> =
            from.rsplit_once('/').map_or(Vec::new(), |(folder, _)| folder.split('/').collect());
        let parts: Vec<&str> = path.split('/').collect();
        let last = parts.len().saturating_sub(1);
        let shared = folder.iter().zip(&parts[..last]).take_while(|(a, b)| a == b).count();
        let up = std::iter::repeat_n("..", folder.len() - shared);
        up.chain(parts[shared..].iter().copied()).collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("src/all.h", "src/patterns/a.hpp", "patterns/a.hpp")]
    #[case("src/patterns/a.hpp", "src/led.h", "../led.h")]
    #[case("src/patterns/a.hpp", "lib/deep/led.h", "../../lib/deep/led.h")]
    #[case("src/a.hpp", "src/b.hpp", "b.hpp")]
    #[case("all.h", "src/a.hpp", "src/a.hpp")]
    #[case("src/a/x.h", "src/a", "../a")]
    fn one_file_is_included_from_the_other(#[case] from: &str, #[case] path: &str, #[case] relative: &str) {
        assert_eq!(Places::relative(from, path), relative);
    }
}
