//! The one server of a person: started by one command, found by the others, ended by another.
//!
//! ```text
//! CACHE/conductor/server/lock           held by the server itself, as its input, as long as it lives
//! CACHE/conductor/server/server.json    which process it is, and on which port
//! ```
//!
//! Whether it runs is asked of the lock, not of a process id, which may belong to another program by now.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::backend::Backend;
use super::launch::Launch;
use crate::conductor::ConductorError;
use crate::conductor::client::Client;
use crate::event::{Event, OnEvent};
use crate::stored;
use crate::tools::lock::{self, FileLock};
use crate::tools::{Toolbox, pins, process, setup_conductor};

const FORMAT: u32 = 1;

/// How long the server may take to end by itself; it takes about 2 s.
const END_LIMIT: Duration = Duration::from_secs(15);

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(50);

/// The server of this machine and user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LocalServer {
    format: u32,
    pub address: String,
    pub port: u16,
    pub pid: u32,
    pub version: String,
    /// Where its data and its log are.
    pub folder: PathBuf,
}

/// What [`up`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Up {
    Started(LocalServer),
    /// It ran before, on whatever port.
    RanBefore(LocalServer),
}

impl Up {
    /// The server, whoever started it.
    pub fn server(&self) -> &LocalServer {
        match self {
            Self::Started(server) | Self::RanBefore(server) => server,
        }
    }
}

/// Makes sure that the local server runs and is ready: on `port` of this machine (0: any free one) if it has to be
/// started. It goes on after this process, keeps what it knew before, and is reached from this machine alone.
///
/// What it consists of is installed first if it is missing. If the future is dropped before it is ready, the server is
/// ended.
///
/// # Errors
///
/// [`ConductorError::Tools`], [`ConductorError::Port`], [`ConductorError::Folder`], or [`ConductorError::Start`] with the
/// end of its log.
pub async fn up(toolbox: &Toolbox, port: u16, on_event: OnEvent<'_>) -> Result<Up, ConductorError> {
    let folder = folder(toolbox);
    let _alone = one_at_a_time(&folder).await?;
    if let Some(server) = find(&folder)? {
        return Ok(Up::RanBefore(server));
    }
    setup_conductor(toolbox, on_event).await?;
    let launch = Launch::new(&folder, port, &Backend::Sqlite)?;
    let server = launch_detached(toolbox, &launch).await?;
    on_event(&Event::ServerStarting { address: server.address.clone() });
    let starting = Starting { pid: Some(server.pid) };
    let lock = lock_path(&folder);
    let ended = || match lock::is_held(&lock) {
        Ok(true) => None,
        Ok(false) => Some("ended at once".to_owned()),
        Err(error) => Some(format!("was lost: {error}")),
    };
    launch.until_ready(ended).await?;
    starting.leave();
    Ok(Up::Started(server))
}

/// The local server if it runs (it may still be starting).
///
/// # Errors
///
/// [`ConductorError::Folder`] or [`ConductorError::Stored`].
pub fn status(toolbox: &Toolbox) -> Result<Option<LocalServer>, ConductorError> {
    let folder = folder(toolbox);
    if folder.exists() { find(&folder) } else { Ok(None) }
}

/// Ends the local server; none if it did not run. What it knows is kept for the next start.
///
/// # Errors
///
/// [`ConductorError::Stop`] if it cannot be ended, [`ConductorError::Folder`] or [`ConductorError::Stored`].
pub async fn down(toolbox: &Toolbox) -> Result<Option<LocalServer>, ConductorError> {
    let folder = folder(toolbox);
    if !folder.exists() {
        return Ok(None);
    }
    let _alone = one_at_a_time(&folder).await?;
    let Some(server) = find(&folder)? else { return Ok(None) };
    for at_once in [false, true] {
        process::end_detached(server.pid, at_once);
        let asked = Instant::now();
        while asked.elapsed() < END_LIMIT {
            if find(&folder)?.is_none() {
                return Ok(Some(server));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    Err(ConductorError::Stop { pid: server.pid })
}

impl LocalServer {
    /// A client of it.
    ///
    /// # Errors
    ///
    /// [`ConductorError::Address`], which does not occur for an address of this module.
    pub fn client(&self) -> Result<Client, ConductorError> {
        Client::new(&self.address, None)
    }
}

/// A server that is ended again unless it becomes ready.
struct Starting {
    pid: Option<u32>,
}

impl Starting {
    fn leave(mut self) {
        self.pid = None;
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            process::end_detached(pid, true);
        }
    }
}

async fn launch_detached(toolbox: &Toolbox, launch: &Launch) -> Result<LocalServer, ConductorError> {
    let unusable = |source| launch.unusable(source);
    let tools = toolbox.conductor()?;
    let held = lock::lock(&lock_path(&launch.folder), || ()).await.map_err(unusable)?;
    let command = launch.command(&tools, false);
    let pid = process::detach(command, launch.log()?, held.into_file()).map_err(unusable)?;
    let server = LocalServer {
        format: FORMAT,
        address: launch.address(),
        port: launch.port,
        pid,
        version: pins::CONDUCTOR_JAR.version.to_owned(),
        folder: launch.folder.clone(),
    };
    if let Err(error) = stored::write_json(&launch.folder.join("server.json"), &server) {
        process::end_detached(pid, true);
        return Err(error.into());
    }
    Ok(server)
}

/// The server whose lock is held.
fn find(folder: &Path) -> Result<Option<LocalServer>, ConductorError> {
    let unusable = |source| ConductorError::Folder { path: folder.to_owned(), source };
    if !lock::is_held(&lock_path(folder)).map_err(unusable)? {
        return Ok(None);
    }
    Ok(Some(stored::read(&folder.join("server.json"), "a local Conductor server", FORMAT)?))
}

async fn one_at_a_time(folder: &Path) -> Result<FileLock, ConductorError> {
    let unusable = |source| ConductorError::Folder { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(unusable)?;
    lock::lock(&folder.join("command.lock"), || ()).await.map_err(unusable)
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

fn folder(toolbox: &Toolbox) -> PathBuf {
    toolbox.cache().join("conductor").join("server")
}
