//! The web application's part of a release, and how a release ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lab::Lab;
use super::shelf::{named, versioned};
use crate::artifacts::{ArtifactId, NewArtifact};
use crate::conductor::{Failed, Job, Limits, Registry};
use crate::source::Repository;
use crate::webapp;

pub(super) fn tasks() -> Registry<Lab> {
    let upload = Limits::seconds(300);
    Registry::new()
        .task(
            "build_webapp",
            "Builds the web application of a commit with its own command.",
            Limits::seconds(1800).retries(1, 10),
            build_webapp,
        )
        .task(
            "deploy_webapp_staging",
            "Puts a web application up on a site that few see.",
            upload,
            deploy_webapp,
        )
        .task(
            "deploy_webapp_prod",
            "Puts a web application up on the site that all see.",
            upload,
            deploy_webapp,
        )
        .task(
            "deployment_cancelled",
            "Says why a release does not go to production.",
            Limits::seconds(30),
            deployment_cancelled,
        )
        .task(
            "final_status",
            "Says how a release ended; where it was deployed it is the last good one from now on.",
            Limits::seconds(60),
            final_status,
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
struct BuildAsked {
    repo: String,
    commit_sha: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Built {
    artifact: ArtifactId,
    commit: String,
    files: usize,
    bytes: u64,
}

async fn build_webapp(asked: BuildAsked, job: Job<Lab>) -> Result<Built, Failed> {
    let lab = &job.context;
    let Some(recipe) = &lab.settings.webapp else {
        return Err(Failed::new(crate::Blame::Configuration, "this worker's settings have no [webapp]"));
    };
    let repository = Repository::open(&lab.repository(&asked.repo).await?, &lab.toolbox).await?;
    let commit = repository.commit(&asked.commit_sha).await?;
    let built = webapp::build(&repository, &commit, recipe, &lab.toolbox).await?;
    let artifact = NewArtifact::new(named(&format!("webapp/{}", asked.repo))?, versioned(&commit.id)?);
    let with = |artifact: NewArtifact, path: &String| artifact.file(path, built.root().join(path));
    let artifact = lab.put(&built.files.iter().fold(artifact, with)).await?;
    Ok(Built { artifact, commit: commit.id, files: built.files.len(), bytes: built.bytes })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct UploadAsked {
    artifact: ArtifactId,
    /// Name of a site in this worker's settings: `staging`, `production`.
    environment: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Uploaded {
    url: String,
    release: String,
    /// The release that the site served before; absent if it is the first, or the same.
    previous: Option<String>,
}

async fn deploy_webapp(asked: UploadAsked, job: Job<Lab>) -> Result<Uploaded, Failed> {
    let site = job.context.site(&asked.environment)?;
    let files = job.context.get(&asked.artifact).await?;
    let release = site.put(files.path(), &asked.artifact.version.to_string()).await?;
    Ok(Uploaded { url: site.url.clone(), release: release.name, previous: release.before })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CancelAsked {
    release_version: String,
    /// What the gate was told: `approved` and `by`, or nothing if nobody answered in time.
    #[serde(default)]
    approval: Option<Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Cancelled {
    reason: String,
}

async fn deployment_cancelled(asked: CancelAsked, job: Job<Lab>) -> Result<Cancelled, Failed> {
    let said = |key: &str| asked.approval.as_ref().and_then(|approval| approval.get(key));
    let reason = match (said("approved"), said("by").and_then(Value::as_str)) {
        (None, _) => format!("nobody approved release {} in time", asked.release_version),
        (Some(_), Some(by)) => format!("{by} refused release {}", asked.release_version),
        (Some(_), None) => format!("release {} was refused", asked.release_version),
    };
    job.log(reason.clone());
    Ok(Cancelled { reason })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct EndAsked {
    /// `deployed` or `cancelled`.
    outcome: String,
    release_version: String,
    artifact: ArtifactId,
    production_boards: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Ended {
    status: String,
    message: String,
}

async fn final_status(asked: EndAsked, job: Job<Lab>) -> Result<Ended, Failed> {
    let EndAsked { outcome, release_version, artifact, production_boards } = asked;
    let message = if outcome == "deployed" {
        for board in &production_boards {
            job.context.mark_good(board, &artifact, &job).await?;
        }
        format!("release {release_version} runs on {}", production_boards.join(", "))
    } else {
        format!("release {release_version} did not go to production")
    };
    Ok(Ended { status: outcome, message })
}
