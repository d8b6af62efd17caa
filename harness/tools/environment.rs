//! The Python environment of the tools: built whole or not at all.
//!
//! ```text
//! CACHE/python/wheels/            downloaded packages, checked against the lock files; kept between set-ups
//! CACHE/python/<lock hash>/       the environment; counts only once `complete` in it, written last, names the hash
//! ```
//!
//! An environment cannot be moved after it was made, so it is built in its place and not beside it; the marker
//! takes the role that a rename has elsewhere.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{self, Finished, RunError};
use super::system::last_starting;
use super::{ToolsError, pins};
use crate::digest::Sha;
use crate::event::{Event, OnEvent};

/// How long one call of pip may take: 120 MB over a slow line, or unpacking them on a slow disk.
const PIP_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What is downloaded first and alone: it is nine tenths of all bytes, and pip keeps files only after each call.
const LARGEST: &str = "ziglang";

/// A Python environment that holds what two lock files say.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    wheels: PathBuf,
    folder: PathBuf,
    lock: String,
    build_lock: String,
    hash: Sha,
    /// Additional arguments of `pip download`.
    download_options: Vec<OsString>,
}

impl Environment {
    /// The environment of the pinned tools, in `cache`.
    pub(super) fn of_pins(cache: &Path) -> Self {
        Self::new(cache, pins::PYTHON_LOCK, pins::PYTHON_BUILD_LOCK)
    }

    /// The environment of `lock`, in `cache`; `build_lock` is what its source packages are built with, or empty.
    pub(super) fn new(cache: &Path, lock: &str, build_lock: &str) -> Self {
        let hash = Sha::of_parts([lock.as_bytes(), build_lock.as_bytes()]);
        Self {
            wheels: cache.join("python").join("wheels"),
            folder: cache.join("python").join(hash.short()),
            lock: lock.to_owned(),
            build_lock: build_lock.to_owned(),
            hash,
            download_options: Vec::new(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its interpreter, whether it is there or not.
    pub(super) fn python(&self) -> PathBuf {
        self.folder.join("bin").join("python")
    }

    /// Whether everything in it was installed, and the interpreter that it was made from still exists.
    pub(super) fn is_whole(&self) -> bool {
        let marked = std::fs::read_to_string(self.marker()).is_ok_and(|hash| hash == self.hash.to_string());
        marked && self.python().exists()
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("complete")
    }

    /// Builds it with the interpreter `base`. To be called by one process at a time.
    ///
    /// Downloads what `wheels` does not hold yet, then installs from there with every index switched off, so that
    /// an interrupted set-up goes on with the files it has.
    ///
    /// # Errors
    ///
    /// [`ToolsError::Cache`] or [`ToolsError::Install`].
    pub(super) async fn build(&self, base: &Path, on_event: OnEvent<'_>) -> Result<(), ToolsError> {
        create_folder(&self.wheels)?;
        match std::fs::remove_dir_all(&self.folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(ToolsError::Cache { path: self.folder.clone(), source });
            }
            _ => {}
        }
        on_event(&Event::SetupStep { what: "making the Python environment".to_owned() });
        let mut command = Command::new(base);
        command.args(["-I", "-m", "venv"]).arg(&self.folder);
        let finished = self.run(command, "the Python environment", &mut |_| ()).await?;
        succeeded(finished, "the Python environment")?;

        // What builds source packages has to be there before pip looks into one.
        self.bring("build", &self.build_lock, on_event).await?;
        self.bring("tools", &self.lock, on_event).await?;
        self.mark()
    }

    /// Installs the packages of `lock`, and downloads what the wheels folder does not hold.
    async fn bring(&self, name: &str, lock: &str, on_event: OnEvent<'_>) -> Result<(), ToolsError> {
        if lock.is_empty() {
            return Ok(());
        }
        let requirements = self.folder.join(format!("{name}.lock"));
        write(&requirements, lock)?;
        if self.install(&requirements, on_event).await?.status.success() {
            return Ok(()); // everything was at hand, and no index had to be asked
        }
        let (largest, rest) = split(lock);
        for part in [largest, rest].iter().filter(|part| !part.is_empty()) {
            write(&requirements, part)?;
            self.download(&requirements, on_event).await?;
        }
        write(&requirements, lock)?;
        succeeded(self.install(&requirements, on_event).await?, "the Python packages")
    }

    /// Downloads what the wheels folder does not hold, or holds with another hash.
    async fn download(&self, requirements: &Path, on_event: OnEvent<'_>) -> Result<(), ToolsError> {
        let mut command = self.pip("download");
        command
            .args(["--no-deps", "--no-build-isolation", "--require-hashes", "--dest"])
            .arg(&self.wheels)
            .args(&self.download_options)
            .arg("-r")
            .arg(requirements);
        let finished = self.run(command, "the Python packages", &mut |line| report(line, on_event)).await?;
        succeeded(finished, "the Python packages")
    }

    /// Installs from the wheels folder alone; pip checks each file against the lock.
    async fn install(&self, requirements: &Path, on_event: OnEvent<'_>) -> Result<Finished, ToolsError> {
        let mut command = self.pip("install");
        command
            .args(["--no-index", "--no-deps", "--no-build-isolation", "--require-hashes", "--find-links"])
            .arg(&self.wheels)
            .arg("-r")
            .arg(requirements);
        self.run(command, "the Python packages", &mut |line| report(line, on_event)).await
    }

    /// pip of this environment. The environment variables are the user's: proxies, certificates, index.
    fn pip(&self, action: &str) -> Command {
        let mut command = Command::new(self.python());
        command.args(["-I", "-m", "pip", "--no-input", "--disable-pip-version-check"]);
        command.arg(action).args(["--progress-bar", "off"]);
        // Some have pip install into their home by default, which it refuses to do here.
        command.env("PIP_USER", "0");
        command
    }

    async fn run(
        &self,
        command: Command,
        what: &str,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Finished, ToolsError> {
        process::run(command, PIP_LIMIT, &mut |_, line| on_line(line)).await.map_err(|error| {
            let log_end = match &error {
                RunError::Deadline { log_end, .. } => log_end.clone(),
                _ => String::new(),
            };
            ToolsError::Install { what: what.to_owned(), reason: with_cause(&error), log_end }
        })
    }

    /// Writes the marker: whole or not at all, and after everything else has reached the disk.
    fn mark(&self) -> Result<(), ToolsError> {
        let marker = self.marker();
        let written = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(self.hash.to_string().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&marker)?;
            Ok(())
        };
        written().map_err(|source| ToolsError::Cache { path: marker.clone(), source })
    }
}

/// The part of `lock` about [`LARGEST`], and the others.
fn split(lock: &str) -> (String, String) {
    let mut parts = (String::new(), String::new());
    let mut is_largest = false;
    for line in lock.lines() {
        if let Some((name, _)) = line.split_once("==") {
            is_largest = name == LARGEST;
        }
        let part = if is_largest { &mut parts.0 } else { &mut parts.1 };
        part.push_str(line);
        part.push('\n');
    }
    parts
}

/// Tells what pip is at: `  Downloading ziglang-0.17.1-py3-none-any.whl (101.1 MB)`.
fn report(line: &str, on_event: OnEvent<'_>) {
    let line = line.trim_start();
    let what = if let Some(rest) = line.strip_prefix("Downloading ") {
        let (file, size) = rest.split_once(' ').unwrap_or((rest, ""));
        // An address in place of a name is reduced to its last part.
        let file = file.rsplit('/').next().unwrap_or(file);
        let mut name = file.splitn(3, '-');
        let (package, version) = (name.next().unwrap_or(file), name.next().unwrap_or(""));
        let version = version.trim_end_matches(".tar.gz").trim_end_matches(".zip");
        format!("downloading {package} {version} {size}").trim_end().to_owned()
    } else if let Some(rest) = line.strip_prefix("Building wheel for ") {
        format!("building {}", rest.split_whitespace().next().unwrap_or(rest))
    } else if line.starts_with("Installing collected packages") {
        "unpacking the packages".to_owned()
    } else {
        return;
    };
    on_event(&Event::SetupStep { what });
}

fn succeeded(finished: Finished, what: &str) -> Result<(), ToolsError> {
    if finished.status.success() {
        return Ok(());
    }
    Err(ToolsError::Install {
        what: what.to_owned(),
        reason: reason(&finished.log_end),
        log_end: finished.log_end,
    })
}

/// The one line of pip's or venv's log that says what went wrong.
fn reason(log: &str) -> String {
    if log.contains("No space left on device") {
        return "no space is left on the disk".to_owned();
    }
    if log.contains("DO NOT MATCH THE HASHES") {
        return "a downloaded file does not have the pinned hash".to_owned();
    }
    let error = log.lines().find_map(|line| line.strip_prefix("ERROR: "));
    let last = log.lines().rev().find(|line| !line.trim().is_empty());
    error.or(last_starting(log, "Error: ")).or(last).unwrap_or("no message").trim().to_owned()
}

fn with_cause(error: &RunError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

pub(super) fn create_folder(path: &Path) -> Result<(), ToolsError> {
    std::fs::create_dir_all(path).map_err(|source| ToolsError::Cache { path: path.to_owned(), source })
}

fn write(path: &Path, text: &str) -> Result<(), ToolsError> {
    std::fs::write(path, text).map_err(|source| ToolsError::Cache { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::{Toolbox, system};
    use std::sync::Mutex;

    /// Makes the wheel of a package `k1_probe` whose module holds `answer`, and returns its hash.
    fn make_wheel(folder: &Path, answer: u32) -> Sha {
        let script = r#"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/k1_probe-1.0-py3-none-any.whl", "w") as wheel:
    info = "k1_probe-1.0.dist-info/"
    wheel.writestr("k1_probe.py", "ANSWER = " + sys.argv[2])
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: k1-probe\nVersion: 1.0\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: k1\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "RECORD", "k1_probe.py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n")
"#;
        let mut command = Command::new(base());
        command.args(["-c", script]).arg(folder).arg(answer.to_string());
        assert!(process::output(command, PIP_LIMIT).unwrap().0.success());
        Sha::of(std::fs::read(folder.join("k1_probe-1.0-py3-none-any.whl")).unwrap())
    }

    fn base() -> PathBuf {
        system::python(&Toolbox::from_env().unwrap()).unwrap().path
    }

    /// An environment of that package with the wheel of answer 42, to be had from `index`.
    fn environment(cache: &Path, hash: Sha, index: &Path) -> Environment {
        let lock = format!("k1-probe==1.0 \\\n    --hash=sha256:{hash}\n");
        let mut environment = Environment::new(cache, &lock, "");
        environment.download_options = vec!["--no-index".into(), "--find-links".into(), index.into()];
        environment
    }

    fn answer(environment: &Environment) -> String {
        let mut command = Command::new(environment.python());
        command.args(["-c", "import k1_probe; print(k1_probe.ANSWER)"]);
        process::output(command, PIP_LIMIT).unwrap().1
    }

    #[tokio::test]
    async fn only_the_marker_makes_it_whole_and_a_second_build_needs_no_index() {
        let (cache, index) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let hash = make_wheel(index.path(), 42);
        let environment = environment(cache.path(), hash, index.path());
        environment.build(&base(), &crate::event::ignore).await.unwrap();
        assert!(environment.is_whole());
        assert_eq!(answer(&environment), "42\n");

        // As an interrupted set-up would leave it: everything there but the marker, and a file half written.
        std::fs::remove_file(environment.marker()).unwrap();
        assert!(!environment.is_whole());
        std::fs::write(environment.folder().join("half-written"), "").unwrap();
        index.close().unwrap();
        environment.build(&base(), &crate::event::ignore).await.unwrap();
        assert!(environment.is_whole());
        assert!(!environment.folder().join("half-written").exists());
    }

    #[tokio::test]
    async fn a_damaged_download_is_fetched_anew() {
        let (cache, index) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let hash = make_wheel(index.path(), 42);
        let environment = environment(cache.path(), hash, index.path());
        std::fs::create_dir_all(&environment.wheels).unwrap();
        make_wheel(&environment.wheels, 41);
        environment.build(&base(), &crate::event::ignore).await.unwrap();
        assert_eq!(answer(&environment), "42\n");
    }

    #[tokio::test]
    async fn a_package_with_another_hash_is_refused() {
        let (cache, index) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let hash = make_wheel(index.path(), 42);
        make_wheel(index.path(), 41);
        let environment = environment(cache.path(), hash, index.path());
        let error = environment.build(&base(), &crate::event::ignore).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not install the Python packages: a downloaded file does not have the pinned hash"
        );
        assert!(!environment.is_whole());
    }

    #[test]
    fn pip_says_what_it_is_at() {
        let log = "Collecting ziglang==0.17.1 (from -r tools.lock (line 1))\n  \
            Downloading ziglang-0.17.1-py3-none-manylinux_2_12_x86_64.whl (101.1 MB)\n  \
            Downloading esptool-5.6.0.tar.gz (531 kB)\n  \
            Building wheel for esptool (pyproject.toml): started\n\
            Installing collected packages: ziglang, esptool\n";
        let said = Mutex::new(Vec::new());
        let on_event = |event: &Event| said.lock().unwrap().push(event.clone());
        log.lines().for_each(|line| report(line, &on_event));
        let step = |what: &str| Event::SetupStep { what: what.to_owned() };
        let expected = [
            step("downloading ziglang 0.17.1 (101.1 MB)"),
            step("downloading esptool 5.6.0 (531 kB)"),
            step("building esptool"),
            step("unpacking the packages"),
        ];
        assert_eq!(*said.lock().unwrap(), expected);
    }

    #[rstest::rstest]
    #[case(
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
        "no space is left on the disk"
    )]
    #[case(
        "Looking in links\nERROR: No matching distribution found for k1==1\nhint\n",
        "No matching distribution found for k1==1"
    )]
    #[case("a\nlast words\n\n", "last words")]
    #[case("", "no message")]
    fn a_failure_has_one_reason(#[case] log: &str, #[case] expected: &str) {
        assert_eq!(reason(log), expected);
    }

    #[test]
    fn the_largest_package_is_set_apart() {
        let (largest, rest) = split(pins::PYTHON_LOCK);
        assert!(largest.starts_with("ziglang==") && !rest.contains("ziglang"));
        assert_eq!(largest.len() + rest.len(), pins::PYTHON_LOCK.len());
    }
}
