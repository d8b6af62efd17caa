//! Client, worker host and local server, against real Conductor servers: one that all tests share, and others for the
//! tests that kill theirs.

#[path = "../shaped/mod.rs"]
mod shaped;

mod backend;
mod relay;
mod shared;

mod keys;
mod leases;
mod local;
mod restart;
mod shutdown;
mod tasks;
mod webhook;
mod worker_process;
mod workflows;
