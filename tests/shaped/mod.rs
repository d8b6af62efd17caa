//! Git histories of the K1-shaped firmware in `fixtures/k1-shaped`, each in a folder of its own.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod commands;

use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository, removed with the value.
pub struct Checkout {
    _folder: tempfile::TempDir,
    path: PathBuf,
    commits: std::cell::Cell<u32>,
}

impl Checkout {
    /// The fixture as a working tree, without a repository.
    pub fn without_git() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/k1-shaped");
        copy(&fixture, &folder.path().join("checkout"));
        Self { path: folder.path().join("checkout"), _folder: folder, commits: std::cell::Cell::new(0) }
    }

    /// The fixture as the first commit.
    pub fn new() -> Self {
        let checkout = Self::without_git();
        checkout.git(&["init", "--quiet", "--initial-branch=main"]);
        checkout.commit("The firmware");
        checkout
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.file(path).parent().unwrap()).unwrap();
        std::fs::write(self.file(path), text).unwrap();
    }

    /// Replaces `old`, which must be there, in the file at `path`.
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.file(path)).unwrap();
        assert!(text.contains(old), "{path} has no {old}");
        std::fs::write(self.file(path), text.replace(old, new)).unwrap();
    }

    /// Commits all files and returns the commit's id.
    pub fn commit(&self, subject: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", subject]);
        self.head()
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git and returns what it printed. Authors and dates are fixed, so that ids are the same everywhere.
    pub fn git(&self, arguments: &[&str]) -> String {
        let number = self.commits.get();
        self.commits.set(number + 1);
        let date = format!("2026-01-01T00:{:02}:00Z", number % 60);
        let output = Command::new("git")
            .args(["-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
            .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.org")])
            .envs([("GIT_AUTHOR_DATE", &date), ("GIT_COMMITTER_DATE", &date)])
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// All that could be changed by accident: every file below the folder with its time and contents.
    pub fn state(&self) -> Vec<(PathBuf, std::time::SystemTime, Vec<u8>)> {
        let mut state = Vec::new();
        collect(self.path(), &mut state);
        state.sort();
        state
    }
}

fn collect(folder: &Path, state: &mut Vec<(PathBuf, std::time::SystemTime, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), state);
        } else {
            let modified = entry.metadata().unwrap().modified().unwrap();
            state.push((entry.path(), modified, std::fs::read(entry.path()).unwrap_or_default()));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
