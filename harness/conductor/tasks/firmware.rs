//! From a commit, or generated sources, to a firmware in the store.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::given;
use super::lab::Lab;
use crate::artifacts::ArtifactId;
use crate::conductor::{Failed, Job, Limits, Registry};
use crate::digest::Sha;
use crate::image::{self, Target};
use crate::source::{self, CheckoutError, Repository};
use crate::verdict::{Budget, Budgets};

/// Images that nobody asked for in this time make room.
pub(super) const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(super) fn tasks() -> Registry<Lab> {
    Registry::new()
        .task(
            "validate_commit",
            "Says whether a commit exists in a repository that this worker builds.",
            Limits::seconds(1800).retries(2, 30),
            validate_commit,
        )
        .task(
            "clean_build_env",
            "Makes room for a build: removes images that nobody asked for in 30 days, and this commit's if it is to be \
             built anew.",
            Limits::seconds(120),
            clean_build_env,
        )
        .task(
            "platformio_compile",
            "Compiles the firmware of a commit, or generated patterns, into an image.",
            Limits::seconds(900).retries(1, 10),
            platformio_compile,
        )
        .task(
            "extract_build_metrics",
            "Reads memory use and warnings of an image.",
            Limits::seconds(60),
            extract_build_metrics,
        )
        .task(
            "validate_build",
            "Holds the numbers of a build against the gates.",
            Limits::seconds(30),
            validate_build,
        )
        .task(
            "store_artifact",
            "Keeps an image under the name and version of a release.",
            Limits::seconds(120),
            store_artifact,
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CommitAsked {
    /// Name of a repository in this worker's settings.
    repo: String,
    /// A commit, branch or tag.
    commit_sha: String,
    /// The branch that it is said to be on; for the record.
    #[serde(default)]
    branch: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CommitFound {
    valid: bool,
    /// Why it is not.
    reason: Option<String>,
    /// 40 or 64 hexadecimal digits.
    commit: Option<String>,
    subject: Option<String>,
    /// When it was written, RFC 3339.
    date: Option<String>,
    branch: Option<String>,
}

async fn validate_commit(asked: CommitAsked, job: Job<Lab>) -> Result<CommitFound, Failed> {
    let CommitAsked { repo, commit_sha, branch } = asked;
    let lab = &job.context;
    let repository = Repository::open(&lab.repository(&repo).await?, &lab.toolbox).await?;
    let found = match repository.commit(&commit_sha).await {
        Ok(commit) => CommitFound {
            valid: true,
            reason: None,
            commit: Some(commit.id),
            subject: Some(commit.subject),
            date: Some(commit.date),
            branch,
        },
        Err(error @ (CheckoutError::NotACommit { .. } | CheckoutError::Shallow { .. })) => CommitFound {
            valid: false,
            reason: Some(error.to_string()),
            commit: None,
            subject: None,
            date: None,
            branch,
        },
        Err(error) => return Err(error.into()),
    };
    Ok(found)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CleanAsked {
    repo: String,
    commit_sha: String,
    /// Whether this commit's image is to be built anew.
    #[serde(default)]
    fresh: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Cleaned {
    cleaned: bool,
    images: usize,
    freed_bytes: u64,
}

async fn clean_build_env(asked: CleanAsked, job: Job<Lab>) -> Result<Cleaned, Failed> {
    let lab = &job.context;
    let mut pruned = image::prune(&lab.toolbox, UNUSED)?;
    if asked.fresh == Some(true) {
        let path = lab.repository(&asked.repo).await?;
        let source = source::checkout(&path, Some(&asked.commit_sha), &lab.toolbox).await?;
        let forgotten = image::forget(&source, Target::Virtual, &lab.toolbox)?;
        pruned.images += forgotten.images;
        pruned.bytes += forgotten.bytes;
    }
    Ok(Cleaned { cleaned: true, images: pruned.images, freed_bytes: pruned.bytes })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CompileAsked {
    /// With `commit_sha`: what to build.
    #[serde(default)]
    repo: Option<String>,
    #[serde(default)]
    commit_sha: Option<String>,
    /// Instead of these: generated sources in the store.
    #[serde(default)]
    source: Option<ArtifactId>,
    /// What to build for; `virtual` is all that there is so far.
    #[serde(default)]
    environment: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Compiled {
    success: bool,
    /// The image in the store.
    image: ArtifactId,
    firmware_sha256: Sha,
    elf_sha256: Sha,
    firmware_bytes: u64,
    warnings: Vec<String>,
}

async fn platformio_compile(asked: CompileAsked, job: Job<Lab>) -> Result<Compiled, Failed> {
    let lab = &job.context;
    let target = match given(&asked.environment) {
        None | Some("virtual") => Target::Virtual,
        Some(other) => {
            return Err(Failed::input(
                "environment",
                format!("it is {other:?}, and only virtual can be built"),
            ));
        }
    };
    let (source, of) = match (&asked.source, given(&asked.repo), given(&asked.commit_sha)) {
        (Some(source), ..) => (lab.source(source).await?, "patterns".to_owned()),
        (None, Some(repo), Some(commit)) => {
            let path = lab.repository(repo).await?;
            (source::checkout(&path, Some(commit), &lab.toolbox).await?, repo.to_owned())
        }
        (None, ..) => {
            return Err(Failed::input("source", "neither a source nor a repository and a commit is given"));
        }
    };
    let image = image::compile(&source, target, &lab.toolbox, job.on_event()).await?;
    job.log(format!(
        "{} bytes of flash, {} of RAM, {} warnings",
        image.flash.used,
        image.ram.used,
        image.warnings.len()
    ));
    let reference = lab.put_build(&format!("builds/{of}"), &image).await?;
    Ok(Compiled {
        success: true,
        image: reference,
        firmware_sha256: image.sha256,
        elf_sha256: image.elf_sha256,
        firmware_bytes: image.flash.used,
        warnings: image.warnings.iter().map(ToString::to_string).collect(),
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ImageAsked {
    image: ArtifactId,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BuildMetrics {
    flash_usage_bytes: u64,
    flash_usage_percent: f64,
    ram_usage_bytes: u64,
    ram_usage_percent: f64,
    warning_count: usize,
    /// Whether these numbers are those of the firmware's own build; not so of a checkout that was built for the virtual
    /// board.
    judged: bool,
    /// When the image was stored, RFC 3339.
    build_timestamp: String,
}

async fn extract_build_metrics(asked: ImageAsked, job: Job<Lab>) -> Result<BuildMetrics, Failed> {
    let stored = job.context.image(&asked.image).await?;
    let image = &stored.image;
    Ok(BuildMetrics {
        flash_usage_bytes: image.flash.used,
        flash_usage_percent: image.flash.percent(),
        ram_usage_bytes: image.ram.used,
        ram_usage_percent: image.ram.percent(),
        warning_count: image.warnings.len(),
        judged: image.origin.is_none(),
        build_timestamp: stored.record.created.to_string(),
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct GateAsked {
    flash_usage_percent: f64,
    ram_usage_percent: f64,
    warning_count: usize,
    /// Whether the numbers are those of the firmware's own build; if not, only the gates that are given count.
    #[serde(default)]
    judged: Option<bool>,
    /// Below it; 70 of the firmware's own build if not given.
    #[serde(default)]
    max_flash_percent: Option<f64>,
    /// Below it; 80 of the firmware's own build if not given.
    #[serde(default)]
    max_ram_percent: Option<f64>,
    /// At most; 0 of the firmware's own build if not given.
    #[serde(default)]
    max_warnings: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Gate {
    success: bool,
    failure_reasons: Vec<String>,
    /// How many gates were held against it.
    judged: usize,
}

async fn validate_build(asked: GateAsked, job: Job<Lab>) -> Result<Gate, Failed> {
    let usual = Budgets::default();
    let own = asked.judged != Some(false);
    // A gate that nobody asked for is not held against a build that the firmware does not ship.
    let gates = [
        (Budget::Flash, own || asked.max_flash_percent.is_some()),
        (Budget::Ram, own || asked.max_ram_percent.is_some()),
        (Budget::Warnings, own || asked.max_warnings.is_some()),
    ];
    if !own {
        job.log("built for the virtual board: only gates that were asked for are held against its numbers");
    }
    let limits = Budgets {
        max_flash_percent: asked.max_flash_percent.unwrap_or(usual.max_flash_percent),
        max_ram_percent: asked.max_ram_percent.unwrap_or(usual.max_ram_percent),
        max_warnings: asked.max_warnings.unwrap_or(usual.max_warnings),
        ..usual
    };
    let checks = limits.check_build(asked.flash_usage_percent, asked.ram_usage_percent, asked.warning_count);
    let held: Vec<_> = checks.iter().filter(|check| gates.contains(&(check.name, true))).collect();
    let failure_reasons: Vec<String> =
        held.iter().filter(|check| !check.ok).map(ToString::to_string).collect();
    Ok(Gate { success: failure_reasons.is_empty(), judged: held.len(), failure_reasons })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct StoreAsked {
    image: ArtifactId,
    /// `firmware/k1-node1`
    name: String,
    version: String,
    #[serde(default)]
    metadata: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Stored {
    artifact: ArtifactId,
    /// Where the store keeps it, for people.
    artifact_url: String,
    /// SHA-256 of the firmware image.
    artifact_id: Sha,
}

async fn store_artifact(asked: StoreAsked, job: Job<Lab>) -> Result<Stored, Failed> {
    let lab = &job.context;
    let stored = lab.image(&asked.image).await?;
    let text = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let metadata = asked.metadata.into_iter().map(|(key, value)| (key, text(value))).collect();
    let artifact = lab.put_image(&asked.name, &asked.version, &stored.image, metadata).await?;
    let artifact_url = lab.url_of(&artifact);
    Ok(Stored { artifact, artifact_url, artifact_id: stored.image.sha256 })
}
