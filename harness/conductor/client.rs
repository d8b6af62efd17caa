//! A Conductor server as typed calls: the worker's side, workflows, and definitions.
//!
//! Calls of people are tried again while the connection does not come about; starting a workflow is never repeated once
//! it may have arrived, because the server does not notice that it is the same (it ignores idempotency keys). Calls of
//! workers are tried once: the loops that make them have a pace of their own.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::ConductorError;
use super::model::{Start, Suspect, TaskSeen, TaskState, Update, WorkflowSeen};
use super::transport::{Answer, Keys, Patience, Request, Transport};

/// The longest time that the server holds a poll.
pub const LONGEST_POLL: Duration = Duration::from_millis(5000);

/// How long the server may take for what it answers at once.
const SHORT: Duration = Duration::from_secs(10);

/// How many open tasks a search returns at most.
const SUSPECTS: usize = 500;

/// What a search found.
#[derive(Deserialize)]
struct Found<T> {
    results: Vec<T>,
}

/// A server. Clones share its connections and its token.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
}

impl Client {
    /// The server at `address` (`http://host:8080`, with or without `/api`), which is not asked anything yet. With
    /// `keys` every call carries a token, which is renewed when the server refuses it.
    ///
    /// # Errors
    ///
    /// [`ConductorError::Address`].
    pub fn new(address: &str, keys: Option<Keys>) -> Result<Self, ConductorError> {
        Ok(Self { transport: Arc::new(Transport::new(address, keys)?) })
    }

    /// The server's address, without `/api`.
    pub fn address(&self) -> &str {
        self.transport.address()
    }

    /// Whether the server itself says that all of it works. Orkes' servers do not tell.
    pub async fn is_healthy(&self) -> bool {
        let request = Request::get(&["actuator", "health"]).beside_api();
        let answer = self.transport.ask(&request, Patience::once(SHORT)).await;
        answer.is_ok_and(|answer| {
            serde_json::from_slice::<Value>(&answer.body).is_ok_and(|it| it["status"] == "UP")
        })
    }

    /// Asks for one task of the type `task`, and waits for one as long as `wait`, at most [`LONGEST_POLL`].
    ///
    /// The future must not be dropped before it is ready: the server would give the next task to nobody.
    ///
    /// # Errors
    ///
    /// See [`ConductorError`]; so for all calls.
    pub async fn poll(
        &self,
        task: &str,
        worker: &str,
        domain: Option<&str>,
        wait: Duration,
    ) -> Result<Option<TaskSeen>, ConductorError> {
        let mut request = Request::get(&["tasks", "poll", "batch", task])
            .query("workerid", worker)
            .query("count", 1)
            .query("timeout", wait.min(LONGEST_POLL).as_millis())
            .begins_something();
        if let Some(domain) = domain {
            request = request.query("domain", domain);
        }
        let answer = self.transport.ask(&request, Patience::once(wait + SHORT)).await?;
        Ok(self.read::<Vec<TaskSeen>>(&request, &answer)?.into_iter().next())
    }

    /// Tells the server that the task is still worked on. It answers the same for a task that is over.
    pub async fn extend_lease(&self, task: &str, workflow: &str) -> Result<(), ConductorError> {
        let body = json!({
            "taskId": task, "workflowInstanceId": workflow, "status": "IN_PROGRESS", "extendLease": true,
        });
        self.post_task(&body, SHORT).await
    }

    /// Gives a task back that was not begun: the next poll gets it, and it counts as no attempt.
    pub async fn hand_back(&self, task: &TaskSeen, worker: &str) -> Result<(), ConductorError> {
        let body = json!({
            "taskId": task.task_id, "workflowInstanceId": task.workflow_instance_id, "workerId": worker,
            "status": "IN_PROGRESS", "callbackAfterSeconds": 0,
        });
        self.post_task(&body, SHORT).await
    }

    /// Sends a result. For a task that is over the server answers the same and ignores it.
    pub async fn update(&self, update: &Update) -> Result<(), ConductorError> {
        self.post_task(update, Patience::USUAL.deadline).await
    }

    /// As [`Client::update`], and asks for another task of the same kind, from the same queue, without waiting for one.
    ///
    /// If the answer does not arrive, a task may have been given to nobody, as with a poll.
    pub(super) async fn update_for_next(&self, update: &Update) -> Result<Option<TaskSeen>, ConductorError> {
        let request = Request::new(Method::POST, &["tasks", "update-v2"]).body(update);
        let answer = self.transport.ask(&request, Patience::once(Patience::USUAL.deadline)).await?;
        if answer.body.is_empty() { Ok(None) } else { self.read(&request, &answer).map(Some) }
    }

    async fn post_task(
        &self,
        body: &impl serde::Serialize,
        deadline: Duration,
    ) -> Result<(), ConductorError> {
        let request = Request::new(Method::POST, &["tasks"]).body(body);
        self.transport.ask(&request, Patience::once(deadline)).await.map(drop)
    }

    /// The task with that id; none if the server does not know it.
    pub async fn task(&self, id: &str) -> Result<Option<TaskSeen>, ConductorError> {
        let request = Request::get(&["tasks", id]);
        let answer = self.transport.find(&request, Patience::once(SHORT)).await?;
        answer.map(|answer| self.read(&request, &answer)).transpose()
    }

    /// The lines of a task's log.
    pub async fn log(&self, task: &str) -> Result<Vec<String>, ConductorError> {
        #[derive(Deserialize)]
        struct Line {
            log: String,
        }
        let request = Request::get(&["tasks", task, "log"]);
        let answer = self.transport.ask(&request, Patience::USUAL).await?;
        if answer.body.is_empty() {
            return Ok(Vec::new()); // status 204
        }
        Ok(self.read::<Vec<Line>>(&request, &answer)?.into_iter().map(|line| line.log).collect())
    }

    /// Tasks that a worker has, those first that the server heard of least lately, and the server's clock
    /// (milliseconds since 1970). Servers without an index (Redis) cannot tell.
    pub(super) async fn in_progress(&self) -> Result<(Vec<Suspect>, Option<i64>), ConductorError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Summary {
            task_id: String,
            workflow_id: String,
            task_def_name: String,
            status: TaskState,
        }
        let request = Request::get(&["tasks", "search"])
            .query("start", 0)
            .query("size", SUSPECTS)
            .query("sort", "updateTime:ASC")
            .query("query", "status=IN_PROGRESS");
        let answer = self.transport.ask(&request, Patience::once(SHORT)).await?;
        let found: Found<Summary> = self.read(&request, &answer)?;
        let suspects = found.results.into_iter().filter(|task| task.status == TaskState::InProgress);
        let suspects = suspects.map(|task| Suspect {
            task_id: task.task_id,
            workflow_id: task.workflow_id,
            task_def_name: task.task_def_name,
        });
        Ok((suspects.collect(), answer.clock))
    }

    /// Has the server look at a workflow now: timeouts that are due take effect before it answers.
    pub async fn decide(&self, workflow: &str) -> Result<(), ConductorError> {
        let request = Request::new(Method::PUT, &["workflow", "decide", workflow]);
        self.transport.ask(&request, Patience::once(Patience::USUAL.deadline)).await.map(drop)
    }

    /// Starts a workflow and returns its id.
    pub async fn start(&self, start: &Start) -> Result<String, ConductorError> {
        let request = Request::new(Method::POST, &["workflow"]).body(start).begins_something();
        let answer = self.transport.ask(&request, Patience::USUAL).await?;
        let id = String::from_utf8_lossy(&answer.body).trim().trim_matches('"').to_owned();
        if id.is_empty() { Err(self.transport.malformed(&request, "it has no id")) } else { Ok(id) }
    }

    /// The runs of the workflow `name` that their starter called `correlation_id`, ended ones too, without their tasks.
    pub async fn correlated(
        &self,
        name: &str,
        correlation_id: &str,
    ) -> Result<Vec<WorkflowSeen>, ConductorError> {
        let request = Request::get(&["workflow", name, "correlated", correlation_id])
            .query("includeClosed", true)
            .query("includeTasks", false);
        let answer = self.transport.ask(&request, Patience::USUAL).await?;
        self.read(&request, &answer)
    }

    /// Starts a workflow unless there is a run of that name and correlation id, whatever became of it. Returns the run's
    /// id, and whether this call started it.
    ///
    /// Of two calls at the same moment both may start one: the server has no such call of its own.
    pub async fn start_once(&self, start: &Start) -> Result<(String, bool), ConductorError> {
        if let Some(correlation_id) = &start.correlation_id
            && let Some(run) = self.correlated(&start.name, correlation_id).await?.into_iter().next()
        {
            return Ok((run.workflow_id, false));
        }
        Ok((self.start(start).await?, true))
    }

    /// The run with that id, `with_tasks` or without; none if the server does not know it.
    pub async fn workflow(&self, id: &str, with_tasks: bool) -> Result<Option<WorkflowSeen>, ConductorError> {
        self.run(id, with_tasks).await
    }

    /// All that the server has about a run and its tasks; none if it does not know it.
    pub async fn run_document(&self, id: &str) -> Result<Option<Value>, ConductorError> {
        self.run(id, true).await
    }

    async fn run<T: DeserializeOwned>(
        &self,
        id: &str,
        with_tasks: bool,
    ) -> Result<Option<T>, ConductorError> {
        let request = Request::get(&["workflow", id]).query("includeTasks", with_tasks);
        let answer = self.transport.find(&request, Patience::USUAL).await?;
        answer.map(|answer| self.read(&request, &answer)).transpose()
    }

    /// Ends a running workflow. No failure workflow follows.
    pub async fn terminate(&self, id: &str, reason: &str) -> Result<(), ConductorError> {
        let request = Request::new(Method::DELETE, &["workflow", id]).query("reason", reason);
        self.transport.ask(&request, Patience::USUAL).await.map(drop)
    }

    /// Ends a waiting task of a workflow (WAIT, HUMAN), named by its reference, as completed with `output`.
    ///
    /// Whether there was such a task: the server takes no offence if there is none.
    pub async fn complete_by_reference(
        &self,
        workflow: &str,
        reference: &str,
        output: &Map<String, Value>,
    ) -> Result<bool, ConductorError> {
        let request = Request::new(Method::POST, &["tasks", workflow, reference, "COMPLETED"]).body(output);
        let answer = self.transport.ask(&request, Patience::USUAL).await?;
        Ok(!answer.body.is_empty())
    }

    /// Stores definitions of tasks, all or none; what there was under the same names is replaced.
    pub async fn define_tasks(&self, definitions: &[Value]) -> Result<(), ConductorError> {
        let request = Request::new(Method::POST, &["metadata", "taskdefs"]).body(&definitions);
        self.transport.ask(&request, Patience::USUAL).await.map(drop)
    }

    /// Stores definitions of workflows; what there was under the same names and versions is replaced.
    ///
    /// # Errors
    ///
    /// [`ConductorError::Refused`] for all of them if one is not valid, and nothing is stored then;
    /// [`ConductorError::NotStored`] with the names of those that the server could not store, and the reasons.
    pub async fn define_workflows(&self, definitions: &[Value]) -> Result<(), ConductorError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Bulk {
            #[serde(default)]
            bulk_error_results: Map<String, Value>,
        }
        let request = Request::new(Method::PUT, &["metadata", "workflow"]).body(&definitions);
        let answer = self.transport.ask(&request, Patience::USUAL).await?;
        let bulk: Bulk = self.read(&request, &answer)?;
        if bulk.bulk_error_results.is_empty() {
            return Ok(());
        }
        let faults = bulk.bulk_error_results.iter().map(|(name, fault)| match fault.as_str() {
            Some(fault) => format!("{name}: {fault}"),
            None => format!("{name}: {fault}"),
        });
        let faults = faults.collect::<Vec<_>>().join("; ");
        Err(ConductorError::NotStored { server: self.address().to_owned(), faults })
    }

    /// The definitions of all tasks, as the server has them.
    pub async fn task_definitions(&self) -> Result<Vec<Value>, ConductorError> {
        let request = Request::get(&["metadata", "taskdefs"]);
        self.read(&request, &self.transport.ask(&request, Patience::USUAL).await?)
    }

    /// The definitions of all workflows, in all versions, as the server has them.
    pub async fn workflow_definitions(&self) -> Result<Vec<Value>, ConductorError> {
        let request = Request::get(&["metadata", "workflow"]);
        self.read(&request, &self.transport.ask(&request, Patience::USUAL).await?)
    }

    /// Ids of the `most` runs that ended last, the latest first. Servers without an index (Redis) cannot tell.
    pub async fn ended(&self, most: usize) -> Result<Vec<String>, ConductorError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Summary {
            workflow_id: String,
        }
        let request = Request::get(&["workflow", "search"])
            .query("start", 0)
            .query("size", most)
            .query("sort", "updateTime:DESC")
            .query("query", "status IN (COMPLETED,FAILED,TIMED_OUT,TERMINATED)");
        let found: Found<Summary> =
            self.read(&request, &self.transport.ask(&request, Patience::USUAL).await?)?;
        Ok(found.results.into_iter().map(|run| run.workflow_id).collect())
    }

    /// Has the server check the definition of a workflow without storing it.
    pub async fn check_workflow(&self, definition: &Value) -> Result<(), ConductorError> {
        let request = Request::new(Method::POST, &["metadata", "workflow", "validate"]).body(definition);
        self.transport.ask(&request, Patience::USUAL).await.map(drop)
    }

    fn read<T: DeserializeOwned>(&self, request: &Request, answer: &Answer) -> Result<T, ConductorError> {
        serde_json::from_slice(&answer.body).map_err(|error| self.transport.malformed(request, error))
    }
}
