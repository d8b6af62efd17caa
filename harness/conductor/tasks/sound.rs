//! From a sound file to its features, and to a stimulus that a board can play.
//!
//! What is large (an envelope of ten minutes has 30,000 values) goes through the store; outputs are its name and what
//! people read.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::given;
use super::lab::Lab;
use super::shelf::{named, versioned};
use crate::artifacts::{ArtifactId, NewArtifact};
use crate::audio::{
    self, Chroma, Envelope, ExportFormat, Features, Part, Recording, Sound, Spectrum, Tempo, Tuning,
};
use crate::conductor::{Failed, Job, Limits, Registry};
use crate::digest::Sha;

pub(super) fn tasks() -> Registry<Lab> {
    let analysis = Limits::seconds(120).retries(1, 10);
    Registry::new()
        .task(
            "download_audio_file",
            "Brings a sound file into the store.",
            Limits::seconds(300).retries(2, 10),
            download_audio_file,
        )
        .task(
            "validate_audio_format",
            "Says whether a file is a sound that can be decoded, and what it is.",
            analysis,
            validate_audio_format,
        )
        .task("extract_tempo", "Finds onsets, beats and tempo of a sound.", analysis, extract_tempo)
        .task(
            "extract_frequency_spectrum",
            "Finds how loud each frequency and each pitch class of a sound is.",
            analysis,
            extract_frequency_spectrum,
        )
        .task(
            "extract_envelope",
            "Finds how loud a sound is from moment to moment.",
            analysis,
            extract_envelope,
        )
        .task(
            "generate_pattern_parameters",
            "Finds pattern parameters that fit a sound.",
            analysis,
            generate_pattern_parameters,
        )
        .task(
            "export_features",
            "Stores the features of a sound, and the stimulus that a board can play.",
            analysis,
            export_features,
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DownloadAsked {
    /// An `https://` or `http://` address, or a path in one of the folders of this worker's settings.
    url: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Downloaded {
    audio: ArtifactId,
    file_size_bytes: u64,
}

async fn download_audio_file(asked: DownloadAsked, job: Job<Lab>) -> Result<Downloaded, Failed> {
    let lab = &job.context;
    let folder = lab.scratch()?;
    let path = lab.sound_file(&asked.url, folder.path()).await?;
    let file_size_bytes = path.metadata().map_or(0, |file| file.len());
    let sha256 = Sha::of(std::fs::read(&path).map_err(|error| Failed::infrastructure(error.to_string()))?);
    let artifact = NewArtifact::new(named("audio/files")?, versioned(&sha256.short())?).file("sound", path);
    let audio = lab.put(&artifact).await?;
    Ok(Downloaded { audio, file_size_bytes })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct FormatAsked {
    audio: ArtifactId,
    /// The rate that the file must have, Hz; 0 or absent: any.
    #[serde(default)]
    expected_sample_rate: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct FormatFound {
    valid: bool,
    /// Why it is not.
    reason: Option<String>,
    sample_rate: Option<u32>,
    channels: Option<usize>,
    codec: Option<String>,
    duration_seconds: Option<f64>,
    /// The sound, for the tasks that analyse it.
    samples: ArtifactId,
}

async fn validate_audio_format(asked: FormatAsked, job: Job<Lab>) -> Result<FormatFound, Failed> {
    let files = job.context.get(&asked.audio).await?;
    let sound = match decoded(&files.only()?) {
        Ok(sound) => sound,
        Err(error) if error.blame() == crate::Blame::Input => {
            let reason = Some(crate::story::one_line(&error));
            return Ok(FormatFound {
                valid: false,
                reason,
                sample_rate: None,
                channels: None,
                codec: None,
                duration_seconds: None,
                samples: asked.audio,
            });
        }
        Err(error) => return Err(error.into()),
    };
    let found = sound.file.sample_rate_hz;
    let reason = match asked.expected_sample_rate {
        Some(expected) if expected != 0 && expected != found => {
            Some(format!("its sample rate is {found} Hz, not {expected} Hz"))
        }
        _ => None,
    };
    Ok(FormatFound {
        valid: reason.is_none(),
        reason,
        sample_rate: Some(found),
        channels: sound.file.channels,
        codec: Some(sound.file.codec.clone()),
        duration_seconds: Some(sound.seconds()),
        samples: asked.audio,
    })
}

fn decoded(path: &Path) -> Result<Sound, audio::AudioError> {
    audio::decode(path, audio::RATE_HZ, &Part::default())
}

/// The sound that was stored as `samples`.
async fn sound(samples: &ArtifactId, job: &Job<Lab>) -> Result<Sound, Failed> {
    let files = job.context.get(samples).await?;
    Ok(decoded(&files.only()?)?)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SamplesAsked {
    samples: ArtifactId,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TempoFound {
    tempo: ArtifactId,
    /// 0 if the sound has no beat that could be told.
    bpm: f64,
    /// 0 to 1; noise has less than 0.2.
    confidence: f64,
    onsets: usize,
}

/// Tempo and onsets as they are stored.
#[derive(Debug, Serialize, Deserialize)]
struct Rhythm {
    tempo: Tempo,
    onsets_s: Vec<f64>,
}

async fn extract_tempo(asked: SamplesAsked, job: Job<Lab>) -> Result<TempoFound, Failed> {
    let sound = sound(&asked.samples, &job).await?;
    let onsets = audio::onsets(&sound.samples, sound.rate_hz);
    let rhythm = Rhythm { tempo: audio::tempo(&onsets), onsets_s: onsets.times_s };
    let tempo = job.context.put_json("features/tempo", &rhythm).await?;
    let Rhythm { tempo: Tempo { bpm, confidence, .. }, onsets_s } = rhythm;
    Ok(TempoFound { tempo, bpm, confidence, onsets: onsets_s.len() })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct SpectrumAsked {
    samples: ArtifactId,
    /// A power of two from 64 to 65,536; 512 if not given.
    #[serde(default)]
    fft_size: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct SpectrumFound {
    spectrum: ArtifactId,
    /// Absent in silence.
    dominant_frequency_hz: Option<f64>,
    bins: usize,
}

/// Spectrum and chroma as they are stored.
#[derive(Debug, Serialize, Deserialize)]
struct Tones {
    spectrum: Spectrum,
    chroma: Chroma,
}

async fn extract_frequency_spectrum(asked: SpectrumAsked, job: Job<Lab>) -> Result<SpectrumFound, Failed> {
    let sound = sound(&asked.samples, &job).await?;
    let tones = Tones {
        spectrum: audio::spectrum(&sound.samples, sound.rate_hz, asked.fft_size.unwrap_or(512))?,
        chroma: audio::chroma(&sound.samples, sound.rate_hz),
    };
    let spectrum = job.context.put_json("features/spectrum", &tones).await?;
    Ok(SpectrumFound {
        spectrum,
        dominant_frequency_hz: tones.spectrum.dominant_hz,
        bins: tones.spectrum.bins.len(),
    })
}

#[derive(Debug, Serialize, JsonSchema)]
struct EnvelopeFound {
    envelope: ArtifactId,
    peak_amplitude: f32,
    rms_amplitude: f32,
}

async fn extract_envelope(asked: SamplesAsked, job: Job<Lab>) -> Result<EnvelopeFound, Failed> {
    let sound = sound(&asked.samples, &job).await?;
    let found = audio::envelope(&sound.samples, sound.rate_hz, audio::FRAME_S);
    let envelope = job.context.put_json("features/envelope", &found).await?;
    Ok(EnvelopeFound { envelope, peak_amplitude: found.peak_amplitude, rms_amplitude: found.rms_amplitude })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ParametersAsked {
    tempo: ArtifactId,
    spectrum: ArtifactId,
    envelope: ArtifactId,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ParametersFound {
    parameters: Tuning,
}

async fn generate_pattern_parameters(
    asked: ParametersAsked,
    job: Job<Lab>,
) -> Result<ParametersFound, Failed> {
    let lab = &job.context;
    let rhythm: Rhythm = lab.get_json(&asked.tempo).await?;
    let tones: Tones = lab.get_json(&asked.spectrum).await?;
    let envelope: Envelope = lab.get_json(&asked.envelope).await?;
    Ok(ParametersFound { parameters: Tuning::of(&rhythm.tempo, &tones.spectrum, &envelope) })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ExportAsked {
    samples: ArtifactId,
    tempo: ArtifactId,
    spectrum: ArtifactId,
    envelope: ArtifactId,
    parameters: Tuning,
    /// `json` or `csv`; `json` if not given.
    #[serde(default)]
    format: Option<ExportFormat>,
    /// What to call it; by its content if not given.
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Exported {
    /// The features and the stimulus, in the store.
    features: ArtifactId,
    /// Where the store keeps it, for people.
    url: String,
    /// The same artifact: its file `stimulus.k1rec` is what `--stimulus` takes.
    stimulus: ArtifactId,
    seconds: f64,
}

async fn export_features(asked: ExportAsked, job: Job<Lab>) -> Result<Exported, Failed> {
    let lab = &job.context;
    let sound = sound(&asked.samples, &job).await?;
    let rhythm: Rhythm = lab.get_json(&asked.tempo).await?;
    let tones: Tones = lab.get_json(&asked.spectrum).await?;
    let features = Features {
        format: 1,
        file: sound.file.clone(),
        rate_hz: sound.rate_hz,
        seconds: sound.seconds(),
        tempo: rhythm.tempo,
        onsets_s: rhythm.onsets_s,
        spectrum: tones.spectrum,
        chroma: tones.chroma,
        envelope: lab.get_json(&asked.envelope).await?,
        tuning: asked.parameters,
    };
    let folder = lab.scratch()?;
    let format = asked.format.unwrap_or(ExportFormat::Json);
    let table = match format {
        ExportFormat::Json => "features.json",
        ExportFormat::Csv => "features.csv",
    };
    features.export(&folder.path().join(table), format)?;
    Recording::of(&sound)?.save(&folder.path().join("stimulus.k1rec"))?;
    let name =
        given(&asked.name).map_or_else(|| "sounds/unnamed".to_owned(), |name| format!("sounds/{name}"));
    let artifact = [table, "stimulus.k1rec"]
        .into_iter()
        .fold(NewArtifact::new(named(&name)?, versioned(&job.task_id)?), |artifact, name| {
            artifact.file(name, folder.path().join(name))
        });
    let stored = lab.put(&artifact).await?;
    Ok(Exported {
        url: lab.url_of(&stored),
        stimulus: stored.clone(),
        features: stored,
        seconds: features.seconds,
    })
}
