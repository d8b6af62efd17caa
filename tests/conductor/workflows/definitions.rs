//! Definitions: checked in, checked against the workers, put on a server, taken away and brought back.

use std::path::Path;

use k1_hil::conductor::definitions;
use k1_hil::conductor::tasks;
use serde_json::Value;

use super::lab::{k1_hil, room};
use crate::shared::{self, start};

#[test]
fn the_workflows_fit_their_workers() {
    let workflows = definitions::workflows(shared::OWNER);
    assert_eq!(workflows.len(), 6);
    let complaints = definitions::check(&workflows, &tasks::registry());
    assert!(complaints.is_empty(), "{}", complaints.iter().map(|c| format!("{c}\n")).collect::<String>());
}

#[test]
fn every_task_has_its_place_in_a_workflow() {
    fn collect(value: &Value, names: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                if object.get("type").is_some_and(|kind| kind == "SIMPLE") {
                    names.insert(object["name"].as_str().unwrap().to_owned());
                }
                object.values().for_each(|value| collect(value, names));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    let mut named = std::collections::BTreeSet::new();
    definitions::workflows(shared::OWNER).values().for_each(|workflow| collect(workflow, &mut named));
    let registered = tasks::registry().iter().map(|task| task.name.to_owned()).collect::<Vec<_>>();
    let own: Vec<String> = registered.into_iter().filter(|name| name != "worker_check").collect();
    assert_eq!(named.into_iter().collect::<Vec<_>>(), own);
    assert_eq!(own.len(), 37);
}

#[test]
fn the_definitions_that_are_checked_in_are_those_of_the_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows");
    for (path, text) in definitions::files(&tasks::registry()) {
        let found = std::fs::read_to_string(folder.join(&path)).unwrap_or_default();
        assert_eq!(found, text, "{path} is stale; renew it with `k1-hil conductor definitions workflows`");
    }
    let schemas = std::fs::read_dir(folder.join("schemas")).unwrap().count();
    assert_eq!(schemas, tasks::registry().iter().count(), "there is a schema of a task that is gone");
}

#[tokio::test]
async fn definitions_and_runs_are_taken_away_and_definitions_are_brought_back() {
    let (_, client) = room().await;
    let id =
        start(&client, "pattern-generation-testing", serde_json::json!({ "pattern_name": "none" })).await;
    shared::end(&client, &id).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (code, said, err) = k1_hil(&client, &["export", path, "--runs", "500"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(said.contains(" tasks, ") && said.contains(" runs in "), "{said}");
    let run = std::fs::read(folder.path().join(format!("runs/{id}.json"))).unwrap();
    let run: Value = serde_json::from_slice(&run).unwrap();
    assert_eq!(run["tasks"][0]["taskDefName"], "generate_pattern_code");
    let workflow = folder.path().join("workflows/firmware-ci-cd-pipeline.1.json");
    let before: Value = serde_json::from_slice(&std::fs::read(&workflow).unwrap()).unwrap();
    let (code, said, err) = k1_hil(&client, &["import", path]);
    assert_eq!(code, Some(0), "{err}");
    assert!(said.contains("workflows put on the server"), "{said}");
    let after = client.workflow_definitions().await.unwrap();
    let after = after.iter().find(|one| one["name"] == "firmware-ci-cd-pipeline").unwrap();
    assert_eq!(after["tasks"], before["tasks"]);
}

#[tokio::test]
async fn a_workflow_is_started_and_watched_by_the_commands() {
    let (_, client) = room().await;
    let run = |arguments: &[&str]| k1_hil(&client, arguments);
    let (code, out, err) =
        run(&["start", "pattern-generation-testing", "pattern_name=slow_tide", "frames=60", "--watch"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.starts_with("pattern-generation-testing COMPLETED\n"), "{out}");
    assert!(
        err.contains("run_pattern_validation IN_PROGRESS")
            || err.contains("run_pattern_validation COMPLETED"),
        "{err}"
    );
    let (code, out, _) = run(&["start", "pattern-generation-testing", "pattern_name=none", "--watch"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("pattern-generation-testing FAILED"), "{out}");
    let (code, _, err) = run(&["start", "pattern-generation-testing", "patern_name=slow_tide"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("pattern-generation-testing has no input patern_name; it has pattern_name, graph"),
        "{err}"
    );
    let (code, _, err) = run(&["watch", "nothing"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("no run of a workflow with the id nothing"), "{err}");
}
