//! Web applications, built from commits of repositories that are elsewhere, by real programs.

use std::path::Path;
use std::process::Command;

use k1_hil::source::{Repository, mirror};
use k1_hil::tools::Toolbox;
use k1_hil::webapp::{Recipe, Webapp, WebappError, build};
use rstest::rstest;

/// A repository with a web application in `web/` whose build script is `script`.
fn repository(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("web");
    std::fs::create_dir(&web).unwrap();
    std::fs::write(web.join("page.txt"), "K1\n").unwrap();
    std::fs::write(web.join("build.sh"), script).unwrap();
    git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    commit(folder.path(), "A page");
    folder
}

fn commit(folder: &Path, subject: &str) {
    git(folder, &["add", "."]);
    git(folder, &["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", subject]);
}

fn git(folder: &Path, arguments: &[&str]) {
    assert!(Command::new("git").args(arguments).current_dir(folder).status().unwrap().success());
}

fn recipe() -> Recipe {
    Recipe {
        folder: "web".into(),
        command: vec!["sh".to_owned(), "build.sh".to_owned()],
        output: "dist".into(),
        limit_s: 60,
    }
}

/// Builds the head of `main` of `origin`, reached as another machine would reach it.
async fn build_head(origin: &Path, cache: &Path) -> Result<Webapp, WebappError> {
    let toolbox = Toolbox::at(cache);
    let mirror = mirror(&format!("file://{}", origin.display()), &toolbox).await?;
    let repository = Repository::open(&mirror, &toolbox).await?;
    let head = repository.commit("main").await?;
    build(&repository, &head, &recipe(), &toolbox).await
}

#[tokio::test]
async fn a_commit_of_a_repository_elsewhere_is_built_and_a_later_one_is_fetched() {
    let origin = repository("mkdir -p dist/a && cp page.txt dist/index.html && echo $HOME > dist/a/home");
    let cache = tempfile::tempdir().unwrap();
    let first = build_head(origin.path(), cache.path()).await.unwrap();
    assert_eq!(first.files, ["a/home", "index.html"]);
    assert_eq!(first.commit.subject, "A page");
    let home = std::fs::read_to_string(first.root().join("a/home")).unwrap();
    assert!(Path::new(home.trim()).starts_with(cache.path()), "{home}");

    std::fs::write(origin.path().join("web/page.txt"), "K1, better\n").unwrap();
    commit(origin.path(), "A better page");
    let second = build_head(origin.path(), cache.path()).await.unwrap();
    assert_eq!(std::fs::read_to_string(second.root().join("index.html")).unwrap(), "K1, better\n");
    let (root, folder) = (second.root().to_owned(), cache.path().join("webapp"));
    drop((first, second));
    assert!(!root.exists());
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "only the home folder stays");
}

#[rstest]
#[case::failing(
    "echo no such module >&2; exit 3",
    "ended with exit status: 3; its last lines:\nno such module"
)]
#[case::silent("true", "left no file in dist")]
#[case::linking("mkdir dist; ln -s /etc/passwd dist/x", "x is not a regular file, and only those are served")]
#[tokio::test]
async fn a_build_that_leaves_nothing_to_serve_is_told(#[case] script: &str, #[case] message: &str) {
    let origin = repository(script);
    let cache = tempfile::tempdir().unwrap();
    let error = build_head(origin.path(), cache.path()).await.unwrap_err();
    assert!(error.to_string().contains(message), "{error}");
}

#[tokio::test]
async fn a_recipe_stays_in_its_folder() {
    let origin = repository("true");
    let cache = tempfile::tempdir().unwrap();
    let toolbox = Toolbox::at(cache.path());
    let repository = Repository::open(origin.path(), &toolbox).await.unwrap();
    let head = repository.commit("main").await.unwrap();
    let outside = Recipe { output: "../..".into(), ..recipe() };
    let error = build(&repository, &head, &outside, &toolbox).await.unwrap_err();
    assert_eq!(error.to_string(), "../.. does not stay in the folder of the web application");
}
