//! SeaweedFS: an object store with S3's interface. Only what is to be tried against one needs it, and asks for it.

use std::path::PathBuf;

use super::environment::{Environment, create_folder};
use super::setup::base_python;
use super::{Toolbox, ToolsError, lock, pins};
use crate::event::{Event, OnEvent};

/// The program `weed`, installed into the toolbox's cache where it is missing (48 MB to fetch, 200 MB on the disk).
///
/// # Errors
///
/// As [`super::setup()`].
pub async fn setup_object_server(toolbox: &Toolbox, on_event: OnEvent<'_>) -> Result<PathBuf, ToolsError> {
    let environment = Environment::new(toolbox.cache(), pins::OBJECT_SERVER_LOCK, "");
    if !environment.is_whole() {
        create_folder(toolbox.cache())?;
        let path = toolbox.cache().join("setup.lock");
        let _held = lock::lock(&path, || on_event(&Event::SetupWaits))
            .await
            .map_err(|source| ToolsError::Cache { path: path.clone(), source })?;
        // Another process may have installed it while this one waited.
        if !environment.is_whole() {
            environment.build(&base_python(toolbox, on_event).await?, on_event).await?;
        }
    }
    Ok(environment.folder().join("bin").join("weed"))
}
