//! What the probe sends in binary: frame records and LED pictures. The board encodes, the client decodes.
//!
//! All numbers are little endian. A change of layout raises [`VERSION`].
//!
//! `GET /api/hil/frames?since=SEQ&max=N` answers the records with sequence number `SEQ` and above, oldest first
//! and without a gap between them, at most `N`:
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | 4 bytes | `K1HF` |
//! | 4 | u16 | version, 2 |
//! | 6 | u16 | size of a record, 56 |
//! | 8 | u32 | boot id |
//! | 12 | u32 | run id; 0: no run since boot |
//! | 16 | u32 | run state: 0 none, 1 running, 2 done |
//! | 20 | u32 | sequence number of the first record that follows; with none, of the next one to come |
//! | 24 | u32 | count of records |
//! | 28 | u32 | overwritten: records from `SEQ` on that are gone |
//! | 32 | u32 | ticks per second of the records |
//! | 36 | u32 | sequence number of the run's first recorded frame; has no meaning before that frame is recorded |
//! | 40 | 56 bytes each | records, as in `firmware/core/frame_record.h` |
//!
//! `GET /api/hil/leds?since=SEQ&max=N&every=K` answers the LED bytes of the frames `SEQ`, `SEQ + K`, `SEQ + 2K` …,
//! at most `N`; if the first of them are gone, it begins with the first that is not:
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | 4 bytes | `K1HP` |
//! | 4 | u16 | version, 2 |
//! | 6 | u16 | LEDs per picture |
//! | 8 | u32 | boot id |
//! | 12 | u32 | sequence number of the first picture's frame |
//! | 16 | u32 | count of pictures |
//! | 20 | u32 | every, the `K` of the question |
//! | 24 | 3 bytes per LED each | quantised R, G, B |

use super::RunState;

/// Version of both layouts.
pub const VERSION: u16 = 2;
/// Bytes of a frame record.
pub const RECORD_SIZE: usize = 56;
/// The key of a record's seal.
pub const RECORD_SEAL: u32 = 0x4B31_4846;
/// How many records the probe keeps, and so the longest measured run.
pub const RING_CAPACITY: u32 = 2048;

const FRAMES_MAGIC: [u8; 4] = *b"K1HF";
const FRAMES_HEADER: usize = 40;
const PICTURES_MAGIC: [u8; 4] = *b"K1HP";
const PICTURES_HEADER: usize = 24;

/// One frame as the firmware recorded it; it may be torn, see [`FrameRecord::is_whole`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameRecord {
    /// Counts frames since boot, from 0.
    pub sequence: u32,
    /// 0: not part of a measured run.
    pub run_id: u32,
    /// Board time at which rendering began, ns.
    pub start_ns: u64,
    /// Pattern and colour pipeline.
    pub render_ticks: u32,
    /// Float to 8 bit.
    pub quantize_ticks: u32,
    /// Waiting for the LED driver.
    pub wait_ticks: u32,
    /// On the wire.
    pub transmit_ticks: u32,
    /// The firmware's own audio analysis since the frame before, on another core.
    pub audio_ticks: u32,
    /// Bytes, after the frame.
    pub heap_free: u32,
    /// Bytes, the most since the run began; 0: not known.
    pub stack_used: u32,
    /// Age of the audio snapshot at `start_ns`.
    pub audio_age_us: u32,
    /// FNV-1a (32 bit) of the quantised R, G, B bytes sent to the strip.
    pub led_hash: u32,
    /// XOR of the thirteen words before it and [`RECORD_SEAL`].
    pub seal: u32,
}

/// The answer to `GET /api/hil/frames`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    pub boot_id: u32,
    /// 0: no run since boot.
    pub run_id: u32,
    pub run_state: RunState,
    /// Of the first of `records`; with none, of the next one to come.
    pub first_sequence: u32,
    /// Records asked for that are gone.
    pub overwritten: u32,
    /// Ticks per second of the records.
    pub tick_hz: u32,
    /// Has no meaning before the run's first frame is recorded.
    pub run_first_sequence: u32,
    /// Oldest first; record `i` belongs to frame `first_sequence + i`.
    pub records: Vec<FrameRecord>,
}

/// The answer to `GET /api/hil/leds`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pictures {
    pub boot_id: u32,
    pub led_count: u16,
    /// Of the first picture's frame.
    pub first_sequence: u32,
    /// Picture `i` belongs to frame `first_sequence + i * every`; at least 1.
    pub every: u32,
    /// R, G, B of each LED: `3 * led_count` bytes each.
    pub pictures: Vec<Vec<u8>>,
}

/// Bytes that are not the answer they should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    #[error("{found} bytes are too few: the header has {needed}")]
    Short { found: usize, needed: usize },
    #[error("it begins with {found:02x?}, not {expected:02x?}")]
    Magic { found: [u8; 4], expected: [u8; 4] },
    #[error("its layout has version {found}, not {VERSION}")]
    Version { found: u16 },
    #[error("its records have {found} bytes, not {RECORD_SIZE}")]
    RecordSize { found: u16 },
    #[error("it names the unknown run state {0}")]
    RunState(u32),
    #[error("its header announces {announced} bytes, but {found} came")]
    Length { announced: u64, found: usize },
}

impl FrameRecord {
    /// The record in `bytes`.
    pub fn decode(bytes: &[u8; RECORD_SIZE]) -> Self {
        let word = |index: usize| word_at(bytes, index * 4);
        Self {
            sequence: word(0),
            run_id: word(1),
            start_ns: u64::from(word(2)) | u64::from(word(3)) << 32,
            render_ticks: word(4),
            quantize_ticks: word(5),
            wait_ticks: word(6),
            transmit_ticks: word(7),
            audio_ticks: word(8),
            heap_free: word(9),
            stack_used: word(10),
            audio_age_us: word(11),
            led_hash: word(12),
            seal: word(13),
        }
    }

    /// Its bytes, with the seal that it has.
    pub fn encode(&self) -> [u8; RECORD_SIZE] {
        let mut bytes = [0; RECORD_SIZE];
        let words = self.words().into_iter().chain([self.seal]);
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Whether the seal fits the contents: a record that was read while it was written does not pass.
    pub fn is_whole(&self) -> bool {
        self.seal == self.expected_seal()
    }

    /// The same record with a seal that fits.
    pub fn sealed(mut self) -> Self {
        self.seal = self.expected_seal();
        self
    }

    fn expected_seal(&self) -> u32 {
        self.words().into_iter().fold(RECORD_SEAL, |seal, word| seal ^ word)
    }

    fn words(&self) -> [u32; 13] {
        [
            self.sequence,
            self.run_id,
            self.start_ns as u32,
            (self.start_ns >> 32) as u32,
            self.render_ticks,
            self.quantize_ticks,
            self.wait_ticks,
            self.transmit_ticks,
            self.audio_ticks,
            self.heap_free,
            self.stack_used,
            self.audio_age_us,
            self.led_hash,
        ]
    }
}

impl Frames {
    /// The bytes of the answer.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FRAMES_HEADER + self.records.len() * RECORD_SIZE);
        bytes.extend(FRAMES_MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((RECORD_SIZE as u16).to_le_bytes());
        let words = [
            self.boot_id,
            self.run_id,
            run_state_word(self.run_state),
            self.first_sequence,
            self.records.len() as u32,
            self.overwritten,
            self.tick_hz,
            self.run_first_sequence,
        ];
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        self.records.iter().for_each(|record| bytes.extend(record.encode()));
        bytes
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; records are taken as they are, torn ones too.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        check_head(bytes, FRAMES_MAGIC, FRAMES_HEADER)?;
        let record_size = half_at(bytes, 6);
        if usize::from(record_size) != RECORD_SIZE {
            return Err(Malformed::RecordSize { found: record_size });
        }
        let count = word_at(bytes, 24);
        check_length(bytes, FRAMES_HEADER as u64 + u64::from(count) * RECORD_SIZE as u64)?;
        let (records, _) = bytes[FRAMES_HEADER..].as_chunks::<RECORD_SIZE>();
        Ok(Self {
            boot_id: word_at(bytes, 8),
            run_id: word_at(bytes, 12),
            run_state: run_state(word_at(bytes, 16)).ok_or(Malformed::RunState(word_at(bytes, 16)))?,
            first_sequence: word_at(bytes, 20),
            overwritten: word_at(bytes, 28),
            tick_hz: word_at(bytes, 32),
            run_first_sequence: word_at(bytes, 36),
            records: records.iter().map(FrameRecord::decode).collect(),
        })
    }
}

impl Pictures {
    /// The bytes of the answer.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes =
            Vec::with_capacity(PICTURES_HEADER + self.pictures.iter().map(Vec::len).sum::<usize>());
        bytes.extend(PICTURES_MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.led_count.to_le_bytes());
        let words = [self.boot_id, self.first_sequence, self.pictures.len() as u32, self.every];
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        self.pictures.iter().for_each(|picture| bytes.extend(picture));
        bytes
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        check_head(bytes, PICTURES_MAGIC, PICTURES_HEADER)?;
        let led_count = half_at(bytes, 6);
        let size = usize::from(led_count) * 3;
        let count = word_at(bytes, 16);
        check_length(bytes, PICTURES_HEADER as u64 + u64::from(count) * size as u64)?;
        let pictures = match size {
            0 => Vec::new(), // pictures without LEDs are no pictures, whatever their announced count
            _ => bytes[PICTURES_HEADER..].chunks_exact(size).map(<[u8]>::to_vec).collect(),
        };
        Ok(Self {
            boot_id: word_at(bytes, 8),
            led_count,
            first_sequence: word_at(bytes, 12),
            every: word_at(bytes, 20),
            pictures,
        })
    }
}

/// The run state that `word` stands for.
pub(crate) fn run_state(word: u32) -> Option<RunState> {
    [RunState::None, RunState::Running, RunState::Done].get(usize::try_from(word).ok()?).copied()
}

fn run_state_word(state: RunState) -> u32 {
    match state {
        RunState::None => 0,
        RunState::Running => 1,
        RunState::Done => 2,
    }
}

fn check_head(bytes: &[u8], magic: [u8; 4], header: usize) -> Result<(), Malformed> {
    if bytes.len() < header {
        return Err(Malformed::Short { found: bytes.len(), needed: header });
    }
    let found = [bytes[0], bytes[1], bytes[2], bytes[3]];
    if found != magic {
        return Err(Malformed::Magic { found, expected: magic });
    }
    match half_at(bytes, 4) {
        VERSION => Ok(()),
        found => Err(Malformed::Version { found }),
    }
}

fn check_length(bytes: &[u8], announced: u64) -> Result<(), Malformed> {
    if bytes.len() as u64 == announced {
        Ok(())
    } else {
        Err(Malformed::Length { announced, found: bytes.len() })
    }
}

/// The caller has checked that `bytes` reaches so far.
fn half_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The caller has checked that `bytes` reaches so far.
fn word_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(sequence: u32) -> FrameRecord {
        FrameRecord {
            sequence,
            run_id: 7,
            start_ns: 0x1_0000_0002,
            render_ticks: 3,
            quantize_ticks: 4,
            wait_ticks: 5,
            transmit_ticks: 6,
            audio_ticks: 7,
            heap_free: 8,
            stack_used: 9,
            audio_age_us: 10,
            led_hash: 11,
            seal: 0,
        }
        .sealed()
    }

    fn frames() -> Frames {
        Frames {
            boot_id: 1,
            run_id: 7,
            run_state: RunState::Done,
            first_sequence: 20,
            overwritten: 2,
            tick_hz: 250_000_000,
            run_first_sequence: 18,
            records: vec![record(20), record(21)],
        }
    }

    #[test]
    fn the_layout_of_frames_is_the_documented_one() {
        let bytes = frames().encode();
        assert_eq!(bytes.len(), 40 + 2 * 56);
        assert_eq!(&bytes[..8], b"K1HF\x02\0\x38\0");
        let words: Vec<u32> = (8..40).step_by(4).map(|at| word_at(&bytes, at)).collect();
        assert_eq!(words, [1, 7, 2, 20, 2, 2, 250_000_000, 18]);
        let record: Vec<u32> = (40..96).step_by(4).map(|at| word_at(&bytes, at)).collect();
        let seal = record[..13].iter().fold(0x4B31_4846, |seal, word| seal ^ word);
        assert_eq!(record, [20, 7, 2, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, seal]);
    }

    #[test]
    fn the_layout_of_pictures_is_the_documented_one() {
        let pictures = Pictures {
            boot_id: 1,
            led_count: 1,
            first_sequence: 5,
            every: 3,
            pictures: vec![vec![1, 2, 3], vec![4, 5, 6]],
        };
        let bytes = pictures.encode();
        assert_eq!(&bytes[..8], b"K1HP\x02\0\x01\0");
        assert_eq!(&bytes[8..], [1, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(Pictures::decode(&bytes), Ok(pictures));
    }

    #[test]
    fn a_changed_word_breaks_the_seal() {
        let whole = record(3);
        assert!(whole.is_whole());
        assert!(!FrameRecord { render_ticks: whole.render_ticks + 1, ..whole }.is_whole());
        assert!(!FrameRecord::default().is_whole(), "a slot that was never written is no record");
    }

    #[test]
    fn a_cut_or_foreign_answer_says_what_is_wrong() {
        let bytes = frames().encode();
        assert_eq!(Frames::decode(&bytes[..39]), Err(Malformed::Short { found: 39, needed: 40 }));
        assert_eq!(Frames::decode(&bytes[..135]), Err(Malformed::Length { announced: 152, found: 135 }));
        assert!(matches!(Pictures::decode(&bytes), Err(Malformed::Magic { .. })));
        let mut newer = bytes;
        newer[4] = 3;
        assert_eq!(Frames::decode(&newer), Err(Malformed::Version { found: 3 }));
    }

    proptest! {
        #[test]
        fn any_frames_are_read_back_as_they_were(records in proptest::collection::vec(any::<[u8; RECORD_SIZE]>(), 0..20)) {
            let frames = Frames { records: records.iter().map(FrameRecord::decode).collect(), ..frames() };
            prop_assert_eq!(Frames::decode(&frames.encode()), Ok(frames));
        }

        #[test]
        fn no_bytes_make_the_decoders_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0..3) {
            if which > 0 && bytes.len() > 8 {
                bytes[..6].copy_from_slice(if which == 1 { b"K1HF\x02\0" } else { b"K1HP\x02\0" });
            }
            let _ = (Frames::decode(&bytes), Pictures::decode(&bytes));
        }
    }
}
