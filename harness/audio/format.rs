//! The bytes of a recording: in a file, in a request to a board, and in the memory of a board.
//!
//! All numbers are little endian. A change of layout raises [`FORMAT_VERSION`]; `firmware/core/recording.h` is the
//! mirror of the header and of a chunk.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | 4 bytes | `K1HS` |
//! | 4 | u16 | version, 1 |
//! | 6 | u16 | size of this header, 48 |
//! | 8 | u32 | samples per second, 12,800 |
//! | 12 | u16 | samples in a chunk, 64 |
//! | 14 | u16 | half tones in a chunk, 64 |
//! | 16 | u32 | count of chunks, at least 1 |
//! | 20 | f32 | tempo, beats per minute, 50 to 150; 0: no beat |
//! | 24 | f32 | how sure the tempo is, 0 to 1 |
//! | 28 | f32 | gain that the file's samples were given, above 0 to 1 |
//! | 32 | 16 bytes | 0 |
//! | 48 | 260 bytes each | chunks |
//! | behind | 32 bytes | SHA-256 of all before: the identity of the recording |
//!
//! A chunk:
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | 64 i16 | samples; 32,768 is full scale |
//! | 128 | 64 u16 | loudness of each half tone from A#1 on; 65,535 is a sine of full scale, and half of that one of a quarter |
//! | 256 | u16 | place within the beat at the chunk's end, in 1/65,536 |
//! | 258 | u16 | bit 0: a beat begins in this chunk; bit 1: silence |

use super::half_tones::HALF_TONES;
use super::{CHUNK, RATE_HZ};
use crate::digest::Sha;

/// Version of the layout.
pub const FORMAT_VERSION: u16 = 1;
const MAGIC: [u8; 4] = *b"K1HS";
const HEADER_SIZE: usize = 48;
pub(super) const CHUNK_SIZE: usize = 2 * CHUNK + 2 * HALF_TONES + 4;
const SHA_SIZE: usize = 32;
/// Chunk flags.
const ON_BEAT: u16 = 1;
const SILENT: u16 = 2;

/// Why bytes are no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotARecording {
    #[error("it does not begin with K1HS")]
    Magic,
    #[error("its layout has version {found}; this version reads version {FORMAT_VERSION}")]
    Version { found: u16 },
    #[error("{found} bytes are not the {expected} that its header announces")]
    Length { found: usize, expected: u64 },
    #[error("its {field} is {found}, not {expected}")]
    Field { field: &'static str, found: String, expected: String },
    #[error("its contents do not have the hash that it ends with")]
    Hash,
}

/// What the header says beyond the sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) chunks: u32,
    pub(super) bpm: f32,
    pub(super) confidence: f32,
    pub(super) gain: f32,
}

/// What is heard within one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) samples: [i16; CHUNK],
    pub(super) levels: [u16; HALF_TONES],
    pub(super) beat: u16,
    pub(super) on_beat: bool,
    pub(super) silent: bool,
}

/// Whether `bytes` begin as a recording does.
pub(super) fn is_recording(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The bytes of a recording.
pub(super) fn encode(header: &Header, chunks: &[Chunk]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_SIZE + chunks.len() * CHUNK_SIZE + SHA_SIZE);
    bytes.extend(MAGIC);
    bytes.extend(FORMAT_VERSION.to_le_bytes());
    bytes.extend((HEADER_SIZE as u16).to_le_bytes());
    bytes.extend(RATE_HZ.to_le_bytes());
    bytes.extend((CHUNK as u16).to_le_bytes());
    bytes.extend((HALF_TONES as u16).to_le_bytes());
    bytes.extend(header.chunks.to_le_bytes());
    bytes.extend([header.bpm, header.confidence, header.gain].into_iter().flat_map(f32::to_le_bytes));
    bytes.resize(HEADER_SIZE, 0);
    for chunk in chunks {
        bytes.extend(chunk.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        bytes.extend(chunk.levels.iter().flat_map(|level| level.to_le_bytes()));
        bytes.extend(chunk.beat.to_le_bytes());
        let flags = if chunk.on_beat { ON_BEAT } else { 0 } | if chunk.silent { SILENT } else { 0 };
        bytes.extend(flags.to_le_bytes());
    }
    let sha = Sha::of(&bytes);
    bytes.extend(sha.bytes());
    bytes
}

/// Reads the header and checks everything, the hash too.
pub(super) fn check(bytes: &[u8]) -> Result<(Header, Sha), NotARecording> {
    if !is_recording(bytes) {
        return Err(NotARecording::Magic);
    }
    if bytes.len() < HEADER_SIZE + SHA_SIZE {
        return Err(NotARecording::Length { found: bytes.len(), expected: (HEADER_SIZE + SHA_SIZE) as u64 });
    }
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let number = |at: usize| f32::from_bits(word(at));
    if half(4) != FORMAT_VERSION {
        return Err(NotARecording::Version { found: half(4) });
    }
    let same = |field, found: u32, expected: u32| match found == expected {
        true => Ok(()),
        false => {
            Err(NotARecording::Field { field, found: found.to_string(), expected: expected.to_string() })
        }
    };
    same("header size", half(6).into(), HEADER_SIZE as u32)?;
    same("sample rate", word(8), RATE_HZ)?;
    same("chunk size", half(12).into(), CHUNK as u32)?;
    same("number of half tones", half(14).into(), HALF_TONES as u32)?;
    let header = Header { chunks: word(16), bpm: number(20), confidence: number(24), gain: number(28) };
    let within = |field, found: f32, fits: bool, expected: &str| match fits {
        true => Ok(()),
        false => Err(NotARecording::Field { field, found: found.to_string(), expected: expected.to_owned() }),
    };
    let Header { chunks, bpm, confidence, gain } = header;
    within("tempo", bpm, bpm == 0.0 || (50.0..=150.0).contains(&bpm), "0 or 50 to 150")?;
    within("confidence", confidence, (0.0..=1.0).contains(&confidence), "0 to 1")?;
    within("gain", gain, gain > 0.0 && gain <= 1.0, "above 0 to 1")?;
    within("number of chunks", chunks as f32, chunks > 0, "1 or more")?;
    let expected = (HEADER_SIZE + SHA_SIZE) as u64 + u64::from(chunks) * CHUNK_SIZE as u64;
    if bytes.len() as u64 != expected {
        return Err(NotARecording::Length { found: bytes.len(), expected });
    }
    let (contents, sha) = bytes.split_at(bytes.len() - SHA_SIZE);
    let found = Sha::of(contents);
    if found.bytes() == sha { Ok((header, found)) } else { Err(NotARecording::Hash) }
}

/// The samples in checked bytes.
pub(super) fn samples(bytes: &[u8]) -> Vec<i16> {
    let chunks = bytes[HEADER_SIZE..bytes.len() - SHA_SIZE].chunks_exact(CHUNK_SIZE);
    chunks
        .flat_map(|chunk| chunk[..2 * CHUNK].as_chunks().0)
        .map(|sample| i16::from_le_bytes(*sample))
        .collect()
}
