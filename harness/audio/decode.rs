//! From a sound file to one channel of samples at the rate that is wanted.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Fault;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{get_codecs, get_probe};

use super::envelope::peak;
use super::format::is_recording;
use super::{AudioError, resample};

/// A larger file is refused.
pub const LONGEST_FILE_BYTES: u64 = 512 << 20;
/// Of a longer file only a part can be decoded, and of that no more than this. Seconds.
pub const LONGEST_S: f64 = 600.0;
/// Rates beyond these are no sound. Hz.
const RATES_HZ: std::ops::RangeInclusive<u32> = 1_000..=192_000;
/// One of so many packets may be broken; it is left out.
const PACKETS_PER_BROKEN: usize = 100;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileSeen {
    pub path: PathBuf,
    pub bytes: u64,
    /// `wave`, `flac`, `mp3`, `ogg` …
    pub container: String,
    /// `pcm_s16le`, `flac`, `mp3`, `vorbis` …
    pub codec: String,
    pub sample_rate_hz: u32,
    /// `None` if only the decoder will know.
    pub channels: Option<usize>,
    /// `None` if the file does not say.
    pub seconds: Option<f64>,
}

/// Which part of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Part {
    /// Seconds from the beginning of the file; below 0 is 0.
    pub from_s: f64,
    /// `None`: to the end.
    pub seconds: Option<f64>,
}

/// One channel of sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    pub file: FileSeen,
    pub rate_hz: u32,
    /// All finite; 1 is full scale, which some files exceed. At least one.
    pub samples: Vec<f32>,
    /// Packets of the file that could not be decoded and are left out.
    pub broken_packets: usize,
}

impl Sound {
    /// Its length, seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate_hz)
    }

    /// The greatest distance from 0.
    pub fn peak(&self) -> f32 {
        peak(&self.samples)
    }
}

/// What the file at `path` is, without decoding it.
///
/// # Errors
///
/// [`AudioError::Unreadable`], [`AudioError::TooLarge`], [`AudioError::Unsupported`].
pub fn inspect(path: &Path) -> Result<FileSeen, AudioError> {
    open(path).map(|opened| opened.seen)
}

/// The part `part` of the file at `path` at `rate_hz`, its channels averaged.
///
/// A packet that cannot be decoded is left out and counted, up to one in a hundred.
///
/// # Errors
///
/// See [`AudioError`]; [`AudioError::TooLong`] from [`LONGEST_S`] on.
pub fn decode(path: &Path, rate_hz: u32, part: &Part) -> Result<Sound, AudioError> {
    let mut opened = open(path)?;
    let (first, end) = opened.wanted(part);
    let mut samples = Vec::new();
    let mut interleaved = Vec::new();
    let (mut place, mut packets, mut broken_packets) = (0, 0, 0);
    while place < end {
        let packet = match opened.format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(fault) => return Err(opened.broken(place, &fault)),
        };
        if packet.track_id != opened.track {
            continue;
        }
        packets += 1;
        match opened.decoder.decode(&packet) {
            Ok(decoded) => {
                let channels = decoded.num_planes().max(1);
                interleaved.resize(decoded.samples_interleaved(), 0.0);
                decoded.copy_to_slice_interleaved(&mut interleaved);
                for frame in interleaved.chunks_exact(channels) {
                    if (first..end).contains(&place) {
                        samples.push(mean(frame).ok_or_else(|| opened.not_a_number(place, frame))?);
                    }
                    place += 1;
                }
            }
            Err(Fault::DecodeError(_)) => broken_packets += 1,
            Err(fault) => return Err(opened.broken(place, &fault)),
        }
        if samples.len() as f64 > LONGEST_S * f64::from(opened.seen.sample_rate_hz) {
            return Err(opened.too_long());
        }
    }
    if broken_packets * PACKETS_PER_BROKEN > packets {
        let reason = format!("{broken_packets} of {packets} packets cannot be decoded");
        return Err(AudioError::Broken { path: path.to_owned(), after_s: 0.0, reason });
    }
    if samples.is_empty() {
        return Err(AudioError::Empty { path: path.to_owned(), from_s: part.from_s, seconds: part.seconds });
    }
    let samples = resample(&samples, opened.seen.sample_rate_hz, rate_hz);
    Ok(Sound { file: opened.seen, rate_hz, samples, broken_packets })
}

/// A file whose sound can be read.
struct Opened {
    seen: FileSeen,
    format: Box<dyn FormatReader>,
    track: u32,
    decoder: Box<dyn AudioDecoder>,
}

fn open(path: &Path) -> Result<Opened, AudioError> {
    let unreadable = |source| AudioError::Unreadable { path: path.to_owned(), source };
    let unsupported = |reason: String| AudioError::Unsupported { path: path.to_owned(), reason };
    let mut file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(unsupported("it is no file".to_owned()));
    }
    let mut beginning = Vec::new();
    (&mut file).take(4).read_to_end(&mut beginning).and_then(|_| file.rewind()).map_err(unreadable)?;
    if is_recording(&beginning) {
        return Err(unsupported("it is a recording for boards already".to_owned()));
    }
    let bytes = about.len();
    if bytes > LONGEST_FILE_BYTES {
        return Err(AudioError::TooLarge { path: path.to_owned(), bytes, limit: LONGEST_FILE_BYTES });
    }
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
    let format = get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|fault| unsupported(words(&fault)))?;
    let track =
        format.default_track(TrackType::Audio).ok_or_else(|| unsupported("it has no audio".to_owned()))?;
    let codec = track.codec_params.as_ref().and_then(|codec| codec.audio());
    let codec = codec.ok_or_else(|| unsupported("it does not say how its audio is coded".to_owned()))?;
    let rate = codec.sample_rate.unwrap_or(0);
    if !RATES_HZ.contains(&rate) {
        return Err(unsupported(format!(
            "its sample rate is {rate} Hz, not {} to {} Hz",
            RATES_HZ.start(),
            RATES_HZ.end()
        )));
    }
    let decoder = get_codecs()
        .make_audio_decoder(codec, &AudioDecoderOptions::default())
        .map_err(|fault| unsupported(words(&fault)))?;
    let seen = FileSeen {
        path: path.to_owned(),
        bytes,
        container: format.format_info().short_name.to_owned(),
        codec: decoder.codec_info().short_name.to_owned(),
        sample_rate_hz: rate,
        channels: codec.channels.as_ref().map(|channels| channels.count()),
        seconds: track.num_frames.map(|frames| frames as f64 / f64::from(rate)),
    };
    let track = track.id;
    Ok(Opened { seen, format, track, decoder })
}

impl Opened {
    /// The samples that belong to `part`: from the first on, up to the second without it.
    fn wanted(&self, part: &Part) -> (u64, u64) {
        let rate = f64::from(self.seen.sample_rate_hz);
        let from = part.from_s.max(0.0);
        let end = part.seconds.map_or(u64::MAX, |seconds| ((from + seconds.max(0.0)) * rate).round() as u64);
        ((from * rate).round() as u64, end)
    }

    fn broken(&self, place: u64, fault: &Fault) -> AudioError {
        AudioError::Broken {
            path: self.seen.path.clone(),
            after_s: place as f64 / f64::from(self.seen.sample_rate_hz),
            reason: words(fault),
        }
    }

    fn not_a_number(&self, place: u64, frame: &[f32]) -> AudioError {
        let value = frame.iter().copied().find(|value| !playable(*value)).unwrap_or(f32::NAN);
        AudioError::NotANumber { path: self.seen.path.clone(), index: place as usize, value }
    }

    fn too_long(&self) -> AudioError {
        AudioError::TooLong {
            path: self.seen.path.clone(),
            what: "a sound to be decoded",
            seconds: self.seen.seconds.unwrap_or(LONGEST_S),
            at_least: self.seen.seconds.is_none(),
            limit_s: LONGEST_S,
        }
    }
}

/// The mean of the channels, if all of them can be played.
fn mean(frame: &[f32]) -> Option<f32> {
    frame.iter().all(|value| playable(*value)).then(|| frame.iter().sum::<f32>() / frame.len() as f32)
}

/// Files with numbers beyond full scale exist; a thousand times that is none of them.
fn playable(value: f32) -> bool {
    value.is_finite() && value.abs() <= 1000.0
}

/// The fault in words that do not repeat the name of the library's part.
fn words(fault: &Fault) -> String {
    match fault {
        Fault::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        Fault::Unsupported(what) => after_colon(what).to_owned(),
        Fault::DecodeError(what) => after_colon(what).to_owned(),
        other => other.to_string(),
    }
}

fn after_colon(text: &str) -> &str {
    text.split_once(": ").map_or(text, |(_, rest)| rest)
}
