//! Measured runs: what they give depends on nothing but image and plan.

use std::time::{Duration, Instant};

use k1_hil::audio::Recording;
use k1_hil::board::RunState;
use k1_hil::board::probe::{FrameRecord, Frames};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{arm, board_with, get, info, pictures, post, post_as, request, run, within};
use crate::images::images;
use crate::sounds::sound;

/// The records with what tells two runs apart taken out: place in the board's life and run id.
fn relative(frames: &Frames) -> Vec<FrameRecord> {
    let begin = frames.records[0].start_ns;
    let relative = |record: &FrameRecord| FrameRecord {
        sequence: record.sequence - frames.first_sequence,
        start_ns: record.start_ns - begin,
        run_id: 0,
        ..*record
    };
    frames.records.iter().map(|record| relative(record).sealed()).collect()
}

/// FNV-1a, 32 bit.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[tokio::test]
async fn two_runs_give_the_same_records_to_the_last_digit() {
    let board = board_with(&images().await.all.bin).await;
    let first = run(board.address(), "glow", 100).await;
    run(board.address(), "heavy", 10).await;
    let second = run(board.address(), "glow", 100).await;
    assert_eq!((first.run_id, second.run_id, first.records.len()), (1, 3, 100));
    assert!(first.records.iter().all(FrameRecord::is_whole));
    assert_eq!(relative(&first), relative(&second));
    assert_ne!(first.records[0].led_hash, first.records[99].led_hash, "the pattern moves");
}

#[tokio::test]
async fn what_a_pattern_keeps_between_frames_begins_anew_with_each_run() {
    let board = board_with(&images().await.all.bin).await;
    let first = run(board.address(), "count", 7).await;
    let second = run(board.address(), "count", 7).await;
    assert_eq!(relative(&first), relative(&second));
    assert_ne!(first.records[0].led_hash, first.records[6].led_hash, "the pattern counts");
}

#[tokio::test]
async fn the_stack_that_the_frames_used_is_on_record() {
    let board = board_with(&images().await.all.bin).await;
    let used = run(board.address(), "glow", 5).await.records[4].stack_used;
    assert!((64..16_384).contains(&used), "{used}");
}

#[tokio::test]
async fn firmware_without_an_audio_analysis_says_so() {
    let board = board_with(&images().await.all.bin).await;
    let order = json!({"pattern": "glow", "frames": 5, "audio": "samples"});
    let answer = post(board.address(), "/api/hil/run", &order).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("this firmware has no audio analysis"), "{}", answer.text());
}

#[tokio::test]
async fn only_a_recording_is_kept_and_only_the_kept_one_is_played() {
    let board = board_with(&images().await.all.bin).await;
    let order = |stimulus: &str| json!({"pattern": "glow", "frames": 5, "stimulus": stimulus});
    let unknown = format!("recording:{}", "ab".repeat(32));
    let refused = post(board.address(), "/api/hil/run", &order(&unknown)).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (412, Some("no_such_recording")));
    let no_hash = post(board.address(), "/api/hil/run", &order("recording:ab")).await;
    assert_eq!((no_hash.status, no_hash.json()["error"].as_str()), (400, Some("invalid_value")));

    for (bytes, status, said) in [
        ("noise", 400, "it does not begin with K1HS"),
        ("K1HS and so on", 400, "80 that its header announces"),
        ("", 501, "Handler did not handle the request"),
    ] {
        let answer = post_as(board.address(), "/api/hil/recording", "application/octet-stream", bytes).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    let head = "POST /api/hil/recording HTTP/1.1\r\nHost: board\r\nContent-Length: 6291457\r\n\r\n";
    let large = request(board.address(), head).await;
    assert_eq!((large.status, large.json()["max_size"].as_u64()), (413, Some(6_291_456)));
    assert_eq!(info(board.address()).await.recording, None);
    assert_eq!(run(board.address(), "glow", 5).await.records.len(), 5, "it goes on");

    let half_a_second = (0..6400).map(|i| 0.4 * (i as f32 * 0.1).sin()).collect();
    let recording = Recording::of(&sound(half_a_second)).unwrap();
    let path = "/api/hil/recording";
    let kept = post_as(board.address(), path, "application/octet-stream", recording.bytes()).await;
    assert_eq!(kept.json(), json!({"sha256": recording.sha256(), "seconds": 0.5}));
    assert_eq!(info(board.address()).await.recording, Some(recording.sha256()));
    let name = format!("recording:{}", recording.sha256());
    // Between the runs, and in one.
    let idle = post(board.address(), "/api/hil/stimulus", &json!({"kind": &name})).await;
    assert_eq!(idle.json(), json!({"kind": &name, "seed": 0}));
    assert_eq!(post(board.address(), "/api/hil/run", &order(&name)).await.status, 200);
    let refused = post(board.address(), "/api/hil/stimulus", &json!({"kind": &unknown})).await;
    assert_eq!(refused.status, 412);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_boards_at_once_do_not_disturb_each_others_numbers() {
    let image = &images().await.all.bin;
    let mut boards = JoinSet::new();
    for _ in 0..10 {
        boards.spawn(async {
            let board = board_with(image).await;
            relative(&run(board.address(), "glow", 200).await)
        });
    }
    let all = boards.join_all().await;
    assert_eq!(all.len(), 10);
    assert!(all.iter().all(|records| *records == all[0]));
}

#[tokio::test]
async fn a_run_that_fills_the_ring_is_read_whole_though_the_board_draws_on() {
    let board = board_with(&images().await.all.bin).await;
    let address = board.address();
    let frames = run(address, "dark", 2048).await;
    let (first, next) = (frames.first_sequence, frames.first_sequence + 2048);
    within(async {
        let later =
            || async { Frames::decode(&get(address, &format!("/api/hil/frames?since={next}")).await.body) };
        while later().await.unwrap().records.len() < 20 {}
    })
    .await;
    let again = Frames::decode(&get(address, &format!("/api/hil/frames?since={first}")).await.body).unwrap();
    assert_eq!((again.first_sequence, again.overwritten, again.records.len()), (first, 0, 2048));
    assert_eq!(again.records, frames.records);
    let all = pictures(address, &format!("since={first}")).await;
    assert_eq!(all.pictures.len(), 2048);
}

#[tokio::test]
async fn frames_are_answered_while_a_run_is_under_way() {
    let board = board_with(&images().await.all.bin).await;
    let address = board.address();
    let id = arm(address, "heavy", 1000).await;
    let refused = post(address, "/api/hil/run", &json!({"pattern": "glow", "frames": 1})).await;
    assert_eq!((refused.status, &refused.json()["error"]), (409, &json!("run_under_way")));
    let mut seen = Vec::new();
    within(async {
        loop {
            let first = info(address).await.run.first_sequence;
            let frames =
                Frames::decode(&get(address, &format!("/api/hil/frames?since={first}")).await.body).unwrap();
            let of_run =
                frames.records.iter().filter(|record| record.run_id == id && record.is_whole()).count();
            seen.push(of_run);
            if frames.run_state == RunState::Done {
                break;
            }
        }
    })
    .await;
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(seen.iter().any(|&count| (1..1000).contains(&count)), "{seen:?}");
    let last = info(address).await.run;
    assert_eq!((last.id, last.state, last.recorded), (id, RunState::Done, 1000));
}

#[tokio::test]
async fn pictures_are_those_of_the_records() {
    let board = board_with(&images().await.all.bin).await;
    let frames = run(board.address(), "glow", 50).await;
    let first = frames.first_sequence;
    let answer = pictures(board.address(), &format!("since={first}&max=4&every=7")).await;
    assert_eq!((answer.boot_id, answer.first_sequence, answer.every), (frames.boot_id, first, 7));
    let hashes: Vec<u32> = answer.pictures.iter().map(|picture| hash(picture)).collect();
    let expected: Vec<u32> = frames.records.iter().step_by(7).take(4).map(|record| record.led_hash).collect();
    assert_eq!((hashes, usize::from(answer.led_count)), (expected, 160));
}

#[rstest]
#[case(json!({"pattern": "nonsense", "frames": 1}), 404, "pattern_not_found")]
#[case(json!({"pattern": 3, "frames": 1}), 404, "pattern_not_found")]
#[case(json!({"frames": 1}), 400, "missing_field")]
#[case(json!({"pattern": "glow"}), 400, "missing_field")]
#[case(json!({"pattern": "glow", "frames": 0}), 400, "invalid_value")]
#[case(json!({"pattern": "glow", "frames": 2049}), 400, "invalid_value")]
#[case(json!({"pattern": "glow", "frames": 1.5}), 400, "invalid_value")]
#[case(json!({"pattern": "glow", "frames": 1, "warmup": 70000}), 400, "invalid_value")]
#[case(json!({"pattern": "glow", "frames": 1, "seed": -1}), 400, "invalid_value")]
#[case(json!({"pattern": "glow", "frames": 1, "stimulus": "opera"}), 400, "invalid_value")]
#[tokio::test]
async fn a_run_that_cannot_be_is_refused(#[case] order: Value, #[case] status: u16, #[case] code: &str) {
    let board = board_with(&images().await.other.bin).await;
    let answer = post(board.address(), "/api/hil/run", &order).await;
    assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(code)), "{}", answer.text());
    assert_eq!(info(board.address()).await.run.state, RunState::None);
}

#[tokio::test]
async fn a_board_left_alone_keeps_to_the_clock_on_the_wall() {
    let images = images().await;
    let begin = Instant::now();
    let board = board_with(&images.all.bin).await;
    let uptime = within(async {
        loop {
            let uptime = info(board.address()).await.uptime_us;
            if uptime > 400_000 {
                return uptime;
            }
        }
    })
    .await;
    // It may lag on a busy host, but never runs ahead of the wall by more than the frame that it draws.
    let frame = Duration::from_millis(6);
    assert!(begin.elapsed() + frame >= Duration::from_micros(uptime), "{uptime} us in {:?}", begin.elapsed());
}
