//! What comes from the system: the Python interpreter, QEMU, git, and the package manager that brings them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{self, Finished, RunError};
use super::{Toolbox, ToolsError, pins};
use crate::event::{Event, OnEvent};

/// How long a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// How long the package manager may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Something that the system's package manager installs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Python,
    /// Debian and Ubuntu ship the standard library's `venv` and `ensurepip` apart.
    PythonVenv,
    Qemu,
    Git,
}

/// A program of the system and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    pub version: String,
}

/// The interpreter that the tools' environment is made from: the first of the search path that is new enough.
pub(super) fn python(toolbox: &Toolbox) -> Result<Found, ToolsError> {
    let names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];
    let mut too_old = None;
    for path in names.iter().flat_map(|name| toolbox.find_all(name)) {
        let mut command = Command::new(&path);
        command.args(["-I", "-c", "import platform; print(platform.python_version())"]);
        let Some(version) = first_line(command) else { continue };
        if at_least(&version, pins::PYTHON_AT_LEAST) {
            return Ok(Found { path, version });
        }
        too_old.get_or_insert(version);
    }
    Err(unfit(toolbox, Need::Python, "python3", pins::PYTHON_AT_LEAST, too_old))
}

/// Whether `python` has what `python -m venv` needs.
pub(super) fn can_make_environments(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-I", "-c", "import venv, ensurepip"]);
    process::output(command, VERSION_LIMIT).is_ok_and(|(status, _)| status.success())
}

/// The emulator: the first of the search path that is new enough.
pub(super) fn qemu(toolbox: &Toolbox) -> Result<Found, ToolsError> {
    program(toolbox, Need::Qemu, pins::QEMU_PROGRAM, pins::QEMU_AT_LEAST)
}

/// What reads commits: the first of the search path that is new enough.
pub(super) fn git(toolbox: &Toolbox) -> Result<Found, ToolsError> {
    program(toolbox, Need::Git, pins::GIT_PROGRAM, pins::GIT_AT_LEAST)
}

/// The first program `name` of the search path whose `--version` is new enough.
fn program(toolbox: &Toolbox, need: Need, name: &str, wanted: (u32, u32)) -> Result<Found, ToolsError> {
    let mut too_old = None;
    for path in toolbox.find_all(name) {
        let mut command = Command::new(&path);
        command.arg("--version");
        let Some(line) = first_line(command) else { continue };
        let version = version_in(&line).to_owned();
        if at_least(&version, wanted) {
            return Ok(Found { path, version });
        }
        too_old.get_or_insert(version);
    }
    Err(unfit(toolbox, need, name, wanted, too_old))
}

/// Installs `need` if that can be done without asking anybody: as root, with `apt-get`.
///
/// # Errors
///
/// `absent`, the error that names the remedy, where a person has to do it; [`ToolsError::Install`] if it failed.
pub(super) async fn install(
    toolbox: &Toolbox,
    need: Need,
    absent: ToolsError,
    on_event: OnEvent<'_>,
) -> Result<(), ToolsError> {
    let Some(apt_get) = toolbox.find("apt-get").filter(|_| nix::unistd::geteuid().is_root()) else {
        return Err(absent);
    };
    on_event(&Event::SetupStep { what: "refreshing the system's package list".to_owned() });
    // A list that cannot be refreshed may still serve; if it does not, the next step says so.
    let _ = apt(&apt_get, &["update"], on_event).await;
    let package = need.debian_package(toolbox);
    on_event(&Event::SetupStep { what: format!("installing the system package {package}") });
    let failed = |reason: String, log_end| ToolsError::Install { what: package.to_owned(), reason, log_end };
    match apt(&apt_get, &["install", "--yes", "--no-install-recommends", package], on_event).await {
        Ok(finished) if finished.status.success() => Ok(()),
        Ok(finished) => {
            let reason = last_starting(&finished.log_end, "E: ").unwrap_or("apt-get failed").to_owned();
            Err(failed(reason, finished.log_end))
        }
        Err(error) => Err(failed(error.to_string(), String::new())),
    }
}

async fn apt(apt_get: &Path, args: &[&str], on_event: OnEvent<'_>) -> Result<Finished, RunError> {
    let mut command = Command::new(apt_get);
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    let mut on_line = |_, line: &str| {
        let unpacked = line.strip_prefix("Unpacking ").and_then(|rest| rest.split_whitespace().next());
        if let Some(package) = unpacked {
            on_event(&Event::SetupStep { what: format!("unpacking {package}") });
        }
    };
    process::run(command, INSTALL_LIMIT, &mut on_line).await
}

impl Need {
    fn debian_package(self, toolbox: &Toolbox) -> &'static str {
        match self {
            Self::Python => "python3-venv", // brings python3
            Self::PythonVenv => "python3-venv",
            Self::Qemu => {
                // Newer releases have the RISC-V emulators in a package of their own.
                let split = "qemu-system-riscv";
                if apt_knows(toolbox, split) { split } else { "qemu-system-misc" }
            }
            Self::Git => "git",
        }
    }

    /// A whole command that brings it, for the package manager that this machine has.
    pub(super) fn remedy(self, toolbox: &Toolbox) -> String {
        let has = |program| toolbox.find(program).is_some();
        if has("apt-get") {
            return format!("sudo apt-get install {}", self.debian_package(toolbox));
        }
        let (manager, python, qemu) = if has("dnf") {
            ("sudo dnf install", "python3", "qemu-system-riscv")
        } else if has("pacman") {
            ("sudo pacman -S", "python", "qemu-system-riscv")
        } else if has("apk") {
            ("sudo apk add", "python3", "qemu-system-riscv32")
        } else {
            ("brew install", "python", "qemu")
        };
        let package = match self {
            Self::Python | Self::PythonVenv => python,
            Self::Qemu => qemu,
            Self::Git => "git",
        };
        format!("{manager} {package}")
    }
}

fn apt_knows(toolbox: &Toolbox, package: &str) -> bool {
    toolbox.find("apt-cache").is_some_and(|apt_cache| {
        let mut command = Command::new(apt_cache);
        command.args(["show", package]);
        process::output(command, VERSION_LIMIT).is_ok_and(|(status, _)| status.success())
    })
}

fn unfit(toolbox: &Toolbox, need: Need, tool: &str, wanted: (u32, u32), found: Option<String>) -> ToolsError {
    let (tool, remedy) = (tool.to_owned(), need.remedy(toolbox));
    match found {
        Some(found) => {
            ToolsError::Version { tool, found, wanted: format!("{}.{} or newer", wanted.0, wanted.1), remedy }
        }
        None => ToolsError::Missing { tool, remedy },
    }
}

fn first_line(command: Command) -> Option<String> {
    let (status, text) = process::output(command, VERSION_LIMIT).ok()?;
    let line = text.lines().next()?;
    status.success().then(|| line.trim().to_owned())
}

/// `7.2.22` of `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)`.
fn version_in(line: &str) -> &str {
    let from = line.find("version ").map_or(line, |at| &line[at + "version ".len()..]);
    from.split_whitespace().next().unwrap_or(from)
}

fn at_least(version: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= wanted
}

/// The last line of `log` that starts with `mark`, without it.
pub(super) fn last_starting<'a>(log: &'a str, mark: &str) -> Option<&'a str> {
    log.lines().rev().find_map(|line| line.strip_prefix(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", "7.2.22", true)]
    #[case("QEMU emulator version 10.0.2", "10.0.2", true)]
    #[case("QEMU emulator version 6.2.0 (Debian 1:6.2+dfsg-2ubuntu6)", "6.2.0", false)]
    #[case("QEMU emulator version 7.1.91 (v7.2.0-rc1)", "7.1.91", false)]
    #[case("git version 2.39.5 (Apple Git-154)", "2.39.5", false)]
    fn programs_say_their_version(#[case] line: &str, #[case] version: &str, #[case] fit: bool) {
        assert_eq!(version_in(line), version);
        assert_eq!(at_least(version, pins::QEMU_AT_LEAST), fit);
    }

    /// A toolbox that finds the given programs and no others.
    fn toolbox_with(programs: &[(&str, &str)]) -> (tempfile::TempDir, Toolbox) {
        let folder = tempfile::tempdir().unwrap();
        for (name, script) in programs {
            // Written by another process: a program that this one holds open for writing while another test
            // forks could not be started ("text file busy").
            let mut command = Command::new("sh");
            command.args(["-c", r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod +x "$1""#, "sh"]);
            command.arg(folder.path().join(name)).arg(script);
            assert!(process::output(command, VERSION_LIMIT).unwrap().0.success());
        }
        let toolbox = Toolbox::at(folder.path().join("cache")).searching([folder.path().to_owned()]);
        (folder, toolbox)
    }

    #[rstest]
    #[case(&[("apt-get", ""), ("apt-cache", "exit 100")], "sudo apt-get install qemu-system-misc")]
    #[case(&[("apt-get", ""), ("apt-cache", "exit 0")], "sudo apt-get install qemu-system-riscv")]
    #[case(&[("dnf", "")], "sudo dnf install qemu-system-riscv")]
    #[case(&[("pacman", "")], "sudo pacman -S qemu-system-riscv")]
    #[case(&[], "brew install qemu")]
    fn a_missing_emulator_comes_with_a_command(#[case] programs: &[(&str, &str)], #[case] command: &str) {
        let (_folder, toolbox) = toolbox_with(programs);
        let error = qemu(&toolbox).unwrap_err();
        assert_eq!(error.to_string(), "qemu-system-riscv32 is not installed");
        assert!(matches!(error, ToolsError::Missing { remedy, .. } if remedy == command));
    }

    #[test]
    fn an_old_emulator_is_not_taken() {
        let (_folder, toolbox) = toolbox_with(&[("qemu-system-riscv32", "echo QEMU emulator version 6.2.0")]);
        let error = qemu(&toolbox).unwrap_err();
        assert_eq!(error.to_string(), "qemu-system-riscv32 is version 6.2.0, but 7.2 or newer is needed");
    }

    #[test]
    fn an_interpreter_that_fails_or_is_old_is_passed_over() {
        let programs = [("python3", "exit 127"), ("python3.13", "echo 3.9.1"), ("python3.11", "echo 3.11.7")];
        let (folder, toolbox) = toolbox_with(&programs);
        let found = python(&toolbox).unwrap();
        assert_eq!(found, Found { path: folder.path().join("python3.11"), version: "3.11.7".to_owned() });
    }
}
