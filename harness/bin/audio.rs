//! `k1-hil audio`: what is in a sound file, and the recording that boards play as a stimulus.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::audio::{self, ExportFormat, Features, Part, RATE_HZ, Recording, RecordingName};

use crate::args::amount;
use crate::failure::Failure;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A sound file: WAV, FLAC, MP3, Ogg Vorbis
    file: PathBuf,
    /// Where to begin, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = amount)]
    from: f64,
    /// How much to take, in seconds [default: all]
    #[arg(long, value_name = "SECONDS", value_parser = amount)]
    seconds: Option<f64>,
    /// Samples of each spectrum, at 12,800 a second; a power of two
    #[arg(long, value_name = "SAMPLES", default_value_t = 4096)]
    fft_size: usize,
    /// Write the stimulus to this file; `--stimulus` takes it
    #[arg(long, short, value_name = "FILE.k1s")]
    output: Option<PathBuf>,
    /// Write all that was found to this file, a line per value
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

pub(crate) fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    #[derive(serde::Serialize)]
    struct Printed<'a> {
        stimulus: Option<&'a RecordingName>,
        #[serde(flatten)]
        features: &'a Features,
    }
    let part = Part { from_s: args.from, seconds: args.seconds };
    let sound = audio::decode(&args.file, RATE_HZ, &part)?;
    let features = Features::of(&sound, args.fft_size)?;
    let stimulus = match &args.output {
        Some(path) => {
            let recording = Recording::of(&sound)?;
            recording.save(path)?;
            shell.note(&format!("wrote {}", path.display()));
            Some(recording.name(path))
        }
        None => None,
    };
    if let Some(path) = &args.csv {
        features.export(path, ExportFormat::Csv)?;
        shell.note(&format!("wrote {}", path.display()));
    }
    shell.print(&Printed { stimulus: stimulus.as_ref(), features: &features }, || table(&features))?;
    Ok(ExitCode::SUCCESS)
}

fn table(features: &Features) -> String {
    let Features { file, tempo, spectrum, chroma, envelope, tuning, .. } = features;
    let mut text = String::new();
    let mut line = |name: &str, what: String| _ = writeln!(text, "{name:<10}{what}"); // a String takes everything
    let channels = match file.channels {
        None => String::new(),
        Some(1) => ", 1 channel".to_owned(),
        Some(channels) => format!(", {channels} channels"),
    };
    line("file", format!("{} {}, {} Hz{channels}", file.container, file.codec, file.sample_rate_hz));
    line("length", format!("{:.2} s", features.seconds));
    let sure = tempo.confidence;
    line(
        "tempo",
        format!("{:.1} beats per minute (confidence {sure:.2}), {} beats", tempo.bpm, tempo.beats_s.len()),
    );
    line("onsets", features.onsets_s.len().to_string());
    let (peak, rms) = (decibels(envelope.peak_amplitude), decibels(envelope.rms_amplitude));
    line("loudness", format!("peak {peak}, mean {rms} of full scale"));
    let dominant = spectrum.dominant_hz.map_or_else(|| "none".to_owned(), |hz| format!("{hz:.1} Hz"));
    let (centroid, rolloff) = (spectrum.centroid_hz, spectrum.rolloff_hz);
    line("spectrum", format!("dominant {dominant}, centroid {centroid:.0} Hz, 85 % below {rolloff:.0} Hz"));
    line("note", chroma.loudest.clone().unwrap_or_else(|| "none".to_owned()));
    let (palette, speed, threshold) = (&tuning.color_palette, tuning.speed, tuning.reactivity_threshold);
    let faster = tuning.speed_multiplier;
    line(
        "tuning",
        format!(
            "speed {speed:.2} (usual x {faster:.2}), palette {} ({}), threshold {threshold:.2}",
            palette.id, palette.name
        ),
    );
    text
}

fn decibels(amplitude: f32) -> String {
    if amplitude > 0.0 { format!("{:.1} dB", 20.0 * amplitude.log10()) } else { "silence".to_owned() }
}
