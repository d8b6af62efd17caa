//! Tasks whose worker was lost, found in time.
//!
//! On its SQL back ends the server notices up to two minutes late that a lease is over, because a workflow that was
//! looked at once is looked at again only by a job of a minute's pace. Asked to decide, it looks at once. So every
//! worker watches the leases of the kinds of tasks that it could do itself, also those of other workers, and asks.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::ConductorError;
use super::client::Client;
use super::model::TaskState;

/// How long a server that cannot tell (it has no index) is left alone.
const LEAVE_ALONE: Duration = Duration::from_secs(60);

/// Watches the tasks with those names for ever, with `every` between two looks.
pub(super) async fn watch(client: &Client, names: &BTreeSet<&'static str>, every: Duration) {
    let mut watch = Watch { client, names, due: HashMap::new() };
    loop {
        // Not all workers at the same time.
        let wait = every.mul_f64(0.75 + fastrand::f64() / 2.0);
        tokio::time::sleep(wait).await;
        if watch.look().await.is_err() {
            tokio::time::sleep(LEAVE_ALONE.min(every * 12)).await;
        }
    }
}

struct Watch<'a> {
    client: &'a Client,
    names: &'a BTreeSet<&'static str>,
    /// When the lease of a task ends at the earliest, by the server's clock in milliseconds since 1970.
    due: HashMap<String, i64>,
}

impl Watch<'_> {
    async fn look(&mut self) -> Result<(), ConductorError> {
        let (suspects, clock) = self.client.in_progress().await?;
        let Some(now) = clock else { return Ok(()) };
        let suspects: Vec<_> =
            suspects.into_iter().filter(|task| self.names.contains(task.task_def_name.as_str())).collect();
        self.due.retain(|task, _| suspects.iter().any(|suspect| suspect.task_id == *task));
        for suspect in suspects {
            if self.due.get(&suspect.task_id).is_some_and(|due| now < *due) {
                continue;
            }
            // The index does not hear of extended leases; the task itself has.
            let Some(task) = self.client.task(&suspect.task_id).await? else { continue };
            if task.status != TaskState::InProgress || task.response_timeout_seconds == 0 {
                continue;
            }
            let response =
                i64::try_from(task.response_timeout_seconds).unwrap_or(i64::MAX).saturating_mul(1000);
            let due = task.update_time.saturating_add(response);
            if now >= due {
                self.client.decide(&suspect.workflow_id).await?;
                self.due.remove(&suspect.task_id);
            } else {
                self.due.insert(suspect.task_id, due);
            }
        }
        Ok(())
    }
}
