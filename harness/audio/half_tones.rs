//! How loud each half tone is at the end of each chunk: the spectrum that patterns are shown.
//!
//! A half tone is heard through a window of 17 of its periods, so that its neighbour but one is not heard, and of at
//! most 0.12 s, so that a drum is not heard late; all windows end at the chunk's end, as a microphone's past does. They
//! are applied as sparse products with one spectrum of 0.16 s.
//!
//! Source: J. C. Brown, M. S. Puckette, *An efficient algorithm for the calculation of a constant Q transform*, JASA 92
//! (1992), 2698.

use std::f64::consts::TAU;

use realfft::num_complex::Complex;

use super::frames::{Frames, hann, magnitude};
use super::{CHUNK, RATE_HZ};

/// How many half tones from A#1 on.
pub const HALF_TONES: usize = 64;
/// A#1, as in the K1 firmware.
const LOWEST_HZ: f64 = 58.270_47;
const PERIODS: f64 = 17.0;
const LONGEST: usize = 1536;
const SPECTRUM: usize = 2048;
/// What of a kernel is this much smaller than its greatest number is left out (in the paper 0.0054 of the value itself).
const NEGLIGIBLE: f32 = 0.003;

/// One half tone's window as numbers to multiply a spectrum with.
struct Kernel {
    first_bin: usize,
    weights: Vec<Complex<f32>>,
}

/// The amplitude of each half tone at the end of each chunk, the last incomplete chunk left out. A sine of amplitude 1 on
/// a half tone gives 1 there, once it fills the window. `samples` are at [`RATE_HZ`].
pub(super) fn half_tones(samples: &[f32]) -> Vec<[f32; HALF_TONES]> {
    let mut frames = Frames::under(vec![1.0; SPECTRUM]);
    let kernels: Vec<Kernel> = (0..HALF_TONES).map(|half_tone| kernel(half_tone, &mut frames)).collect();
    (1..=samples.len() / CHUNK)
        .map(|chunk| {
            // No slice has more samples than an isize holds.
            let spectrum = frames.at(samples, (chunk * CHUNK) as isize - SPECTRUM as isize);
            let mut amplitudes = [0.0; HALF_TONES];
            for (amplitude, kernel) in amplitudes.iter_mut().zip(&kernels) {
                let pairs = kernel.weights.iter().zip(&spectrum[kernel.first_bin..]);
                *amplitude = magnitude(pairs.map(|(weight, bin)| weight * bin).sum());
            }
            amplitudes
        })
        .collect()
}

/// The spectrum of the window with a turning number in it, by Parseval's theorem: the sum over samples is the sum over
/// bins. The negative frequencies hold next to nothing, so half a spectrum does.
fn kernel(half_tone: usize, frames: &mut Frames) -> Kernel {
    let hz = LOWEST_HZ * (half_tone as f64 / 12.0).exp2();
    let length = ((PERIODS * f64::from(RATE_HZ) / hz).round() as usize).min(LONGEST);
    let window = hann(length);
    let sum: f32 = window.iter().sum();
    let mut turning = [vec![0.0; SPECTRUM], vec![0.0; SPECTRUM]];
    for (i, weight) in window.iter().enumerate() {
        let angle = TAU * (hz * i as f64 / f64::from(RATE_HZ)).fract();
        let at = SPECTRUM - length + i;
        // Twice, because a sine is half a number that turns one way and half one that turns the other way.
        turning[0][at] = 2.0 * weight / sum * angle.cos() as f32;
        turning[1][at] = 2.0 * weight / sum * angle.sin() as f32;
    }
    let [real, imaginary] = turning.map(|part| frames.at(&part, 0).to_vec());
    let weights: Vec<Complex<f32>> = real
        .iter()
        .zip(&imaginary)
        .map(|(re, im)| (re + im * Complex::i()).conj() / SPECTRUM as f32)
        .collect();
    let loudest = weights.iter().map(|weight| magnitude(*weight)).fold(0.0, f32::max);
    let counts = |weight: &Complex<f32>| magnitude(*weight) >= NEGLIGIBLE * loudest;
    let first_bin = weights.iter().position(counts).unwrap_or(0);
    let end = weights.iter().rposition(counts).map_or(0, |last| last + 1);
    Kernel { first_bin, weights: weights[first_bin..end].to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, amplitude: f32, samples: usize) -> Vec<f32> {
        let at = |i: usize| (TAU * hz * i as f64 / f64::from(RATE_HZ)).sin();
        (0..samples).map(|i| amplitude * at(i) as f32).collect()
    }

    #[test]
    fn each_half_tone_is_heard_at_its_place_and_with_its_amplitude() {
        for half_tone in [12, 20, 33, 45, 63] {
            let hz = LOWEST_HZ * (half_tone as f64 / 12.0).exp2();
            let heard = half_tones(&sine(hz, 0.5, 4096)).pop().unwrap();
            assert!((heard[half_tone] - 0.5).abs() < 0.01, "{half_tone}: {heard:?}");
            let far = |other: &usize| half_tone.abs_diff(*other) > 3;
            let elsewhere = (16..HALF_TONES).filter(far).map(|other| heard[other]).fold(0.0, f32::max);
            assert!(elsewhere < 0.02, "{half_tone}: {elsewhere}");
        }
    }

    #[test]
    fn the_low_half_tones_blur_and_are_still_heard_where_they_are() {
        let heard = half_tones(&sine(LOWEST_HZ, 0.5, 4096)).pop().unwrap();
        let loudest = heard.iter().copied().fold(0.0, f32::max);
        assert!((loudest - 0.5).abs() < 0.05, "{loudest}");
        assert!(heard[..4].contains(&loudest), "{heard:?}");
    }

    #[test]
    fn what_begins_is_heard_at_once_and_high_tones_sooner_than_low_ones() {
        let mut samples = vec![0.0; 2048];
        samples.extend(sine(1760.0, 0.5, 2048));
        let heard = half_tones(&samples);
        let of_1760 = 59;
        assert!(heard[31][of_1760] < 1e-3, "before it begins");
        assert!(heard[34][of_1760] > 0.4, "15 ms later: {}", heard[34][of_1760]);
    }
}
