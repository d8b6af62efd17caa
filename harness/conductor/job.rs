//! One attempt at a task, as the function that does the work sees it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, OnEvent};

/// How many log entries the server takes with a result; it drops the others.
pub(super) const LOG_ENTRIES: usize = 10;

/// One attempt at a task: which it is, what all tasks of the worker share, and where to say things.
///
/// When the server ends the task (its workflow was terminated), the future that works on it is dropped, and with it
/// the programs that it started. Nothing has to be asked for.
#[derive(Debug)]
pub struct Job<C = ()> {
    /// What all tasks of the worker share.
    pub context: Arc<C>,
    /// Of this attempt; a retry has another one.
    pub task_id: String,
    /// The task's reference name in its workflow.
    pub reference: String,
    pub workflow_id: String,
    /// Name of the workflow's definition.
    pub workflow: String,
    /// What the starter of the workflow called it by.
    pub correlation_id: Option<String>,
    /// 0 at the first attempt.
    pub retry: u32,
    pub(super) voice: Voice,
}

impl<C> Job<C> {
    /// A job outside of any server: for tests, and for whoever calls a task's function himself.
    pub fn alone(context: C) -> Self {
        Self {
            context: Arc::new(context),
            task_id: "alone".to_owned(),
            reference: "alone".to_owned(),
            workflow_id: "alone".to_owned(),
            workflow: "alone".to_owned(),
            correlation_id: None,
            retry: 0,
            voice: Voice::new(Arc::new(crate::event::ignore)),
        }
    }

    /// Which step of which run it is, for people.
    pub fn step(&self) -> String {
        format!("{} of {} {}", self.reference, self.workflow, self.workflow_id)
    }

    /// Writes a line into the task's log on the server, with the result. Of more than 10 lines the last ones are
    /// kept.
    pub fn log(&self, line: impl Into<String>) {
        self.voice.log(line.into());
    }

    /// Takes what was logged so far, in at most 10 lines: what the server will be sent.
    pub fn take_log(&self) -> Vec<String> {
        self.voice.take_log()
    }

    /// Where steps report their progress: to the shell that runs the worker.
    pub fn on_event(&self) -> OnEvent<'_> {
        &*self.voice.on_event
    }
}

/// What a job says while it is worked on.
#[derive(Clone)]
pub(super) struct Voice {
    on_event: Arc<dyn Fn(&Event) + Send + Sync>,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    lines: VecDeque<String>,
    left_out: usize,
}

impl Voice {
    pub(super) fn new(on_event: Arc<dyn Fn(&Event) + Send + Sync>) -> Self {
        Self { on_event, log: Arc::default() }
    }

    pub(super) fn log(&self, line: String) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.lines.push_back(line);
        if log.lines.len() > LOG_ENTRIES {
            log.lines.pop_front();
            log.left_out += 1;
        }
    }

    /// All that was said, in at most [`LOG_ENTRIES`] lines.
    pub(super) fn take_log(&self) -> Vec<String> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let Log { mut lines, left_out } = std::mem::take(&mut *log);
        if left_out > 0 {
            lines.pop_front();
            lines.push_front(format!("({} earlier lines are left out)", left_out + 1));
        }
        lines.into()
    }
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Voice")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_end_is_kept_and_the_rest_counted() {
        let job = Job::alone(());
        (1..=10).for_each(|n| job.log(format!("line {n}")));
        assert_eq!(job.take_log().len(), 10);
        (1..=34).for_each(|n| job.log(format!("line {n}")));
        let log = job.take_log();
        assert_eq!(
            (log.len(), log[0].as_str(), log[1].as_str()),
            (10, "(25 earlier lines are left out)", "line 26")
        );
    }
}
