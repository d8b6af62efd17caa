//! The tasks of this project's workflows: thin functions from what a workflow gives to what it reads, each around one
//! step of the library.
//!
//! A task that touches a board holds its lease for all that it does there, and begins by deploying the firmware that it
//! is about, which costs nothing where that runs already. So no task builds on what another left on a board, and two
//! workflows may take turns on one board without ever measuring each other's firmware.
//!
//! What was found, however bad, is an output: the workflow's switches decide what it means.

mod deployment;
mod failure;
mod firmware;
mod lab;
mod measurement;
mod notification;
mod release;
mod rollback;
mod settings;
mod shelf;
mod sound;
mod worker_check;

pub use lab::{Lab, Variables};
pub use settings::{Address, ChannelSettings, RepositorySettings, Settings, SettingsError};
pub use worker_check::{WorkerCheck, WorkerChecked};

use super::Registry;

/// Every task that the workflows name, and `worker_check`.
pub fn registry() -> Registry<Lab> {
    firmware::tasks()
        .and(measurement::tasks())
        .and(deployment::tasks())
        .and(release::tasks())
        .and(sound::tasks())
        .and(failure::tasks())
        .and(rollback::tasks())
        .and(notification::tasks())
        .and(worker_check::tasks())
}

/// The present time, RFC 3339.
fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// An optional text of a workflow's input: a workflow gives null or nothing for what was not said.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
