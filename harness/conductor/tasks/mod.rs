//! What a worker of this program can do: one file per kind of task, one line per task.

mod worker_check;

pub use worker_check::{WorkerCheck, WorkerChecked};

use super::registry::Registry;
use super::task::Limits;
use crate::tools::Toolbox;

/// What all tasks of a worker share.
#[derive(Clone, Debug)]
pub struct Lab {
    pub toolbox: Toolbox,
}

/// All tasks.
pub fn registry() -> Registry<Lab> {
    Registry::new().task(
        "worker_check",
        "Says that a worker is there, and which tools its host has.",
        Limits::seconds(60).retries(0, 1).at_once(4),
        worker_check::worker_check,
    )
}
