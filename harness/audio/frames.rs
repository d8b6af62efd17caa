//! Short spectra one after the other: what all analyses here begin with.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// Takes spectra of windows of one size.
pub(super) struct Frames {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    input: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl Frames {
    /// Spectra of `size` samples (at least 2) under a Hann window.
    pub(super) fn hann(size: usize) -> Self {
        Self::under(hann(size))
    }

    /// Spectra of as many samples as `window` has.
    pub(super) fn under(window: Vec<f32>) -> Self {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(window.len());
        let (input, spectrum, scratch) =
            (fft.make_input_vec(), fft.make_output_vec(), fft.make_scratch_vec());
        Self { fft, window, input, spectrum, scratch }
    }

    /// The spectrum of the window that begins at sample `from`, which may lie before the first one; outside there is
    /// silence.
    pub(super) fn at(&mut self, samples: &[f32], from: isize) -> &[Complex<f32>] {
        self.input.fill(0.0);
        // How much of the window lies before the first sample, and which samples are in the rest.
        let before = from.min(0).unsigned_abs().min(self.input.len());
        let there = &samples[from.max(0).unsigned_abs().min(samples.len())..];
        let rest = self.input[before..].iter_mut().zip(&self.window[before..]);
        rest.zip(there).for_each(|((place, weight), sample)| *place = sample * weight);
        let done = self.fft.process_with_scratch(&mut self.input, &mut self.spectrum, &mut self.scratch);
        done.expect("all buffers were made by this transform");
        &self.spectrum
    }

    /// What to multiply a bin's magnitude with to get the amplitude of a sine in the middle of the bin.
    pub(super) fn amplitude(&self) -> f32 {
        2.0 / self.window.iter().sum::<f32>()
    }
}

/// Hann's window, the periodic one.
pub(super) fn hann(size: usize) -> Vec<f32> {
    // In double precision first, here and in the other analyses: functions like this one differ between systems in the
    // last digit, which does not survive the rounding.
    (0..size).map(|i| (0.5 - 0.5 * (TAU * i as f64 / size as f64).cos()) as f32).collect()
}

/// The magnitude of `bin`. (`norm` is a function of the system; the root is the same everywhere.)
pub(super) fn magnitude(bin: Complex<f32>) -> f32 {
    bin.norm_sqr().sqrt()
}

/// Where the top of the parabola through three neighbouring values lies, in steps from the middle one, -0.5 to 0.5; 0
/// where they have no top.
pub(super) fn summit([before, here, after]: [f64; 3]) -> f64 {
    let curve = before - 2.0 * here + after;
    if curve.is_finite() && curve < 0.0 { (0.5 * (before - after) / curve).clamp(-0.5, 0.5) } else { 0.0 }
}
