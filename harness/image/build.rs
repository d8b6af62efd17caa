//! One run of PlatformIO in a folder of its own.
//!
//! ```text
//! CACHE/builds/guard               held while a build folder is made or removed
//! CACHE/builds/<random>/lock       held while the build runs
//! CACHE/builds/<random>/firmware   the tree, and generated/ in it
//! CACHE/builds/<random>/core       PlatformIO's own folder; not shared, for it records where platforms lie
//! CACHE/builds/<random>/tmp
//! CACHE/zig/                       what the compiler keeps between builds: its run-time library for the target
//! ```
//!
//! The folder is removed however the build ends; if this process is killed, the next build does it. A checkout is
//! built in a folder that is kept ([`super::slot`]).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::firmware::{self, write_file};
use super::log::Log;
use super::slot::{self, Slot};
use super::{CompileError, Target};
use crate::event::OnEvent;
use crate::source::{Checkout, Firmware, Source};
use crate::tools::lock::{self, FileLock};
use crate::tools::process::{self, RunError};
use crate::tools::{Toolbox, pins};

/// A build takes seconds; one that takes this long hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// What a build made.
#[derive(Debug)]
pub(super) struct Product {
    pub bin: Vec<u8>,
    pub elf: Vec<u8>,
    pub log: Log,
}

/// How a build that ran ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Built(Product),
    Failed { log: Log, log_end: String, status: std::process::ExitStatus },
}

/// Builds `source` with the Python environment's interpreter `python`.
///
/// # Errors
///
/// [`CompileError::Cache`], and [`CompileError::Tool`] if the build tool did not run to its end. That it failed is
/// an [`Outcome`].
pub(super) async fn build(
    source: &Source,
    target: Target,
    toolbox: &Toolbox,
    python: &Path,
    on_event: OnEvent<'_>,
) -> Result<Outcome, CompileError> {
    let folder = match &source.firmware {
        Firmware::Core => {
            let builds = toolbox.cache().join("builds");
            let failed = |source| CompileError::Cache { path: builds.clone(), source };
            let folder = Folder::Fresh(Fresh::make(&builds).await.map_err(failed)?);
            lay_out_core_sources(&folder.tree(), source).map_err(failed)?;
            folder
        }
        Firmware::Checkout(checkout) => {
            let slots = toolbox.cache().join("checkouts");
            let failed = |source| CompileError::Cache { path: slots.clone(), source };
            let folder = Folder::Kept(Slot::take(&slots).await.map_err(failed)?);
            lay_out_checkout(&folder.tree(), checkout, source).map_err(failed)?;
            folder
        }
    };
    let tree = folder.tree();
    lay_out_tools(folder.path())
        .map_err(|source| CompileError::Cache { path: folder.path().to_owned(), source })?;

    let environment = environment_of(source, target);
    let command = platformio(&folder, &tree, environment, toolbox, python);
    let mut log = Log::new(&tree);
    let mut on_line = |pipe, line: &str| {
        if let Some(event) = log.read(pipe, line) {
            on_event(&event);
        }
    };
    let finished = process::run(command, LIMIT, &mut on_line).await.map_err(did_not_run)?;
    log.close();
    // The exit status alone decides: files of an earlier step exist after a failure too.
    if !finished.status.success() {
        return Ok(Outcome::Failed { log, log_end: finished.log_end, status: finished.status });
    }
    let product = tree.join(".pio/build").join(environment);
    let read = |name| {
        let path = product.join(name);
        std::fs::read(&path).map_err(|source| CompileError::Cache { path, source })
    };
    Ok(Outcome::Built(Product { bin: read("firmware.bin")?, elf: read("firmware.elf")?, log }))
}

/// The name in `platformio.ini` of what is built.
fn environment_of(source: &Source, target: Target) -> &'static str {
    match (&source.firmware, target) {
        (Firmware::Core, Target::Virtual) => "virtual",
        (Firmware::Checkout(_), Target::Virtual) => "checkout",
    }
}

fn lay_out_core_sources(tree: &Path, source: &Source) -> io::Result<()> {
    firmware::write_to(tree)?;
    source
        .files
        .iter()
        .try_for_each(|file| write_file(&tree.join("generated").join(&file.path), file.text.as_bytes()))
}

/// The tree, the checkout's files in `checkout/` with those of the source over them, and `host.json`, which says what of
/// them is compiled.
fn lay_out_checkout(tree: &Path, checkout: &Checkout, source: &Source) -> io::Result<()> {
    let mut files: BTreeMap<String, Vec<u8>> =
        firmware::files().map(|(path, bytes)| (path.to_owned(), bytes.to_owned())).collect();
    let below = |folder: &str, path: &str| format!("{folder}/{path}");
    files.extend(checkout.tree.read()?.into_iter().map(|(path, bytes)| (below("checkout", &path), bytes)));
    files.extend(
        source.files.iter().map(|file| (below("checkout", &file.path), file.text.clone().into_bytes())),
    );
    files.insert("host.json".to_owned(), serde_json::to_vec_pretty(&checkout.host)?);
    slot::bring_up_to_date(tree, &files)
}

fn lay_out_tools(folder: &Path) -> io::Result<()> {
    lay_out_core(&folder.join("core"))?;
    std::fs::create_dir(folder.join("tmp"))
}

/// PlatformIO's own folder, with the package that starts the SCons beside it in the Python environment, and a
/// note that keeps it from greeting a new user.
fn lay_out_core(core: &Path) -> io::Result<()> {
    let version = pins::TOOL_SCONS_VERSION;
    let scons = core.join("packages/tool-scons");
    let package = serde_json::json!({ "name": "tool-scons", "version": version });
    let installed = serde_json::json!({
        "type": "tool", "name": "tool-scons", "version": version,
        "spec": { "owner": "platformio", "id": null, "name": "tool-scons", "requirements": null, "uri": null },
    });
    let state = serde_json::json!({ "last_version": platformio_version() });
    write_file(&scons.join("package.json"), package.to_string().as_bytes())?;
    write_file(&scons.join(".piopm"), installed.to_string().as_bytes())?;
    write_file(&scons.join("scons.py"), b"import SCons.Script\nSCons.Script.main()\n")?;
    write_file(&core.join("appstate.json"), state.to_string().as_bytes())
}

fn platformio_version() -> &'static str {
    pins::PYTHON_PACKAGES.iter().find(|pin| pin.name == "platformio").map_or("", |pin| pin.version)
}

/// The environment is empty but for what stands here: a variable of the user (`PLATFORMIO_BUILD_FLAGS`, `CPATH` …)
/// would change the image behind the cache's back.
fn platformio(folder: &Folder, tree: &Path, environment: &str, toolbox: &Toolbox, python: &Path) -> Command {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut command = Command::new(python);
    command
        .args(["-I", "-m", "platformio", "run", "--environment", environment, "--jobs", &jobs.to_string()])
        .arg("--project-dir")
        .arg(tree)
        .current_dir(tree)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path().join("tmp"))
        .env("LC_ALL", "C.UTF-8")
        .env("PLATFORMIO_CORE_DIR", folder.path().join("core"))
        .env("PLATFORMIO_SETTING_ENABLE_TELEMETRY", "no")
        .env("PLATFORMIO_DISABLE_UPGRADE_CHECK", "true")
        .env("PLATFORMIO_SETTING_CHECK_PRUNE_SYSTEM_THRESHOLD", "0")
        .env("PLATFORMIO_NO_ANSI", "true")
        .env("PLATFORMIO_DISABLE_PROGRESSBAR", "true")
        // Every file is tried: which ones would be reached before the first failure is chance, with several compilers
        // at work, and the errors are to be the same each time.
        .env("SCONSFLAGS", "--keep-going")
        .env("ZIG_GLOBAL_CACHE_DIR", toolbox.cache().join("zig"))
        // Kept only with the folder: for a file that it holds already the compiler repeats no warnings.
        .env("ZIG_LOCAL_CACHE_DIR", folder.path().join("zig"));
    command
}

fn did_not_run(error: RunError) -> CompileError {
    let tool = "PlatformIO".to_owned();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let reason = format!("{error}{cause}");
    match error {
        RunError::Deadline { log_end, .. } => CompileError::Tool { tool, reason, log_end },
        _ => CompileError::Tool { tool, reason, log_end: String::new() },
    }
}

/// Where a build works.
#[derive(Debug)]
enum Folder {
    Fresh(Fresh),
    Kept(Slot),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Fresh(fresh) => fresh.folder.path(),
            Self::Kept(slot) => slot.path(),
        }
    }

    fn tree(&self) -> PathBuf {
        self.path().join("firmware")
    }
}

/// A build folder; dropping it removes it.
#[derive(Debug)]
struct Fresh {
    folder: tempfile::TempDir,
    _lock: FileLock,
}

impl Fresh {
    /// Makes one in `builds`, and removes those whose process is gone.
    async fn make(builds: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(builds)?;
        // Without the guard another build could remove a folder that is made but not locked yet.
        let _guard = lock::lock(&builds.join("guard"), || ()).await?;
        for entry in std::fs::read_dir(builds)? {
            remove_if_abandoned(&entry?.path());
        }
        let folder = tempfile::Builder::new().prefix("").tempdir_in(builds)?;
        let lock = lock::try_lock(&folder.path().join("lock"))?.ok_or(io::ErrorKind::WouldBlock)?;
        Ok(Self { folder, _lock: lock })
    }
}

/// What cannot be removed is left for the next build: it costs nothing but its space.
fn remove_if_abandoned(folder: &Path) {
    if folder.is_dir()
        && let Ok(Some(_held)) = lock::try_lock(&folder.join("lock"))
    {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Whether `path` names a file below `generated/` and nothing else: it becomes part of paths that a shell sees.
pub(super) fn is_file_name(path: &str) -> bool {
    let is_plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    path.len() <= 200 && path.split('/').all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("registry.cpp", true)]
    #[case("patterns/slow_tide.hpp", true)]
    #[case("", false)]
    #[case("../core/main.cpp", false)]
    #[case("a/../../b.hpp", false)]
    #[case("/etc/passwd", false)]
    #[case("a//b.hpp", false)]
    #[case("-o.cpp", false)]
    #[case(".pio/x.cpp", false)]
    #[case("a b.cpp", false)]
    #[case("$(touch x).cpp", false)]
    #[case("a\n.cpp", false)]
    #[case("ä.cpp", false)]
    fn only_plain_names_become_files(#[case] path: &str, #[case] fit: bool) {
        assert_eq!(is_file_name(path), fit);
    }

    #[tokio::test]
    async fn the_folder_of_a_dead_build_is_removed_and_that_of_a_living_one_is_not() {
        let cache = tempfile::tempdir().unwrap();
        let builds = cache.path().join("builds");
        let living = Fresh::make(&builds).await.unwrap();
        let abandoned = builds.join("abandoned");
        write_file(&abandoned.join("firmware/core/a.cpp"), b"").unwrap();
        write_file(&abandoned.join("lock"), b"").unwrap();

        let next = Fresh::make(&builds).await.unwrap();
        assert!(!abandoned.exists() && living.folder.path().exists());
        let paths = [living.folder.path().to_owned(), next.folder.path().to_owned()];
        drop((living, next));
        assert!(paths.iter().all(|path| !path.exists()));
    }
}
