//! What became of a task, in the server's terms.
//!
//! | what happened | status | what the server does |
//! |---|---|---|
//! | the work has an output, also one that says REGRESSED | `COMPLETED` | goes on |
//! | a board, a link or a server broke | `FAILED` | tries again, as often as the definition says |
//! | the input, the set-up or the firmware is at fault, or this program | `FAILED_WITH_TERMINAL_ERROR` | ends the workflow |
//! | the workflow was ended meanwhile | nothing is sent | nothing |

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::blame::Blame;
use crate::error::Error;
use crate::story;

/// The server keeps this many characters of a reason.
const REASON_KEPT: usize = 500;

/// Output of a task: a JSON object, because the server takes nothing else.
pub type Output = Map<String, Value>;

/// Why a task has no good output. Any error of a step becomes one by `?`.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Whose concern it is; whether the server tries again follows from it.
    pub blame: Blame,
    /// The whole story in one line.
    pub reason: String,
    /// What is known all the same: numbers of a gate, the place of a log.
    pub output: Output,
}

impl Failed {
    /// The input has the right form and cannot be used: `input device: no board of the inventory has the label "x"`.
    pub fn input(field: &str, reason: impl std::fmt::Display) -> Self {
        Self::new(Blame::Input, format!("input {field}: {reason}"))
    }

    /// Something outside of this program broke; the same work may succeed when tried again.
    pub fn infrastructure(reason: impl Into<String>) -> Self {
        Self::new(Blame::Infrastructure, reason)
    }

    /// A failure of that `blame`, with no output.
    pub fn new(blame: Blame, reason: impl Into<String>) -> Self {
        Self { blame, reason: reason.into(), output: Map::new() }
    }

    /// With an output, which the workflow may read although the task failed.
    ///
    /// A value that is not a JSON object is left out.
    #[must_use]
    pub fn with_output(self, output: &impl Serialize) -> Self {
        let output = match serde_json::to_value(output) {
            Ok(Value::Object(output)) => output,
            _ => Map::new(),
        };
        Self { output, ..self }
    }

    /// Whether another attempt at the same work may succeed.
    pub fn is_worth_another_attempt(&self) -> bool {
        self.blame == Blame::Infrastructure
    }
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        let error = error.into();
        Self::new(error.blame(), story::one_line(&error))
    }
}

/// How the work of a task ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    Completed(Output),
    Failed(Failed),
    /// The work took longer than the task's limit and was ended.
    OutOfTime(Duration),
    /// This worker was told to stop before the work was done.
    Stopped,
    /// The work panicked with this message.
    Panicked(String),
    /// The server had ended the task meanwhile; nobody waits for a result.
    Canceled,
}

/// A task's status as a worker sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    Completed,
    /// Tried again, as often as the definition says.
    Failed,
    /// Never tried again.
    FailedWithTerminalError,
}

impl Status {
    /// As the server writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::FailedWithTerminalError => "FAILED_WITH_TERMINAL_ERROR",
        }
    }
}

/// What is sent about an outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub status: Status,
    /// At most 500 characters, which is what the server keeps.
    pub reason: Option<String>,
    /// The reason where it is longer than that; it belongs into the task's log.
    pub whole_reason: Option<String>,
    pub output: Output,
}

impl Outcome {
    /// What the server is to be told; nothing if the task was canceled.
    pub fn statement(self) -> Option<Statement> {
        let (status, reason, output) = match self {
            Self::Canceled => return None,
            Self::Completed(output) => {
                return Some(Statement {
                    status: Status::Completed,
                    reason: None,
                    whole_reason: None,
                    output,
                });
            }
            Self::Failed(failed) if failed.is_worth_another_attempt() => {
                (Status::Failed, failed.reason, failed.output)
            }
            Self::Failed(failed) => (Status::FailedWithTerminalError, failed.reason, failed.output),
            Self::OutOfTime(limit) => {
                let reason = format!("the work was ended because it took longer than {} s", limit.as_secs());
                (Status::Failed, reason, Map::new())
            }
            Self::Stopped => {
                (Status::Failed, "the worker was stopped before the work was done".to_owned(), Map::new())
            }
            // The same input would panic again: the way to a person must not lead through all the retries.
            Self::Panicked(message) => {
                (Status::FailedWithTerminalError, format!("the worker panicked: {message}"), Map::new())
            }
        };
        let (reason, whole_reason) = cut(reason);
        Some(Statement { status, reason: Some(reason), whole_reason, output })
    }
}

/// A reason as short as the server has it, and the whole of it if it is longer.
fn cut(reason: String) -> (String, Option<String>) {
    match reason.char_indices().nth(REASON_KEPT - 1) {
        Some((at, last)) if at + last.len_utf8() < reason.len() => {
            (format!("{}…", &reason[..at]), Some(reason))
        }
        _ => (reason, None),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::board::BoardError;
    use crate::tools::ToolsError;

    fn status(failed: Failed) -> Status {
        Outcome::Failed(failed).statement().unwrap().status
    }

    #[rstest]
    #[case(Blame::Infrastructure, Status::Failed)]
    #[case(Blame::Input, Status::FailedWithTerminalError)]
    #[case(Blame::Configuration, Status::FailedWithTerminalError)]
    #[case(Blame::Firmware, Status::FailedWithTerminalError)]
    #[case(Blame::Bug, Status::FailedWithTerminalError)]
    fn only_what_may_pass_is_tried_again(#[case] blame: Blame, #[case] expected: Status) {
        assert_eq!(status(Failed::new(blame, "x")), expected);
    }

    #[test]
    fn an_error_of_a_step_tells_its_whole_story_and_keeps_its_blame() {
        let board = BoardError::Unreachable { board: "k1:80:3232".to_owned(), reason: "refused".to_owned() };
        let failed = Failed::from(board);
        assert_eq!(failed.blame, Blame::Infrastructure);
        assert!(
            failed.reason.contains("k1:80:3232") && failed.reason.contains("refused"),
            "{}",
            failed.reason
        );

        let source = std::io::Error::other("full");
        let failed = Failed::from(ToolsError::Cache { path: "/c".into(), source });
        assert_eq!(failed.reason, "cannot use the cache folder /c: full");
        assert_eq!(status(failed), Status::FailedWithTerminalError);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters_and_kept_whole_beside() {
        let exact = "é".repeat(500);
        assert_eq!(cut(exact.clone()), (exact, None));
        let long = "é".repeat(501);
        assert_eq!(cut(long.clone()), (format!("{}…", "é".repeat(499)), Some(long)));
    }

    #[test]
    fn of_a_canceled_task_nothing_is_said() {
        assert_eq!(Outcome::Canceled.statement(), None);
    }
}
