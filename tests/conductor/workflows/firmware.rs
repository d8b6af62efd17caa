//! firmware-ci-cd-pipeline, and what follows its failures.

use serde_json::json;

use super::lab::{self, REPO, completed, failed, room, run, task};

const PIPELINE: &str = "firmware-ci-cd-pipeline";
const HANDLER: &str = "firmware-build-failure-handler";

#[tokio::test]
async fn a_good_commit_is_built_stored_deployed_and_found_healthy() {
    let (room, client) = room().await;
    let input = json!({
        "repo": REPO, "commit_sha": room.good, "branch": "main",
        "deploy": true, "board": "deployed", "mark_good": "deployed",
    });
    let done = run(&client, PIPELINE, input.clone()).await;
    completed(&done);
    let artifact = format!("firmware/{REPO}@{}", room.good);
    assert_eq!(done.output["artifact"], artifact.as_str());
    assert_eq!(done.output["deployment_status"], "healthy");
    assert_eq!(task(&done, "deploy_firmware_ota").output_data["deployment_status"], "deployed");
    assert_eq!(task(&done, "deploy_firmware_ota").output_data["board_name"], "deployed");
    assert_eq!(task(&done, "validate_build").output_data["judged"], 0);
    let name = format!("firmware/{REPO}").parse().unwrap();
    let good = room.store().last_good(&name, "deployed").await.unwrap().unwrap();
    assert_eq!(good.version.to_string(), room.good);
    assert!(good.metadata.contains_key("workflow_id"), "{good:?}");
    assert!(room.told(&done.workflow_id).is_empty());

    // Again: the same artifact, and the board runs it already.
    let again = run(&client, PIPELINE, input).await;
    completed(&again);
    assert_eq!(again.output["artifact"], artifact.as_str());
    assert_eq!(task(&again, "deploy_firmware_ota").output_data["deployment_status"], "skipped");
}

#[tokio::test]
async fn what_is_no_commit_is_told_and_nothing_is_built() {
    let (room, client) = room().await;
    let ended = run(&client, PIPELINE, json!({ "repo": REPO, "commit_sha": "0123456789" })).await;
    failed(&ended, "not a commit to build");
    assert!(!ended.tasks.iter().any(|task| task.task_def_name == "platformio_compile"));
    let told = room.told(&ended.workflow_id);
    assert!(told[0].starts_with("Nothing to build: ") && told[0].contains("0123456789"), "{told:?}");
    let handled = room.handled(&client, &ended, HANDLER).await;
    completed(&handled);
    assert_eq!(handled.output["failure_type"], "commit");
}

#[tokio::test]
async fn a_repository_that_the_worker_does_not_build_is_refused_at_once() {
    let (_, client) = room().await;
    let ended = run(&client, PIPELINE, json!({ "repo": "acme/other", "commit_sha": "main" })).await;
    failed(&ended, "this worker builds no repository \"acme/other\"; its settings have acme/lamp");
    assert_eq!(task(&ended, "validate_commit").retry_count, 0);
}

#[tokio::test]
async fn a_commit_that_does_not_compile_is_told_by_file_and_line_and_counted() {
    let (room, client) = room().await;
    let ended = run(&client, PIPELINE, json!({ "repo": REPO, "commit_sha": room.does_not_compile })).await;
    failed(&ended, "static_family.hpp:2");
    assert_eq!(task(&ended, "platformio_compile").retry_count, 0, "it would not compile another time either");
    let handled = room.handled(&client, &ended, HANDLER).await;
    completed(&handled);
    assert_eq!(handled.output["failure_type"], "compile");
    let told = room.told(&ended.workflow_id);
    assert!(told[0].contains("static_family.hpp:2") && told[0].contains("unfinished"), "{told:?}");
    let failure = room.store().show(&"failures/compile".parse().unwrap(), Some(&ended.workflow_id)).await;
    assert_eq!(failure.unwrap().record.files[0].path, "reason.txt");
}

#[tokio::test]
async fn a_gate_that_was_asked_for_holds_and_nothing_is_stored() {
    let (room, client) = room().await;
    let input = json!({ "repo": REPO, "commit_sha": room.better, "max_flash_percent": 0.1 });
    let ended = run(&client, PIPELINE, input).await;
    failed(&ended, "the build does not pass the gates");
    assert!(!ended.tasks.iter().any(|task| task.task_def_name == "store_artifact"));
    let told = room.told(&ended.workflow_id);
    assert!(told[0].contains("does not pass the gates") && told[0].contains("below 0.1 %"), "{told:?}");
    let handled = room.handled(&client, &ended, HANDLER).await;
    assert_eq!(handled.output["failure_type"], "gate");
}

#[tokio::test]
async fn a_board_that_is_not_well_with_a_firmware_is_told() {
    let (room, client) = room().await;
    let input = json!({
        "repo": REPO, "commit_sha": room.hangs, "deploy": true, "board": "unwell", "mark_good": "unwell",
    });
    let ended = run(&client, PIPELINE, input).await;
    failed(&ended, "the board is not well");
    let told = room.told(&ended.workflow_id);
    assert!(told[0].contains("is not well on unwell") && told[0].contains("ember"), "{told:?}");
    let name = format!("firmware/{REPO}").parse().unwrap();
    assert!(room.store().last_good(&name, "unwell").await.unwrap().is_none());
    let handled = room.handled(&client, &ended, HANDLER).await;
    assert_eq!(handled.output["failure_type"], "health");
}

#[tokio::test]
async fn a_board_that_is_away_is_tried_again_and_then_told() {
    let (room, client) = room().await;
    let input = json!({ "repo": REPO, "commit_sha": room.good, "deploy": true, "board": "away" });
    let ended = run(&client, PIPELINE, input).await;
    failed(&ended, "away");
    let tries = ended.tasks.iter().filter(|task| task.task_def_name == "deploy_firmware_ota").count();
    assert!(tries > 1, "{tries}");
    let handled = room.handled(&client, &ended, HANDLER).await;
    completed(&handled);
    assert_eq!(handled.output["failure_type"], "deploy");
    assert!(lab::task(&handled, "send_failure_notification").output_data["delivered"].as_bool().unwrap());
}
