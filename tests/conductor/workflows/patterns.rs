//! pattern-generation-testing.

use k1_hil::artifacts::NewArtifact;
use k1_hil::patterns;
use serde_json::json;

use super::lab::{completed, failed, room, run, task};

const WORKFLOW: &str = "pattern-generation-testing";

#[tokio::test]
async fn a_pattern_is_measured_judged_and_reported_on_a_board_of_its_own() {
    let (room, client) = room().await;
    let done = run(&client, WORKFLOW, json!({ "pattern_name": "night_glass", "frames": 60 })).await;
    completed(&done);
    assert_eq!(done.output["outcome"], "PASS");
    assert_eq!(task(&done, "run_pattern_validation").output_data["visual_check_passed"], true);
    let metrics = &task(&done, "capture_performance_metrics").output_data["metrics"]["night_glass"];
    assert!(metrics["fps"].as_f64().unwrap() > 30.0, "{metrics}");
    let stored = room.stored(&done.output["report"]).await;
    let files: Vec<&str> = stored.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["captures/night_glass.json", "report.html", "result.json"]);
}

#[tokio::test]
async fn a_slower_pattern_is_a_regression_and_is_told() {
    let (room, client) = room().await;
    let baselines = patterns::baselines().unwrap();
    let artifact = NewArtifact::new("baselines/patterns".parse().unwrap(), "1".parse().unwrap());
    let artifact = baselines.iter().fold(artifact, |artifact, baseline| {
        let path = format!("{}/{}.json", baseline.model, baseline.plan.pattern);
        artifact.bytes(path, serde_json::to_vec(baseline).unwrap())
    });
    room.store().put(&artifact).await.unwrap();
    let input = json!({
        "pattern_name": "night_glass", "pattern_params": { "halo": { "radius": 9 } },
        "baseline_version": "baselines/patterns@1", "board": "shared",
    });
    let ended = run(&client, WORKFLOW, input).await;
    failed(&ended, "the pattern did not pass: REGRESSED");
    assert_eq!(ended.output["regression_detected"], true);
    assert!(ended.output["summary"][0].as_str().unwrap().contains("slower"), "{:?}", ended.output);
    assert!(ended.output["report"].as_str().unwrap().starts_with("reports/night_glass@"));
    let told = room.told(&ended.workflow_id);
    assert!(told[0].starts_with("Pattern night_glass: REGRESSED\n• night_glass: "), "{told:?}");
}

#[tokio::test]
async fn a_graph_that_is_none_fails_at_once_and_says_where() {
    let (_, client) = room().await;
    let input = json!({ "pattern_name": "glow", "graph": { "version": 1 } });
    let ended = run(&client, WORKFLOW, input).await;
    failed(&ended, "glow");
    assert_eq!(ended.tasks.len(), 1, "{:#?}", ended.tasks);
    let unknown = run(&client, WORKFLOW, json!({ "pattern_name": "glow" })).await;
    failed(&unknown, "no pattern that comes with this program is called \"glow\"");
}
