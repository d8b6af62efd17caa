//! audio-processing-pipeline.

use std::path::Path;

use serde_json::json;

use super::lab::{completed, failed, room, run, task};

const WORKFLOW: &str = "audio-processing-pipeline";

#[tokio::test]
async fn a_sound_becomes_features_and_a_stimulus_that_a_board_plays() {
    let (room, client) = room().await;
    let sounds = room.folder.join("sounds");
    std::fs::create_dir_all(&sounds).unwrap();
    let path = sounds.join("tone.flac");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sounds/tone-440.flac"), &path)
        .unwrap();
    let done = run(&client, WORKFLOW, json!({ "audio_file_url": path })).await;
    completed(&done);
    let hz = task(&done, "extract_frequency_spectrum").output_data["dominant_frequency_hz"].as_f64().unwrap();
    assert!((hz - 440.0).abs() < 15.0, "{hz}");
    let record = room.stored(&done.output["features"]).await;
    let into = tempfile::tempdir().unwrap();
    room.store().get(&record, into.path()).await.unwrap();
    assert!(into.path().join("features.json").is_file());
    k1_hil::audio::Recording::load(&into.path().join("stimulus.k1rec")).unwrap();
}

#[tokio::test]
async fn what_is_no_sound_or_may_not_be_read_ends_with_its_reason() {
    let (room, client) = room().await;
    let sounds = room.folder.join("sounds");
    std::fs::create_dir_all(&sounds).unwrap();
    std::fs::write(sounds.join("page.html"), "<html>").unwrap();
    let ended = run(&client, WORKFLOW, json!({ "audio_file_url": sounds.join("page.html") })).await;
    failed(&ended, "no sound that can be read");
    for elsewhere in [room.folder.join("hil.worker.toml"), sounds.join("../hil.worker.toml")] {
        let refused = run(&client, WORKFLOW, json!({ "audio_file_url": elsewhere })).await;
        failed(&refused, "sounds may not come from");
    }
    let refused = run(&client, WORKFLOW, json!({ "audio_file_url": "http://127.0.0.1:1/x.wav" })).await;
    failed(&refused, "sounds may not come from");
}
