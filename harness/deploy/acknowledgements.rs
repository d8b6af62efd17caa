//! What a board says while it receives an image: decimal counts without separators, then its last word.
//!
//! A board writes the number of bytes after each read of its own, and TCP delivers the digits as it likes: two
//! counts may arrive as one (`1000` and `24` as `100024`), one in two pieces, and the final `OK` behind the last
//! count. So the digits cannot always be told apart, and need not be: a chunk counts as acknowledged as soon as
//! the digits since the chunk before *can* be read as counts that cover it. That never waits for a count that
//! has already come. A board that reads in tiny pieces may be overestimated; then TCP's own flow control paces.
//!
//! The way not taken: `espota.py` takes whatever arrives for the acknowledgement of one chunk, so a split count
//! makes it believe that the board is further than it is.

use std::io;

/// The largest count: a board reads at most one TCP segment at a time.
const LARGEST: u32 = 1460;
/// Digits that cannot cover a chunk are not counts.
const DIGITS: usize = 64;
/// A last word is a short line.
const WORD: usize = 512;

/// What the digits and words so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// All outstanding bytes are acknowledged.
    Counted,
    /// `OK`: the whole image arrived and is right.
    Done,
    /// The board gave up, in these words.
    Refused(String),
}

/// The part of the board's answers that is not yet used up.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    digits: Vec<u8>,
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
                b'0'..=b'9' if self.word.is_empty() => self.digits.push(byte),
                _ if self.word.is_empty() && byte.is_ascii_whitespace() => {}
                _ => self.word.push(byte),
            }
        }
        if self.word.len() > WORD || (self.digits.len() > DIGITS && most(&self.digits) < LARGEST) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the board answers with something else than counts",
            ));
        }
        Ok(())
    }

    /// What is known if more may follow; `outstanding` bytes wait to be acknowledged (`None`: only the last word
    /// is of interest).
    pub fn so_far(&mut self, outstanding: Option<usize>) -> Option<Said> {
        if self.word.starts_with(b"OK") {
            return Some(Said::Done);
        }
        if self.word.contains(&b'\n') {
            return self.refusal();
        }
        match outstanding {
            None => self.digits.clear(),
            Some(bytes) if (most(&self.digits) as usize) < bytes => return None,
            Some(_) => {
                self.digits.clear();
                // The beginning of the last word came with the count: the rest of it decides.
                return self.word.is_empty().then_some(Said::Counted);
            }
        }
        None
    }

    /// What is known when nothing more will come; `None` if the board ended without a last word.
    pub fn at_the_end(&mut self) -> Option<Said> {
        self.refusal()
    }

    fn refusal(&self) -> Option<Said> {
        let word = String::from_utf8_lossy(&self.word);
        // A lone `O` is an `OK` that was cut off.
        match word.trim() {
            "" | "O" => None,
            word => Some(Said::Refused(word.to_owned())),
        }
    }
}

/// The largest sum of counts of at most [`LARGEST`] that `digits` can be read as.
fn most(digits: &[u8]) -> u32 {
    let mut best = vec![0_u32; digits.len() + 1];
    for end in 1..=digits.len() {
        let mut count = 0_u32;
        for start in (end.saturating_sub(4)..end).rev() {
            count += u32::from(digits[start] - b'0') * 10_u32.pow((end - start - 1) as u32);
            if count <= LARGEST {
                best[end] = best[end].max(best[start] + count);
            }
        }
    }
    best[digits.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn after(pieces: &[&str], outstanding: usize) -> Option<Said> {
        let mut said = Acknowledgements::default();
        pieces.iter().find_map(|piece| {
            said.hear(piece.as_bytes()).unwrap();
            said.so_far(Some(outstanding))
        })
    }

    #[rstest]
    #[case::one_count(&["1024"], Some(Said::Counted))]
    #[case::digit_by_digit(&["1", "0", "2", "4"], Some(Said::Counted))]
    #[case::a_part_of_a_count(&["102"], None)]
    #[case::two_counts_in_one_packet(&["100024"], Some(Said::Counted))]
    #[case::the_first_of_two_counts(&["1000"], None)]
    #[case::two_counts_of_which_more_follow(&["10024"], None)]
    #[case::two_counts_in_two_packets(&["1000", "24"], Some(Said::Counted))]
    #[case::count_and_ok(&["1024OK"], Some(Said::Done))]
    #[case::ok_in_two_pieces(&["1024O", "K"], Some(Said::Done))]
    #[case::refusal(&["MD5 Check Failed\r\n"], Some(Said::Refused("MD5 Check Failed".into())))]
    #[case::half_a_refusal(&["MD5 Check"], None)]
    #[case::refusal_with_a_number_in_it(&["1024Error[5]: 17\r\n"], Some(Said::Refused("Error[5]: 17".into())))]
    fn answers_to_a_chunk(#[case] pieces: &[&str], #[case] expected: Option<Said>) {
        assert_eq!(after(pieces, 1024), expected);
    }

    #[test]
    fn a_board_that_closes_without_a_word_has_said_nothing() {
        let mut said = Acknowledgements::default();
        said.hear(b"1024O").unwrap();
        assert_eq!(said.at_the_end(), None);
    }

    #[test]
    fn endless_zeros_are_an_error() {
        let mut said = Acknowledgements::default();
        assert_eq!(said.hear(&[b'0'; 65]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        /// A board may cut its reads, and TCP its answers, anywhere: the client never waits for a count that has
        /// come.
        #[test]
        fn no_split_of_reads_or_answers_stalls_a_transfer(
            reads in prop::collection::vec(1_usize..=1460, 1..60),
            cuts in prop::collection::vec(1_usize..=9, 1..40),
            chunks in 1_usize..12,
        ) {
            let (mut reads, mut cuts) = (reads.into_iter().cycle(), cuts.into_iter().cycle());
            let mut said = Acknowledgements::default();
            let (mut unread, mut wire) = (0, Vec::new());
            for _ in 0..chunks {
                unread += 1024;
                loop {
                    if let Some(Said::Counted) = said.so_far(Some(1024)) {
                        break;
                    }
                    if wire.is_empty() {
                        prop_assert!(unread > 0, "waits although everything was acknowledged");
                        let read = unread.min(reads.next().unwrap());
                        unread -= read;
                        wire.extend_from_slice(read.to_string().as_bytes());
                    }
                    let cut = wire.len().min(cuts.next().unwrap());
                    said.hear(&wire.drain(..cut).collect::<Vec<_>>()).unwrap();
                }
            }
        }
    }
}
