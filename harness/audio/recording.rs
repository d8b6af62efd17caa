//! A sound as a stimulus: what a board needs to play it, in one piece with an identity.
//!
//! It holds the samples, for a firmware that listens itself, and for each chunk what an analysis finds in them, for
//! patterns that are measured alone: the loudness of each half tone, the beat, and silence. What follows from those
//! (smoothing, automatic gain, chroma, novelty, level) the firmware core derives as it does for its own stimuli.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::decode::{Part, Sound, decode, inspect};
use super::envelope::rms;
use super::format::{self, CHUNK_SIZE, Chunk, Header, NotARecording};
use super::half_tones::half_tones;
use super::onsets::onsets;
use super::resample::resample;
use super::tempo::{Tempo, tempo};
use super::{AudioError, CHUNK, RATE_HZ};
use crate::digest::Sha;
use crate::stored::{self, StoredError};

/// The longest recording, seconds. Boards keep it in memory.
pub const LONGEST_RECORDING_S: f64 = 120.0;
/// A loudest sample below this is silence: -60 dB of full scale.
const AUDIBLE: f32 = 0.001;
/// No sample is further from 0 than this: a microphone's constant offset takes the rest of its range.
const LOUDEST: f32 = 0.9;
/// For a tempo less sure than this, patterns are told that there is no beat.
const SURE: f64 = 0.3;
/// The range of tempi that K1's patterns know. Beats per minute.
const BPM: std::ops::RangeInclusive<f64> = 50.0..=150.0;
/// It is silent when the last 0.1 s are below -56 dB, as for K1's microphone.
const SILENCE_CHUNKS: usize = 20;
const SILENCE_RMS: f32 = 0.0015;

/// A stimulus made of sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    bytes: Vec<u8>,
    header: Header,
    sha256: Sha,
}

/// A recording by location and hash: what a plan holds of it. The location is for finding it again; two recordings
/// with one hash are the same wherever they lie.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RecordingName {
    /// The sound file, or the stored recording.
    pub path: PathBuf,
    /// Of the recording's contents: all that a board hears.
    pub sha256: Sha,
    pub seconds: f64,
}

impl PartialEq for RecordingName {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

impl Eq for RecordingName {}

/// The file's name without its folder, and the beginning of the hash.
impl std::fmt::Display for RecordingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        write!(f, "{} ({})", name.display(), self.sha256.short())
    }
}

impl RecordingName {
    /// The recording that has this name.
    ///
    /// # Errors
    ///
    /// Those of [`Recording::load`]; [`AudioError::Changed`] if the file gives another recording now.
    pub fn load(&self) -> Result<Recording, AudioError> {
        let recording = Recording::load(&self.path)?;
        if recording.sha256 == self.sha256 {
            return Ok(recording);
        }
        let (expected, found) = (self.sha256.short(), recording.sha256.short());
        Err(AudioError::Changed { path: self.path.clone(), expected, found })
    }
}

impl Recording {
    /// The recording in the file at `path`: as it was stored, or made of the whole sound file.
    ///
    /// # Errors
    ///
    /// Those of [`decode`] and [`Recording::of`]; [`AudioError::NotARecording`] if it begins as one and is none.
    pub fn load(path: &Path) -> Result<Self, AudioError> {
        let unreadable = |source| AudioError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        if file.metadata().map_err(unreadable)?.is_file() {
            let limit = byte_limit() as u64 + 1;
            file.by_ref().take(4).read_to_end(&mut bytes).map_err(unreadable)?;
            if format::is_recording(&bytes) {
                file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
                let not_one = |reason| AudioError::NotARecording { path: path.to_owned(), reason };
                return Self::read(bytes).map_err(not_one);
            }
        }
        let seen = inspect(path)?;
        if let Some(seconds) = seen.seconds.filter(|seconds| *seconds > LONGEST_RECORDING_S) {
            return Err(too_long(path, Some(seconds)));
        }
        let longest = Part { seconds: Some(LONGEST_RECORDING_S + 1.0), ..Part::default() };
        Self::of(&decode(path, RATE_HZ, &longest)?)
    }

    /// The recording in `bytes`.
    ///
    /// # Errors
    ///
    /// [`NotARecording`].
    pub fn read(bytes: Vec<u8>) -> Result<Self, NotARecording> {
        if bytes.len() > byte_limit() && format::is_recording(&bytes) {
            return Err(NotARecording::Length { found: bytes.len(), expected: byte_limit() as u64 });
        }
        let (header, sha256) = format::check(&bytes)?;
        Ok(Self { bytes, header, sha256 })
    }

    /// Makes a recording of `sound`; its end is filled with silence to a whole chunk.
    ///
    /// # Errors
    ///
    /// [`AudioError::TooLong`] above [`LONGEST_RECORDING_S`], [`AudioError::Silent`].
    pub fn of(sound: &Sound) -> Result<Self, AudioError> {
        if sound.seconds() > LONGEST_RECORDING_S {
            return Err(too_long(&sound.file.path, sound.file.seconds));
        }
        let peak = sound.peak();
        if peak < AUDIBLE {
            return Err(AudioError::Silent {
                path: sound.file.path.clone(),
                peak_db: 20.0 * peak.max(1e-6).log10(),
            });
        }
        let gain = (LOUDEST / peak).min(1.0);
        let played = resample(&sound.samples, sound.rate_hz, RATE_HZ);
        let mut samples: Vec<i16> =
            played.iter().map(|sample| (sample * gain * 32_768.0).round() as i16).collect();
        samples.resize(samples.len().next_multiple_of(CHUNK), 0);
        Ok(Self::of_samples(&samples, gain))
    }

    /// What is found is found in the numbers that are played.
    fn of_samples(numbers: &[i16], gain: f32) -> Self {
        let samples: Vec<f32> = numbers.iter().map(|&number| f32::from(number) / 32_768.0).collect();
        let (bpm, confidence, beats) = beats(tempo(&onsets(&samples, RATE_HZ)));
        let (mut chunks, mut beat) = (Vec::new(), place_in_beat(&beats, 0.0));
        for (at, amplitudes) in half_tones(&samples).into_iter().enumerate() {
            let end = (at + 1) * CHUNK;
            let before = std::mem::replace(&mut beat, place_in_beat(&beats, end as f64 / f64::from(RATE_HZ)));
            let recent = &samples[end.saturating_sub(SILENCE_CHUNKS * CHUNK)..end];
            let mut own = [0; CHUNK];
            own.copy_from_slice(&numbers[end - CHUNK..end]);
            chunks.push(Chunk {
                samples: own,
                // The root, as K1's analysis takes it: soft sounds are seen too.
                levels: amplitudes.map(|amplitude| (amplitude.min(1.0).sqrt() * 65_535.0).round() as u16),
                beat: (beat.fract() * 65_536.0) as u16,
                on_beat: !beats.is_empty() && beat.floor() > before.floor(),
                silent: rms(recent) < SILENCE_RMS,
            });
        }
        let header = Header { chunks: chunks.len() as u32, bpm, confidence, gain };
        let bytes = format::encode(&header, &chunks);
        let (header, sha256) = format::check(&bytes).expect("what was just encoded can be read");
        Self { bytes, header, sha256 }
    }

    /// Writes the recording to `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`StoredError::Unwritable`].
    pub fn save(&self, path: &Path) -> Result<(), StoredError> {
        let unwritable = |source| StoredError::Unwritable { path: path.to_owned(), source };
        stored::write(path, &self.bytes).map_err(unwritable)
    }

    /// The name of this recording, which was loaded from or stored to `path`.
    pub fn name(&self, path: impl Into<PathBuf>) -> RecordingName {
        RecordingName { path: path.into(), sha256: self.sha256, seconds: self.seconds() }
    }

    /// All of it, in the layout that is described at the head of `harness/audio/format.rs`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The identity of its contents.
    pub const fn sha256(&self) -> Sha {
        self.sha256
    }

    /// Its length, seconds.
    pub fn seconds(&self) -> f64 {
        f64::from(self.header.chunks) * CHUNK as f64 / f64::from(RATE_HZ)
    }

    /// The tempo that patterns are told, beats per minute, brought between 50 and 150 by octaves; `None`: no beat.
    pub fn bpm(&self) -> Option<f32> {
        (self.header.bpm > 0.0).then_some(self.header.bpm)
    }

    /// What the samples of the file were multiplied with so that the loudest fits; 1 for most files.
    pub const fn gain(&self) -> f32 {
        self.header.gain
    }

    /// The samples; 32,768 is full scale.
    pub fn samples(&self) -> Vec<i16> {
        format::samples(&self.bytes)
    }
}

fn too_long(path: &Path, seconds: Option<f64>) -> AudioError {
    AudioError::TooLong {
        path: path.to_owned(),
        what: "a stimulus",
        seconds: seconds.unwrap_or(LONGEST_RECORDING_S),
        at_least: seconds.is_none(),
        limit_s: LONGEST_RECORDING_S,
    }
}

/// Bytes of the longest recording.
fn byte_limit() -> usize {
    let chunks = (LONGEST_RECORDING_S * f64::from(RATE_HZ)) as usize / CHUNK;
    chunks * CHUNK_SIZE + 128
}

/// Tempo, confidence and beats as patterns are told them; the numbers without digits that mean nothing.
fn beats(tempo: Tempo) -> (f32, f32, Vec<f64>) {
    if tempo.confidence < SURE || tempo.beats_s.len() < 2 {
        return (0.0, rounded(tempo.confidence, 1000.0), Vec::new());
    }
    let (mut bpm, mut beats) = (tempo.bpm, tempo.beats_s);
    while bpm > *BPM.end() {
        bpm /= 2.0;
        beats = beats.into_iter().step_by(2).collect();
    }
    while bpm < *BPM.start() {
        bpm *= 2.0;
        beats = doubled(&beats);
    }
    (rounded(bpm, 100.0), rounded(tempo.confidence, 1000.0), beats)
}

fn rounded(number: f64, per_one: f64) -> f32 {
    ((number * per_one).round() / per_one) as f32
}

/// With a beat in the middle of every two.
fn doubled(beats: &[f64]) -> Vec<f64> {
    let halves = beats.windows(2).flat_map(|pair| [pair[0], (pair[0] + pair[1]) / 2.0]);
    halves.chain(beats.last().copied()).collect()
}

/// How many beats have begun at `time_s`, and how far the present one is; before the first and behind the last beat
/// they go on at the distance of their neighbours. 0 if there are none. Never below 0: a thousand come before the first.
fn place_in_beat(beats: &[f64], time_s: f64) -> f64 {
    const BEFORE: f64 = 1000.0;
    if beats.len() < 2 {
        return 0.0;
    }
    let next = beats.partition_point(|&beat| beat <= time_s).clamp(1, beats.len() - 1);
    let (from, to) = (beats[next - 1], beats[next]);
    BEFORE + (next - 1) as f64 + (time_s - from) / (to - from)
}
