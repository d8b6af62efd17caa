use serde_json::json;

use super::*;

/// A workflow `w` of `tasks`, sound but for what they are.
fn workflow(tasks: Value, outputs: Value) -> Value {
    json!({
        "name": "w", "description": "d", "version": 1, "schemaVersion": 2, "ownerEmail": "a@example.org",
        "timeoutPolicy": "TIME_OUT_WF", "timeoutSeconds": 150, "inputParameters": ["repo", "wait"],
        "outputParameters": outputs, "tasks": tasks,
    })
}

fn simple(name: &str, reference: &str, inputs: Value) -> Value {
    json!({"name": name, "taskReferenceName": reference, "type": "SIMPLE", "inputParameters": inputs})
}

fn switch(cases: Value, default: Value) -> Value {
    json!({
        "name": "s", "taskReferenceName": "s", "type": "SWITCH", "evaluatorType": "value-param", "expression": "on",
        "inputParameters": {"on": "${workflow.input.repo}"}, "decisionCases": cases, "defaultCase": default,
    })
}

fn end() -> Value {
    json!({"name": "e", "taskReferenceName": "e", "type": "TERMINATE",
           "inputParameters": {"terminationStatus": "FAILED", "terminationReason": "no"}})
}

fn fork(branches: Value, join_on: Value) -> [Value; 2] {
    [
        json!({"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN", "forkTasks": branches}),
        json!({"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": join_on}),
    ]
}

fn wait(inputs: Value) -> Value {
    json!({"name": "g", "taskReferenceName": "g", "type": "WAIT", "inputParameters": inputs})
}

/// The complaints about a workflow of `tasks`, where there is one worker: `build`, which takes `repo` and perhaps
/// `clean`, and gives `image`.
fn complaints(tasks: Value, outputs: Value) -> Vec<String> {
    let build = TaskShape {
        input: json!({"properties": {"repo": {}, "clean": {}}, "required": ["repo"]}),
        output: json!({"properties": {"image": {}}}),
        longest_s: 60,
    };
    let workflows = BTreeMap::from([("w".to_owned(), workflow(tasks, outputs))]);
    let found = lint(&workflows, &BTreeMap::from([("build".to_owned(), build)]));
    found.iter().map(ToString::to_string).collect()
}

fn build(reference: &str) -> Value {
    simple("build", reference, json!({"repo": "${workflow.input.repo}"}))
}

#[test]
fn a_sound_workflow_gets_no_complaint() {
    let [fork, join] = fork(json!([[build("a")], [wait(json!({"duration": "1 hour"}))]]), json!(["a", "g"]));
    let tasks = json!([fork, join, switch(json!({"true": []}), json!([end()]))]);
    assert_eq!(complaints(tasks, json!({"image": "${a.output.image}"})), [""; 0]);
}

#[rstest::rstest]
#[case::unknown_task(json!([simple("bild", "a", json!({}))]), "w, a: no worker knows the task bild")]
#[case::unknown_input(
    json!([simple("build", "a", json!({"repo": "x", "dir": "y"}))]),
    "w, a: build has no input dir; it has clean, repo"
)]
#[case::missing_input(json!([simple("build", "a", json!({}))]), "w, a: build needs the input repo")]
#[case::unknown_workflow_input(
    json!([simple("build", "a", json!({"repo": "${workflow.input.rep}"}))]),
    "w, a: ${workflow.input.rep}: the workflow has no input rep"
)]
#[case::unknown_output(
    json!([build("a"), simple("build", "b", json!({"repo": "${a.output.path}"}))]),
    "w, b: ${a.output.path}: a has no output path; it has image"
)]
#[case::output_of_a_later_task(
    json!([simple("build", "a", json!({"repo": "to ${b.output.image}"})), build("b")]),
    "w, a: ${b.output.image}: no task before this one is called b"
)]
#[case::output_of_a_case_that_may_not_be_taken(
    json!([switch(json!({"true": [build("a")]}), json!([])), simple("build", "b", json!({"repo": "${a.output.image}"}))]),
    "w, b: ${a.output.image}: a may not have run when this is needed"
)]
#[case::a_name_twice(
    json!([build("a"), switch(json!({"true": [build("a")]}), json!([]))]),
    "w, a: another task has this taskReferenceName"
)]
#[case::retries_in_the_workflow(
    json!([{"name": "build", "taskReferenceName": "a", "type": "SIMPLE", "retryLogic": "FIXED",
            "inputParameters": {"repo": "x"}}]),
    "w, a: a SIMPLE task has no field retryLogic; the server ignores it"
)]
#[case::deprecated_type(
    json!([{"name": "d", "taskReferenceName": "d", "type": "DECISION"}]),
    "w, d: \"DECISION\" is not a type of task that is used here"
)]
#[case::a_wait_without_an_end(
    json!([wait(json!({"waitTime": "3600"}))]),
    "w, g: duration \"\" has no number and unit: it would never end"
)]
#[case::a_wait_without_a_unit(
    json!([wait(json!({"duration": "3600"}))]),
    "w, g: duration \"3600\" has no number and unit: it would never end"
)]
#[case::too_little_time(
    json!([build("a"), build("b"), build("c")]),
    "w: timeoutSeconds is 150, and its tasks may take 180 s"
)]
fn what_the_server_would_take_is_found(#[case] tasks: Value, #[case] complaint: &str) {
    assert_eq!(complaints(tasks, json!({})), [complaint]);
}

#[test]
fn what_ran_in_the_only_case_that_goes_on_can_be_used_after_the_switch() {
    let after = simple("build", "b", json!({"repo": "${a.output.image}"}));
    let tasks = json!([switch(json!({"true": [build("a")]}), json!([end()])), after]);
    assert_eq!(complaints(tasks, json!({})), [""; 0]);
}

#[test]
fn a_join_does_not_wait_for_a_switch() {
    let [fork, join] =
        fork(json!([[build("a")], [switch(json!({"true": []}), json!([]))]]), json!(["a", "s"]));
    assert_eq!(
        complaints(json!([fork, join]), json!({})),
        ["w, j: the branch that ends with the switch s would not be waited for"]
    );
}

#[test]
fn a_workflow_that_cannot_time_out_is_found() {
    let mut workflow = workflow(json!([]), json!({}));
    let fields = workflow.as_object_mut().unwrap();
    fields.remove("timeoutPolicy");
    fields.insert("failureWorkflow".to_owned(), json!("handler"));
    fields.insert("rateLimitConfig".to_owned(), json!({}));
    let found = lint(&BTreeMap::from([("w".to_owned(), workflow)]), &BTreeMap::new());
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "w: the server ignores the field rateLimitConfig",
            "w: timeoutPolicy is not TIME_OUT_WF: it would never time out",
            "w: its failureWorkflow handler does not exist",
        ]
    );
}
