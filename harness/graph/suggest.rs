//! “Did you mean …”: the candidate nearest to a misspelt word.

/// Words longer than this are not compared; none of ours are.
const LONGEST: usize = 64;

/// The candidate that `word` most likely stands for, if one is near enough: at most a third of its letters differ.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = folded(word)?;
    let allowed = word.len().div_ceil(3);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters = folded(candidate)?;
            let distance =
                (letters.len().abs_diff(word.len()) <= allowed).then(|| distance(&word, &letters))?;
            (distance <= allowed).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Lower case and without underscores, so that `led_output` is near `LedOutput`.
fn folded(word: &str) -> Option<Vec<u8>> {
    (word.len() <= LONGEST)
        .then(|| word.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).collect())
}

/// Levenshtein's distance.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("LedOutptu", Some("LedOutput"))]
    #[case("led_output", Some("LedOutput"))]
    #[case("Mx", Some("Mix"))]
    #[case("Oscilloscope", None)]
    #[case("", None)]
    fn finds_what_was_meant(#[case] word: &str, #[case] meant: Option<&str>) {
        assert_eq!(nearest(word, ["Mix", "LedOutput", "Mirror"]), meant);
    }

    #[test]
    fn a_very_long_word_is_not_compared() {
        assert_eq!(nearest(&"x".repeat(1_000_000), ["Mix"]), None);
    }
}
