//! Conductor: the same steps as tasks of durable workflows on a server.
//!
//! A worker is a thin shell around the library: [`Registry`] holds functions from an input type to an output type, and
//! the host asks the server for work, keeps the server informed while it is done, and reports what came of it. Only
//! this module knows Conductor; nothing of the library needs it.
//!
//! What a task's function has to know: it may run more than once for one step of a workflow, and the future is dropped
//! when nobody waits for its result any more. What a caller has to know: a result is on disk before it is sent, so a
//! killed worker loses none.

mod address;
mod client;
mod fault;
mod host;
mod job;
mod lease;
mod model;
mod outcome;
mod registry;
pub mod server;
mod spool;
mod task;
pub mod tasks;
mod transport;
mod watchdog;

pub use client::{Client, LONGEST_POLL};
pub use fault::ConductorError;
pub use host::{Queue, WorkerEvents, WorkerOptions, work};
pub use job::Job;
pub use model::{LogEntry, Start, TaskSeen, TaskState, Update, WorkflowSeen, WorkflowState};
pub use outcome::{Failed, Outcome, Output, Statement, Status};
pub use registry::Registry;
pub use task::{Limits, Task};
pub use transport::Keys;
