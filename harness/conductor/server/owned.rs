//! A server that ends with its owner.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::backend::Backend;
use super::launch::Launch;
use crate::conductor::ConductorError;
use crate::conductor::client::Client;
use crate::tools::ConductorTools;
use crate::tools::process::Child;

/// A running server. Dropping it kills it, which leaves its data as they were.
#[derive(Debug)]
pub struct OwnedServer {
    child: Child,
    client: Client,
    port: u16,
}

impl OwnedServer {
    /// Starts a server with its data in `folder`, on `port` of this machine; 0: on any free one. It is ready when this
    /// returns, after 5 to 20 s.
    ///
    /// # Errors
    ///
    /// [`ConductorError::Port`], [`ConductorError::Folder`], or [`ConductorError::Start`] with the end of its log.
    pub async fn start(tools: &ConductorTools, folder: &Path, port: u16) -> Result<Self, ConductorError> {
        Self::start_on(&Backend::Sqlite, tools, folder, port).await
    }

    /// As [`Self::start`], with its data in `backend`.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn start_on(
        backend: &Backend,
        tools: &ConductorTools,
        folder: &Path,
        port: u16,
    ) -> Result<Self, ConductorError> {
        let launch = Launch::new(folder, port, backend)?;
        let mut command = launch.command(tools, true);
        let log = launch.log()?;
        let output = log.try_clone().map_err(|source| launch.unusable(source))?;
        command.stdin(Stdio::null()).stdout(output).stderr(log);
        let child = Child::spawn(command, Duration::ZERO);
        let mut child = child.map_err(|source| launch.unusable(source))?;
        let client = launch
            .until_ready(|| match child.try_wait() {
                Ok(None) => None,
                Ok(Some(status)) => Some(format!("ended at once ({status})")),
                Err(error) => Some(format!("was lost: {error}")),
            })
            .await?;
        Ok(Self { child, client, port: launch.port })
    }

    /// A client of it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its port of this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}
