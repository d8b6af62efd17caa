//! The client of a board's REST surface, against boards that follow a script.

mod stand_in;

use k1_hil::board::probe::Frames;
use k1_hil::board::{Address, AudioSource, Board, BoardError, RunOrder, RunState, Stimulus};
use serde_json::json;
use stand_in::{Asked, Reply, StandIn, device_info, probe_info};
use std::time::{Duration, Instant};

fn healthy(asked: &Asked) -> Reply {
    match asked.request.as_str() {
        "GET /api/hil/info" => Reply::Json(probe_info(1, None)),
        "GET /api/device/info" => Reply::Json(device_info()),
        "POST /api/select" => Reply::Json(json!({ "current_pattern": 4, "id": "ember", "name": "Ember" })),
        "GET /api/params" | "POST /api/params" => {
            Reply::Json(json!({ "brightness": 1, "mirror_mode": true }))
        }
        "GET /api/patterns" => Reply::Json(json!({
            "patterns": [{ "index": 0, "name": "Ember", "id": "ember", "description": "é", "audio_reactive": false }],
            "current_pattern": 0,
        })),
        _ => Reply::Error(404, "", r#"{"error":"Not found"}"#),
    }
}

fn order() -> RunOrder<'static> {
    RunOrder {
        pattern: "ember",
        seed: 7,
        warmup: 8,
        frames: 16,
        stimulus: &Stimulus::Music,
        audio: AudioSource::Snapshot,
    }
}

#[tokio::test]
async fn a_board_is_known_by_its_mac() {
    let stand_in = StandIn::start(healthy).await;
    let board = Board::connect(&stand_in.address).await.unwrap();
    assert_eq!((board.mac.as_str(), board.model.as_str()), ("A0:B7:65:12:34:56", "k1-virtual"));
}

#[tokio::test]
async fn every_route_works_over_connections_that_close() {
    let stand_in = StandIn::start(healthy).await;
    let board = Board::connect(&stand_in.address).await.unwrap();
    assert_eq!(board.select("ember").await.unwrap().current_pattern, 4);
    assert_eq!(board.patterns().await.unwrap().patterns[0].description, "é");
    let change = json!({ "brightness": 2 }).as_object().unwrap().clone();
    assert_eq!(board.set_params(&change).await.unwrap()["brightness"], 1);
    assert_eq!(board.params().await.unwrap()["mirror_mode"], true);
    for _ in 0..20 {
        board.info().await.unwrap();
    }
    let set =
        stand_in.asked().into_iter().filter(|asked| asked.request.starts_with("POST")).collect::<Vec<_>>();
    assert_eq!(
        set.iter().map(|asked| asked.body.as_str()).collect::<Vec<_>>(),
        [r#"{"id":"ember"}"#, r#"{"brightness":2}"#]
    );
}

#[tokio::test]
async fn a_rate_limit_is_waited_for() {
    let mut refusals = 2;
    let stand_in = StandIn::start(move |asked| match asked.request.as_str() {
        "GET /api/device/info" if refusals > 0 => {
            refusals -= 1;
            let headers = "X-RateLimit-Window: 1000\r\nX-RateLimit-NextAllowedMs: 40\r\n";
            Reply::Error(429, headers, r#"{"error":"rate_limited","status":429}"#)
        }
        _ => healthy(asked),
    })
    .await;
    let start = Instant::now();
    Board::connect(&stand_in.address).await.unwrap();
    assert_eq!(stand_in.count("GET /api/device/info"), 3);
    assert!(start.elapsed() >= Duration::from_millis(80), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let mut cuts = 3;
    let stand_in = StandIn::start(move |asked| match cuts {
        0 => healthy(asked),
        _ => {
            cuts -= 1;
            Reply::Cut
        }
    })
    .await;
    Board::connect(&stand_in.address).await.unwrap();
    assert_eq!(stand_in.count("GET /api/hil/info"), 4);
}

#[tokio::test]
async fn a_run_that_may_have_begun_is_not_begun_again() {
    let stand_in = StandIn::start(|asked| match asked.request.as_str() {
        "POST /api/hil/run" => Reply::Cut,
        _ => healthy(asked),
    })
    .await;
    let board = Board::connect(&stand_in.address).await.unwrap();
    let error = board.run(&order()).await.unwrap_err();
    assert!(matches!(error, BoardError::Unreachable { .. }), "{error}");
    assert_eq!(stand_in.count("POST /api/hil/run"), 1);
    let body = &stand_in.asked().pop().unwrap().body;
    assert_eq!(
        body,
        r#"{"pattern":"ember","seed":7,"warmup":8,"frames":16,"stimulus":"music","audio":"snapshot"}"#
    );
}

#[tokio::test]
async fn what_the_board_says_against_a_request_is_kept() {
    let stand_in = StandIn::start(|asked| match asked.request.as_str() {
        "POST /api/select" => Reply::Error(
            404,
            "",
            r#"{"error":"pattern_not_found","message":"Pattern not found","status":404}"#,
        ),
        _ => healthy(asked),
    })
    .await;
    let board = Board::connect(&stand_in.address).await.unwrap();
    let message = board.select("embre").await.unwrap_err().to_string();
    insta::assert_snapshot!(
        message.replace(&stand_in.address.to_string(), "192.168.1.104:80"),
        @r#"192.168.1.104:80 answered 404 to POST /api/select: {"error":"pattern_not_found","message":"Pattern not found","status":404}"#
    );
}

#[tokio::test]
async fn firmware_without_the_probe_is_told_from_one_with_another() {
    let stock = StandIn::start(|_| Reply::Error(404, "", r#"{"error":"Not found"}"#)).await;
    let newer = StandIn::start(|_| Reply::Json(json!({ "probe": 2 }))).await;
    for (stand_in, expected) in [(&stock, "none"), (&newer, "2")] {
        match Board::connect(&stand_in.address).await.unwrap_err() {
            BoardError::NoProbe { found, expected: 1, .. } => assert_eq!(found, expected),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_board_that_is_not_there_is_unreachable() {
    let address = Address { host: "127.0.0.1".to_owned(), http_port: 1, ota_port: 1 };
    let error = Board::connect(&address).await.unwrap_err().to_string();
    assert!(error.starts_with("no answer from the board at 127.0.0.1:1: Connection refused"), "{error}");
}

#[tokio::test]
async fn frames_are_decoded_and_nonsense_is_named() {
    let frames = Frames {
        boot_id: 1,
        run_id: 2,
        run_state: RunState::Running,
        first_sequence: 3,
        overwritten: 4,
        tick_hz: 5,
        run_first_sequence: 6,
        records: Vec::new(),
    };
    let answer = frames.encode();
    let stand_in = StandIn::start(move |asked| match asked.request.as_str() {
        "GET /api/hil/frames?since=3&max=9" => Reply::Bytes(answer.clone()),
        "GET /api/hil/frames?since=4&max=9" => Reply::Bytes(b"<html>".to_vec()),
        _ => healthy(asked),
    })
    .await;
    let board = Board::connect(&stand_in.address).await.unwrap();
    assert_eq!(board.frames(3, 9).await.unwrap(), frames);
    let error = board.frames(4, 9).await.unwrap_err();
    assert!(
        matches!(&error, BoardError::Malformed { request, .. } if request == "GET /api/hil/frames?since=4&max=9")
    );
}
