//! What the board answers on the routes of the K1 firmware, to the letter.

use insta::assert_snapshot;
use k1_hil::board::Address;
use k1_hil::vboard::VirtualBoard;
use rstest::rstest;
use serde_json::json;

use crate::client::{Response, board_with, get, options, post, post_as, request, run};
use crate::images::images;

/// Status, headers and body, with what differs from run to run taken out.
fn shown(response: &Response) -> String {
    let headers = response.headers.iter().filter(|(name, _)| name != "date");
    let headers: String = headers.map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{}\n{headers}\n{}", response.status, response.text())
}

fn without_times() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r#""(uptime_ms|timestamp|boot_id|uptime_us)":\d+"#, r#""$1":…"#);
    settings.add_filter(r"content-length: \d+", "content-length: …");
    settings
}

async fn all(address: &Address, paths: &[&str]) -> String {
    let mut text = String::new();
    for path in paths {
        let response = get(address, path).await;
        text += &format!("{path}\n  {} {}\n", response.status, response.text());
    }
    text
}

#[tokio::test]
async fn a_board_without_an_application_answers_all_routes() {
    let board = VirtualBoard::start(options().await).await.unwrap();
    let paths = [
        "/api/health",
        "/api/device/info",
        "/api/device/performance",
        "/api/patterns",
        "/api/pattern/current",
        "/api/params",
        "/api/frame-metrics",
        "/api/leds/frame?n=2",
        "/api/test-connection",
        "/api/hil/info",
        "/api/hil/leds",
    ];
    let text = all(board.address(), &paths).await;
    without_times().bind(|| assert_snapshot!(text));
}

#[tokio::test]
async fn patterns_and_selection() {
    let board = board_with(&images().await.all.bin).await;
    let address = board.address();
    let mut text = all(address, &["/api/patterns", "/api/pattern/current"]).await;
    let bodies = [
        json!({"index": 2}),
        json!({"id": "dark"}),
        json!({"index": 1, "id": "glow"}),
        json!({"index": 300}),
        json!({"index": 5}),
        json!({"id": "nonsense"}),
        json!({"id": 3}),
        json!({"transition": true}),
        json!([]),
    ];
    for body in bodies {
        let response = post(address, "/api/select", &body).await;
        text += &format!("{body}\n  {} {}\n", response.status, response.text());
    }
    text += &all(address, &["/api/pattern/current"]).await;
    without_times().bind(|| assert_snapshot!(text));
}

#[tokio::test]
async fn parameters_are_applied_and_reset() {
    let board = board_with(&images().await.all.bin).await;
    let address = board.address();
    let changes = json!({"brightness": 0.3, "mirror_mode": 0, "palette_id": 99, "led_offset": 500, "custom_param_1": 1});
    let changed = post(address, "/api/params", &changes).await.text();
    assert_eq!(get(address, "/api/params/bounds").await.text(), changed);
    let reset = post(address, "/api/reset", &json!({})).await.text();
    assert_snapshot!(format!("{changed}\n{reset}"));
    assert_eq!(get(address, "/api/params").await.text(), reset);
}

#[tokio::test]
async fn the_frames_of_a_run_show_in_the_metrics_and_on_the_strip() {
    let board = board_with(&images().await.all.bin).await;
    let address = board.address();
    let frames = run(address, "dark", 200).await;
    let metrics = get(address, "/api/frame-metrics").await.json();
    assert_eq!((&metrics["frame_count"], &metrics["buffer_size"]), (&json!(64), &json!(64)));
    let last = &metrics["frames"][63];
    let ticks = frames.records[199].render_ticks + frames.records[199].quantize_ticks;
    let total = last["render_us"].as_u64().unwrap() + last["quantize_us"].as_u64().unwrap();
    assert!(total.abs_diff(u64::from(ticks / 250)) < 50, "{last} {ticks}");
    // 160 LEDs of 30 µs and 50 µs of silence; a frame each 6 ms.
    assert_eq!(last["rmt_tx_us"], json!(4850));
    assert!((last["fps"].as_f64().unwrap() - 166.67).abs() < 0.5, "{last}");
    let leds = get(address, "/api/leds/frame?n=3").await.text();
    assert_eq!(leds, r#"{"count":160,"limit":3,"format":"hex","data":["000000","000000","000000"]}"#);
    let whole = get(address, "/api/leds/frame?n=160").await.json();
    assert_eq!(whole["data"].as_array().unwrap().len(), 160);
    let health = get(address, "/api/health").await.json();
    assert!(health["memory_free_kb"].as_u64() > Some(0), "{health}");
}

#[rstest]
#[case::get("get", "GET /api/test-connection HTTP/1.1\r\nHost: b\r\n\r\n")]
#[case::options("options", "OPTIONS /anything HTTP/1.1\r\nHost: b\r\n\r\n")]
#[case::unknown("unknown", "GET /api/v1/patterns HTTP/1.1\r\nHost: b\r\n\r\n")]
#[case::wrong_method("wrong_method", "DELETE /api/params HTTP/1.1\r\nHost: b\r\n\r\n")]
#[case::post_only("post_only", "GET /api/select HTTP/1.1\r\nHost: b\r\n\r\n")]
#[case::no_body("no_body", "POST /api/reset HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n")]
#[case::bad_json("bad_json", "POST /api/reset HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\n\r\n{")]
#[tokio::test]
async fn responses_have_the_boards_headers_in_its_order(#[case] name: &str, #[case] text: &str) {
    let board = VirtualBoard::start(options().await).await.unwrap();
    let response = request(board.address(), text).await;
    without_times().bind(|| assert_snapshot!(name, shown(&response)));
}

#[rstest]
#[case("application/x-www-form-urlencoded", "{}", 501)]
#[case("text/plain", "brightness=1", 501)]
#[case("text/plain;charset=UTF-8", "{}", 200)]
#[case("application/json", "{} trailing", 200)]
#[tokio::test]
async fn a_form_never_reaches_its_handler(
    #[case] content_type: &str,
    #[case] body: &str,
    #[case] status: u16,
) {
    let board = VirtualBoard::start(options().await).await.unwrap();
    assert_eq!(post_as(board.address(), "/api/params", content_type, body).await.status, status);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_announcement() {
    let board = VirtualBoard::start(options().await).await.unwrap();
    let text = "POST /api/params HTTP/1.1\r\nHost: b\r\nContent-Length: 65537\r\n\r\n";
    let response = request(board.address(), text).await;
    assert_eq!(
        (response.status, response.text().as_str()),
        (413, r#"{"error":"payload_too_large","max_size":65536}"#)
    );
}
