//! Repositories that are not on this machine: a bare copy in the cache, fetched again when it is asked for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::CheckoutError;
use crate::digest::Sha;
use crate::tools::process::{self, Pipe};
use crate::tools::{Toolbox, lock};

/// A first copy of a large repository over a slow line.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// How a repository may be reached. `ext::` and others, which start programs, are not among them.
const PROTOCOLS: &str = "https:ssh:file";

/// What is fetched: branches and tags, and none of what a server keeps beside them.
const REFS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// Brings the branches and tags of the repository at `location` (an `https://`, `ssh://` or `file://` address, or
/// `user@host:path`) into the cache of `toolbox` and returns the folder of the bare repository there.
///
/// Of several that ask for one repository at once, one fetches after the other. A copy that is interrupted leaves
/// nothing that would be taken for one. The user's own git configuration counts here, for it knows how to log in.
///
/// # Errors
///
/// [`CheckoutError::Location`] if it is no such address; [`CheckoutError::Git`] if git could not fetch it.
pub async fn mirror(location: &str, toolbox: &Toolbox) -> Result<PathBuf, CheckoutError> {
    if !is_location(location) {
        return Err(CheckoutError::Location { location: without_password(location) });
    }
    let repositories = toolbox.cache().join("repositories");
    let folder = repositories.join(Sha::of(location).short());
    let cache = |source| CheckoutError::Cache { path: repositories.clone(), source };
    std::fs::create_dir_all(&repositories).map_err(cache)?;
    let _held = lock::lock(&folder.with_extension("lock"), || ()).await.map_err(cache)?;
    let git = Git { program: toolbox.git()?, location, path: &folder };
    if !folder.join("HEAD").is_file() {
        let part = tempfile::Builder::new().prefix("part-").tempdir_in(&repositories).map_err(cache)?;
        git.run(part.path(), "init", &["--bare", "--quiet", "."]).await?;
        git.fetch(part.path()).await?;
        std::fs::rename(part.path(), &folder).map_err(cache)?;
        let _ = part.keep(); // it has its place now, under another name
    } else {
        git.fetch(&folder).await?;
    }
    Ok(folder)
}

struct Git<'a> {
    program: PathBuf,
    location: &'a str,
    /// For error messages.
    path: &'a Path,
}

impl Git<'_> {
    async fn fetch(&self, folder: &Path) -> Result<(), CheckoutError> {
        let options = ["--prune", "--no-tags", "--no-write-fetch-head", "--quiet", "--end-of-options"];
        let arguments: Vec<&str> = options.into_iter().chain([self.location]).chain(REFS).collect();
        self.run(folder, "fetch", &arguments).await
    }

    async fn run(&self, folder: &Path, what: &str, arguments: &[&str]) -> Result<(), CheckoutError> {
        let mut command = Command::new(&self.program);
        command
            .args(["--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", what])
            .args(arguments)
            .current_dir(folder)
            .env("LC_ALL", "C")
            .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
            // There is nobody to answer.
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE");
        let mut last = String::new();
        let mut keep = |pipe: Pipe, line: &str| {
            if pipe == Pipe::Stderr && !line.trim().is_empty() {
                line.clone_into(&mut last);
            }
        };
        let broken = |reason: String| CheckoutError::Git {
            path: self.path.to_owned(),
            what: format!("{what} of {}", without_password(self.location)),
            reason,
        };
        let finished =
            process::run(command, LIMIT, &mut keep).await.map_err(|error| broken(error.to_string()))?;
        if finished.status.success() { Ok(()) } else { Err(broken(without_password(&last))) }
    }
}

/// Whether `text` is an address of a repository elsewhere, and not a path, an option or a program to start.
pub fn is_location(text: &str) -> bool {
    let by_scheme = ["https://", "ssh://", "file://"].iter().any(|scheme| text.starts_with(scheme));
    let by_host = text.split_once(':').is_some_and(|(host, path)| {
        host.contains('@') && !host.starts_with('-') && !host.contains('/') && !path.starts_with(':')
    });
    (by_scheme || by_host) && !text.contains(char::is_control)
}

/// `text` without what stands between `://` and `@`.
fn without_password(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', ' ', '\'']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{before}://…{}", &rest[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("https://example.org/a/b.git", true)]
    #[case("file:///srv/a.git", true)]
    #[case("git@example.org:a/b.git", true)]
    #[case("/srv/a", false)]
    #[case("--upload-pack=touch x", false)]
    #[case("-oProxyCommand=x@h:y", false)]
    #[case("ext::sh -c x", false)]
    #[case("a@b::c", false)]
    #[case("https://example.org/\n", false)]
    fn only_addresses_are_fetched(#[case] text: &str, #[case] is: bool) {
        assert_eq!(is_location(text), is);
    }

    #[rstest::rstest]
    #[case("https://me:secret@example.org/a", "https://…@example.org/a")]
    #[case("https://example.org/a@b", "https://example.org/a@b")]
    #[case("unable to access 'https://me:secret@h/a': no", "unable to access 'https://…@h/a': no")]
    fn no_message_shows_a_password(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(without_password(text), shown);
    }

    #[tokio::test]
    async fn a_repository_that_is_not_there_is_told_by_git_and_leaves_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let toolbox = Toolbox::at(cache.path());
        let error = mirror("file:///nonexistent/a.git", &toolbox).await.unwrap_err();
        assert!(error.to_string().contains("fetch of file:///nonexistent/a.git"), "{error}");
        let left = std::fs::read_dir(cache.path().join("repositories")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{left:?}");
    }
}
