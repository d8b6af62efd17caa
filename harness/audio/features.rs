//! All that is found in a sound, as one value, and as JSON or CSV for other programs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::chroma::{Chroma, chroma};
use super::decode::{FileSeen, Sound};
use super::envelope::{Envelope, envelope};
use super::onsets::onsets;
use super::spectrum::{Spectrum, spectrum};
use super::tempo::{Tempo, tempo};
use super::{AudioError, Tuning};
use crate::stored::{self, StoredError};

/// Of the envelope's frames, seconds.
const FRAME_S: f64 = 0.02;

/// What is in a sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Features {
    /// Version of this structure's stored form; 1.
    pub format: u32,
    pub file: FileSeen,
    /// Of the sound that was analysed.
    pub rate_hz: u32,
    pub seconds: f64,
    pub tempo: Tempo,
    /// Where something begins to sound, seconds.
    pub onsets_s: Vec<f64>,
    pub spectrum: Spectrum,
    pub chroma: Chroma,
    pub envelope: Envelope,
    pub tuning: Tuning,
}

/// How features are written.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// [`Features`] as they are.
    Json,
    /// A line per value: feature, time or frequency where it has one, value.
    Csv,
}

impl Features {
    /// Analyses `sound`, with a spectrum of `fft_size` samples.
    ///
    /// # Errors
    ///
    /// [`AudioError::FftSize`].
    pub fn of(sound: &Sound, fft_size: usize) -> Result<Self, AudioError> {
        let (samples, rate_hz) = (&sound.samples, sound.rate_hz);
        let onsets = onsets(samples, rate_hz);
        let tempo = tempo(&onsets);
        let spectrum = spectrum(samples, rate_hz, fft_size)?;
        let envelope = envelope(samples, rate_hz, FRAME_S);
        Ok(Self {
            format: 1,
            file: sound.file.clone(),
            rate_hz,
            seconds: sound.seconds(),
            tuning: Tuning::of(&tempo, &spectrum, &envelope),
            tempo,
            onsets_s: onsets.times_s,
            spectrum,
            chroma: chroma(samples, rate_hz),
            envelope,
        })
    }

    /// Writes the features to `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`StoredError::Unwritable`].
    pub fn export(&self, path: &Path, format: ExportFormat) -> Result<(), StoredError> {
        match format {
            ExportFormat::Json => stored::write_json(path, self),
            ExportFormat::Csv => {
                let unwritable = |source| StoredError::Unwritable { path: path.to_owned(), source };
                stored::write(path, self.csv().as_bytes()).map_err(unwritable)
            }
        }
    }

    /// The lines `feature,at,value`; `at` is in seconds or Hz, as the feature's name says.
    pub fn csv(&self) -> String {
        let mut lines = vec!["feature,at,value".to_owned()];
        let mut single = |feature: &str, value: f64| lines.push(format!("{feature},,{value}"));
        single("seconds", self.seconds);
        single("tempo_bpm", self.tempo.bpm);
        single("tempo_confidence", self.tempo.confidence);
        if let Some(hz) = self.spectrum.dominant_hz {
            single("dominant_hz", hz);
        }
        single("centroid_hz", self.spectrum.centroid_hz);
        single("rolloff_hz", self.spectrum.rolloff_hz);
        single("peak_amplitude", self.envelope.peak_amplitude.into());
        single("rms_amplitude", self.envelope.rms_amplitude.into());
        single("speed_multiplier", self.tuning.speed_multiplier);
        single("palette_id", self.tuning.color_palette.id.into());
        single("reactivity_threshold", self.tuning.reactivity_threshold);
        let mut series = |feature: &str, step: f64, values: &[f32]| {
            // Nine decimals, without the noise of binary fractions.
            let at = |i: usize| (i as f64 * step * 1e9).round() / 1e9;
            lines.extend(values.iter().enumerate().map(|(i, value)| format!("{feature},{},{value}", at(i))));
        };
        series("peak_by_second", self.envelope.frame_s, &self.envelope.peak);
        series("rms_by_second", self.envelope.frame_s, &self.envelope.rms);
        series("amplitude_by_hz", self.spectrum.bin_hz, &self.spectrum.bins);
        series("chroma_by_note_from_c", 1.0, &self.chroma.notes);
        lines.extend(self.tempo.beats_s.iter().map(|second| format!("beat,{second},1")));
        lines.extend(self.onsets_s.iter().map(|second| format!("onset,{second},1")));
        lines.join("\n") + "\n"
    }
}
