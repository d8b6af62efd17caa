//! Commits and their files, asked of the program `git`.
//!
//! Only commands that read objects are used, never one that looks at the index or the working tree, so nothing is
//! locked or written. No configuration but the repository's own is read, and of that nothing that could start a
//! program: no hooks, no filters, no file monitor, no signature check, no fetching of what is absent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CheckoutError;
use crate::tools::Toolbox;
use crate::tools::process::{self, Answer};

/// How long one question may take; a list of a large repository takes a second.
const LIMIT: Duration = Duration::from_secs(120);

/// Separates the fields of a commit in the list of commits.
const FIELD: char = '\0';

/// A git repository, seen from a folder in it.
#[derive(Clone, Debug)]
pub struct Repository {
    git: PathBuf,
    folder: PathBuf,
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Commit {
    /// 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.
    pub id: String,
    pub parents: Vec<String>,
    /// When it was written, RFC 3339.
    pub date: String,
    /// First line of its message.
    pub subject: String,
}

impl Commit {
    /// The first 7 digits, as git shows them to people.
    pub fn short(&self) -> &str {
        short(&self.id)
    }
}

/// The first 7 digits of a commit id.
pub(crate) fn short(id: &str) -> &str {
    id.get(..7).unwrap_or(id)
}

/// One entry of a commit's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub kind: Kind,
    pub id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Link,
    Submodule,
}

impl Repository {
    /// The repository that holds `folder`.
    ///
    /// # Errors
    ///
    /// [`CheckoutError::NotARepository`], or [`CheckoutError::Tools`] if git is not installed.
    pub async fn open(folder: &Path, toolbox: &Toolbox) -> Result<Self, CheckoutError> {
        let repository = Self { git: toolbox.git()?, folder: folder.to_owned() };
        let answer = repository.ask(&["rev-parse", "--git-dir"], b"").await?;
        if answer.status.success() {
            return Ok(repository);
        }
        Err(CheckoutError::NotARepository { path: folder.to_owned(), said: said(&answer) })
    }

    /// The folder that it was opened with.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit that `rev` names: a branch, a tag, an id, `HEAD~2` …
    ///
    /// # Errors
    ///
    /// [`CheckoutError::NotACommit`], or [`CheckoutError::Shallow`] if the clone may lack just that commit.
    pub async fn commit(&self, rev: &str) -> Result<Commit, CheckoutError> {
        let wanted = format!("{rev}^{{commit}}");
        let answer =
            self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted], b"").await?;
        let id = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        // A text that is an id of full length is taken for one whether there is such an object or not.
        if answer.status.success() && is_id(&id) && self.has(&id).await? {
            let listed = self.commits(&["--max-count=1", &id]).await?;
            return listed.into_iter().next().ok_or_else(|| self.broken("rev-list", "it listed no commit"));
        }
        let (path, rev) = (self.folder.clone(), rev.to_owned());
        let shallow = self.ask(&["rev-parse", "--is-shallow-repository"], b"").await?;
        if shallow.stdout.starts_with(b"true") {
            return Err(CheckoutError::Shallow { path, rev });
        }
        Err(CheckoutError::NotACommit { path, rev })
    }

    /// The commits that led from `from` to `to` along first parents, oldest first, without `from` itself.
    ///
    /// # Errors
    ///
    /// [`CheckoutError::NotAncestor`] if `to` does not build on `from`; [`CheckoutError::Git`].
    pub async fn between(&self, from: &Commit, to: &Commit) -> Result<Vec<Commit>, CheckoutError> {
        let answer = self.ask(&["merge-base", "--is-ancestor", &from.id, &to.id], b"").await?;
        match answer.status.code() {
            Some(0) => {}
            Some(1) => {
                let (from, to) = (from.short().to_owned(), to.short().to_owned());
                return Err(CheckoutError::NotAncestor { from, to });
            }
            _ => return Err(self.broken("merge-base", &said(&answer))),
        }
        let without = format!("^{}", from.id);
        self.commits(&["--first-parent", "--reverse", &to.id, &without]).await
    }

    /// The best common ancestor of two commits; none if they share no history.
    ///
    /// # Errors
    ///
    /// [`CheckoutError::Git`].
    pub async fn common_ancestor(&self, a: &str, b: &str) -> Result<Option<Commit>, CheckoutError> {
        let answer = self.ask(&["merge-base", a, b], b"").await?;
        let id = String::from_utf8_lossy(&answer.stdout).lines().next().unwrap_or_default().to_owned();
        if answer.status.success() && is_id(&id) { self.commit(&id).await.map(Some) } else { Ok(None) }
    }

    /// Writes the files of `commit` into the folder `into`, which is empty: all of them, links and executable files
    /// as such. The repository is not written to: the list of files that git needs for it lies in `into` meanwhile.
    ///
    /// # Errors
    ///
    /// [`CheckoutError::Git`].
    pub async fn export(&self, commit: &Commit, into: &Path) -> Result<(), CheckoutError> {
        let index = into.join(".index");
        let here = |command: &mut Command| {
            command.env("GIT_INDEX_FILE", &index).env("GIT_WORK_TREE", into);
        };
        let read = self.ask_with(&["read-tree", &commit.id], b"", here).await?;
        self.succeeded("read-tree", read)?;
        let prefix = format!("--prefix={}/", into.display());
        let written = self.ask_with(&["checkout-index", "--all", "--quiet", &prefix], b"", here).await?;
        self.succeeded("checkout-index", written)?;
        // It goes with the folder if it cannot be removed.
        let _ = std::fs::remove_file(&index);
        Ok(())
    }

    /// What the tree of `commit` holds below the folder, by path relative to it.
    pub(super) async fn entries(&self, commit: &str) -> Result<BTreeMap<String, Entry>, CheckoutError> {
        let answer = self.ask(&["ls-tree", "-r", "-z", "--end-of-options", commit], b"").await?;
        let list = self.succeeded("ls-tree", answer)?;
        let entry = |line: &[u8]| {
            let line = String::from_utf8_lossy(line);
            let (meta, path) = line.split_once('\t')?;
            let mut meta = meta.split(' ');
            let kind = match meta.next()? {
                "120000" => Kind::Link,
                "160000" => Kind::Submodule,
                _ => Kind::File,
            };
            Some((path.to_owned(), Entry { kind, id: meta.nth(1)?.to_owned() }))
        };
        Ok(list.split(|byte| *byte == 0).filter_map(entry).collect())
    }

    /// The contents of the objects `ids`, in their order.
    pub(super) async fn contents(&self, ids: &[&str]) -> Result<Vec<Vec<u8>>, CheckoutError> {
        let input: String = ids.iter().flat_map(|id| [id, "\n"]).collect();
        let answer = self.ask(&["cat-file", "--batch"], input.as_bytes()).await?;
        let output = self.succeeded("cat-file", answer)?;
        let mut rest = output.as_slice();
        let mut contents = Vec::with_capacity(ids.len());
        for id in ids {
            let object = next_object(&mut rest);
            contents
                .push(object.ok_or_else(|| self.broken("cat-file", &format!("object {id} is not there")))?);
        }
        Ok(contents)
    }

    async fn has(&self, id: &str) -> Result<bool, CheckoutError> {
        Ok(self.ask(&["cat-file", "-e", id], b"").await?.status.success())
    }

    async fn commits(&self, which: &[&str]) -> Result<Vec<Commit>, CheckoutError> {
        let format = "--format=%H%x00%P%x00%aI%x00%s";
        let arguments: Vec<&str> =
            ["rev-list", "--encoding=UTF-8", format].iter().chain(which).copied().collect();
        let output = self.succeeded("rev-list", self.ask(&arguments, b"").await?)?;
        let commit = |line: &str| {
            // Between them stand lines `commit ID`, which have no fields.
            let [id, parents, date, subject] =
                <[&str; 4]>::try_from(line.splitn(4, FIELD).collect::<Vec<_>>()).ok()?;
            Some(Commit {
                id: id.to_owned(),
                parents: parents.split_whitespace().map(str::to_owned).collect(),
                date: date.to_owned(),
                subject: subject.to_owned(),
            })
        };
        Ok(String::from_utf8_lossy(&output).lines().filter_map(commit).collect())
    }

    async fn ask(&self, arguments: &[&str], input: &[u8]) -> Result<Answer, CheckoutError> {
        self.ask_with(arguments, input, |_| ()).await
    }

    async fn ask_with(
        &self,
        arguments: &[&str],
        input: &[u8],
        with: impl FnOnce(&mut Command),
    ) -> Result<Answer, CheckoutError> {
        let mut command = Command::new(&self.git);
        command
            .args(["--no-pager", "--no-replace-objects"])
            .args([
                "-c",
                "core.fsmonitor=false",
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "protocol.allow=never",
            ])
            // Whose folder it is does not matter to who only reads objects.
            .args(["-c", "safe.directory=*"])
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0");
        with(&mut command);
        let failed = |reason: String| self.broken(arguments.first().unwrap_or(&"git"), &reason);
        process::exchange(command, input, LIMIT).await.map_err(|e| failed(e.to_string()))
    }

    fn succeeded(&self, what: &str, answer: Answer) -> Result<Vec<u8>, CheckoutError> {
        if answer.status.success() { Ok(answer.stdout) } else { Err(self.broken(what, &said(&answer))) }
    }

    fn broken(&self, what: &str, reason: &str) -> CheckoutError {
        let (path, what, reason) = (self.folder.clone(), what.to_owned(), reason.to_owned());
        CheckoutError::Git { path, what, reason }
    }
}

/// Takes the next object off the output of `cat-file --batch`: `ID TYPE SIZE`, a line end, the contents, a line end.
fn next_object(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&rest[..end]).ok()?;
    let size: usize = head.split(' ').nth(2)?.parse().ok()?;
    let body = rest.get(end + 1..)?;
    let contents = body.get(..size)?.to_vec();
    *rest = body.get(size + 1..)?;
    Some(contents)
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What git said, in one line.
fn said(answer: &Answer) -> String {
    let line = answer.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    line.trim_start_matches("fatal: ").trim_start_matches("error: ").to_owned()
}
