//! Where something begins to sound.

use serde::{Deserialize, Serialize};

use super::frames::{Frames, magnitude};

/// Between two values of the strength.
const HOP_S: f64 = 0.005;
/// Of each spectrum.
const WINDOW_S: f64 = 0.04;
/// A spectrum is compared with the one so many hops before it, which shares less than half of its weight.
const LAG: usize = 3;
/// Magnitudes are compared by ln(1 + this * amplitude): 40 dB below full scale counts as ln 2.
const COMPRESSION: f32 = 100.0;
/// Upper ends of the bands that are watched apart, Hz; the last reaches to the end.
const BAND_ENDS_HZ: [f64; 5] = [200.0, 400.0, 800.0, 1600.0, 3200.0];
const BANDS: usize = BAND_ENDS_HZ.len() + 1;
/// The strength of an onset is above that of all others within so many hops,
const ALONE: usize = 6;
/// and above the mean of so many hops before and after it
const MEAN_BEFORE: usize = 20;
const MEAN_AFTER: usize = 14;
/// by this part of the greatest strength and by no less than this.
const ABOVE_MEAN: f32 = 0.1;
const LEAST_ABOVE_MEAN: f32 = 0.02;

/// How much begins at each moment, and the moments at which something does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Onsets {
    /// Between two values of `strength`, seconds.
    pub hop_s: f64,
    /// How much the spectrum grew, mean over the frequencies; value i is of the moment `i * hop_s`.
    pub strength: Vec<f32>,
    /// The same of bands of an octave each, lowest first: a drum and a cymbal in turn are told from one of them twice as
    /// fast.
    pub bands: Vec<Vec<f32>>,
    /// Seconds, rising.
    pub times_s: Vec<f64>,
}

/// The onsets of a sound: the rise of the logarithm of its spectrum, and the peaks of that.
///
/// Sources: S. Dixon, *Onset detection revisited*, DAFx 2006 (spectral flux); S. Böck, F. Krebs, M. Schedl, *Evaluating
/// the online capabilities of onset detection methods*, ISMIR 2012 (compression, lag, and the choice of peaks).
pub fn onsets(samples: &[f32], rate_hz: u32) -> Onsets {
    let rate = f64::from(rate_hz);
    let hop = ((HOP_S * rate).round() as usize).max(1);
    let size = ((WINDOW_S * rate) as usize).next_power_of_two().max(16);
    let hop_s = hop as f64 / rate;
    let bin_hz = rate / size as f64;
    let band_ends = BAND_ENDS_HZ.map(|hz| (hz / bin_hz).round() as usize);
    let (strength, bands) = strengths(samples, hop, size, &band_ends);
    let times_s = peaks(&strength).into_iter().map(|at| at as f64 * hop_s).collect();
    Onsets { hop_s, strength, bands, times_s }
}

/// The flux of each hop. Its window lies so that the strength of a click is greatest at the click. Windows that reach
/// beyond the end see it as an onset, and do not count.
fn strengths(
    samples: &[f32],
    hop: usize,
    size: usize,
    band_ends: &[usize; BANDS - 1],
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let mut frames = Frames::hann(size);
    let scale = COMPRESSION * frames.amplitude();
    let mut past: Vec<Vec<f32>> = vec![vec![0.0; size / 2 + 1]; LAG];
    let hops = samples.len().div_ceil(hop);
    let (mut strength, mut bands) = (vec![0.0; hops], vec![vec![0.0; hops]; BANDS]);
    for at in 0..hops {
        // No slice has more samples than an isize holds.
        let from = (at * hop) as isize - (size / 2 + hop / 2) as isize;
        let spectrum = frames.at(samples, from);
        let now: Vec<f32> =
            spectrum.iter().map(|bin| f64::from(scale * magnitude(*bin)).ln_1p() as f32).collect();
        let before = std::mem::replace(&mut past[at % LAG], now);
        if at * hop + size / 2 > samples.len() + hop / 2 {
            break;
        }
        for (bin, (now, before)) in past[at % LAG].iter().zip(before).enumerate() {
            let growth = (now - before).max(0.0) / (size / 2 + 1) as f32;
            strength[at] += growth;
            bands[band_ends.partition_point(|&end| end <= bin)][at] += growth;
        }
    }
    (strength, bands)
}

fn peaks(strength: &[f32]) -> Vec<usize> {
    let threshold = LEAST_ABOVE_MEAN.max(ABOVE_MEAN * strength.iter().copied().fold(0.0, f32::max));
    let around = |at: usize, before: usize, after: usize| {
        &strength[at.saturating_sub(before)..(at + after + 1).min(strength.len())]
    };
    let is_peak = |at: &usize| {
        let here = strength[*at];
        let mean_of = around(*at, MEAN_BEFORE, MEAN_AFTER);
        let mean = mean_of.iter().sum::<f32>() / mean_of.len() as f32;
        // Of equals the first is the peak.
        let first = strength[at.saturating_sub(ALONE)..*at].iter().all(|&other| other < here);
        first && around(*at, 0, ALONE).iter().all(|&other| other <= here) && here >= mean + threshold
    };
    (0..strength.len()).filter(is_peak).collect()
}
