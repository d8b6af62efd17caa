//! `k1-hil demo --conductor`, which people try first.

use std::process::Command;

use serde_json::Value;

use crate::shared;

#[tokio::test]
async fn a_signed_push_starts_both_workflows_and_nothing_is_left_running() {
    shared::tools().await; // installs what is missing; not what this is about
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_k1-hil"));
    command.args(["--json", "demo", "--conductor", "--out", "report"]).current_dir(folder.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ended = |run: usize| (&said["runs"][run]["workflow"], &said["runs"][run]["status"]);
    assert_eq!(ended(0), (&"firmware-ci-cd-pipeline".into(), &"COMPLETED".into()));
    assert_eq!(said["runs"][0]["output"]["deployment_status"], "healthy");
    assert_eq!(ended(1), (&"pattern-generation-testing".into(), &"COMPLETED".into()));
    assert_eq!(said["runs"][1]["output"]["outcome"], "PASS");
    assert!(folder.path().join("report/report.html").is_file());
    let address = told.lines().find_map(|line| line.split_once(" has ")).unwrap().0.to_owned();
    assert!(reqwest::get(address).await.unwrap_err().is_connect());
}
