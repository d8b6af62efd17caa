//! Another sample rate for the same sound: a polyphase filter, one windowed sinc per fractional place.
//!
//! The rates' ratio is reduced, so from 44,100 to 12,800 Hz there are 128 fractional places, and every result is one
//! weighted sum at its exact place. Own code, because the result must be the same on every machine: the resamplers of
//! the crates compute with whatever the processor offers.
//!
//! Source: J. O. Smith, *Digital Audio Resampling Home Page*, section "Theory of Ideal Bandlimited Interpolation"; the
//! window is J. F. Kaiser's (A. V. Oppenheim, R. W. Schafer, *Discrete-Time Signal Processing*, section 7.6).

use std::f64::consts::PI;

/// Zero crossings of the sinc on each side of its middle.
const CROSSINGS: f64 = 48.0;
/// The middle of the transition band, as a part of the lower of the two Nyquist frequencies: from 0.88 of it on sound
/// becomes softer, and at 1.0 it is gone.
const CUTOFF: f64 = 0.94;
/// 90 dB of attenuation: 0.1102 (90 - 8.7).
const KAISER_BETA: f64 = 8.96;

/// `samples` at `to_hz`: `samples.len() * to_hz / from_hz` of them, rounded up. Frequencies below 0.88 of the lower
/// Nyquist frequency keep their loudness, those above 1.0 of it are 90 dB softer. Both rates must be above 0.
pub fn resample(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    if from_hz == to_hz || from_hz == 0 || to_hz == 0 {
        return samples.to_vec();
    }
    let common = gcd(from_hz, to_hz);
    let (up, down) = (u64::from(to_hz / common), u64::from(from_hz / common));
    let count = (samples.len() as u64 * up).div_ceil(down);
    let mut filter = Filter::new(up, down);
    (0..count)
        .map(|n| {
            // The place n * down / up, in samples.
            let (whole, phase) = (n * down / up, n * down % up);
            filter.at(samples, whole as usize, phase as usize)
        })
        .collect()
}

/// The weights of each fractional place, made when it is first met.
struct Filter {
    up: u64,
    /// Cycles per sample.
    cutoff: f64,
    /// Samples on each side.
    reach: usize,
    phases: Vec<Option<Box<[f32]>>>,
}

impl Filter {
    fn new(up: u64, down: u64) -> Self {
        let cutoff = 0.5 * CUTOFF * (up as f64 / down as f64).min(1.0);
        let reach = (CROSSINGS / (2.0 * cutoff)).ceil() as usize;
        Self { up, cutoff, reach, phases: vec![None; up as usize] }
    }

    /// The sum around the place `whole + phase / up`; beyond the ends there is silence.
    fn at(&mut self, samples: &[f32], whole: usize, phase: usize) -> f32 {
        let (reach, cutoff) = (self.reach, self.cutoff);
        let offset = phase as f64 / self.up as f64;
        let weights = self.phases[phase].get_or_insert_with(|| weights(reach, cutoff, offset));
        // Weight i belongs to the sample whole + 1 - reach + i.
        let first = (whole + 1).checked_sub(reach);
        let skipped = if first.is_some() { 0 } else { reach - whole - 1 };
        let from = first.unwrap_or(0).min(samples.len());
        let sum: f64 = weights[skipped..]
            .iter()
            .zip(&samples[from..])
            .map(|(&weight, &sample)| f64::from(weight) * f64::from(sample))
            .sum();
        sum as f32
    }
}

/// The windowed sinc at the distances of `2 * reach` samples from a place that lies `offset` behind the `reach`th.
fn weights(reach: usize, cutoff: f64, offset: f64) -> Box<[f32]> {
    let distance = |i: usize| i as f64 + 1.0 - reach as f64 - offset;
    let weights: Vec<f64> = (0..2 * reach)
        .map(|i| sinc(2.0 * cutoff * distance(i)) * kaiser(distance(i) / reach as f64))
        .collect();
    // Each place passes a constant unchanged.
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Kaiser's window at -1 to 1; 0 outside.
fn kaiser(x: f64) -> f64 {
    let inside = 1.0 - x * x;
    if inside < 0.0 { 0.0 } else { bessel_i0(KAISER_BETA * inside.sqrt()) / bessel_i0(KAISER_BETA) }
}

/// The modified Bessel function of the first kind and order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
