//! Firmware of the store on boards, and whether it is well there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::given;
use super::lab::{Lab, Leased};
use crate::artifacts::ArtifactId;
use crate::board::ProbeInfo;
use crate::capture::{self, Capture, Plan};
use crate::conductor::{Failed, Job, Limits, Registry};
use crate::deploy::{self, DeployOptions, Deployment};
use crate::digest::Sha;
use crate::verdict::{Budgets, Statistics};

/// Frames that a health check draws: half a second of a board's time.
const HEALTH_FRAMES: u32 = 60;

/// Each limit has room for waiting for the board, too.
pub(super) fn tasks() -> Registry<Lab> {
    Registry::new()
        .task(
            "deploy_firmware_ota",
            "Puts a stored firmware on a board over the air and proves that it runs there.",
            Limits::seconds(600).retries(3, 20),
            deploy_firmware_ota,
        )
        .task(
            "device_health_check",
            "Says whether a board runs a firmware and is well: it draws frames in time, has memory left and did not \
             restart.",
            Limits::seconds(600).retries(2, 10),
            device_health_check,
        )
        .task(
            "deploy_firmware_test_device",
            "Puts a stored firmware on a test board and checks that it is well there.",
            Limits::seconds(900).retries(2, 20),
            deploy_and_check,
        )
        .task(
            "deploy_firmware_prod_device",
            "Puts a stored firmware on a production board and checks that it is well there.",
            // A person approved one attempt; what a transfer lost on the way is sent again all the same.
            Limits::seconds(900).retries(1, 30),
            deploy_and_check,
        )
        .task(
            "run_integration_tests",
            "Tries board and web application together.",
            Limits::seconds(900).retries(1, 10),
            run_integration_tests,
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
struct DeployAsked {
    /// A board of this worker's inventory: a name, a MAC or an expression.
    board: String,
    artifact: ArtifactId,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Deployed {
    /// `deployed`, or `skipped` where it ran already.
    pub deployment_status: &'static str,
    pub board_name: String,
    pub board_mac: String,
    /// SHA-256 of the ELF that runs, as the board reports it.
    pub elf_sha256: Sha,
    pub slot: String,
    pub boot_id: u32,
}

async fn deploy_firmware_ota(asked: DeployAsked, job: Job<Lab>) -> Result<Deployed, Failed> {
    let (leased, deployment) = put(&asked.artifact, &asked.board, &job).await?;
    Ok(deployed(&leased, deployment))
}

/// Leases `board` and puts the firmware `artifact` on it; where that runs already nothing is sent.
pub(super) async fn put(
    artifact: &ArtifactId,
    board: &str,
    job: &Job<Lab>,
) -> Result<(Leased, Deployment), Failed> {
    let stored = job.context.image(artifact).await?;
    let leased = job.context.lease(Some(board), job).await?;
    let options = DeployOptions::default();
    let deployment = deploy::deploy(&stored.image, leased.board(), &options, job.on_event()).await?;
    Ok((leased, deployment))
}

fn deployed(leased: &Leased, deployment: Deployment) -> Deployed {
    Deployed {
        deployment_status: if deployment.skipped { "skipped" } else { "deployed" },
        board_name: leased.name.clone(),
        board_mac: deployment.mac,
        elf_sha256: deployment.elf_sha256,
        slot: deployment.slot,
        boot_id: deployment.boot_id,
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct HealthAsked {
    board: String,
    artifact: ArtifactId,
    /// The target whose last good firmware this is from now on, if the board is well: `production`, a board's name.
    #[serde(default)]
    mark_good: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Health {
    /// `healthy` or `unhealthy`.
    pub status: &'static str,
    /// Why it is unhealthy.
    pub reasons: Vec<String>,
    /// SHA-256 of the ELF that runs.
    pub elf_sha256: Option<Sha>,
    pub free_heap_bytes: u32,
    pub uptime_seconds: f64,
    pub late_frames: u32,
}

async fn device_health_check(asked: HealthAsked, job: Job<Lab>) -> Result<Health, Failed> {
    // Another workflow may have had the board since it was deployed.
    let (leased, deployment) = put(&asked.artifact, &asked.board, &job).await?;
    let health = check(&deployment, &leased, &job).await?;
    if let (true, Some(target)) = (health.reasons.is_empty(), given(&asked.mark_good)) {
        job.context.mark_good(target, &asked.artifact, &job).await?;
    }
    Ok(health)
}

/// Lets a board draw some frames and looks at them and at what it says of itself.
pub(super) async fn check(
    deployment: &Deployment,
    leased: &Leased,
    job: &Job<Lab>,
) -> Result<Health, Failed> {
    let patterns = leased.board().patterns().await?;
    let Some(pattern) = patterns.patterns.first() else {
        return Err(Failed::new(crate::Blame::Firmware, format!("{} has no pattern", leased.name)));
    };
    let plan = Plan { frames: HEALTH_FRAMES, ..Plan::of(&pattern.id) };
    let captured = capture::capture(deployment, leased.board(), &plan, job.on_event()).await;
    let info = leased.board().info().await?;
    let mut reasons = Vec::new();
    let run = match captured {
        Ok(capture) => numbers(&capture, &mut reasons),
        Err(error) if error.blame() == crate::Blame::Firmware => {
            reasons.push(crate::story::one_line(&error));
            None
        }
        Err(error) => return Err(error.into()),
    };
    look(&info, deployment, &mut reasons);
    Ok(Health {
        status: if reasons.is_empty() { "healthy" } else { "unhealthy" },
        reasons,
        elf_sha256: info.image_sha256,
        free_heap_bytes: run.as_ref().map_or(0, |run| run.heap_min_bytes),
        uptime_seconds: info.uptime_us as f64 / 1e6,
        late_frames: run.map_or(0, |run| run.late_frames),
    })
}

/// The numbers of a short run, and what of them is over its budget.
fn numbers(capture: &Capture, reasons: &mut Vec<String>) -> Option<Statistics> {
    let budgets = Budgets::default();
    match Statistics::of(capture, budgets.deadline_ns()) {
        Ok(run) => {
            let checks = budgets.check_run(&run);
            reasons.extend(checks.iter().filter(|check| !check.ok).map(ToString::to_string));
            Some(run)
        }
        Err(unusable) => {
            reasons.push(unusable.to_string());
            None
        }
    }
}

/// What a board says of itself after the run, beside what was proved before it.
fn look(info: &ProbeInfo, deployment: &Deployment, reasons: &mut Vec<String>) {
    if info.boot_id != deployment.boot_id {
        reasons.push(format!("it restarted ({})", info.reset_reason));
    }
    if info.image_sha256 != Some(deployment.elf_sha256) {
        let runs = info.image_sha256.map_or_else(|| "nothing".to_owned(), |sha| sha.short());
        reasons.push(format!("it runs {runs}, not {}", deployment.elf_sha256.short()));
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct DeployedWell {
    #[serde(flatten)]
    deployed: Deployed,
    health: Health,
}

/// An unhealthy board fails here: what comes next in the workflow is another board, or people.
async fn deploy_and_check(asked: DeployAsked, job: Job<Lab>) -> Result<DeployedWell, Failed> {
    let (leased, deployment) = put(&asked.artifact, &asked.board, &job).await?;
    let health = check(&deployment, &leased, &job).await?;
    if !health.reasons.is_empty() {
        let reason = format!("{} is not well with this firmware: {}", leased.name, health.reasons.join("; "));
        let output = DeployedWell { deployed: deployed(&leased, deployment), health };
        return Err(Failed::new(crate::Blame::Firmware, reason).with_output(&output));
    }
    Ok(DeployedWell { deployed: deployed(&leased, deployment), health })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct TestsAsked {
    board: String,
    artifact: ArtifactId,
    /// Where the web application is served; none: it is not tried.
    #[serde(default)]
    webapp_url: Option<String>,
    /// The target whose last good firmware this is from now on, if all passes.
    #[serde(default)]
    mark_good: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Tested {
    passed: bool,
    checks: Vec<Check>,
    /// Those that failed, a sentence each.
    failures: Vec<String>,
}

/// One thing that was tried.
#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    name: &'static str,
    passed: bool,
    said: String,
}

impl Check {
    fn new(name: &'static str, tried: Result<String, String>) -> Self {
        Self { name, passed: tried.is_ok(), said: tried.unwrap_or_else(|said| said) }
    }
}

/// The board runs the firmware, draws its patterns, selects each of them, and the web application is served.
async fn run_integration_tests(asked: TestsAsked, job: Job<Lab>) -> Result<Tested, Failed> {
    let (leased, deployment) = put(&asked.artifact, &asked.board, &job).await?;
    let health = check(&deployment, &leased, &job).await?;
    let well = match health.reasons.as_slice() {
        [] => Ok(format!("{} draws {HEALTH_FRAMES} frames in time", leased.name)),
        reasons => Err(reasons.join("; ")),
    };
    let mut checks = vec![Check::new("board", well), Check::new("patterns", select_all(&leased).await)];
    if let Some(url) = given(&asked.webapp_url) {
        checks.push(Check::new("webapp", job.context.look_at(url).await));
    }
    let failures: Vec<String> = checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| format!("{}: {}", check.name, check.said))
        .collect();
    if let (true, Some(target)) = (failures.is_empty(), given(&asked.mark_good)) {
        job.context.mark_good(target, &asked.artifact, &job).await?;
    }
    Ok(Tested { passed: failures.is_empty(), checks, failures })
}

/// Selects every pattern once, as the web application would.
async fn select_all(leased: &Leased) -> Result<String, String> {
    let told = |error: crate::board::BoardError| crate::story::one_line(&error);
    let patterns = leased.board().patterns().await.map_err(told)?.patterns;
    for pattern in &patterns {
        leased.board().select(&pattern.id).await.map_err(told)?;
    }
    Ok(format!("{} patterns can be selected", patterns.len()))
}
