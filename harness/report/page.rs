//! The report as one HTML page that needs nothing but itself: no network, no script.
//!
//! Everything is text by the time it reaches the template, which escapes it. Plots and pictures go in as they are: they hold
//! nothing that a pattern or a board could have named; flame graphs, which do, escape it themselves.

use serde::Serialize;

use super::filmstrip::filmstrip;
use super::{PatternResult, Report, ReportError, plot, table};
use crate::board::Cpu;
use crate::capture::Capture;
use crate::image::Usage;
use crate::profile::{Nodes, Profile, ProfileTable, flame_graph};
use crate::verdict::words::{counted, plain, thousands, ticks_of, time};
use crate::verdict::{Change, Direction, Likeness, Metric, Outcome, Statistics, Summary, Verdict};

const TEMPLATE: &str = include_str!("report.html.j2");

/// The page of `report`; `captures` and `profiles` are those of its results, in their order.
pub(super) fn html(
    report: &Report,
    captures: &[&Capture],
    profiles: &[Option<&Profile>],
) -> Result<String, ReportError> {
    let results = report.results.iter().zip(captures).zip(profiles);
    let sections = results.map(|((result, capture), profile)| section(result, capture, *profile));
    let page = Page {
        title: format!("{} {}", report.outcome, report.run_id),
        outcome: badge(report.outcome),
        emulated: report.results.iter().any(|result| result.verdict.emulated),
        facts: facts(report),
        faults: report
            .faults
            .iter()
            .map(|f| FaultView { subject: f.subject(), badge: badge(f.outcome()), errors: &f.errors })
            .collect(),
        sections: sections.collect::<Result<_, _>>()?,
        harness: &report.harness,
    };
    let mut environment = minijinja::Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    // The name's ending switches escaping on.
    let rendered = environment
        .add_template("report.html", TEMPLATE)
        .and_then(|()| environment.get_template("report.html")?.render(minijinja::value::Serde(page)));
    rendered.map_err(|e| ReportError::Page { reason: format!("{e:#}") })
}

#[derive(Serialize)]
struct Page<'a> {
    title: String,
    outcome: Badge,
    emulated: bool,
    facts: Vec<(&'static str, String)>,
    faults: Vec<FaultView<'a>>,
    sections: Vec<Section<'a>>,
    harness: &'a str,
}

/// An outcome's word and the class that colours it.
#[derive(Serialize)]
struct Badge {
    word: &'static str,
    class: &'static str,
}

#[derive(Serialize)]
struct FaultView<'a> {
    subject: &'a str,
    badge: Badge,
    errors: &'a [String],
}

#[derive(Serialize)]
struct Section<'a> {
    /// Of the section in the page; a pattern's own name might not do as one.
    anchor: String,
    pattern: &'a str,
    outcome: Badge,
    reasons: &'a [String],
    fps: String,
    median: String,
    p99: String,
    late: String,
    kept: String,
    against: String,
    plan: String,
    unit: &'static str,
    budgets: Vec<BudgetView>,
    spread: Vec<SpreadView>,
    changes: Vec<ChangeView>,
    picture: &'static str,
    filmstrip: Option<Strip>,
    plots: Option<Plots>,
    profile: Option<ProfileView<'a>>,
}

#[derive(Serialize)]
struct BudgetView {
    name: String,
    limit: String,
    measured: String,
    ok: bool,
}

#[derive(Serialize)]
struct SpreadView {
    name: &'static str,
    render: String,
    render_time: String,
    work: String,
    work_time: String,
}

#[derive(Serialize)]
struct ChangeView {
    name: String,
    baseline: String,
    measured: String,
    difference: String,
    effect: String,
    class: &'static str,
    gates: bool,
}

#[derive(Serialize)]
struct Strip {
    address: String,
    height: usize,
    caption: String,
}

#[derive(Serialize)]
struct Plots {
    render: String,
    work: String,
    histogram: String,
    baseline: bool,
}

#[derive(Serialize)]
struct ProfileView<'a> {
    total: String,
    frames: String,
    nodes: Vec<CostView<'a>>,
    functions: Vec<CostView<'a>>,
    flame: String,
}

/// A function or one of its lines, or a node.
#[derive(Serialize)]
struct CostView<'a> {
    name: std::borrow::Cow<'a, str>,
    own: String,
    share: String,
    total: String,
    is_line: bool,
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let mut facts = vec![("run", report.run_id.clone()), ("started", report.started.clone())];
    if let Some(board) = &report.board {
        let cpu = match board.cpu {
            Cpu::Emulated => "emulated CPU",
            Cpu::Chip => "chip",
        };
        facts.push(("board", format!("{}, {} at {}, {cpu}", board.model, board.mac, board.address.host)));
    }
    if let Some(image) = &report.image {
        if let Some(origin) = &image.origin {
            facts.push(("firmware", format!("{} at {origin}", origin.manifest)));
        }
        // Which patterns a checkout has is not known from its image.
        let patterns = match image.patterns.len() {
            0 => String::new(),
            count => format!(", {}", counted(count as u64, "pattern")),
        };
        facts.push(("image", format!("{} (ELF){patterns}", image.elf_sha256.short())));
        facts.push(("flash", usage(image.flash)));
        facts.push(("RAM", usage(image.ram)));
        facts.push(("warnings", image.warnings.len().to_string()));
        let tools: Vec<String> =
            image.tools.iter().map(|(tool, version)| format!("{tool} {version}")).collect();
        facts.push(("built with", tools.join(", ")));
    }
    facts.extend(report.notes.iter().map(|note| ("note", note.clone())));
    facts
}

fn usage(Usage { used, of }: Usage) -> String {
    format!(
        "{} of {} B ({} %)",
        thousands(used),
        thousands(of),
        plain(100.0 * used as f64 / of.max(1) as f64)
    )
}

fn section<'a>(
    result: &'a PatternResult,
    capture: &Capture,
    profile: Option<&Profile>,
) -> Result<Section<'a>, ReportError> {
    let verdict = &result.verdict;
    let cpu = capture.board.cpu;
    let number =
        |of: &dyn Fn(&Statistics) -> String| verdict.statistics.as_ref().map_or_else(|| "-".to_owned(), of);
    let kept = verdict.budgets.iter().filter(|check| check.ok).count();
    Ok(Section {
        anchor: format!("p-{}", result.pattern),
        pattern: &result.pattern,
        outcome: badge(verdict.outcome),
        reasons: &verdict.reasons,
        fps: number(&|s| format!("{:.1}", s.fps)),
        median: number(&|s| time(s.render.median_ticks as f64, s.tick_hz)),
        p99: number(&|s| time(s.render.p99_ticks as f64, s.tick_hz)),
        late: number(&|s| s.late_frames.to_string()),
        kept: format!("{kept} of {}", verdict.budgets.len()),
        against: table::against_baseline(verdict),
        plan: plan(result),
        unit: ticks_of(cpu, 2),
        budgets: budgets(verdict),
        spread: verdict.statistics.as_ref().map(spread).unwrap_or_default(),
        changes: verdict.changes.iter().map(change).collect(),
        picture: match verdict.picture {
            Likeness::Same => "Every LED of every frame is that of the baseline.",
            Likeness::Changed => "The LED frames are not those of the baseline.",
            Likeness::Unknown => "",
        },
        filmstrip: strip(capture)?,
        plots: plots(verdict, capture)?,
        profile: result.profile.as_deref().map(|table| profile_view(table, profile)),
    })
}

fn plan(result: &PatternResult) -> String {
    let plan = &result.plan;
    let late = result.verdict.statistics.as_ref().map_or(String::new(), |s| {
        format!(" A frame is late if its work takes longer than {} ms.", plain(s.deadline_ns as f64 / 1e6))
    });
    format!(
        "{} after {} of warm-up, {} rejected; stimulus {}, seed {}; firmware {}, boot {}, run {}.{late}",
        counted(u64::from(plan.frames), "frame"),
        thousands(u64::from(plan.warmup)),
        result.rejected,
        plan.stimulus,
        plan.seed,
        result.elf_sha256.short(),
        result.boot_id,
        result.run_id,
    )
}

fn budgets(verdict: &Verdict) -> Vec<BudgetView> {
    let view = |check: &crate::verdict::BudgetCheck| BudgetView {
        name: check.name.to_string(),
        limit: check.limit_text(),
        measured: check.measured_text(),
        ok: check.ok,
    };
    verdict.budgets.iter().map(view).collect()
}

fn spread(statistics: &Statistics) -> Vec<SpreadView> {
    let (render, work, hz) = (&statistics.render, &statistics.work, statistics.tick_hz);
    let line = |name, of: fn(&Summary) -> f64| SpreadView {
        name,
        render: thousands(of(render).round() as u64),
        render_time: time(of(render), hz),
        work: thousands(of(work).round() as u64),
        work_time: time(of(work), hz),
    };
    let mut lines = vec![
        line("median", |s| s.median_ticks as f64),
        line("p95", |s| s.p95_ticks as f64),
        line("p99", |s| s.p99_ticks as f64),
    ];
    if render.p999_ticks.is_some() && work.p999_ticks.is_some() {
        lines.push(line("p99.9", |s| s.p999_ticks.unwrap_or(0) as f64));
    }
    lines.push(line("max", |s| s.max_ticks as f64));
    lines.push(line("mean", |s| s.mean_ticks));
    lines
}

fn change(change: &Change) -> ChangeView {
    ChangeView {
        name: change.metric.to_string(),
        baseline: change.value_text(change.baseline),
        measured: change.value_text(change.measured),
        difference: change.difference_text(),
        effect: change.effect_text(),
        class: match change.direction {
            Direction::Worse => "bad",
            Direction::Same => "",
            Direction::Better => "good",
        },
        gates: change.gates,
    }
}

fn strip(capture: &Capture) -> Result<Option<Strip>, ReportError> {
    let strip = filmstrip(&capture.pictures)?;
    Ok(strip.map(|strip| Strip {
        height: strip.rows * 4,
        caption: format!(
            "The strip as seen: {} from frame {} (top) to frame {} (bottom), brightened from LED to screen.",
            counted(strip.rows as u64, "picture"),
            strip.first,
            strip.last
        ),
        address: strip.address,
    }))
}

/// Frames that cannot be judged are not drawn as if they could.
fn plots(verdict: &Verdict, capture: &Capture) -> Result<Option<Plots>, ReportError> {
    if verdict.statistics.is_none() {
        return Ok(None);
    }
    let median = verdict.changes.iter().find(|change| change.metric == Metric::RenderMedian);
    let baseline = median.map(|median| median.baseline);
    Ok(Some(Plots {
        render: plot::render_times(capture, baseline)?,
        work: plot::work_times(capture)?,
        histogram: plot::histogram(capture, baseline)?,
        baseline: baseline.is_some(),
    }))
}

fn profile_view<'a>(table: &'a ProfileTable, profile: Option<&Profile>) -> ProfileView<'a> {
    let cost = |name, own: u64, total: Option<u64>, is_line| CostView {
        name,
        own: table.per_frame(own),
        share: format!("{:.1} %", table.percent(own)),
        total: total.map(|total| table.per_frame(total)).unwrap_or_default(),
        is_line,
    };
    let mut functions = Vec::new();
    for function in &table.functions {
        functions.push(cost(function.name.as_str().into(), function.own, Some(function.total), false));
        let lines = function.lines.iter();
        functions.extend(lines.map(|line| cost(line.place().into(), line.own, Some(line.total), true)));
    }
    if table.others > 0 {
        let others = format!("{} more", counted(table.others.into(), "function"));
        functions.push(cost(others.into(), table.others_own, None, false));
    }
    let nodes = table.nodes.iter().flat_map(|nodes| {
        let all = nodes.nodes.iter().map(|node| (node.node.as_str(), node.instructions));
        all.chain([(Nodes::BETWEEN, nodes.between), (Nodes::AROUND, nodes.around)])
    });
    ProfileView {
        total: table.per_frame(table.instructions),
        frames: counted(table.plan.frames.into(), "frame"),
        nodes: nodes.map(|(name, count)| cost(name.into(), count, None, false)).collect(),
        functions,
        flame: profile.map(flame_graph).unwrap_or_default(),
    }
}

fn badge(outcome: Outcome) -> Badge {
    let class = match outcome {
        Outcome::Pass | Outcome::Improved => "good",
        Outcome::Regressed | Outcome::Failed => "bad",
        Outcome::Inconclusive | Outcome::Invalid => "unsure",
    };
    Badge { word: outcome.as_str(), class }
}
