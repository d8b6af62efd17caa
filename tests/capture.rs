//! Measured runs, against firmware that follows a script: whole, damaged, crashed, stuck.

mod stand_in;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k1_hil::Blame;
use k1_hil::audio::RecordingName;
use k1_hil::board::probe::{FrameRecord, Frames, Pictures};
use k1_hil::board::{Board, RunState, Stimulus};
use k1_hil::capture::{AudioSource, CaptureError, Plan, Rejected, Rejection, capture, capture_within};
use k1_hil::deploy::{Deployment, confirm};
use k1_hil::digest::Sha;
use k1_hil::event::{Event, ignore};
use k1_hil::image::{Image, Target, Usage};
use rstest::rstest;
use serde_json::{Value, json};
use stand_in::{Asked, Reply, StandIn, device_info, probe_info};

const BOOT: u32 = 11;
/// Frames that the board drew before the run.
const BEFORE: u32 = 500;

/// Firmware with a probe that records some more frames whenever it is asked for them.
struct Firmware {
    boot_id: u32,
    image: Sha,
    panic: Value,
    run_id: u32,
    /// Sequence number of the run's first frame.
    first: u32,
    /// Frames of the run.
    frames: u32,
    state: RunState,
    records: BTreeMap<u32, FrameRecord>,
    next: u32,
    /// Requests for frames since the run was armed.
    polls: u32,
}

impl Firmware {
    fn new() -> Self {
        Self {
            boot_id: BOOT,
            image: Sha::of("elf"),
            panic: Value::Null,
            run_id: 0,
            first: BEFORE,
            frames: 0,
            state: RunState::None,
            records: BTreeMap::new(),
            next: BEFORE,
            polls: 0,
        }
    }

    /// Draws `count` frames, of the run while it lasts.
    fn draw(&mut self, count: u32) {
        for _ in 0..count {
            let of_the_run = self.state == RunState::Running;
            let record = FrameRecord {
                sequence: self.next,
                run_id: if of_the_run { self.run_id } else { 0 },
                start_ns: u64::from(self.next) * 6_000_000,
                render_ticks: 1000 + self.next,
                led_hash: fnv1a(&picture(self.next)),
                ..FrameRecord::default()
            };
            self.records.insert(self.next, record.sealed());
            self.next += 1;
            if of_the_run && self.next == self.first + self.frames {
                self.state = RunState::Done;
            }
        }
    }

    fn restart(&mut self) {
        *self = Self { boot_id: self.boot_id + 1, image: self.image, next: 0, ..Self::new() };
    }

    fn answer(&mut self, asked: &Asked, poll: &mut impl FnMut(&mut Self)) -> Reply {
        let (path, query) = asked.request.split_once('?').unwrap_or((&asked.request, ""));
        let number = |name: &str| -> u32 {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.unwrap().parse().unwrap()
        };
        match path {
            "GET /api/hil/info" => {
                let mut info = probe_info(self.boot_id, Some(self.image));
                info["panic"] = self.panic.clone();
                Reply::Json(info)
            }
            "POST /api/hil/run" => {
                let order: Value = serde_json::from_str(&asked.body).unwrap();
                if order["pattern"] != "ember" {
                    return Reply::Error(404, "", r#"{"error":"pattern_not_found"}"#);
                }
                self.run_id += 1;
                self.frames = order["frames"].as_u64().unwrap() as u32;
                self.state = RunState::Running;
                Reply::Json(json!({ "run_id": self.run_id, "boot_id": self.boot_id }))
            }
            "GET /api/patterns" => Reply::Json(json!({
                "patterns": [{ "index": 0, "name": "Ember", "id": "ember", "audio_reactive": false }],
                "current_pattern": 0,
            })),
            "GET /api/hil/frames" => {
                if self.run_id > 0 {
                    self.polls += 1;
                    poll(self);
                }
                let since = number("since");
                let records: Vec<_> = self.records.range(since..).take(number("max") as usize).collect();
                let first_sequence = records.first().map_or(self.next, |(place, _)| **place);
                Reply::Bytes(
                    Frames {
                        boot_id: self.boot_id,
                        run_id: self.run_id,
                        run_state: self.state,
                        first_sequence,
                        overwritten: first_sequence.saturating_sub(since),
                        tick_hz: 1_000_000_000,
                        run_first_sequence: self.first,
                        records: records.into_iter().map(|(_, record)| *record).collect(),
                    }
                    .encode(),
                )
            }
            "GET /api/hil/leds" => {
                let (since, every) = (number("since"), number("every"));
                let places = (since..self.next).step_by(every as usize).take(number("max") as usize);
                let pictures = places.map(picture).collect();
                let answer =
                    Pictures { boot_id: self.boot_id, led_count: 2, first_sequence: since, every, pictures };
                Reply::Bytes(answer.encode())
            }
            _ => Reply::Json(device_info()),
        }
    }
}

fn picture(sequence: u32) -> Vec<u8> {
    let [a, b, ..] = sequence.to_le_bytes();
    vec![a, b, 0, 255, a, b]
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// A board with that firmware, deployed to; `poll` happens whenever frames of a run are asked for.
struct Bench {
    board: Board,
    deployment: Deployment,
    firmware: Arc<Mutex<Firmware>>,
    stand_in: StandIn,
}

impl Bench {
    async fn new(mut poll: impl FnMut(&mut Firmware) + Send + 'static) -> Self {
        let firmware = Arc::new(Mutex::new(Firmware::new()));
        let own = firmware.clone();
        let stand_in = StandIn::start(move |asked| own.lock().unwrap().answer(asked, &mut poll)).await;
        let board = Board::connect(&stand_in.address).await.unwrap();
        let deployment = confirm(&image(), &board).await.unwrap();
        Self { board, deployment, firmware, stand_in }
    }
}

fn image() -> Image {
    Image {
        format: 1,
        target: Target::Virtual,
        bin: "firmware.bin".into(),
        elf: "firmware.elf".into(),
        sha256: Sha::of("bin"),
        elf_sha256: Sha::of("elf"),
        program_sha256: Sha::of("program"),
        source_sha256: Sha::of("source"),
        origin: None,
        flash: Usage { used: 1, of: 2 },
        ram: Usage { used: 1, of: 2 },
        warnings: Vec::new(),
        patterns: vec!["ember".to_owned()],
        tools: [].into(),
    }
}

fn plan(frames: u32) -> Plan {
    Plan {
        pattern: "ember".to_owned(),
        seed: 7,
        warmup: 8,
        frames,
        stimulus: Stimulus::Music,
        audio: AudioSource::Snapshot,
    }
}

#[tokio::test]
async fn a_run_is_read_whole_while_it_is_recorded() {
    let bench = Bench::new(|firmware| firmware.draw(100)).await;
    let events = Mutex::new(Vec::new());
    let on_event = |event: &Event| events.lock().unwrap().push(event.clone());
    let capture = capture(&bench.deployment, &bench.board, &plan(250), &on_event).await.unwrap();
    assert_eq!((capture.frames.len(), capture.rejected.len(), capture.run_id), (250, 0, 1));
    for (index, frame) in (0..).zip(&capture.frames) {
        let expected = (index, u64::from(index) * 6_000_000, 1000 + BEFORE + index);
        assert_eq!((frame.index, frame.start_ns, frame.render_ticks), expected);
    }
    let pattern = || "ember".to_owned();
    let progress = |frames| Event::RunProgress { pattern: pattern(), frames, of: 250 };
    assert_eq!(
        *events.lock().unwrap(),
        [
            Event::RunArmed { pattern: pattern(), frames: 250 },
            progress(100),
            progress(200),
            progress(250),
            Event::Captured { pattern: pattern(), frames: 250, rejected: 0 },
        ]
    );
}

#[tokio::test]
async fn a_board_that_plays_no_recordings_says_so_before_anything_is_asked_of_it() {
    let bench = Bench::new(|firmware| firmware.draw(100)).await;
    let name = RecordingName { path: "folder/song.wav".into(), sha256: Sha::of("song"), seconds: 2.0 };
    let plan = Plan { stimulus: Stimulus::Recording(name), ..plan(10) };
    let error = capture(&bench.deployment, &bench.board, &plan, &ignore).await.unwrap_err();
    assert_eq!(error.blame(), Blame::Configuration);
    let said = error.to_string();
    let expected = "cannot play the recording song.wav (63f75c890b05): its firmware plays named stimuli only";
    assert!(said.ends_with(expected), "{said}");
}

#[rstest]
#[case::few(10, 10, 1)]
#[case::as_many_as_pictures(64, 64, 1)]
#[case::many(250, 63, 4)]
#[case::the_whole_ring(2048, 64, 32)]
#[tokio::test]
async fn pictures_are_evenly_spaced(#[case] frames: u32, #[case] count: usize, #[case] every: u32) {
    let bench = Bench::new(|firmware| firmware.draw(700)).await;
    let capture = capture(&bench.deployment, &bench.board, &plan(frames), &ignore).await.unwrap();
    let indices: Vec<u32> = capture.pictures.iter().map(|picture| picture.index).collect();
    assert_eq!(indices, (0..frames).step_by(every as usize).collect::<Vec<_>>());
    assert_eq!(indices.len(), count);
    assert_eq!(
        capture.pictures[1].rgb_hex,
        format!("{:02x}{:02x}00ff{0:02x}{1:02x}", (BEFORE + every) as u8, (BEFORE + every) >> 8)
    );
}

#[tokio::test]
async fn damaged_frames_are_named_and_have_no_picture() {
    let bench = Bench::new(|firmware| {
        firmware.draw(20);
        let record = |index: u32| BEFORE + index;
        firmware.records.get_mut(&record(3)).unwrap().render_ticks = 0;
        let foreign = firmware.records.get_mut(&record(5)).unwrap();
        *foreign = FrameRecord { run_id: 9, ..*foreign }.sealed();
        let other_picture = firmware.records.get_mut(&record(7)).unwrap();
        *other_picture = FrameRecord { led_hash: 1, ..*other_picture }.sealed();
    })
    .await;
    let capture = capture(&bench.deployment, &bench.board, &plan(20), &ignore).await.unwrap();
    assert_eq!(
        capture.rejected,
        [
            Rejected { index: 3, reason: Rejection::Torn },
            Rejected { index: 5, reason: Rejection::Impossible },
        ]
    );
    let indices: Vec<u32> = capture.pictures.iter().map(|picture| picture.index).collect();
    assert_eq!(indices, (0..20).filter(|index| ![3, 5, 7].contains(index)).collect::<Vec<_>>());
}

#[tokio::test]
async fn frames_that_the_ring_lost_are_missing() {
    let bench = Bench::new(|firmware| {
        firmware.draw(30);
        // The board went on after the run, and its ring holds the last frames only.
        firmware.records.retain(|place, _| *place >= BEFORE + 4);
    })
    .await;
    let capture = capture(&bench.deployment, &bench.board, &plan(20), &ignore).await.unwrap();
    assert_eq!(capture.rejected, [0, 1, 2, 3].map(|index| Rejected { index, reason: Rejection::Missing }));
    assert_eq!((capture.frames[0].index, capture.frames[0].start_ns, capture.frames.len()), (4, 0, 16));
}

#[tokio::test]
async fn frames_that_were_drawn_before_the_run_are_read_over() {
    let bench = Bench::new(|firmware| {
        if firmware.polls == 1 {
            // The order arrives when the board has drawn three answers full of other frames.
            firmware.state = RunState::None;
            firmware.first = firmware.next + 1500;
            firmware.draw(1500);
            firmware.state = RunState::Running;
            firmware.draw(20);
        }
    })
    .await;
    let capture = capture(&bench.deployment, &bench.board, &plan(20), &ignore).await.unwrap();
    assert_eq!((capture.frames.len(), capture.rejected.len()), (20, 0));
}

#[tokio::test]
async fn a_crash_is_reported_with_its_frame() {
    let bench = Bench::new(|firmware| {
        firmware.draw(10);
        if firmware.polls == 3 {
            let frame = firmware.next;
            firmware.restart();
            firmware.panic = json!({
                "reason": "load access fault", "pattern": "ember", "frame": frame, "pc": 0x8000_1234_u32, "value": 4,
                "boot_id": BOOT,
            });
        }
    })
    .await;
    let error = capture(&bench.deployment, &bench.board, &plan(100), &ignore).await.unwrap_err();
    insta::assert_snapshot!(error, @"the firmware died drawing frame 530 of ember: load access fault");
}

#[rstest]
#[case::restarted(|firmware: &mut Firmware| firmware.restart(), "it restarted (software)")]
#[case::given_another_run(|firmware: &mut Firmware| firmware.run_id += 1, "its run 1 was replaced by run 2")]
#[tokio::test]
async fn a_board_that_changes_in_mid_run_voids_it(#[case] change: fn(&mut Firmware), #[case] expected: &str) {
    let bench = Bench::new(move |firmware| {
        firmware.draw(10);
        if firmware.polls == 3 {
            change(firmware);
        }
    })
    .await;
    match capture(&bench.deployment, &bench.board, &plan(100), &ignore).await.unwrap_err() {
        CaptureError::Changed { reason, .. } => assert_eq!(reason, expected),
        other => panic!("{other}"),
    }
}

#[rstest]
#[case::restarted(|firmware: &mut Firmware| firmware.restart())]
#[case::given_another_image(|firmware: &mut Firmware| firmware.image = Sha::of("other"))]
#[tokio::test]
async fn nothing_is_measured_on_a_board_that_changed_since(#[case] change: fn(&mut Firmware)) {
    let bench = Bench::new(|firmware| firmware.draw(10)).await;
    change(&mut bench.firmware.lock().unwrap());
    let error = capture(&bench.deployment, &bench.board, &plan(100), &ignore).await.unwrap_err();
    assert!(matches!(error, CaptureError::Changed { .. }), "{error}");
    assert_eq!(bench.stand_in.count("POST /api/hil/run"), 0);
}

#[tokio::test]
async fn a_run_that_stops_is_stuck() {
    let bench = Bench::new(|firmware| {
        if firmware.polls < 3 {
            firmware.draw(10);
        }
    })
    .await;
    let silence = Duration::from_millis(100);
    match capture_within(&bench.deployment, &bench.board, &plan(100), silence, &ignore).await.unwrap_err() {
        CaptureError::Stuck { recorded: 20, frames: 100, .. } => {}
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_unknown_pattern_is_refused_with_the_known_ones() {
    let bench = Bench::new(|firmware| firmware.draw(10)).await;
    let plan = Plan { pattern: "embre".to_owned(), ..plan(100) };
    match capture(&bench.deployment, &bench.board, &plan, &ignore).await.unwrap_err() {
        CaptureError::NoPattern { pattern, known, .. } => {
            assert_eq!((pattern.as_str(), known.as_str()), ("embre", "ember"))
        }
        other => panic!("{other}"),
    }
}

#[rstest]
#[case::none(0)]
#[case::more_than_the_ring_holds(2049)]
#[tokio::test]
async fn a_run_of_an_impossible_length_is_refused(#[case] frames: u32) {
    let bench = Bench::new(|firmware| firmware.draw(10)).await;
    let error = capture(&bench.deployment, &bench.board, &plan(frames), &ignore).await.unwrap_err();
    assert!(matches!(error, CaptureError::Frames { limit: 2048, .. }), "{error}");
}
