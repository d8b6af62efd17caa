//! A sound file as a stimulus, on virtual boards with real images: the same file gives the same frames, another one
//! other frames, told or heard.

#[expect(dead_code, reason = "the virtual board's own tests use more of it")]
#[path = "vboard/images.rs"]
mod images;
mod shaped;
mod sounds;

use std::path::{Path, PathBuf};

use images::images;
use k1_hil::audio::{AudioError, Recording};
use k1_hil::board::{Board, Stimulus};
use k1_hil::capture::{AudioSource, Capture, CaptureError, Frame, Plan, capture};
use k1_hil::deploy::{DeployOptions, Deployment, deploy};
use k1_hil::digest::Sha;
use k1_hil::event::ignore;
use k1_hil::image::Image;
use k1_hil::tools::Toolbox;
use k1_hil::vboard::{Options, VirtualBoard};
use k1_hil::{Blame, graph, profile, session};
use rstest::rstest;
use sounds::{drums, tone, wav};
use tokio::sync::OnceCell;

const RATE_HZ: u32 = 16_000;

/// A virtual board that runs an image.
struct Bench {
    virtual_board: VirtualBoard,
    board: Board,
    deployment: Deployment,
}

impl Bench {
    async fn of(image: &Image) -> Self {
        let virtual_board = VirtualBoard::start(Options::new(images().await.qemu.clone())).await.unwrap();
        let board = Board::connect(virtual_board.address()).await.unwrap();
        let deployment = deploy(image, &board, &DeployOptions::default(), &ignore).await.unwrap();
        Self { virtual_board, board, deployment }
    }

    async fn capture(&self, plan: &Plan) -> Result<Capture, CaptureError> {
        capture(&self.deployment, &self.board, plan, &ignore).await
    }

    async fn frames(&self, plan: &Plan) -> Vec<Frame> {
        let capture = self.capture(plan).await.unwrap();
        assert_eq!((capture.frames.len() as u32, capture.rejected), (plan.frames, vec![]));
        capture.frames
    }
}

/// A graph that shows the spectrum.
async fn graph_image() -> &'static Image {
    static IMAGE: OnceCell<Image> = OnceCell::const_new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("patterns/slow_bloom.json");
    let build = async || {
        let graphs = [graph::load(&path).unwrap()];
        session::build(&graphs, &Toolbox::from_env().unwrap(), &ignore).await.unwrap()
    };
    IMAGE.get_or_init(build).await
}

/// A checkout with a pattern that shows the spectrum and an analysis of its own.
async fn checkout_image() -> &'static Image {
    static IMAGE: OnceCell<Image> = OnceCell::const_new();
    let build = async || {
        let checkout = shaped::Checkout::without_git();
        session::build_checkout(checkout.path(), None, &Toolbox::from_env().unwrap(), &ignore).await.unwrap()
    };
    IMAGE.get_or_init(build).await
}

struct Files {
    _folder: tempfile::TempDir,
    drums: PathBuf,
    tone: PathBuf,
}

fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    Files {
        drums: wav(folder.path(), "drums.wav", &[&drums(110.0, 1.5, RATE_HZ)], RATE_HZ),
        tone: wav(folder.path(), "tone.wav", &[&tone(330.0, 0.4, 0.5, RATE_HZ)], RATE_HZ),
        _folder: folder,
    }
}

fn hearing(path: &Path) -> Stimulus {
    Stimulus::Recording(Recording::load(path).unwrap().name(path))
}

/// The recording of the sound file at `path`, in a file beside it.
fn stored(path: &Path) -> PathBuf {
    let stored = path.with_extension("k1s");
    Recording::load(path).unwrap().save(&stored).unwrap();
    stored
}

fn plan(pattern: &str, stimulus: Stimulus, audio: AudioSource) -> Plan {
    Plan { warmup: 20, frames: 100, stimulus, audio, ..Plan::of(pattern) }
}

fn pictures(frames: &[Frame]) -> Vec<u32> {
    frames.iter().map(|frame| frame.led_hash).collect()
}

#[rstest]
#[case::a_graph_is_told("slow_bloom", AudioSource::Snapshot)]
#[case::a_checkout_is_told("fold", AudioSource::Snapshot)]
#[case::a_checkout_listens("fold", AudioSource::Samples)]
#[tokio::test]
async fn the_same_file_gives_the_same_frames_and_another_one_others(
    #[case] pattern: &str,
    #[case] audio: AudioSource,
) {
    let image = if pattern == "fold" { checkout_image().await } else { graph_image().await };
    let files = files();
    let (first, second) = (Bench::of(image).await, Bench::of(image).await);
    // Stored, because they are read several times.
    let (of_drums, of_tone) = (stored(&files.drums), stored(&files.tone));
    let of_drums = plan(pattern, hearing(&of_drums), audio);
    let of_tone = plan(pattern, hearing(&of_tone), audio);

    let frames = first.frames(&of_drums).await;
    assert!(pictures(&frames).windows(2).filter(|pair| pair[0] != pair[1]).count() > 20, "it moves");
    let other = first.frames(&of_tone).await;
    assert_ne!(pictures(&frames), pictures(&other));
    assert_eq!(first.frames(&of_drums).await, frames, "handed over again");
    assert_eq!(second.frames(&of_drums).await, frames, "on another board");
    assert_eq!(
        second.frames(&Plan { seed: 99, ..of_drums.clone() }).await,
        frames,
        "the seed has no part in it"
    );
    let named = second.frames(&plan(pattern, Stimulus::Music, audio)).await;
    assert_ne!(pictures(&named), pictures(&frames));
    let heard = frames.iter().any(|frame| frame.audio_ticks > 0);
    assert_eq!(heard, audio == AudioSource::Samples);
}

#[tokio::test]
async fn what_is_told_follows_the_loudness_of_the_file() {
    let bench = Bench::of(&images().await.all.image).await;
    let folder = tempfile::tempdir().unwrap();
    // A quarter of a second each: tone, silence, tone.
    let part = |amplitude| tone(330.0, amplitude, 0.25, RATE_HZ);
    let samples = [part(0.4), part(0.0), part(0.4), part(0.0)].concat();
    let path = wav(folder.path(), "steps.wav", &[&samples], RATE_HZ);
    let plan = Plan { warmup: 0, frames: 256, ..plan("glow", hearing(&path), AudioSource::Snapshot) };
    let capture = bench.capture(&plan).await.unwrap();
    // `glow` shows the level as blue; pictures are 24 ms apart.
    let blue = |ms: u32| {
        let picture = capture.pictures.iter().find(|picture| picture.index >= ms / 6).unwrap();
        u8::from_str_radix(&picture.rgb_hex[4..6], 16).unwrap()
    };
    let (loud, soft, again) = (blue(240), blue(490), blue(740));
    assert!(loud > 10 && soft < 3 && again > 10, "{loud} {soft} {again}");
    // It is over after a second and begins again.
    assert!(blue(1240) > 10 && blue(1490) < 3, "{} {}", blue(1240), blue(1490));
}

#[tokio::test]
async fn a_stored_recording_is_the_file_it_was_made_of() {
    let (files, bench) = (files(), Bench::of(graph_image().await).await);
    let stored = stored(&files.drums);
    let of = |path: &Path| plan("slow_bloom", hearing(path), AudioSource::Snapshot);
    assert_eq!(of(&stored).stimulus, of(&files.drums).stimulus);
    assert_eq!(bench.frames(&of(&stored)).await, bench.frames(&of(&files.drums)).await);
}

#[tokio::test]
async fn after_a_restart_the_recording_is_handed_over_again() {
    let (files, mut bench) = (files(), Bench::of(graph_image().await).await);
    let plan = plan("slow_bloom", hearing(&stored(&files.drums)), AudioSource::Snapshot);
    let frames = bench.frames(&plan).await;
    let kept = async |bench: &Bench| bench.board.info().await.unwrap().recording;
    assert_eq!(kept(&bench).await, plan.stimulus.recording().map(|name| name.sha256));
    bench.virtual_board.reset().await;
    assert_eq!(kept(&bench).await, None);
    bench.deployment =
        deploy(graph_image().await, &bench.board, &DeployOptions::default(), &ignore).await.unwrap();
    assert_eq!(bench.frames(&plan).await, frames);
}

#[tokio::test]
async fn a_file_that_is_gone_or_has_changed_is_named_before_anything_is_measured() {
    let (files, bench) = (files(), Bench::of(graph_image().await).await);
    let plan = plan("slow_bloom", hearing(&files.drums), AudioSource::Snapshot);
    std::fs::copy(&files.tone, &files.drums).unwrap();
    let error = bench.capture(&plan).await.unwrap_err();
    assert!(matches!(error, CaptureError::Audio(AudioError::Changed { .. })), "{error}");
    assert_eq!(error.blame(), Blame::Input);
    std::fs::remove_file(&files.drums).unwrap();
    let error = bench.capture(&plan).await.unwrap_err();
    assert!(matches!(error, CaptureError::Audio(AudioError::Unreadable { .. })), "{error}");
}

/// As the trace is a CPU of its own, without sockets.
#[tokio::test]
async fn a_profile_hears_what_a_run_hears() {
    let (files, bench) = (files(), Bench::of(graph_image().await).await);
    let plan = Plan {
        warmup: 30,
        frames: 3,
        ..plan("slow_bloom", hearing(&stored(&files.drums)), AudioSource::Snapshot)
    };
    let frames = bench.frames(&plan).await;
    let profile = profile::profile(graph_image().await, &plan, &Toolbox::from_env().unwrap()).await.unwrap();
    assert_eq!(profile.frames, frames.iter().map(|frame| u64::from(frame.render_ticks)).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_longest_recording_fits() {
    let bench = Bench::of(graph_image().await).await;
    let folder = tempfile::tempdir().unwrap();
    // Half a second, 240 times: to analyse two minutes would take its time.
    let short =
        Recording::load(&wav(folder.path(), "short.wav", &[&tone(330.0, 0.4, 0.5, RATE_HZ)], RATE_HZ))
            .unwrap();
    let (head, chunks) = short.bytes()[..short.bytes().len() - 32].split_at(48);
    let mut bytes = [head, &chunks.repeat(240)].concat();
    bytes[16..20].copy_from_slice(&24_000_u32.to_le_bytes());
    bytes.extend(Sha::of(&bytes).bytes());
    let path = sounds::write(folder.path(), "long.k1s", &bytes);
    let plan = plan("slow_bloom", hearing(&path), AudioSource::Snapshot);
    assert_eq!(plan.stimulus.recording().unwrap().seconds, 120.0);
    bench.frames(&plan).await;
}
