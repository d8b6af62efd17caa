//! Recordings: what a board is given of a sound, stored and read again, and named by its contents.

mod sounds;

use k1_hil::Blame;
use k1_hil::audio::{CHUNK, NotARecording, RATE_HZ, Recording};
use proptest::prelude::*;
use rstest::rstest;
use sounds::{clicks, fixture, noise, riff, sound, tone, wav, write};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn recording(samples: Vec<f32>) -> Recording {
    Recording::of(&sound(samples)).unwrap()
}

#[test]
fn a_recording_has_the_samples_of_its_sound_and_comes_back_from_its_file() {
    let folder = folder();
    let samples = clicks(100.0, 1.0, 0.2, 4.0, RATE_HZ);
    let made = recording(samples.clone());
    assert_eq!((made.seconds(), made.gain(), made.bpm().map(f32::round)), (4.0, 1.0, Some(100.0)));
    let numbers = made.samples();
    assert_eq!(numbers.len(), samples.len());
    let off =
        numbers.iter().zip(&samples).map(|(n, s)| (f32::from(*n) / 32_768.0 - s).abs()).fold(0.0, f32::max);
    assert!(off <= 0.5 / 32_768.0 + 1e-7, "{off}");

    let path = folder.path().join("clicks.k1s");
    made.save(&path).unwrap();
    assert_eq!(Recording::load(&path).unwrap(), made);
    let name = made.name(&path);
    assert_eq!(name.load().unwrap(), made);
    assert_eq!(name.to_string(), format!("clicks.k1s ({})", made.sha256().short()));
}

#[test]
fn the_same_sound_is_the_same_recording_wherever_it_lies() {
    let folder = folder();
    let samples = tone(440.0, 0.5, 0.5, RATE_HZ);
    let (a, b) = (
        wav(folder.path(), "a.wav", &[&samples], RATE_HZ),
        wav(folder.path(), "b.wav", &[&samples], RATE_HZ),
    );
    let (a, b) = (Recording::load(&a).unwrap().name(a), Recording::load(&b).unwrap().name(b));
    assert_eq!(a, b);
    let flac = Recording::load(&fixture("tone-440.flac")).unwrap();
    let other = wav(folder.path(), "c.wav", &[&tone(441.0, 0.5, 0.5, RATE_HZ)], RATE_HZ);
    let other = Recording::load(&other).unwrap();
    assert!(a.sha256 != other.sha256() && flac.sha256() != other.sha256());
}

#[test]
fn a_file_that_has_changed_is_not_what_the_plan_names() {
    let folder = folder();
    let path = wav(folder.path(), "a.wav", &[&tone(440.0, 0.5, 0.5, RATE_HZ)], RATE_HZ);
    let name = Recording::load(&path).unwrap().name(&path);
    wav(folder.path(), "a.wav", &[&tone(450.0, 0.5, 0.5, RATE_HZ)], RATE_HZ);
    let error = name.load().unwrap_err();
    assert_eq!(error.blame(), Blame::Input);
    assert!(error.to_string().contains("a.wav has changed: its recording is "), "{error}");
}

#[test]
fn too_long_too_soft_and_too_loud_sounds_are_told() {
    let folder = folder();
    let long = write(folder.path(), "long.wav", &riff(1, 8, 1, 1000, &vec![100; 121 * 1000]));
    let error = Recording::load(&long).unwrap_err();
    assert!(error.to_string().ends_with("long.wav lasts 121.0 s; a stimulus may last 120 s"), "{error}");
    assert_eq!(error.blame(), Blame::Input);
    let soft = Recording::of(&sound(tone(440.0, 0.0005, 0.5, RATE_HZ))).unwrap_err();
    assert_eq!(
        soft.to_string(),
        "made.wav is silent: its loudest sample is at -66 dB of full scale, and below -60 dB nothing is heard"
    );
    let loud = recording(tone(440.0, 3.0, 0.5, RATE_HZ));
    assert!((loud.gain() - 0.3).abs() < 1e-3, "{}", loud.gain());
    assert!(loud.samples().iter().all(|sample| sample.abs() <= 29_492));
}

/// Of a chunk: levels, place in the beat, flags.
fn chunk(recording: &Recording, number: usize) -> (Vec<u16>, u16, u16) {
    let bytes = &recording.bytes()[48 + 260 * number..][..260];
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    ((0..64).map(|i| half(128 + 2 * i)).collect(), half(256), half(258))
}

#[test]
fn a_recording_says_what_is_heard_in_each_chunk() {
    // Half a second of silence, then A4: the 35th half tone above A#1.
    let samples = [vec![0.0; 6400], tone(440.0, 0.25, 0.5, RATE_HZ)].concat();
    let recording = recording(samples);
    let (before, _, silent) = chunk(&recording, 99);
    assert_eq!((before.iter().max(), silent & 2), (Some(&0), 2));
    let (levels, _, silent) = chunk(&recording, 199);
    let loudest = levels.iter().enumerate().max_by_key(|(_, level)| **level).unwrap();
    assert_eq!((loudest.0, silent & 2), (35, 0));
    assert!(loudest.1.abs_diff(32_768) < 300, "the root of a quarter is a half: {}", loudest.1);
}

#[rstest]
#[case(100.0, 100.0)]
#[case(200.0, 100.0)]
#[case(45.0, 90.0)]
fn beats_are_told_within_the_tempi_that_patterns_know(#[case] bpm: f64, #[case] told: f32) {
    let recording = recording(clicks(bpm, 1.0, 0.3, 6.0, RATE_HZ));
    assert!((recording.bpm().unwrap() - told).abs() < 0.1, "{:?}", recording.bpm());
    let chunks = (6 * RATE_HZ as usize) / CHUNK;
    let on_beat: Vec<usize> = (0..chunks).filter(|number| chunk(&recording, *number).2 & 1 == 1).collect();
    let period = 60.0 / f64::from(told) * 200.0;
    for pair in on_beat.windows(2) {
        assert!(((pair[1] - pair[0]) as f64 - period).abs() <= 2.0, "{pair:?} {period}");
    }
    assert!((on_beat.len() as f64 - 1200.0 / period).abs() < 2.0, "{}", on_beat.len());
    let (_, halfway, _) = chunk(&recording, on_beat[3] + (period / 2.0) as usize);
    assert!((f64::from(halfway) / 65_536.0 - 0.5).abs() < 0.05, "{halfway}");
}

#[test]
fn noise_has_no_beat_to_tell() {
    let recording = recording(noise(0.3, 1, 3.0, RATE_HZ));
    assert_eq!(recording.bpm(), None);
    assert!((0..600).all(|number| (chunk(&recording, number).1, chunk(&recording, number).2 & 1) == (0, 0)));
}

#[test]
fn bytes_that_are_no_recording_say_why() {
    let good = recording(tone(440.0, 0.5, 0.1, RATE_HZ));
    let changed = |at: usize, value: u8| {
        let mut bytes = good.bytes().to_vec();
        bytes[at] = value;
        Recording::read(bytes).unwrap_err()
    };
    assert_eq!(changed(0, b'X'), NotARecording::Magic);
    assert_eq!(changed(4, 9), NotARecording::Version { found: 9 });
    assert!(matches!(changed(8, 1), NotARecording::Field { field: "sample rate", .. }));
    assert!(matches!(changed(16, 1), NotARecording::Length { .. }));
    assert!(matches!(changed(23, 0xFF), NotARecording::Field { field: "tempo", .. }));
    assert_eq!(changed(100, changed_from(&good, 100)), NotARecording::Hash);
    let short = Recording::read(good.bytes()[..60].to_vec()).unwrap_err();
    assert_eq!(short.to_string(), "60 bytes are not the 80 that its header announces");
}

/// Another value than the one that is there.
fn changed_from(recording: &Recording, at: usize) -> u8 {
    recording.bytes()[at].wrapping_add(1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_sound_makes_a_recording_that_reads_back(samples in proptest::collection::vec(-1.5_f32..1.5, 1..400)) {
        if let Ok(made) = Recording::of(&sound(samples)) {
            prop_assert_eq!(Recording::read(made.bytes().to_vec()), Ok(made));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_pass_for_a_recording(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..500),
        head in any::<bool>(),
    ) {
        if head && bytes.len() >= 20 {
            bytes[..16].copy_from_slice(b"K1HS\x01\0\x30\0\0\x32\0\0\x40\0\x40\0");
        }
        prop_assert!(Recording::read(bytes).is_err());
    }
}
