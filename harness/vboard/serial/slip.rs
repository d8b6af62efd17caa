//! SLIP, the framing of the serial loader: `C0` at both ends of a frame, `DB DC` for `C0` and `DB DD` for `DB` in it.
//!
//! Source: esptool documentation, "Serial Protocol", "SLIP encoding".

const END: u8 = 0xC0;
const ESCAPE: u8 = 0xDB;
const ESCAPED_END: u8 = 0xDC;
const ESCAPED_ESCAPE: u8 = 0xDD;

/// A longer frame is none, bytes: the largest block that a loader takes, and its header.
const LIMIT: usize = 0x4000 + 0x100;

/// Takes frames out of a stream of bytes. What stands outside of frames is nothing to a loader.
#[derive(Debug, Default)]
pub struct Decoder {
    frame: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Outside,
    Inside,
    Escape,
    /// In a frame that is too long or has an escape that does not exist.
    Spoilt,
}

impl Decoder {
    /// Hands each frame that ends in `bytes` to `on_frame`; the beginning of the next one is kept.
    pub fn feed(&mut self, bytes: &[u8], on_frame: &mut dyn FnMut(&[u8])) {
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (State::Inside, END) if !self.frame.is_empty() => {
                    on_frame(&self.frame);
                    State::Outside
                }
                // Two ends in a row: the second one begins a frame.
                (State::Outside | State::Inside, END) => State::Inside,
                (State::Escape | State::Spoilt, END) => State::Outside,
                (State::Outside, _) => State::Outside,
                (State::Inside, ESCAPE) => State::Escape,
                (State::Inside, byte) => self.take(byte),
                (State::Escape, ESCAPED_END) => self.take(END),
                (State::Escape, ESCAPED_ESCAPE) => self.take(ESCAPE),
                (State::Escape | State::Spoilt, _) => State::Spoilt,
            };
            if self.state == State::Outside {
                self.frame.clear();
            }
        }
    }

    fn take(&mut self, byte: u8) -> State {
        if self.frame.len() == LIMIT {
            return State::Spoilt;
        }
        self.frame.push(byte);
        State::Inside
    }
}

/// The frame that carries `contents`.
pub fn encode(contents: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(contents.len() + 2);
    frame.push(END);
    for &byte in contents {
        match byte {
            END => frame.extend([ESCAPE, ESCAPED_END]),
            ESCAPE => frame.extend([ESCAPE, ESCAPED_ESCAPE]),
            byte => frame.push(byte),
        }
    }
    frame.push(END);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        Decoder::default().feed(bytes, &mut |frame| seen.push(frame.to_vec()));
        seen
    }

    #[rstest]
    #[case::plain(b"\xC0ab\xC0", &[b"ab".as_slice()])]
    #[case::escapes(b"\xC0\xDB\xDC\xDB\xDD\xC0", &[b"\xC0\xDB".as_slice()])]
    #[case::noise_outside(b"boot log\n\xC0a\xC0noise\xC0b\xC0", &[b"a".as_slice(), b"b"])]
    #[case::empty_frames(b"\xC0\xC0\xC0a\xC0", &[b"a".as_slice()])]
    #[case::unknown_escape(b"\xC0a\xDBx\xC0\xC0b\xC0", &[b"b".as_slice()])]
    #[case::end_after_an_escape(b"\xC0a\xDB\xC0\xC0b\xC0", &[b"b".as_slice()])]
    #[case::unfinished(b"\xC0a", &[])]
    fn frames_are_taken_out_of_the_stream(#[case] bytes: &[u8], #[case] expected: &[&[u8]]) {
        assert_eq!(frames(bytes), expected);
    }

    #[test]
    fn an_endless_frame_costs_no_memory_and_the_next_one_is_read() {
        let long = [&[END], vec![b'x'; LIMIT + 1].as_slice(), &[END], &encode(b"next")].concat();
        assert_eq!(frames(&long), [b"next"]);
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back_however_it_is_cut(
            contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..6),
            cut in 1_usize..20,
        ) {
            let stream: Vec<u8> = contents.iter().flat_map(|frame| encode(frame)).collect();
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.feed(piece, &mut |frame| seen.push(frame.to_vec()));
            }
            prop_assert_eq!(seen, contents);
        }
    }
}
