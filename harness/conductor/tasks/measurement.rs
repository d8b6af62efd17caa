//! From a graph to a judged measurement: the frames of patterns on a board, what they amount to, and the report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::given;
use super::lab::Lab;
use crate::artifacts::{ArtifactId, NotAName};
use crate::capture::Plan;
use crate::conductor::{Failed, Job, Limits, Registry};
use crate::digest::Sha;
use crate::graph::{self, Graph};
use crate::report::{Fault, Report};
use crate::session::{Baselines, Findings, Selection, Session};
use crate::source;
use crate::verdict::{Budgets, Outcome, Statistics};

pub(super) fn tasks() -> Registry<Lab> {
    Registry::new()
        .task(
            "generate_pattern_code",
            "Generates the C++ of a pattern graph.",
            Limits::seconds(60),
            generate_pattern_code,
        )
        .task(
            "run_pattern_validation",
            "Takes a board, puts the firmware on it and measures every frame of its patterns.",
            Limits::seconds(1800).retries(2, 20),
            run_pattern_validation,
        )
        .task(
            "capture_performance_metrics",
            "The numbers of the frames that were measured.",
            Limits::seconds(60),
            capture_performance_metrics,
        )
        .task(
            "compare_performance",
            "Judges the frames that were measured by thresholds and by stored baselines.",
            Limits::seconds(120),
            compare_performance,
        )
        .task("generate_report", "Writes the report of a measurement.", Limits::seconds(120), generate_report)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct GraphAsked {
    /// Id of a pattern that comes with this program, or the file name that errors in `graph` are told by.
    pattern_name: String,
    /// A K1 graph; absent: the pattern of that name that comes with this program.
    #[serde(default)]
    graph: Option<serde_json::Value>,
    /// Values for parameters of nodes: `{"node": {"parameter": value}}`.
    #[serde(default)]
    pattern_params: Option<BTreeMap<String, serde_json::Map<String, serde_json::Value>>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Generated {
    /// The generated sources in the store.
    source: ArtifactId,
    source_sha256: Sha,
    /// Pattern ids.
    patterns: Vec<String>,
    lines: usize,
    warnings: Vec<String>,
}

async fn generate_pattern_code(asked: GraphAsked, job: Job<Lab>) -> Result<Generated, Failed> {
    let name = &asked.pattern_name;
    let text = match asked.graph {
        Some(graph) => graph.to_string(),
        None => crate::patterns::text(name).ok_or_else(|| {
            Failed::input(
                "pattern_name",
                format!("no pattern that comes with this program is called {name:?}"),
            )
        })?,
    };
    let text = with_parameters(&text, asked.pattern_params.unwrap_or_default())?;
    let graph: Graph = graph::parse(&text, name)?;
    let source = source::generate(std::slice::from_ref(&graph))?;
    let lines = source.files.iter().map(|file| file.text.lines().count()).sum();
    let reference = job.context.put_source(&source).await?;
    Ok(Generated {
        source: reference,
        source_sha256: source.sha256,
        patterns: source.patterns.into_iter().map(|pattern| pattern.id).collect(),
        lines,
        warnings: graph.warnings.iter().map(|warning| warning.display(name).to_string()).collect(),
    })
}

/// `graph` with the values `wanted` in the parameters of its nodes.
fn with_parameters(
    graph: &str,
    wanted: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
) -> Result<String, Failed> {
    if wanted.is_empty() {
        return Ok(graph.to_owned()); // as it is written, so that its faults are told by its own lines
    }
    let wrong = |reason: String| Failed::input("pattern_params", reason);
    let mut graph: serde_json::Value =
        serde_json::from_str(graph).map_err(|error| wrong(error.to_string()))?;
    for (node, parameters) in wanted {
        let nodes = graph.get_mut("nodes").and_then(serde_json::Value::as_array_mut);
        let found =
            nodes.into_iter().flatten().find(|other| other.get("id").is_some_and(|id| *id == node.as_str()));
        let found = found.and_then(serde_json::Value::as_object_mut);
        let found = found.ok_or_else(|| wrong(format!("the graph has no node {node:?}")))?;
        let there = found.entry("params").or_insert_with(|| serde_json::json!({}));
        if let Some(there) = there.as_object_mut() {
            there.extend(parameters);
        }
    }
    Ok(graph.to_string())
}

#[derive(Debug, Deserialize, JsonSchema)]
struct MeasureAsked {
    /// A board of this worker's inventory: a name, a MAC or an expression; empty: a virtual board.
    #[serde(default)]
    board: Option<String>,
    image: ArtifactId,
    /// Pattern ids; none: all.
    #[serde(default)]
    patterns: Option<Vec<String>>,
    /// Frames to measure of each; 300 if not given.
    #[serde(default)]
    frames: Option<u32>,
    /// Of the stimulus.
    #[serde(default)]
    seed: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Measured {
    /// The frames, in the store.
    captures: ArtifactId,
    board: String,
    /// Whether every pattern was measured.
    validated: bool,
    /// Whether none of those that were measured stayed dark.
    visual_check_passed: bool,
    /// Patterns that hung, crashed or lost frames, and how.
    faults: Vec<String>,
    /// Patterns that were measured.
    patterns: Vec<String>,
    frames: usize,
}

async fn run_pattern_validation(asked: MeasureAsked, job: Job<Lab>) -> Result<Measured, Failed> {
    let lab = &job.context;
    let stored = lab.image(&asked.image).await?;
    let plan = Plan::default();
    let session = Session {
        plan: Plan {
            frames: asked.frames.unwrap_or(plan.frames),
            seed: asked.seed.unwrap_or(plan.seed),
            ..plan
        },
        selection: match asked.patterns {
            Some(named) if !named.is_empty() => Selection::Named(named),
            _ => Selection::All,
        },
        ..Session::default()
    };
    let leased = lab.lease(given(&asked.board), &job).await?;
    let findings =
        session.run(&stored.image, leased.board(), &job.workflow_id, &super::now(), job.on_event()).await?;
    drop(leased);
    let dark = |capture: &crate::capture::Capture| {
        !capture.pictures.is_empty()
            && capture.pictures.iter().all(|picture| picture.rgb_hex.bytes().all(|digit| digit == b'0'))
    };
    let captures = lab.put_findings("captures/patterns", &findings, &job).await?;
    let Findings { report, captures: frames, .. } = &findings;
    Ok(Measured {
        captures,
        board: report.board.as_ref().map(|board| board.mac.clone()).unwrap_or_default(),
        validated: report.faults.is_empty() && !report.results.is_empty(),
        visual_check_passed: !frames.iter().any(dark),
        faults: report.faults.iter().map(told).collect(),
        patterns: report.results.iter().map(|result| result.pattern.clone()).collect(),
        frames: frames.iter().map(|capture| capture.frames.len()).sum(),
    })
}

/// A fault in a sentence.
fn told(fault: &Fault) -> String {
    format!("{}: {}", fault.subject(), fault.errors.join(": "))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CapturesAsked {
    captures: ArtifactId,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Metrics {
    metrics: BTreeMap<String, PatternMetrics>,
}

/// The numbers of one pattern; on an emulated CPU they are exact.
#[derive(Debug, Serialize, JsonSchema)]
struct PatternMetrics {
    fps: f64,
    avg_render_time_ms: f64,
    render_median_ms: f64,
    render_p99_ms: f64,
    max_render_time_ms: f64,
    late_percent: f64,
    audio_latency_ms: f64,
    free_heap_bytes: u32,
    emulated: bool,
}

async fn capture_performance_metrics(asked: CapturesAsked, job: Job<Lab>) -> Result<Metrics, Failed> {
    let findings = job.context.findings(&asked.captures).await?;
    let emulated = findings.report.results.iter().map(|result| result.verdict.emulated);
    let deadline = Budgets::default().deadline_ns();
    let mut metrics = BTreeMap::new();
    for (capture, emulated) in findings.captures.iter().zip(emulated) {
        let Ok(run) = Statistics::of(capture, deadline) else { continue }; // compare_performance says why
        let ms = |ticks: f64| ticks * 1e3 / f64::from(run.tick_hz.max(1));
        metrics.insert(
            capture.plan.pattern.clone(),
            PatternMetrics {
                fps: run.fps,
                avg_render_time_ms: ms(run.render.mean_ticks),
                render_median_ms: ms(run.render.median_ticks as f64),
                render_p99_ms: ms(run.render.p99_ticks as f64),
                max_render_time_ms: ms(run.render.max_ticks as f64),
                late_percent: run.late_percent(),
                audio_latency_ms: f64::from(run.audio_age_p99_us) / 1e3,
                free_heap_bytes: run.heap_min_bytes,
                emulated,
            },
        );
    }
    Ok(Metrics { metrics })
}

/// Limits that hold whatever the baseline says; those that are absent are this project's defaults.
#[derive(Debug, Default, Deserialize, JsonSchema)]
struct Thresholds {
    min_fps: Option<f64>,
    max_render_time_ms: Option<f64>,
    max_audio_latency_ms: Option<f64>,
    min_heap_bytes: Option<u64>,
}

impl Thresholds {
    fn budgets(&self) -> Budgets {
        let usual = Budgets::default();
        Budgets {
            min_fps: self.min_fps.unwrap_or(usual.min_fps),
            max_render_ms: self.max_render_time_ms.unwrap_or(usual.max_render_ms),
            max_audio_latency_ms: self.max_audio_latency_ms.unwrap_or(usual.max_audio_latency_ms),
            min_heap_bytes: self.min_heap_bytes.unwrap_or(usual.min_heap_bytes),
            ..usual
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CompareAsked {
    captures: ArtifactId,
    image: ArtifactId,
    /// Baselines in the store, `baselines/NAME@VERSION`; none: only the thresholds count.
    #[serde(default)]
    baseline_version: Option<String>,
    #[serde(default)]
    thresholds: Option<Thresholds>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Compared {
    /// Whether the outcome is PASS or IMPROVED.
    passed: bool,
    outcome: Outcome,
    regression_detected: bool,
    /// A sentence per pattern.
    summary: Vec<String>,
    /// The verdicts with the frames behind them, in the store.
    comparison: ArtifactId,
}

async fn compare_performance(asked: CompareAsked, job: Job<Lab>) -> Result<Compared, Failed> {
    let lab = &job.context;
    let stored = lab.image(&asked.image).await?;
    let measured = lab.findings(&asked.captures).await?;
    let baselines = match given(&asked.baseline_version) {
        None => None,
        Some(version) => {
            let id = version.parse().map_err(|error: NotAName| Failed::input("baseline_version", error))?;
            Some(lab.get(&id).await?)
        }
    };
    let session = Session {
        budgets: asked.thresholds.unwrap_or_default().budgets(),
        baselines: baselines
            .as_ref()
            .map_or(Baselines::None, |folder| Baselines::Folder(folder.path().to_owned())),
        ..Session::default()
    };
    let judged = measured.captures.iter().map(|capture| session.judge(capture, Some(&stored.image)));
    let results = judged.collect::<Result<Vec<_>, _>>()?;
    let Report { run_id, started, board, faults, .. } = measured.report;
    let report = Report::new(run_id, started, Some(stored.image.clone()), board, results, faults);
    let findings = Findings { report, ..measured };
    let comparison = lab.put_findings("comparisons/patterns", &findings, &job).await?;
    let report = &findings.report;
    let of_result = |result: &crate::report::PatternResult| {
        format!("{}: {}, {}", result.pattern, result.verdict.outcome, result.verdict.reasons.join("; "))
    };
    Ok(Compared {
        passed: report.outcome.passed(),
        outcome: report.outcome,
        regression_detected: report.results.iter().any(|result| result.verdict.outcome == Outcome::Regressed),
        summary: report.results.iter().map(of_result).chain(report.faults.iter().map(told)).collect(),
        comparison,
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ReportAsked {
    /// What `compare_performance` stored.
    comparison: ArtifactId,
    pattern_name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Reported {
    /// The report in the store: `report.html`, `result.json` and the frames.
    report: ArtifactId,
    /// Where the store keeps it, for people.
    report_url: String,
    outcome: Outcome,
}

async fn generate_report(asked: ReportAsked, job: Job<Lab>) -> Result<Reported, Failed> {
    let findings = job.context.findings(&asked.comparison).await?;
    let name = format!("reports/{}", asked.pattern_name);
    let report = job.context.put_findings(&name, &findings, &job).await?;
    let report_url = job.context.url_of(&report);
    Ok(Reported { report, report_url, outcome: findings.report.outcome })
}
