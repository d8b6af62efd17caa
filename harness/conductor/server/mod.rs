//! Conductor servers of one's own: the real server, on this machine, reached from this machine alone.
//!
//! [`up`], [`status`] and [`down`] are for people: one server, which outlives the command that started it and keeps its
//! data. [`OwnedServer`] is for tests and demonstrations: as many as are wanted, each of which ends with its owner.

mod backend;
mod launch;
mod local;
mod owned;

pub use backend::Backend;
pub use local::{LocalServer, Up, down, status, up};
pub use owned::OwnedServer;
