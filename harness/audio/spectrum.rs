//! The mean spectrum of a sound.

use serde::{Deserialize, Serialize};

use super::AudioError;
use super::frames::{Frames, summit};

/// Fewest and most samples of a spectrum.
const SIZES: std::ops::RangeInclusive<usize> = 64..=65_536;
/// The roll-off is where so much of the power lies below.
const ROLLOFF: f64 = 0.85;
/// Softer than this there is no dominant frequency: -80 dB of full scale.
const AUDIBLE: f32 = 1e-4;

/// How loud each frequency is, over the whole sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Spectrum {
    /// Samples of each window.
    pub fft_size: usize,
    /// Distance of two bins; bin 0 is 0 Hz.
    pub bin_hz: f64,
    /// `fft_size / 2 + 1` amplitudes: the root of the mean square over the windows. A sine of amplitude 1 in the middle
    /// of a bin gives 1.
    pub bins: Vec<f32>,
    /// The frequency of the loudest bin, between the bins; `None` in silence.
    pub dominant_hz: Option<f64>,
    /// The mean frequency, weighted by power; 0 in silence.
    pub centroid_hz: f64,
    /// 85 % of the power lies below; 0 in silence.
    pub rolloff_hz: f64,
}

/// The mean of spectra of `fft_size` samples under a Hann window, each half a window after the one before.
///
/// Frequencies between two bins are found by a parabola through the logarithms of the three loudest bins; on pure
/// tones it is off by less than a tenth of a bin. Source: J. O. Smith, *Spectral Audio Signal Processing*, section
/// "Quadratic Interpolation of Spectral Peaks".
///
/// # Errors
///
/// [`AudioError::FftSize`] unless `fft_size` is a power of two from 64 to 65,536.
pub fn spectrum(samples: &[f32], rate_hz: u32, fft_size: usize) -> Result<Spectrum, AudioError> {
    if !SIZES.contains(&fft_size) || !fft_size.is_power_of_two() {
        return Err(AudioError::FftSize { found: fft_size, least: *SIZES.start(), most: *SIZES.end() });
    }
    let power = mean_power(samples, fft_size);
    let bin_hz = f64::from(rate_hz) / fft_size as f64;
    let bins: Vec<f32> = power.iter().map(|power| power.sqrt() as f32).collect();
    let total: f64 = power.iter().skip(1).sum();
    let hz = |bin: usize| bin as f64 * bin_hz;
    let (mut centroid_hz, mut rolloff_hz, mut below) = (0.0, 0.0, 0.0);
    if total > 0.0 {
        centroid_hz =
            power.iter().enumerate().skip(1).map(|(bin, power)| hz(bin) * power).sum::<f64>() / total;
        for (bin, power) in power.iter().enumerate().skip(1) {
            below += power;
            if below >= ROLLOFF * total {
                rolloff_hz = hz(bin);
                break;
            }
        }
    }
    Ok(Spectrum {
        fft_size,
        bin_hz,
        dominant_hz: dominant(&bins).map(|bin| bin * bin_hz),
        bins,
        centroid_hz,
        rolloff_hz,
    })
}

/// The mean square of each bin's amplitude. A sound shorter than a window is one window.
pub(super) fn mean_power(samples: &[f32], fft_size: usize) -> Vec<f64> {
    let mut frames = Frames::hann(fft_size);
    let scale = f64::from(frames.amplitude());
    let hop = fft_size / 2;
    let count = (samples.len().saturating_sub(fft_size) / hop + 1).max(1);
    let mut power = vec![0.0; fft_size / 2 + 1];
    for frame in 0..count {
        // `hop` and `frame` are far below what an isize holds.
        for (sum, value) in power.iter_mut().zip(frames.at(samples, (frame * hop) as isize)) {
            *sum += f64::from(value.norm_sqr());
        }
    }
    power.iter().map(|sum| sum * scale * scale / count as f64).collect()
}

/// The place of the peak, in bins. The lowest bin and the one beside it hold a constant and are passed over.
fn dominant(bins: &[f32]) -> Option<f64> {
    let (at, peak) = bins.iter().enumerate().skip(2).max_by(|a, b| a.1.total_cmp(b.1))?;
    if *peak < AUDIBLE {
        return None;
    }
    let log = |bin: usize| bins.get(bin).map_or(f64::NEG_INFINITY, |value| f64::from(value.max(1e-12)).ln());
    Some(at as f64 + summit([log(at - 1), log(at), log(at + 1)]))
}
