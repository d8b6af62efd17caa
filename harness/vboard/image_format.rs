//! The ESP application image: what an over-the-air update carries and a slot holds.
//!
//! Header of 24 bytes, up to 16 segments, padding with a checksum, and a SHA-256 over all of it. The first segment
//! begins with the application descriptor, which names the version and the SHA-256 of the ELF.
//!
//! Source: esptool documentation, "Firmware Image Format"; ESP-IDF, "App Image Format" and `esp_app_desc_t`.

use crate::digest::Sha;

/// The first byte of each image.
pub const MAGIC: u8 = 0xE9;
/// Bytes of the header.
pub const HEADER: usize = 24;

const SEGMENT_HEADER: usize = 8;
const MAX_SEGMENTS: u8 = 16;
const CHECKSUM_SEED: u8 = 0xEF;
const HASH_SIZE: usize = 32;
/// The descriptor is the beginning of the first segment.
const DESCRIPTOR_SIZE: usize = 256;
const DESCRIPTOR_MAGIC: u32 = 0xABCD_5432;

/// An image that passed all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspImage<'a> {
    /// Address of the first instruction.
    pub entry: u32,
    pub segments: Vec<Segment<'a>>,
    /// From the application descriptor.
    pub version: String,
    /// From the application descriptor: the SHA-256 of the ELF that the image was made of.
    pub elf_sha256: Sha,
    /// Bytes of the image, its hash included.
    pub length: usize,
}

/// A part of an image and where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    pub address: u32,
    pub data: &'a [u8],
}

/// Bytes that are not an application image.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnImage {
    #[error("there is nothing")]
    Empty,
    #[error("it begins with byte {found:#04x}, not {MAGIC:#04x}")]
    Magic { found: u8 },
    #[error("it has {found} segments, not 1 to {MAX_SEGMENTS}")]
    SegmentCount { found: u8 },
    #[error(
        "segment {index} at {address:#x} has {length} bytes, which are more than follow or no multiple of 4"
    )]
    Segment { index: u8, address: u32, length: u32 },
    #[error("it ends before its checksum or hash")]
    Cut,
    #[error("its checksum is {found:#04x}, not {expected:#04x}")]
    Checksum { found: u8, expected: u8 },
    #[error("it carries no SHA-256")]
    NoHash,
    #[error("its contents have SHA-256 {expected}, but it says {found}")]
    Hash { found: Sha, expected: Sha },
    #[error("it has no application descriptor")]
    NoDescriptor,
}

impl<'a> EspImage<'a> {
    /// Reads the image at the beginning of `bytes`, which may go on after its end.
    ///
    /// # Errors
    ///
    /// [`NotAnImage`] with the first check that fails.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotAnImage> {
        if bytes.iter().take(HEADER).all(|&byte| byte == 0xFF) {
            return Err(NotAnImage::Empty);
        }
        if bytes[0] != MAGIC {
            return Err(NotAnImage::Magic { found: bytes[0] });
        }
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(NotAnImage::Cut)?;
        let (count, hashed) = (header[1], header[23]);
        if !(1..=MAX_SEGMENTS).contains(&count) {
            return Err(NotAnImage::SegmentCount { found: count });
        }
        let (segments, end) = segments(bytes, count)?;
        let length = check_integrity(bytes, &segments, end, hashed == 1)?;
        let descriptor = segments[0].data.first_chunk().ok_or(NotAnImage::NoDescriptor)?;
        let (version, elf_sha256) = read_descriptor(descriptor)?;
        let entry = word_at(bytes, 4).ok_or(NotAnImage::Cut)?;
        Ok(Self { entry, segments, version, elf_sha256, length })
    }
}

/// The segments and where the last one ends.
fn segments(bytes: &[u8], count: u8) -> Result<(Vec<Segment<'_>>, usize), NotAnImage> {
    let mut at = HEADER;
    let mut segments = Vec::with_capacity(usize::from(count));
    for index in 0..count {
        let address = word_at(bytes, at).ok_or(NotAnImage::Cut)?;
        let length = word_at(bytes, at + 4).ok_or(NotAnImage::Cut)?;
        let begin = at + SEGMENT_HEADER;
        let end = usize::try_from(length).ok().and_then(|length| begin.checked_add(length));
        let data = end.filter(|_| length % 4 == 0).and_then(|end| bytes.get(begin..end));
        let data = data.ok_or(NotAnImage::Segment { index, address, length })?;
        segments.push(Segment { address, data });
        at = begin + data.len();
    }
    Ok((segments, at))
}

/// Checks checksum and hash and returns the length of the image.
fn check_integrity(
    bytes: &[u8],
    segments: &[Segment<'_>],
    end: usize,
    hashed: bool,
) -> Result<usize, NotAnImage> {
    // The checksum is the last byte of the next full 16 bytes.
    let padded = end / 16 * 16 + 16;
    let found = *bytes.get(padded - 1).ok_or(NotAnImage::Cut)?;
    let xor = |sum, data: &[u8]| data.iter().fold(sum, |sum, byte| sum ^ byte);
    let expected = segments.iter().fold(CHECKSUM_SEED, |sum, segment| xor(sum, segment.data));
    if found != expected {
        return Err(NotAnImage::Checksum { found, expected });
    }
    if !hashed {
        return Err(NotAnImage::NoHash);
    }
    let found: &[u8; HASH_SIZE] = bytes[padded..].first_chunk().ok_or(NotAnImage::Cut)?;
    let (found, expected) = (Sha::from_bytes(*found), Sha::of(&bytes[..padded]));
    if found != expected {
        return Err(NotAnImage::Hash { found, expected });
    }
    Ok(padded + HASH_SIZE)
}

/// Version and SHA-256 of the ELF.
fn read_descriptor(descriptor: &[u8; DESCRIPTOR_SIZE]) -> Result<(String, Sha), NotAnImage> {
    if word_at(descriptor, 0) != Some(DESCRIPTOR_MAGIC) {
        return Err(NotAnImage::NoDescriptor);
    }
    let version = descriptor[16..48].split(|&byte| byte == 0).next().unwrap_or_default();
    let elf_sha256: [u8; HASH_SIZE] = *descriptor[144..].first_chunk().ok_or(NotAnImage::NoDescriptor)?;
    Ok((String::from_utf8_lossy(version).into_owned(), Sha::from_bytes(elf_sha256)))
}

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// An image of one segment for tests: `code` after the descriptor, loaded and entered at `address`.
#[cfg(test)]
pub(crate) fn image_for_tests(address: u32, code: &[u8], elf_sha256: Sha) -> Vec<u8> {
    let mut segment = vec![0; DESCRIPTOR_SIZE];
    segment[..4].copy_from_slice(&DESCRIPTOR_MAGIC.to_le_bytes());
    segment[16..21].copy_from_slice(b"1.2.3");
    segment[144..176].copy_from_slice(elf_sha256.bytes());
    segment.extend(code);
    segment.resize(segment.len().next_multiple_of(4), 0);
    let mut image = vec![0; HEADER];
    image[..2].copy_from_slice(&[MAGIC, 1]);
    image[4..8].copy_from_slice(&(address + DESCRIPTOR_SIZE as u32).to_le_bytes());
    image[23] = 1;
    image.extend(address.to_le_bytes());
    image.extend((segment.len() as u32).to_le_bytes());
    let checksum = segment.iter().fold(CHECKSUM_SEED, |sum, byte| sum ^ byte);
    image.extend(segment);
    image.resize(image.len() / 16 * 16 + 15, 0);
    image.push(checksum);
    let hash = *Sha::of(&image).bytes();
    image.extend(hash);
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image() -> Vec<u8> {
        image_for_tests(0x8000_0000, b"code of the firmware", Sha::of("elf"))
    }

    /// The image with one byte changed, and checksum and hash put right if asked for.
    fn changed(at: usize, byte: u8) -> Vec<u8> {
        let mut bytes = image();
        bytes[at] = byte;
        bytes
    }

    #[test]
    fn a_whole_image_gives_entry_segments_and_identity() {
        let mut bytes = image();
        let length = bytes.len();
        bytes.extend([0xFF; 100]); // the rest of the slot
        let image = EspImage::parse(&bytes).unwrap();
        assert_eq!((image.entry, image.length), (0x8000_0100, length));
        assert_eq!(image.version, "1.2.3");
        assert_eq!(image.elf_sha256, Sha::of("elf"));
        assert_eq!(image.segments.len(), 1);
        assert_eq!(image.segments[0].address, 0x8000_0000);
        assert_eq!(&image.segments[0].data[256..], b"code of the firmware");
    }

    #[test]
    fn each_fault_is_named() {
        let fault = |bytes: &[u8]| EspImage::parse(bytes).unwrap_err();
        assert_eq!(fault(&[]), NotAnImage::Empty);
        assert_eq!(fault(&[0xFF; 64]), NotAnImage::Empty);
        assert_eq!(fault(b"MZ and so on"), NotAnImage::Magic { found: b'M' });
        assert_eq!(fault(&[MAGIC, 1]), NotAnImage::Cut);
        assert_eq!(fault(&changed(1, 0)), NotAnImage::SegmentCount { found: 0 });
        assert_eq!(fault(&changed(1, 17)), NotAnImage::SegmentCount { found: 17 });
        assert!(matches!(fault(&changed(31, 0x7F)), NotAnImage::Segment { index: 0, .. }));
        assert!(matches!(fault(&changed(300, 0)), NotAnImage::Checksum { .. }));
        assert!(matches!(fault(&changed(4, 0x99)), NotAnImage::Hash { .. }), "the header is hashed too");
        assert_eq!(fault(&changed(23, 0)), NotAnImage::NoHash);
        let whole = image();
        assert_eq!(fault(&whole[..whole.len() - 1]), NotAnImage::Cut);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = EspImage::parse(&bytes);
            let mut headed = bytes;
            headed.splice(0..0, [MAGIC, 3]);
            prop_assert!(EspImage::parse(&headed).is_err());
        }

        #[test]
        fn no_single_changed_byte_goes_unnoticed(at in 0..340_usize, byte in any::<u8>()) {
            let whole = image();
            prop_assume!(at < whole.len() && whole[at] != byte);
            prop_assert!(EspImage::parse(&changed(at, byte)).is_err());
        }
    }
}
