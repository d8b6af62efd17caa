//! The way back: boards that run a failed release get the last good firmware again, and that is verified.
//!
//! What a board runs is asked of the board. A release touched it only if one of the failed workflow's deployments began
//! with it, and it is rolled back only if it runs that release's firmware or no longer answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deployment::{check, put};
use super::failure::workflow;
use super::lab::Lab;
use crate::artifacts::ArtifactId;
use crate::conductor::{Failed, Job, Limits, Registry, TaskSeen};
use crate::digest::Sha;

/// The tasks that put firmware on a board.
const DEPLOYMENTS: [&str; 3] =
    ["deploy_firmware_ota", "deploy_firmware_test_device", "deploy_firmware_prod_device"];

pub(super) fn tasks() -> Registry<Lab> {
    Registry::new()
        .task(
            "fetch_last_good_version",
            "Finds the boards that a failed workflow deployed to, and the last good firmware of each.",
            Limits::seconds(300),
            fetch_last_good_version,
        )
        .task(
            "rollback_firmware",
            "Puts the last good firmware back on each of these boards, and the former release on each of these sites.",
            Limits::seconds(1800).retries(2, 30),
            rollback_firmware,
        )
        .task(
            "verify_rollback",
            "Says whether each of these boards runs its last good firmware and is well.",
            Limits::seconds(1800).retries(1, 30),
            verify_rollback,
        )
}

/// A board that has to go back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Target {
    board: String,
    /// What was deployed to it.
    failed: ArtifactId,
    /// What it gets back; absent if nothing was ever found good for it.
    last_good: Option<ArtifactId>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct FetchAsked {
    workflow_id: String,
}

/// A site that has to go back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct SiteTarget {
    /// Name of the site in the worker's settings.
    environment: String,
    /// The release that it served before.
    release: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Fetched {
    /// Whether any board or site has to go back.
    deployed: bool,
    targets: Vec<Target>,
    sites: Vec<SiteTarget>,
}

async fn fetch_last_good_version(asked: FetchAsked, job: Job<Lab>) -> Result<Fetched, Failed> {
    let failed = workflow(&job, &asked.workflow_id).await?;
    let mut targets = Vec::new();
    for (board, artifact) in deployments(&failed.tasks) {
        let image = job.context.image(&artifact).await?.image;
        if !runs_or_is_silent(&board, image.elf_sha256, &job).await? {
            job.log(format!("{board} does not run {artifact}: nothing to undo"));
            continue;
        }
        let last_good = job.context.last_good(&board, &artifact).await?;
        if last_good.as_ref() == Some(&artifact) {
            job.log(format!("{board} was found well with {artifact}: it may keep it"));
            continue;
        }
        targets.push(Target { board, failed: artifact, last_good });
    }
    let sites = sites(&failed.tasks);
    Ok(Fetched { deployed: !targets.is_empty() || !sites.is_empty(), targets, sites })
}

/// The production sites that a workflow put a new release on; what is staged stays.
fn sites(tasks: &[TaskSeen]) -> Vec<SiteTarget> {
    let put = tasks.iter().filter(|task| task.task_def_name == "deploy_webapp_prod");
    let target = |task: &TaskSeen| {
        Some(SiteTarget {
            environment: task.input_data.get("environment")?.as_str()?.to_owned(),
            release: task.output_data.get("previous")?.as_str()?.to_owned(),
        })
    };
    put.filter_map(target).collect()
}

/// The boards that a workflow began to deploy to, each with what was deployed last.
fn deployments(tasks: &[TaskSeen]) -> BTreeMap<String, ArtifactId> {
    let begun =
        tasks.iter().filter(|task| DEPLOYMENTS.contains(&task.task_def_name.as_str()) && task.start_time > 0);
    let target = |task: &TaskSeen| {
        let text = |key: &str| task.input_data.get(key).and_then(Value::as_str);
        Some((text("board")?.to_owned(), text("artifact")?.parse().ok()?))
    };
    begun.filter_map(target).collect()
}

/// Whether the board runs the firmware with this ELF, or does not answer, which may be because of it.
async fn runs_or_is_silent(board: &str, elf_sha256: Sha, job: &Job<Lab>) -> Result<bool, Failed> {
    match job.context.lease(Some(board), job).await {
        Ok(leased) => Ok(leased.board().info().await?.image_sha256 == Some(elf_sha256)),
        Err(failed) if failed.is_worth_another_attempt() => Ok(true),
        Err(failed) => Err(failed),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct RollbackAsked {
    targets: Vec<Target>,
    #[serde(default)]
    sites: Option<Vec<SiteTarget>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RolledBack {
    targets: Vec<Target>,
    /// Boards that run their last good firmware again, and sites that serve their former release.
    rolled_back: Vec<String>,
    /// Boards for which nothing good is known.
    left: Vec<String>,
}

async fn rollback_firmware(asked: RollbackAsked, job: Job<Lab>) -> Result<RolledBack, Failed> {
    let (mut rolled_back, mut left) = (Vec::new(), Vec::new());
    for target in &asked.targets {
        let Some(last_good) = &target.last_good else {
            left.push(target.board.clone());
            continue;
        };
        put(last_good, &target.board, &job).await?;
        job.log(format!("{} runs {last_good} again", target.board));
        rolled_back.push(target.board.clone());
    }
    for SiteTarget { environment, release } in asked.sites.unwrap_or_default() {
        job.context.site(&environment)?.roll_back(&release).await?;
        rolled_back.push(environment);
    }
    Ok(RolledBack { targets: asked.targets, rolled_back, left })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Verified {
    verified: bool,
    message: String,
    /// A sentence per board.
    details: Vec<String>,
}

async fn verify_rollback(asked: RollbackAsked, job: Job<Lab>) -> Result<Verified, Failed> {
    let mut details = Vec::new();
    let mut verified = 0;
    for target in &asked.targets {
        let board = &target.board;
        let Some(last_good) = &target.last_good else {
            details.push(format!(
                "{board}: no firmware was ever found good for it, so it keeps {}",
                target.failed
            ));
            continue;
        };
        let (leased, deployment) = put(last_good, board, &job).await?;
        let health = check(&deployment, &leased, &job).await?;
        match health.reasons.as_slice() {
            [] => {
                verified += 1;
                details.push(format!("{board}: runs {last_good} and is well"));
            }
            reasons => {
                details.push(format!("{board}: runs {last_good} and is not well: {}", reasons.join("; ")))
            }
        }
    }
    let all = asked.targets.len();
    Ok(Verified {
        verified: verified == all,
        message: format!("{verified} of {all} boards are back"),
        details,
    })
}
