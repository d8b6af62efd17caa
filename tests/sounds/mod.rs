//! Sounds whose contents are known, and WAV files of them.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use k1_hil::audio::{FileSeen, RATE_HZ, Sound};

/// What most sound files have.
pub const CD_HZ: u32 = 44_100;

/// A sine.
pub fn tone(hz: f64, amplitude: f32, seconds: f64, rate_hz: u32) -> Vec<f32> {
    let count = (seconds * f64::from(rate_hz)).round() as usize;
    (0..count).map(|i| amplitude * (TAU * hz * i as f64 / f64::from(rate_hz)).sin() as f32).collect()
}

/// A short tone of 1 kHz at every multiple of the period from `offset_s` on, the second of two with `second` of the
/// loudness.
pub fn clicks(bpm: f64, second: f32, offset_s: f64, seconds: f64, rate_hz: u32) -> Vec<f32> {
    let mut samples = vec![0.0; (seconds * f64::from(rate_hz)) as usize];
    for beat in 0.. {
        let from = ((offset_s + f64::from(beat) * 60.0 / bpm) * f64::from(rate_hz)) as usize;
        let Some(rest) = samples.get_mut(from..) else { return samples };
        let loudness = if beat % 2 == 0 { 0.6 } else { 0.6 * second };
        for (i, sample) in rest.iter_mut().take(rate_hz as usize / 20).enumerate() {
            let t = i as f64 / f64::from(rate_hz);
            *sample += loudness * ((TAU * 1000.0 * t).sin() * (-t * 80.0).exp()) as f32;
        }
    }
    samples
}

/// White noise, the same for the same seed.
pub fn noise(amplitude: f32, seed: u32, seconds: f64, rate_hz: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state.cast_signed()) / f64::from(i32::MAX)
    };
    (0..(seconds * f64::from(rate_hz)) as usize).map(|_| amplitude * next() as f32).collect()
}

/// Both at once.
pub fn mix(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Writes `channels` (of one length) to a WAV file of 16 bits.
pub fn wav(folder: &Path, name: &str, channels: &[&[f32]], rate_hz: u32) -> PathBuf {
    let data: Vec<u8> = interleaved(channels)
        .flat_map(|sample| ((sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16).to_le_bytes())
        .collect();
    write(folder, name, &riff(1, 16, channels.len() as u16, rate_hz, &data))
}

/// Writes `channels` to a WAV file of floating-point numbers.
pub fn float_wav(folder: &Path, name: &str, channels: &[&[f32]], rate_hz: u32) -> PathBuf {
    let data: Vec<u8> = interleaved(channels).flat_map(f32::to_le_bytes).collect();
    write(folder, name, &riff(3, 32, channels.len() as u16, rate_hz, &data))
}

/// A WAV file of `data` in the format with this tag: 1 whole numbers, 3 floating-point numbers.
pub fn riff(tag: u16, bits: u16, channels: u16, rate_hz: u32, data: &[u8]) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0");
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((rate_hz * u32::from(frame)).to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn interleaved<'a>(channels: &'a [&[f32]]) -> impl Iterator<Item = f32> + 'a {
    (0..channels.first().map_or(0, |channel| channel.len()))
        .flat_map(move |at| channels.iter().map(move |channel| channel[at]))
}

/// A low drum on each beat and a cymbal between them.
pub fn drums(bpm: f64, seconds: f64, rate_hz: u32) -> Vec<f32> {
    let period = 60.0 / bpm;
    let count = (seconds * f64::from(rate_hz)) as usize;
    (0..count)
        .map(|i| {
            let t = i as f64 / f64::from(rate_hz);
            let (since_drum, since_cymbal) = (t % period, (t + period / 2.0) % period);
            let drum = 0.6 * (-since_drum * 12.0).exp() * (TAU * 65.0 * since_drum).sin();
            let cymbal = 0.15 * (-since_cymbal * 60.0).exp() * (TAU * 3000.0 * since_cymbal).sin();
            (drum + cymbal) as f32
        })
        .collect()
}

/// A sound at the boards' rate, from no file.
pub fn sound(samples: Vec<f32>) -> Sound {
    let file = FileSeen {
        path: "made.wav".into(),
        bytes: 0,
        container: "wave".to_owned(),
        codec: "pcm_f32le".to_owned(),
        sample_rate_hz: RATE_HZ,
        channels: Some(1),
        seconds: None,
    };
    Sound { file, rate_hz: RATE_HZ, samples, broken_packets: 0 }
}

/// A sound file that comes with the tests.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sounds").join(name)
}
