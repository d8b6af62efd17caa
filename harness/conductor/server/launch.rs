//! Starting a server in a folder: its settings, its command, and the wait until it works.
//!
//! ```text
//! FOLDER/server.properties    its settings
//! FOLDER/server.log           what it says: warnings and errors
//! FOLDER/conductor.db         its data if it is SQLite's, kept from one start to the next
//! FOLDER/tmp/                 what it unpacks
//! ```

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::backend::Backend;
use crate::conductor::ConductorError;
use crate::conductor::client::Client;
use crate::stored;
use crate::tools::ConductorTools;

/// A start takes 5 to 20 s; a machine that is busy with builds may take several times that.
const START_LIMIT: Duration = Duration::from_secs(240);
/// Between two looks whether it is ready.
const LOOK: Duration = Duration::from_millis(200);
/// What is kept of the log when a start fails.
const LOG_END: u64 = 4000;

/// A server that is to be started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub folder: PathBuf,
    pub port: u16,
}

impl Launch {
    /// In `folder`, which is made where missing, on `port`; 0: on any free one.
    ///
    /// # Errors
    ///
    /// [`ConductorError::Port`] or [`ConductorError::Folder`].
    pub fn new(folder: &Path, port: u16, backend: &Backend) -> Result<Self, ConductorError> {
        // Asked here, because the server would take half a minute to say it. Another program may take the port until
        // the server does, and then the server says it after all.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
        let port = free.map_err(|_| ConductorError::Port { port })?.port();
        let launch = Self { folder: folder.to_owned(), port };
        let prepared = std::fs::create_dir_all(folder.join("tmp")).and_then(|()| {
            stored::write(&folder.join("server.properties"), properties(port, backend).as_bytes())
        });
        prepared.map_err(|source| launch.unusable(source))?;
        Ok(launch)
    }

    /// The program to start. `brief`: for a life of minutes, in which the slower compiler would not pay.
    pub fn command(&self, tools: &ConductorTools, brief: bool) -> Command {
        let mut tmp = std::ffi::OsString::from("-Djava.io.tmpdir=");
        tmp.push(self.folder.join("tmp"));
        let mut command = Command::new(&tools.java);
        command.args(["-Xmx512m", "-XX:+UseSerialGC"]);
        if brief {
            command.arg("-XX:TieredStopAtLevel=1");
        }
        if tools.classes.exists() {
            let mut classes = std::ffi::OsString::from("-XX:AOTCache=");
            classes.push(&tools.classes);
            command.arg(classes);
        }
        // The folder is where it runs, so that no path has to be written into an address of a database.
        command.arg(tmp).arg("-jar").arg(&tools.jar).current_dir(&self.folder);
        command.env("CONDUCTOR_CONFIG_FILE", self.folder.join("server.properties"));
        for variable in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "SPRING_APPLICATION_JSON"] {
            command.env_remove(variable);
        }
        command
    }

    /// A new log; the one of the start before is kept as `server.log.1`.
    pub fn log(&self) -> Result<File, ConductorError> {
        let path = self.log_path();
        let kept = match std::fs::rename(&path, self.folder.join("server.log.1")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        kept.and_then(|()| File::create(&path)).map_err(|source| self.unusable(source))
    }

    pub fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until the server answers that it works; `has_ended` says why it never will.
    ///
    /// # Errors
    ///
    /// [`ConductorError::Start`] with the end of the log.
    pub async fn until_ready(
        &self,
        mut has_ended: impl FnMut() -> Option<String>,
    ) -> Result<Client, ConductorError> {
        let client = Client::new(&self.address(), None)?;
        let begun = Instant::now();
        loop {
            if client.is_healthy().await {
                return Ok(client);
            }
            if let Some(reason) = has_ended() {
                return Err(self.failed(reason));
            }
            if begun.elapsed() > START_LIMIT {
                return Err(self.failed(format!("is not ready after {} s", START_LIMIT.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn failed(&self, reason: String) -> ConductorError {
        let log = self.log_path();
        ConductorError::Start { port: self.port, reason, log_end: end_of(&log).unwrap_or_default(), log }
    }

    pub fn unusable(&self, source: io::Error) -> ConductorError {
        ConductorError::Folder { path: self.folder.clone(), source }
    }
}

/// What differs from the server's own settings: this machine only, nothing that needs another service, and a health that
/// does not wait for a search engine.
fn properties(port: u16, backend: &Backend) -> String {
    format!(
        "server.address=127.0.0.1
server.port={port}
conductor.workflow-execution-lock.type=local_only
conductor.app.ownerEmailMandatory=true
conductor.app.taskExecutionPostponeDuration=5s
conductor.integrations.ai.enabled=false
management.endpoints.web.exposure.include=health,info,prometheus
management.health.elasticsearch.enabled=false
management.metrics.enable.tasks_in_workflow=false
logging.level.root=WARN
{}",
        backend.properties()
    )
}

fn end_of(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_END)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line may be cut.
    let whole = if length > LOG_END { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    Ok(whole.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_named_before_anything_is_started() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let error = Launch::new(&folder.path().join("server"), port, &Backend::Sqlite).unwrap_err();
        assert_eq!(error.to_string(), format!("port {port} of this machine is taken"));
        assert!(!folder.path().join("server").exists());
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_shows_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch::new(folder.path(), 0, &Backend::Sqlite).unwrap();
        std::fs::write(launch.log_path(), format!("{}\nlast words\n", "x".repeat(5000))).unwrap();
        let ended = || Some("ended at once".to_owned());
        let error = launch.until_ready(ended).await.unwrap_err();
        let ConductorError::Start { reason, log_end, .. } = error else { panic!("{error}") };
        assert_eq!((reason.as_str(), log_end.as_str()), ("ended at once", "last words\n"));
    }
}
