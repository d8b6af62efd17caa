//! Which of the twelve notes sound, in whatever octave.

use serde::{Deserialize, Serialize};

use super::spectrum::mean_power;

/// 0.64 s at the rate of the boards: from C2 on, half tones lie further apart than the window blurs them.
const WINDOW_S: f64 = 0.64;
/// C2 and C7 in equal temperament.
const LOWEST_HZ: f64 = 65.4;
const HIGHEST_HZ: f64 = 2093.0;
const A4_HZ: f64 = 440.0;
/// The names of the notes, C first.
const NAMES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];

/// The share of each note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Chroma {
    /// Power of each note from C to B, the loudest 1; all 0 in silence.
    pub notes: [f32; 12],
    /// `A`, `C#` …; `None` in silence.
    pub loudest: Option<String>,
}

/// The power between C2 and C7, each bin counted to the nearest note (A4 is 440 Hz).
///
/// Source: T. Fujishima, *Realtime chord recognition of musical sound*, ICMC 1999 (the pitch class profile).
pub fn chroma(samples: &[f32], rate_hz: u32) -> Chroma {
    let size = ((WINDOW_S * f64::from(rate_hz)) as usize).next_power_of_two().clamp(64, 65_536);
    let bin_hz = f64::from(rate_hz) / size as f64;
    let mut notes = [0.0_f64; 12];
    for (bin, power) in mean_power(samples, size).into_iter().enumerate() {
        let hz = bin as f64 * bin_hz;
        if (LOWEST_HZ..=HIGHEST_HZ).contains(&hz) {
            let above_a4 = (12.0 * (hz / A4_HZ).log2()).round() as i32;
            // A is the tenth note of the list.
            notes[(above_a4 + 9).rem_euclid(12) as usize] += power;
        }
    }
    let loudest = notes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    match loudest {
        Some((at, &power)) if power > 1e-10 => Chroma {
            notes: notes.map(|note| (note / power) as f32),
            loudest: NAMES.get(at).map(|name| (*name).to_owned()),
        },
        _ => Chroma { notes: [0.0; 12], loudest: None },
    }
}
