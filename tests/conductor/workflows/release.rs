//! multi-stage-deployment and deployment-rollback-handler.

use k1_hil::conductor::{Client, TaskState, WorkflowSeen, follow, gates};
use k1_hil::event::ignore;
use serde_json::{Value, json};

use super::lab::{REPO, Room, SITES, completed, failed, k1_hil, room, run, task};
use crate::shared::{end, start};

const WORKFLOW: &str = "multi-stage-deployment";
const HANDLER: &str = "deployment-rollback-handler";

/// The input of a release of `commit`, which is tried on `test` and goes to `production`.
fn release(commit: &str, test: &str, production: &[&str]) -> Value {
    json!({
        "release_version": "1.2.0", "repo": REPO, "firmware_commit_sha": commit, "webapp_commit_sha": commit,
        "test_board": test, "production_boards": production, "approval_timeout": "1h",
    })
}

/// Starts a release and waits until it waits for a person.
async fn at_the_gate(client: &Client, input: Value) -> WorkflowSeen {
    let id = start(client, WORKFLOW, input).await;
    let seen = follow(client, &id, true, &ignore).await.unwrap();
    let waiting: Vec<&str> = gates(&seen).map(|gate| gate.reference_task_name.as_str()).collect();
    assert_eq!(waiting, ["manual_approval_gate"], "{seen:#?}");
    seen
}

/// `k1-hil conductor approve`, as people call it.
fn approve(client: &Client, run: &WorkflowSeen, arguments: &[&str]) {
    let common = ["approve", &run.workflow_id, "--by", "ada"];
    let (code, _, err) = k1_hil(client, &[&common, arguments].concat());
    assert_eq!(code, Some(0), "{err}");
}

async fn last_good(room: &Room, board: &str) -> Option<String> {
    let name = format!("firmware/{REPO}").parse().unwrap();
    room.store().last_good(&name, board).await.unwrap().map(|record| record.version.to_string())
}

#[tokio::test]
async fn an_approved_release_goes_to_all_boards_and_a_failed_one_comes_back() {
    let (room, client) = room().await;
    let _turn = SITES.lock().await;
    let waiting = at_the_gate(&client, release(&room.good, "staged", &["first", "second"])).await;
    assert_eq!(room.page("staging").as_deref(), Some("lamp 1"));
    assert_eq!(room.page("production"), None);
    assert!(!waiting.tasks.iter().any(|task| task.task_def_name == "deploy_firmware_prod_device"));
    approve(&client, &waiting, &[]);
    let done = end(&client, &waiting.workflow_id).await;
    completed(&done);
    assert_eq!(done.output["deployment_status"], "deployed");
    assert_eq!(done.output["message"], "release 1.2.0 runs on first, second");
    assert_eq!(room.page("production").as_deref(), Some("lamp 1"));
    for board in ["first", "second"] {
        assert_eq!(last_good(room, board).await.as_ref(), Some(&room.good));
    }

    // A person lets a release pass that is well on the test board and stops on the second production board.
    let waiting = at_the_gate(&client, release(&room.better, "staged", &["first", "away"])).await;
    approve(&client, &waiting, &[]);
    let ended = end(&client, &waiting.workflow_id).await;
    failed(&ended, "away");
    let handled = room.handled(&client, &ended, HANDLER).await;
    failed(&handled, "not every board runs its last good firmware");
    let back = task(&handled, "rollback_firmware");
    assert_eq!(back.output_data["rolled_back"], json!(["first", "production"]));
    assert_eq!(back.output_data["left"], json!(["away"]));
    assert_eq!(task(&handled, "verify_rollback").output_data["message"], "1 of 2 boards are back");
    assert_eq!(room.page("production").as_deref(), Some("lamp 1"));
    assert_eq!(last_good(room, "first").await.as_ref(), Some(&room.good));
    let told = room.told(&ended.workflow_id);
    assert!(told.iter().any(|text| text.contains("first: runs firmware/acme/lamp@")), "{told:?}");
}

#[tokio::test]
async fn a_refused_release_stays_away_from_production() {
    let (room, client) = room().await;
    let _turn = SITES.lock().await;
    let before = room.page("production");
    let waiting = at_the_gate(&client, release(&room.better, "tried", &["kept"])).await;
    approve(&client, &waiting, &["--refuse", "--comment", "too dark"]);
    let done = end(&client, &waiting.workflow_id).await;
    completed(&done);
    assert_eq!(done.output["deployment_status"], "cancelled");
    assert_eq!(task(&done, "deployment_cancelled").output_data["reason"], "ada refused release 1.2.0");
    assert_eq!((room.page("production"), last_good(room, "kept").await), (before, None));
}

#[tokio::test]
async fn a_release_that_nobody_approves_in_time_is_cancelled() {
    let (room, client) = room().await;
    let _turn = SITES.lock().await;
    let mut input = release(&room.good, "tried", &["kept"]);
    input["approval_timeout"] = "1 s".into();
    let done = run(&client, WORKFLOW, input).await;
    completed(&done);
    assert_eq!(task(&done, "manual_approval_gate").status, TaskState::Completed);
    let reason = &task(&done, "deployment_cancelled").output_data["reason"];
    assert_eq!(reason, "nobody approved release 1.2.0 in time");
}

#[tokio::test]
async fn a_release_that_fails_its_tests_never_reaches_the_gate_and_is_undone() {
    let (room, client) = room().await;
    let _turn = SITES.lock().await;
    let ended = run(&client, WORKFLOW, release(&room.has_no_page, "unproved", &["kept"])).await;
    failed(&ended, "the integration tests failed");
    assert!(!ended.tasks.iter().any(|task| task.task_type == "WAIT"));
    let failures = &task(&ended, "run_integration_tests").output_data["failures"];
    assert!(failures[0].as_str().unwrap().contains("answers 404"), "{failures}");
    // Nothing was ever found good for this board, and that is said.
    let handled = room.handled(&client, &ended, HANDLER).await;
    failed(&handled, "not every board runs its last good firmware");
    let details = &task(&handled, "verify_rollback").output_data["details"];
    assert!(details[0].as_str().unwrap().contains("no firmware was ever found good"), "{details}");
}

#[tokio::test]
async fn a_release_that_cannot_be_built_undoes_nothing() {
    let (room, client) = room().await;
    let ended = run(&client, WORKFLOW, release(&room.does_not_compile, "tried", &["kept"])).await;
    failed(&ended, "static_family.hpp:2");
    let handled = room.handled(&client, &ended, HANDLER).await;
    completed(&handled);
    assert_eq!(handled.output["deployed"], false);
    assert_eq!(task(&handled, "log_failure_metrics").status, TaskState::Completed);
}

#[tokio::test]
async fn settings_of_a_release_that_make_no_sense_are_refused_before_anything_is_built() {
    let (room, client) = room().await;
    let mut input = release(&room.good, "tried", &["kept"]);
    input["approval_timeout"] = "soon".into();
    let ended = run(&client, WORKFLOW, input).await;
    failed(&ended, "approval_timeout must be a number and a unit");
    assert_eq!(ended.tasks.len(), 1, "{ended:#?}");
    let ended = run(&client, WORKFLOW, release(&room.good, "tried", &[])).await;
    failed(&ended, "production_boards must name at least one");
}
