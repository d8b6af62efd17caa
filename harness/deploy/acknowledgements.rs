//! What a board says while it receives an image: decimal counts without separators, then its last word.
//!
//! A board writes the number of bytes after each read of its own, and TCP delivers the digits as it likes: two
//! counts may arrive as one (`1000` and `24` as `100024`), one in two pieces, and the final `OK` behind the last
//! count. So the digits cannot always be told apart, and need not be: bytes are taken for acknowledged as soon as
//! all digits so far *can* be read as counts that add up to them. The true counts are one such reading, so this
//! never waits for a count that has come; where another reading gives more, the sender runs ahead by that, and
//! TCP's own flow control paces it.
//!
//! The way not taken: `espota.py` takes whatever arrives for the acknowledgement of one chunk, so that every split
//! count makes it believe that the board is a whole chunk further than it is.

use std::io;

/// The largest count: a board reads at most one TCP segment at a time.
const LARGEST: u64 = 1460;
/// Digits of the largest count.
const DIGITS: usize = 4;
/// A last word is a short line.
const WORD: usize = 512;

/// The last word of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LastWord {
    /// The whole image arrived and is right.
    Ok,
    /// The board gave up, in these words.
    Refused(String),
}

/// All that a board has said.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    /// The last digits, oldest first.
    digits: [u8; DIGITS],
    /// The largest sum of the counts before each of those digits, and behind the last of them.
    sums: [u64; DIGITS + 1],
    /// How many digits there are, if fewer than [`DIGITS`].
    length: usize,
    word: Vec<u8>,
}

impl Acknowledgements {
    /// Takes in what arrived.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if it is not what a receiver says.
    pub fn hear(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            match byte {
                b'0'..=b'9' if self.word.is_empty() => self.hear_digit(byte - b'0'),
                _ if self.word.is_empty() && byte.is_ascii_whitespace() => {}
                _ if self.word.len() < WORD => self.word.push(byte),
                _ => {
                    let reason = "the board answers with something else than counts";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
                }
            }
        }
        Ok(())
    }

    /// Bytes that the board can have acknowledged at most.
    pub fn acknowledged(&self) -> u64 {
        self.sums[DIGITS]
    }

    /// The last word, if it has come; more may follow.
    pub fn last_word(&self) -> Option<LastWord> {
        match self.word.starts_with(b"OK") {
            true => Some(LastWord::Ok),
            false if self.word.contains(&b'\n') => self.refusal(),
            false => None,
        }
    }

    /// The last word when nothing more will come; `None` if the board ended without one.
    pub fn last_word_at_the_end(&self) -> Option<LastWord> {
        self.last_word().or_else(|| self.refusal())
    }

    fn refusal(&self) -> Option<LastWord> {
        let word = String::from_utf8_lossy(&self.word);
        // A lone `O` is an `OK` that was cut off.
        match word.trim() {
            "" | "O" => None,
            word => Some(LastWord::Refused(word.to_owned())),
        }
    }

    /// The largest sum behind a digit is that before a count that ends in it, plus the count, for the best of the
    /// four counts that may end there.
    fn hear_digit(&mut self, digit: u8) {
        self.digits.rotate_left(1);
        self.digits[DIGITS - 1] = digit;
        self.sums.rotate_left(1);
        self.length = (self.length + 1).min(DIGITS);
        let (mut best, mut count, mut power) = (0, 0, 1);
        for at in (DIGITS - self.length..DIGITS).rev() {
            count += u64::from(self.digits[at]) * power;
            power *= 10;
            if count <= LARGEST {
                best = best.max(self.sums[at] + count);
            }
        }
        self.sums[DIGITS] = best;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn heard(pieces: &[&str]) -> Acknowledgements {
        let mut said = Acknowledgements::default();
        pieces.iter().for_each(|piece| said.hear(piece.as_bytes()).unwrap());
        said
    }

    #[rstest]
    #[case::nothing(&[], 0)]
    #[case::one_count(&["1024"], 1024)]
    #[case::a_part_of_a_count(&["102"], 102)]
    #[case::digit_by_digit(&["1", "0", "2", "4"], 1024)]
    #[case::two_counts_in_one_packet(&["100024"], 1024)]
    #[case::two_counts_in_two_packets(&["1000", "24"], 1024)]
    #[case::two_counts_cut_elsewhere(&["10", "0024"], 1024)]
    #[case::a_count_larger_than_a_segment_is_two(&["1461"], 462)]
    #[case::many(&["102410241024", "784"], 3 * 1024 + 784)]
    #[case::counts_that_run_over_chunks(&["14605881460588"], 4096)]
    fn digits_are_counts(#[case] pieces: &[&str], #[case] expected: u64) {
        assert_eq!(heard(pieces).acknowledged(), expected);
        assert_eq!(heard(pieces).last_word(), None);
    }

    #[rstest]
    #[case::ok_behind_a_count(&["784OK"], Some(LastWord::Ok))]
    #[case::ok_in_two_pieces(&["784O", "K"], Some(LastWord::Ok))]
    #[case::half_an_ok(&["784O"], None)]
    #[case::refusal(&["MD5 Check Failed\r\n"], Some(LastWord::Refused("MD5 Check Failed".into())))]
    #[case::half_a_refusal(&["MD5 Check"], None)]
    #[case::refusal_with_a_number(&["1024Error[5]: 17\r\n"], Some(LastWord::Refused("Error[5]: 17".into())))]
    fn words_are_last_words(#[case] pieces: &[&str], #[case] expected: Option<LastWord>) {
        assert_eq!(heard(pieces).last_word(), expected);
    }

    #[rstest]
    #[case::nothing("1024", None)]
    #[case::half_an_ok("1024O", None)]
    #[case::refusal_without_line_end("Aborted", Some(LastWord::Refused("Aborted".into())))]
    fn the_end_of_the_connection_ends_a_word(#[case] text: &str, #[case] expected: Option<LastWord>) {
        assert_eq!(heard(&[text]).last_word_at_the_end(), expected);
    }

    #[test]
    fn an_endless_word_is_an_error() {
        let mut said = Acknowledgements::default();
        assert_eq!(said.hear(&[b'x'; 513]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        /// A board may cut its reads anywhere: what it has acknowledged is never taken for less.
        #[test]
        fn no_acknowledgement_is_missed(reads in prop::collection::vec(1_u64..=1460, 0..200)) {
            let mut said = Acknowledgements::default();
            let mut acknowledged = 0;
            for read in reads {
                said.hear(read.to_string().as_bytes()).unwrap();
                acknowledged += read;
                prop_assert!(said.acknowledged() >= acknowledged);
            }
        }

        /// A board that reads whole chunks, or whole segments of what was sent ahead, is understood exactly.
        #[test]
        fn usual_counts_are_understood_exactly(reads in prop::collection::vec(prop_oneof![Just(1024_u64), 1000..=1460_u64], 0..200)) {
            let mut said = Acknowledgements::default();
            reads.iter().for_each(|read| said.hear(read.to_string().as_bytes()).unwrap());
            prop_assert_eq!(said.acknowledged(), reads.iter().sum::<u64>());
        }
    }
}
