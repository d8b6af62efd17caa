//! How loud a sound is, from moment to moment.

use serde::{Deserialize, Serialize};

/// Loudness over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Envelope {
    /// Length of each frame, seconds.
    pub frame_s: f64,
    /// The greatest distance from 0 in the whole sound.
    pub peak_amplitude: f32,
    /// The root of the mean square of the whole sound.
    pub rms_amplitude: f32,
    /// The greatest distance from 0 in each frame; the last frame may be shorter.
    pub peak: Vec<f32>,
    /// The root of the mean square of each frame.
    pub rms: Vec<f32>,
}

/// The envelope in frames of `frame_s` seconds, at least one sample each.
pub fn envelope(samples: &[f32], rate_hz: u32, frame_s: f64) -> Envelope {
    let size = ((frame_s * f64::from(rate_hz)).round() as usize).max(1);
    Envelope {
        frame_s: size as f64 / f64::from(rate_hz.max(1)),
        peak_amplitude: peak(samples),
        rms_amplitude: rms(samples),
        peak: samples.chunks(size).map(peak).collect(),
        rms: samples.chunks(size).map(rms).collect(),
    }
}

pub(super) fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

pub(super) fn rms(samples: &[f32]) -> f32 {
    let sum: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    (sum / samples.len().max(1) as f64).sqrt() as f32
}
