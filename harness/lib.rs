//! Hardware-in-the-loop tests for LED firmware: did this change make the frames late, slow or wrong?
//!
//! The modules stand in the order in which the data flows:
//!
//! ```text
//! Graph ─generate─▶ Source ─compile─▶ Image ─deploy─▶ Deployment ─capture─▶ Capture ─judge─▶ Verdict ─▶ Report
//! ```
//!
//! Each arrow is one function from data to data; [`session`] is the one place that knows their order, and [`compare`]
//! asks it for one commit of a checkout after another.
//! The library prints nothing, parses no arguments and reads the environment only in [`tools::Toolbox::from_env`].

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod graph;
pub mod source;
pub mod image;
pub mod audio;
pub mod board;
pub mod vboard;
pub mod deploy;
pub mod capture;
pub mod verdict;
pub mod profile;
pub mod monitor;
pub mod report;
pub mod bench;
pub mod session;
pub mod compare;
pub mod patterns;
pub mod webapp;
pub mod artifacts;
pub mod conductor;
pub mod notify;
pub mod webhook;

pub mod tools;
pub mod digest;
mod http;
pub mod event;
pub mod blame;
pub mod error;
pub mod story;
pub mod stored;

pub use blame::Blame;
pub use error::Error;
pub use event::{Event, OnEvent};
