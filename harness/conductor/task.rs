//! A task as this program knows it: a function from an input type to an output type, with its limits.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::job::Job;
use super::outcome::{Failed, Output};
use crate::blame::Blame;

/// By how many seconds the server is more patient than the worker, so that the worker can say what it ended. They have
/// different clocks, and the server's one runs on while a task is handed back.
const REPORT: u32 = 10;

/// How long a task may take, how often it is tried, and how many are done at once. All times are whole seconds, as
/// the server has them.
///
/// ```
/// use k1_hil::conductor::Limits;
///
/// // A build: 15 minutes, two attempts ten seconds apart, four at once on each worker.
/// const BUILD: Limits = Limits::seconds(900).retries(1, 10).at_once(4);
/// assert_eq!(BUILD.response, 90);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one attempt. The worker ends the work then, and reports that; the server would do it ten seconds later.
    pub timeout: u32,
    /// After this long without a sign of life of its worker a task is given to another one.
    pub response: u32,
    /// After this long without any worker the task is given up; 0: never.
    pub unclaimed: u32,
    /// Attempts after the first.
    pub retries: u32,
    /// Between two attempts.
    pub retry_delay: u32,
    /// How many of them one worker does at once, from each queue that it serves.
    pub at_once: u16,
    /// How many of them all workers together do at once; 0: as many as there are.
    pub everywhere: u32,
}

impl Limits {
    /// An attempt takes at most `timeout` seconds. The rest as it suits most tasks: a silent worker is given up
    /// after 90 s, an unclaimed task after 10 minutes; two more attempts 10 s apart; one at once.
    pub const fn seconds(timeout: u32) -> Self {
        let response = if timeout < 90 { timeout } else { 90 };
        Self { timeout, response, unclaimed: 600, retries: 2, retry_delay: 10, at_once: 1, everywhere: 0 }
    }

    /// Another number of attempts after the first, `delay` seconds apart.
    #[must_use]
    pub const fn retries(self, retries: u32, delay: u32) -> Self {
        Self { retries, retry_delay: delay, ..self }
    }

    /// A worker that is silent for so many seconds is given up. From 1 to the time limit.
    #[must_use]
    pub const fn response(self, response: u32) -> Self {
        Self { response, ..self }
    }

    /// A task that no worker takes is given up after so many seconds; 0: never.
    #[must_use]
    pub const fn unclaimed(self, unclaimed: u32) -> Self {
        Self { unclaimed, ..self }
    }

    /// How many one worker does at once.
    #[must_use]
    pub const fn at_once(self, at_once: u16) -> Self {
        Self { at_once, ..self }
    }

    /// How many all workers together do at once; 0: as many as there are.
    #[must_use]
    pub const fn everywhere(self, everywhere: u32) -> Self {
        Self { everywhere, ..self }
    }
}

type Work<C> = dyn Fn(Value, Job<C>) -> BoxFuture<'static, Result<Output, Failed>> + Send + Sync;

/// A registered task.
pub struct Task<C = ()> {
    pub name: &'static str,
    /// What it does, in a sentence; people read it on the server.
    pub description: &'static str,
    pub limits: Limits,
    input: fn() -> Schema,
    output: fn() -> Schema,
    work: Arc<Work<C>>,
}

impl<C> Task<C> {
    /// See [`Registry::task`](super::Registry::task).
    pub(super) fn new<I, O, F, Fut>(
        name: &'static str,
        description: &'static str,
        limits: Limits,
        work: F,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + JsonSchema + 'static,
        F: Fn(I, Job<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failed>> + Send + 'static,
    {
        let work = move |input: Value, job: Job<C>| match read::<I>(input) {
            Ok(input) => work(input, job).map(|result| result.and_then(|output| write(&output))).boxed(),
            Err(failed) => std::future::ready(Err(failed)).boxed(),
        };
        Self {
            name,
            description,
            limits,
            input: || SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<I>(),
            output: || {
                SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<O>()
            },
            work: Arc::new(work),
        }
    }

    /// Does the work of `job` with `input` as the server has it.
    ///
    /// # Errors
    ///
    /// Those of the work; [`Blame::Input`] with the name of the field if `input` does not have the task's input type,
    /// [`Blame::Bug`] if the output is not a JSON object.
    pub fn work(&self, input: Value, job: Job<C>) -> BoxFuture<'static, Result<Output, Failed>> {
        (self.work)(input, job)
    }

    /// JSON Schema (draft 2020-12) of what it takes.
    pub fn input_schema(&self) -> Schema {
        (self.input)()
    }

    /// JSON Schema (draft 2020-12) of what it gives.
    pub fn output_schema(&self) -> Schema {
        (self.output)()
    }

    /// The definition that the server wants to have; `owner` is the e-mail address of who answers for it.
    ///
    /// Its timeout policy is RETRY: a task that took too long or lost its worker is tried again.
    pub fn definition(&self, owner: &str) -> Value {
        let Limits { timeout, response, unclaimed, retries, retry_delay, everywhere, .. } = self.limits;
        let mut definition = json!({
            "name": self.name,
            "description": self.description,
            "ownerEmail": owner,
            "retryCount": retries,
            "retryLogic": "FIXED",
            "retryDelaySeconds": retry_delay,
            "timeoutSeconds": timeout.saturating_add(REPORT),
            "responseTimeoutSeconds": response,
            "pollTimeoutSeconds": unclaimed,
            "timeoutPolicy": "RETRY",
            "inputKeys": keys(&self.input_schema()),
            "outputKeys": keys(&self.output_schema()),
        });
        if everywhere > 0 {
            definition["concurrentExecLimit"] = everywhere.into();
        }
        definition
    }
}

impl<C> std::fmt::Debug for Task<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("name", &self.name).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The input, or a failure that names the field at fault.
fn read<I: DeserializeOwned>(input: Value) -> Result<I, Failed> {
    serde_path_to_error::deserialize(input).map_err(|error| match error.path().to_string() {
        // The whole: the message names the field that is missing or unknown.
        path if path == "." => Failed::new(Blame::Input, format!("input: {}", error.inner())),
        path => Failed::input(&path, error.inner()),
    })
}

fn write(output: &impl Serialize) -> Result<Output, Failed> {
    match serde_json::to_value(output) {
        Ok(Value::Object(output)) => Ok(output),
        Ok(_) => Err(Failed::new(Blame::Bug, "the output of this task is not a JSON object")),
        Err(error) => Err(Failed::new(Blame::Bug, format!("the output of this task is not JSON: {error}"))),
    }
}

/// The names of the fields of an object, or of each of its alternatives, in alphabetical order.
fn keys(schema: &Schema) -> BTreeSet<String> {
    fn collect(schema: &Value, keys: &mut BTreeSet<String>) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            keys.extend(properties.keys().cloned());
        }
        let alternatives = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| schema.get(key)?.as_array());
        alternatives.flatten().for_each(|schema| collect(schema, keys));
    }
    let mut found = BTreeSet::new();
    collect(schema.as_value(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    struct Input {
        boards: Vec<Board>,
        #[serde(default)]
        #[expect(dead_code, reason = "only its form matters")]
        note: Option<String>,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Board {
        port: u16,
    }

    #[derive(Serialize, JsonSchema)]
    struct Sum {
        sum: u32,
    }

    fn task() -> Task {
        Task::new(
            "sum_ports",
            "Adds up ports.",
            Limits::seconds(30).everywhere(2),
            async |input: Input, _| {
                Ok(Sum { sum: input.boards.iter().map(|board| u32::from(board.port)).sum() })
            },
        )
    }

    #[tokio::test]
    async fn the_work_goes_from_json_to_json() {
        let input = json!({ "boards": [{ "port": 80 }, { "port": 8080 }], "note": null });
        let output = task().work(input, Job::alone(())).await.unwrap();
        assert_eq!(Value::from(output), json!({ "sum": 8160 }));
    }

    #[rstest]
    #[case(json!({}), "input: missing field `boards`")]
    #[case(json!({ "boards": null }), "input boards: invalid type: null, expected a sequence")]
    #[case(json!({ "boards": [{ "port": 80 }, { "port": 80_000 }] }), "input boards[1].port: invalid value: integer `80000`, expected u16")]
    #[tokio::test]
    async fn a_wrong_input_fails_for_good_and_names_the_field(#[case] input: Value, #[case] reason: &str) {
        let failed = task().work(input, Job::alone(())).await.unwrap_err();
        assert_eq!((failed.blame, failed.reason.as_str()), (Blame::Input, reason));
    }

    #[tokio::test]
    async fn an_output_that_the_server_would_refuse_is_a_bug() {
        let task = Task::new("n", "", Limits::seconds(1), async |(): (), _: Job| Ok(7));
        let failed = task.work(Value::Null, Job::alone(())).await.unwrap_err();
        assert_eq!(
            (failed.blame, failed.reason.as_str()),
            (Blame::Bug, "the output of this task is not a JSON object")
        );
    }

    #[test]
    fn the_definition_follows_from_limits_and_types() {
        insta::assert_json_snapshot!(task().definition("hil@example.org"), @r#"
        {
          "concurrentExecLimit": 2,
          "description": "Adds up ports.",
          "inputKeys": [
            "boards",
            "note"
          ],
          "name": "sum_ports",
          "outputKeys": [
            "sum"
          ],
          "ownerEmail": "hil@example.org",
          "pollTimeoutSeconds": 600,
          "responseTimeoutSeconds": 30,
          "retryCount": 2,
          "retryDelaySeconds": 10,
          "retryLogic": "FIXED",
          "timeoutPolicy": "RETRY",
          "timeoutSeconds": 40
        }
        "#);
    }

    #[test]
    fn the_keys_of_alternatives_are_all_of_them() {
        #[derive(Serialize, JsonSchema)]
        #[serde(tag = "state", rename_all = "snake_case")]
        #[expect(dead_code, reason = "only its form matters")]
        enum Found {
            Board { mac: String },
            Nothing { searched: u32 },
        }
        let keys: Vec<_> = keys(&schemars::schema_for!(Found)).into_iter().collect();
        assert_eq!(keys, ["mac", "searched", "state"]);
    }
}
