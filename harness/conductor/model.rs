//! What is read of the server's answers, and what it is sent. Fields that nothing here looks at are left out, and
//! unknown ones are ignored; definitions stay [`Value`]s, because they are the server's and their author's matter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::outcome::{Output, Status};

/// State of a task, as the server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum TaskState {
    Scheduled,
    InProgress,
    Completed,
    CompletedWithErrors,
    Failed,
    FailedWithTerminalError,
    Canceled,
    TimedOut,
    Skipped,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

impl TaskState {
    /// Whether it never changes again. A state that is not known counts as open, so that nothing is thrown away.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::InProgress | Self::Unknown)
    }
}

/// State of a workflow, as the server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum WorkflowState {
    Running,
    Paused,
    Completed,
    Failed,
    TimedOut,
    Terminated,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

impl WorkflowState {
    /// Whether it stays so until somebody asks for a retry or a restart.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::TimedOut | Self::Terminated)
    }
}

/// One attempt at a task of a workflow. Instants are milliseconds since 1970 by the server's clock, 0 where there was
/// none yet.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskSeen {
    pub task_id: String,
    #[serde(default)]
    pub reference_task_name: String,
    /// Name of the task's definition, which is what workers poll for.
    #[serde(default)]
    pub task_def_name: String,
    #[serde(default)]
    pub task_type: String,
    pub status: TaskState,
    pub workflow_instance_id: String,
    /// Name of the workflow's definition.
    #[serde(default)]
    pub workflow_type: String,
    pub correlation_id: Option<String>,
    #[serde(default)]
    pub input_data: Value,
    #[serde(default)]
    pub output_data: Map<String, Value>,
    pub reason_for_incompletion: Option<String>,
    pub worker_id: Option<String>,
    /// 0 at the first attempt.
    #[serde(default)]
    pub retry_count: u32,
    /// How often it was handed out.
    #[serde(default)]
    pub poll_count: u32,
    /// Seconds; 0 where the task has no definition.
    #[serde(default)]
    pub response_timeout_seconds: u64,
    #[serde(default)]
    pub scheduled_time: i64,
    #[serde(default)]
    pub start_time: i64,
    #[serde(default)]
    pub update_time: i64,
    #[serde(default)]
    pub end_time: i64,
    /// Of a sub-workflow task.
    pub sub_workflow_id: Option<String>,
}

/// A run of a workflow.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowSeen {
    pub workflow_id: String,
    pub workflow_name: String,
    pub workflow_version: u32,
    pub status: WorkflowState,
    pub correlation_id: Option<String>,
    pub reason_for_incompletion: Option<String>,
    #[serde(default)]
    pub input: Map<String, Value>,
    #[serde(default)]
    pub output: Map<String, Value>,
    /// Every attempt at every task, in the order in which they were scheduled; empty if they were not asked for.
    #[serde(default)]
    pub tasks: Vec<TaskSeen>,
    #[serde(default)]
    pub start_time: i64,
    #[serde(default)]
    pub end_time: i64,
}

/// What starts a workflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// Name of the definition.
    pub name: String,
    /// The latest if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    pub input: Map<String, Value>,
    /// What its starter calls it by; not unique, and the only way to find out whether it was started before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Which domain serves which task: names of tasks, or `*`, to the name of a domain (`"host-a,NO_DOMAIN"`: that
    /// domain if one of its workers was heard of lately, else everybody).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub task_to_domain: BTreeMap<String, String>,
}

/// The result of an attempt, as it is sent and as it lies in the spool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    pub task_id: String,
    pub workflow_instance_id: String,
    pub worker_id: String,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_for_incompletion: Option<String>,
    pub output_data: Output,
    /// At most ten; the server drops more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogEntry>,
}

/// A line of a task's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    pub log: String,
    pub task_id: String,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub created_time: i64,
}

/// An open task that a search found; its instants may be older than those of the task itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    pub task_id: String,
    pub workflow_id: String,
    pub task_def_name: String,
}
