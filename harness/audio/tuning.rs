//! What a sound suggests for the parameters of a pattern.

use serde::{Deserialize, Serialize};

use super::envelope::Envelope;
use super::spectrum::Spectrum;
use super::tempo::Tempo;

/// The tempo at which a pattern keeps its own speed. Beats per minute.
const USUAL_BPM: f64 = 120.0;
const SPEEDS: (f64, f64) = (0.5, 2.0);
/// K1's default of the parameter `speed`.
const USUAL_SPEED: f64 = 0.5;
/// The threshold is exceeded this part of the time.
const REACTS: f64 = 0.2;
const THRESHOLDS: (f64, f64) = (0.05, 0.95);
/// The palettes of the K1 firmware by where the sound's middle lies: below 250 Hz, then an octave each.
const PALETTES: [(u8, &str); 6] = [
    (23, "Lava"),
    (24, "Fire"),
    (0, "Sunset Real"),
    (22, "Emerald Dragon"),
    (2, "Ocean Breeze 036"),
    (32, "Blue Cyan Yellow"),
];
const FIRST_OCTAVE_HZ: f64 = 250.0;

/// Parameters that fit a sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tuning {
    /// How much faster than usual: the tempo by 120, drawn towards 1 as far as the tempo is unsure; 0.5 to 2.
    pub speed_multiplier: f64,
    /// K1's parameter `speed`, 0 to 1: half the multiplier.
    pub speed: f64,
    /// Warm for low sounds, cool for high ones: by the octave of the spectrum's centroid.
    pub color_palette: Palette,
    /// The loudness, as a part of the loudest moment's, that a fifth of the time exceeds; 0.05 to 0.95. A pattern that
    /// reacts above it is neither always on nor always off.
    pub reactivity_threshold: f64,
}

/// A palette of the K1 firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Palette {
    /// K1's parameter `palette_id`.
    pub id: u8,
    pub name: String,
}

impl Tuning {
    /// The parameters for a sound with this tempo, spectrum and envelope.
    pub fn of(tempo: &Tempo, spectrum: &Spectrum, envelope: &Envelope) -> Self {
        let faster = if tempo.bpm > 0.0 { tempo.bpm / USUAL_BPM } else { 1.0 };
        // Between 1 and the ratio on a scale of octaves, so that half and double weigh the same.
        let speed_multiplier = faster.powf(tempo.confidence.clamp(0.0, 1.0)).clamp(SPEEDS.0, SPEEDS.1);
        Self {
            speed_multiplier,
            speed: USUAL_SPEED * speed_multiplier,
            color_palette: palette(spectrum.centroid_hz),
            reactivity_threshold: threshold(&envelope.rms),
        }
    }
}

fn palette(centroid_hz: f64) -> Palette {
    let octave = (centroid_hz.max(1.0) / FIRST_OCTAVE_HZ).log2().floor() + 1.0;
    let (id, name) = PALETTES[(octave.max(0.0) as usize).min(PALETTES.len() - 1)];
    Palette { id, name: name.to_owned() }
}

fn threshold(rms: &[f32]) -> f64 {
    let mut sorted = rms.to_vec();
    sorted.sort_by(f32::total_cmp);
    let loudest = f64::from(sorted.last().copied().unwrap_or(0.0));
    if loudest <= 0.0 {
        return THRESHOLDS.1;
    }
    let at = ((1.0 - REACTS) * (sorted.len() - 1) as f64).round() as usize;
    (f64::from(sorted[at]) / loudest).clamp(THRESHOLDS.0, THRESHOLDS.1)
}
