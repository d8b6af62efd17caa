//! Sound files and what is found in them: known sounds, and broken files.

mod sounds;

use std::path::Path;

use k1_hil::Blame;
use k1_hil::audio::{self, AudioError, ExportFormat, Features, Part, RATE_HZ, Recording, Sound, Tempo};
use proptest::prelude::*;
use rstest::rstest;
use sounds::{CD_HZ, clicks, drums, fixture, float_wav, mix, noise, riff, sound, tone, wav, write};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn decode(path: &Path) -> Result<Sound, AudioError> {
    audio::decode(path, RATE_HZ, &Part::default())
}

fn tempo_of(samples: &[f32]) -> Tempo {
    audio::tempo(&audio::onsets(samples, RATE_HZ))
}

/// The root of the mean square of what is not within `margin` samples of an end.
fn loudness(samples: &[f32], margin: usize) -> f64 {
    let inner = &samples[margin..samples.len() - margin];
    (inner.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / inner.len() as f64).sqrt()
}

// Decoding

#[rstest]
#[case::wav_16_bits(1, 16)]
#[case::wav_24_bits(1, 24)]
#[case::wav_8_bits(1, 8)]
#[case::wav_float(3, 32)]
fn a_wav_file_of_any_depth_is_read(#[case] tag: u16, #[case] bits: u16) {
    let folder = folder();
    let data: Vec<u8> = tone(440.0, 0.5, 0.5, RATE_HZ)
        .into_iter()
        .flat_map(|sample| match (tag, bits) {
            (3, _) => sample.to_le_bytes().to_vec(),
            (_, 8) => vec![(sample * 127.0 + 128.0).round() as u8],
            (_, 24) => ((sample * 8_388_607.0) as i32).to_le_bytes()[..3].to_vec(),
            _ => ((sample * 32_767.0) as i16).to_le_bytes().to_vec(),
        })
        .collect();
    let path = write(folder.path(), "tone.wav", &riff(tag, bits, 1, RATE_HZ, &data));
    let sound = decode(&path).unwrap();
    assert_eq!((sound.samples.len(), sound.rate_hz, sound.file.channels), (6400, RATE_HZ, Some(1)));
    assert!((sound.peak() - 0.5).abs() < 0.01, "{}", sound.peak());
    assert!((sound.samples[100] - tone(440.0, 0.5, 0.5, RATE_HZ)[100]).abs() < 0.01);
}

/// Half a second of 440 Hz at 22,050 Hz, each made by the codec's own encoder.
#[rstest]
#[case("tone-440.flac", "flac", "flac")]
#[case("tone-440.mp3", "mp3", "mp3")]
#[case("tone-440.ogg", "ogg", "vorbis")]
fn other_codecs_give_the_same_tone(#[case] name: &str, #[case] container: &str, #[case] codec: &str) {
    let seen = audio::inspect(&fixture(name)).unwrap();
    assert_eq!(
        (seen.container.as_str(), seen.codec.as_str(), seen.sample_rate_hz),
        (container, codec, 22_050)
    );
    let sound = decode(&fixture(name)).unwrap();
    assert!((sound.seconds() - 0.5).abs() < 0.06, "{}", sound.seconds());
    let spectrum = audio::spectrum(&sound.samples, RATE_HZ, 2048).unwrap();
    assert!((spectrum.dominant_hz.unwrap() - 440.0).abs() < 1.0, "{:?}", spectrum.dominant_hz);
    assert!((loudness(&sound.samples, 800) - 0.5 / 2.0_f64.sqrt()).abs() < 0.02);
}

#[test]
fn channels_are_averaged_and_a_part_is_a_part() {
    let folder = folder();
    let (left, right) = (tone(500.0, 0.6, 2.0, CD_HZ), vec![0.0; 2 * CD_HZ as usize]);
    let path = wav(folder.path(), "stereo.wav", &[&left, &right], CD_HZ);
    let whole = decode(&path).unwrap();
    assert!((whole.peak() - 0.3).abs() < 0.01, "{}", whole.peak());
    assert_eq!(whole.file.seconds, Some(2.0));

    let part = Part { from_s: 0.5, seconds: Some(0.25) };
    let part = audio::decode(&path, RATE_HZ, &part).unwrap();
    assert_eq!(part.samples.len(), 3200);
    let there = &whole.samples[6400..9600];
    let off =
        part.samples.iter().zip(there).map(|(a, b)| (a - b).abs()).skip(100).take(3000).fold(0.0, f32::max);
    assert!(off < 1e-3, "{off}");

    let late = audio::decode(&path, RATE_HZ, &Part { from_s: 5.0, seconds: None }).unwrap_err();
    assert!(late.to_string().ends_with("stereo.wav has no sound from 5 s on"), "{late}");
}

#[test]
fn what_gives_no_sound_is_told_apart() {
    let folder = folder();
    let at = |name: &str, bytes: &[u8]| write(folder.path(), name, bytes);
    let said = |path: &Path| {
        let error = decode(path).expect_err("it is refused");
        let name = path.file_name().unwrap().to_str().unwrap();
        let said = error.to_string().replace(path.to_str().unwrap(), name);
        (said, error.blame())
    };
    let refused = |path: &Path| {
        let (said, blame) = said(path);
        assert_eq!(blame, Blame::Input, "{said}");
        said
    };
    let (missing, blame) = said(&folder.path().join("missing.wav"));
    assert_eq!((missing.as_str(), blame), ("cannot read missing.wav", Blame::Configuration));
    assert_eq!(
        refused(&at("text.wav", b"This is no sound at all, but a text.")),
        "text.wav is no sound that can be read (WAV, FLAC, MP3, Ogg Vorbis): no suitable format reader found"
    );
    assert!(refused(&at("empty.wav", b"")).starts_with("empty.wav is no sound that can be read"));
    assert!(refused(folder.path()).contains("it is no file"));
    let mp4 = [&b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42isom"[..], &[0; 5000]].concat();
    assert!(refused(&at("song.m4a", &mp4)).starts_with("song.m4a is no sound that can be read"));
    let fast = riff(1, 16, 1, 400_000, &[0; 4000]);
    assert!(refused(&at("fast.wav", &fast)).ends_with("its sample rate is 400000 Hz, not 1000 to 192000 Hz"));
    assert_eq!(refused(&at("short.wav", &riff(1, 16, 1, RATE_HZ, &[]))), "short.wav has no sound");
    let mut odd = tone(440.0, 0.5, 0.1, RATE_HZ);
    odd[700] = f32::NAN;
    let path = float_wav(folder.path(), "odd.wav", &[&odd], RATE_HZ);
    assert_eq!(refused(&path), "sample 700 of odd.wav is NaN, which is no number that can be played");
    let path = folder.path().join("made.k1s");
    Recording::of(&sound(tone(440.0, 0.5, 0.1, RATE_HZ))).unwrap().save(&path).unwrap();
    assert!(refused(&path).ends_with("it is a recording for boards already"));
}

#[test]
fn a_sound_that_is_too_long_to_decode_is_refused_and_a_part_of_it_is_not() {
    let folder = folder();
    let data = vec![128; 601 * 1000];
    let path = write(folder.path(), "long.wav", &riff(1, 8, 1, 1000, &data));
    let error = decode(&path).unwrap_err();
    assert!(error.to_string().ends_with("lasts 601.0 s; a sound to be decoded may last 600 s"), "{error}");
    let part = Part { from_s: 599.0, seconds: Some(1.0) };
    assert_eq!(audio::decode(&path, RATE_HZ, &part).unwrap().samples.len(), RATE_HZ as usize);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any bytes, and the bytes of good files with some of them changed or cut off.
    #[test]
    fn no_file_makes_the_decoder_panic(
        which in 0..5_usize,
        junk in proptest::collection::vec(any::<u8>(), 0..600),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let good = match which {
            0 => junk,
            1 => riff(1, 16, 2, 8000, &[7; 3000]),
            2 => std::fs::read(fixture("tone-440.flac")).unwrap(),
            3 => std::fs::read(fixture("tone-440.mp3")).unwrap(),
            _ => std::fs::read(fixture("tone-440.ogg")).unwrap(),
        };
        let mut bytes = good;
        if !bytes.is_empty() {
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if cut {
                bytes.truncate(keep.index(bytes.len()));
            }
        }
        let folder = folder();
        let path = write(folder.path(), "some.file", &bytes);
        if let Ok(sound) = audio::decode(&path, RATE_HZ, &Part { from_s: 0.0, seconds: Some(1.0) }) {
            prop_assert!(sound.samples.iter().all(|sample| sample.is_finite()));
        }
    }
}

// Another rate

#[rstest]
#[case(44_100)]
#[case(48_000)]
#[case(8_000)]
#[case(96_000)]
#[case(11_025)]
fn a_tone_keeps_its_loudness_and_its_place_at_another_rate(#[case] from: u32) {
    for hz in [100.0, 1000.0, 3000.0] {
        let resampled = audio::resample(&tone(hz, 0.5, 0.3, from), from, RATE_HZ);
        let wanted = tone(hz, 0.5, 0.3, RATE_HZ);
        assert!(resampled.len().abs_diff(wanted.len()) <= 1, "{} {}", resampled.len(), wanted.len());
        let off = resampled.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
        let off = off.skip(200).take(wanted.len() - 400).fold(0.0, f32::max);
        assert!(off < 1e-3, "{hz} Hz from {from} Hz: {off}");
    }
}

#[test]
fn what_the_new_rate_cannot_hold_is_gone_and_not_folded_back() {
    let resampled = audio::resample(&tone(9000.0, 0.5, 0.3, CD_HZ), CD_HZ, RATE_HZ);
    assert!(loudness(&resampled, 200) < 5e-5, "{}", loudness(&resampled, 200));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn resampling_keeps_the_length_and_a_constant(count in 0..700_usize, from in 1000..60_000_u32, to in 1000..20_000_u32) {
        let resampled = audio::resample(&vec![0.25; count], from, to);
        let exact = (count as u64 * u64::from(to)).div_ceil(u64::from(from));
        prop_assert_eq!(resampled.len() as u64, exact);
        prop_assert!(resampled.iter().all(|sample| sample.abs() < 0.5));
        let reach = (120.0 * (f64::from(to) / f64::from(from)).max(1.0)) as usize;
        if let Some(middle) = resampled.get(reach..resampled.len().saturating_sub(reach)) {
            prop_assert!(middle.iter().all(|sample| (sample - 0.25).abs() < 1e-4));
        }
    }
}

// What is in a sound

#[rstest]
#[case(440.0, 0.5, 4096)]
#[case(58.27, 0.1, 8192)]
#[case(3001.0, 0.9, 512)]
fn a_spectrum_has_the_frequency_and_the_amplitude_of_a_tone(
    #[case] hz: f64,
    #[case] amplitude: f32,
    #[case] size: usize,
) {
    let spectrum = audio::spectrum(&tone(hz, amplitude, 2.0, RATE_HZ), RATE_HZ, size).unwrap();
    assert_eq!((spectrum.bins.len(), spectrum.bin_hz), (size / 2 + 1, 12_800.0 / size as f64));
    assert!((spectrum.dominant_hz.unwrap() - hz).abs() < 0.1 * spectrum.bin_hz, "{:?}", spectrum.dominant_hz);
    let loudest = spectrum.bins.iter().copied().fold(0.0, f32::max);
    // Between two bins a Hann window shows 1.42 dB less.
    assert!(loudest <= 1.001 * amplitude && loudest > 0.84 * amplitude, "{loudest}");
    assert!((spectrum.centroid_hz - hz).abs() < 2.0 * spectrum.bin_hz, "{}", spectrum.centroid_hz);
}

#[test]
fn silence_has_no_frequency_no_note_no_beat_and_no_onset() {
    let silence = vec![0.0; 4 * RATE_HZ as usize];
    let features = Features::of(&sound(silence), 1024).unwrap();
    assert_eq!((features.spectrum.dominant_hz, features.spectrum.centroid_hz), (None, 0.0));
    assert_eq!((features.chroma.loudest, features.chroma.notes), (None, [0.0; 12]));
    assert_eq!((features.tempo.bpm, features.tempo.confidence, features.tempo.beats_s.len()), (0.0, 0.0, 0));
    assert_eq!(features.onsets_s, [0.0; 0]);
    assert_eq!((features.envelope.peak_amplitude, features.tuning.speed_multiplier), (0.0, 1.0));
}

#[rstest]
#[case(0)]
#[case(63)]
#[case(100)]
#[case(131_072)]
fn a_spectrum_of_another_size_is_refused(#[case] size: usize) {
    let error = audio::spectrum(&[0.0; 100], RATE_HZ, size).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("a spectrum is made of 64 to 65536 samples and a power of two, not of {size}")
    );
}

#[rstest]
#[case(440.0, "A")]
#[case(261.63, "C")]
#[case(92.5, "F#")]
#[case(1975.5, "B")]
fn a_note_is_named_in_every_octave(#[case] hz: f64, #[case] name: &str) {
    let chroma = audio::chroma(&tone(hz, 0.3, 1.0, RATE_HZ), RATE_HZ);
    assert_eq!(chroma.loudest.as_deref(), Some(name));
    let others = chroma.notes.iter().filter(|note| **note < 0.05).count();
    assert_eq!(others, 11, "{:?}", chroma.notes);
}

#[test]
fn a_chord_has_its_three_notes() {
    let chord = mix(
        &mix(&tone(220.0, 0.2, 1.0, RATE_HZ), &tone(277.18, 0.2, 1.0, RATE_HZ)),
        &tone(329.63, 0.2, 1.0, RATE_HZ),
    );
    let notes = audio::chroma(&chord, RATE_HZ).notes;
    let loud: Vec<usize> = (0..12).filter(|note| notes[*note] > 0.5).collect();
    assert_eq!(loud, [1, 4, 9], "C#, E and A: {notes:?}");
}

#[test]
fn each_click_is_an_onset_where_it_is_and_noise_begins_once() {
    let found = audio::onsets(&clicks(150.0, 1.0, 0.3, 4.0, RATE_HZ), RATE_HZ).times_s;
    let expected: Vec<f64> = (0..10).map(|n| 0.3 + 0.4 * f64::from(n)).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 0.006, "{found} {expected}");
    }
    let noise = audio::onsets(&noise(0.3, 1, 4.0, RATE_HZ), RATE_HZ).times_s;
    assert!(noise.len() <= 1, "{noise:?}");
}

#[rstest]
#[case(45.0)]
#[case(60.0)]
#[case(72.0)]
#[case(90.0)]
#[case(117.3)]
#[case(128.0)]
#[case(150.0)]
#[case(174.0)]
#[case(200.0)]
fn the_tempo_of_clicks_is_theirs_and_not_half_or_double(#[case] bpm: f64) {
    // All as loud, and every other one half as loud.
    for second in [1.0, 0.5] {
        let tempo = tempo_of(&clicks(bpm, second, 0.3, 6.0, RATE_HZ));
        assert!(
            (tempo.bpm - bpm).abs() < 0.1 && tempo.confidence > 0.8,
            "{second}: {} {}",
            tempo.bpm,
            tempo.confidence
        );
        let period = 60.0 / bpm;
        for beat in &tempo.beats_s {
            let off = ((beat - 0.3) / period).rem_euclid(1.0);
            assert!(off.min(1.0 - off) * period < 0.006, "{beat}");
        }
        assert!((tempo.beats_s.len() as f64 - 5.7 / period).abs() < 1.5, "{}", tempo.beats_s.len());
    }
}

#[rstest]
#[case(70.0)]
#[case(100.0)]
#[case(125.0)]
#[case(140.0)]
fn cymbals_between_the_drums_do_not_double_the_tempo(#[case] bpm: f64) {
    let tempo = tempo_of(&drums(bpm, 6.0, RATE_HZ));
    assert!((tempo.bpm - bpm).abs() < 0.1 && tempo.confidence > 0.8, "{} {}", tempo.bpm, tempo.confidence);
}

#[test]
fn in_noise_a_tempo_is_not_believed_and_a_beat_in_noise_is() {
    for seed in 1..4 {
        let tempo = tempo_of(&noise(0.3, seed, 4.0, RATE_HZ));
        assert!(tempo.confidence < 0.2, "{seed}: {}", tempo.confidence);
    }
    let tempo = tempo_of(&mix(&clicks(96.0, 1.0, 0.1, 6.0, RATE_HZ), &noise(0.02, 1, 6.0, RATE_HZ)));
    assert!((tempo.bpm - 96.0).abs() < 0.2 && tempo.confidence > 0.5, "{} {}", tempo.bpm, tempo.confidence);
    let short = tempo_of(&clicks(120.0, 1.0, 0.1, 0.8, RATE_HZ));
    assert_eq!((short.bpm, short.confidence), (0.0, 0.0), "too short to tell");
}

#[test]
fn an_envelope_has_peaks_and_means() {
    let samples = [vec![0.0; 256], tone(800.0, 0.5, 0.02, RATE_HZ), vec![-0.8; 10]].concat();
    let envelope = audio::envelope(&samples, RATE_HZ, 0.02);
    assert_eq!((envelope.frame_s, envelope.peak.len(), envelope.peak_amplitude), (0.02, 3, 0.8));
    assert_eq!((envelope.rms[0], envelope.peak[2]), (0.0, 0.8));
    assert!((envelope.rms[1] - 0.5 / 2.0_f32.sqrt()).abs() < 1e-3 && (envelope.rms[2] - 0.8).abs() < 1e-6);
}

#[test]
fn the_tuning_follows_tempo_colour_and_loudness() {
    let of = |samples: Vec<f32>| Features::of(&sound(samples), 2048).unwrap().tuning;
    let slow = of(clicks(60.0, 1.0, 0.1, 5.0, RATE_HZ));
    let fast = of(clicks(180.0, 1.0, 0.1, 5.0, RATE_HZ));
    assert!(
        (slow.speed_multiplier - 0.5).abs() < 0.02 && (fast.speed_multiplier - 1.5).abs() < 0.03,
        "{slow:?} {fast:?}"
    );
    assert_eq!(fast.speed, 0.5 * fast.speed_multiplier);
    let unsure = of(noise(0.3, 3, 4.0, RATE_HZ));
    assert!((unsure.speed_multiplier - 1.0).abs() < 0.1, "{unsure:?}");
    let palette = |hz: f64| of(tone(hz, 0.5, 1.0, RATE_HZ)).color_palette.id;
    assert_eq!([100.0, 300.0, 700.0, 1500.0, 3000.0, 5000.0].map(palette), [23, 24, 0, 22, 2, 32]);
    // A tenth of the time loud: what a fifth of the time exceeds is the soft part.
    let loud = |share: f64| {
        mix(
            &tone(500.0, 0.05, 5.0, RATE_HZ),
            &[tone(500.0, 0.75, 5.0 * share, RATE_HZ), vec![0.0; 64_000]].concat(),
        )
    };
    let (seldom, often) = (of(loud(0.1)).reactivity_threshold, of(loud(0.5)).reactivity_threshold);
    assert!((seldom - 0.0625).abs() < 0.01 && often > 0.9, "{seldom} {often}");
}

#[test]
fn features_are_exported_whole_as_json_and_line_by_line_as_csv() {
    let folder = folder();
    let features = Features::of(&sound(clicks(120.0, 1.0, 0.1, 3.0, RATE_HZ)), 256).unwrap();
    let (json, csv) = (folder.path().join("f.json"), folder.path().join("f.csv"));
    features.export(&json, ExportFormat::Json).unwrap();
    features.export(&csv, ExportFormat::Csv).unwrap();
    assert_eq!(serde_json::from_slice::<Features>(&std::fs::read(&json).unwrap()).unwrap(), features);
    let csv = std::fs::read_to_string(&csv).unwrap();
    let of = |feature: &str| {
        csv.lines().filter(|line| line.starts_with(&format!("{feature},"))).collect::<Vec<_>>()
    };
    assert!(csv.starts_with("feature,at,value\nseconds,,3\ntempo_bpm,,"), "{csv}");
    assert_eq!(
        (of("amplitude_by_hz").len(), of("rms_by_second").len(), of("chroma_by_note_from_c").len()),
        (129, 150, 12)
    );
    assert_eq!(of("beat").len(), features.tempo.beats_s.len());
    assert!(of("amplitude_by_hz")[3].starts_with("amplitude_by_hz,150,"));
    assert!(csv.lines().all(|line| line.split(',').count() == 3));
}
