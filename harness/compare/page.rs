//! The history as one HTML page that needs nothing but itself: a plot of each pattern over the commits, and a table.

use plotters::prelude::*;
use serde::Serialize;

use super::CompareError;
use super::history::{History, Step};
use crate::report::plot;
use crate::verdict::words::thousands;

const TEMPLATE: &str = include_str!("history.html.j2");

#[derive(Serialize)]
struct Page<'a> {
    title: String,
    harness: &'static str,
    refused: Vec<(String, &'a str)>,
    patterns: Vec<Section<'a>>,
}

#[derive(Serialize)]
struct Section<'a> {
    pattern: &'a str,
    first: String,
    last: String,
    plot: String,
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    commit: String,
    finding: String,
    effect: String,
}

/// The page of `history`.
pub(super) fn html(history: &History) -> Result<String, CompareError> {
    let patterns = history.patterns.iter().map(|pattern| section(history, pattern));
    let ends = [history.points.first(), history.points.last()];
    let title = match ends.map(|end| end.map(|point| point.measured.revision.short().to_owned())) {
        [Some(first), Some(last)] => format!("LED frames from {first} to {last}"),
        _ => "LED frames".to_owned(),
    };
    let refused = history.points.iter().filter_map(|point| {
        let refusal = point.measured.refusal()?;
        Some((point.measured.revision.title(), refusal.reason.as_str()))
    });
    let page = Page {
        title,
        harness: env!("CARGO_PKG_VERSION"),
        refused: refused.collect(),
        patterns: patterns.collect::<Result<_, _>>()?,
    };
    let mut environment = minijinja::Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    // The name's ending switches escaping on.
    environment
        .add_template("history.html", TEMPLATE)
        .and_then(|()| environment.get_template("history.html")?.render(minijinja::value::Serde(page)))
        .map_err(|e| CompareError::Page { reason: format!("{e:#}") })
}

fn section<'a>(history: &'a History, pattern: &'a str) -> Result<Section<'a>, CompareError> {
    let medians: Vec<(usize, u64)> =
        history.runs(pattern).map(|(at, run)| (at, run.statistics.render.median_ticks)).collect();
    let p99s: Vec<(usize, u64)> =
        history.runs(pattern).map(|(at, run)| (at, run.statistics.render.p99_ticks)).collect();
    let view = |step: &Step| StepView {
        commit: history.points[step.point].measured.revision.title(),
        finding: step.finding.to_string(),
        effect: step.by().unwrap_or_default(),
    };
    let amount = |point: Option<&(usize, u64)>| point.map_or_else(|| "-".to_owned(), |(_, t)| thousands(*t));
    Ok(Section {
        pattern,
        first: amount(medians.first()),
        last: amount(medians.last()),
        plot: curve(&medians, &p99s, history.points.len())?,
        steps: history.steps.iter().filter(|step| step.pattern == pattern).map(view).collect(),
    })
}

/// Median and p99 over the commits, from zero, as steps: between two commits nothing happens.
fn curve(medians: &[(usize, u64)], p99s: &[(usize, u64)], commits: usize) -> Result<String, CompareError> {
    let top = p99s.iter().map(|(_, ticks)| *ticks as f64).fold(1.0, f64::max) / 1e3 * 1.15;
    let last = commits.saturating_sub(1).max(1) as u32;
    let stairs = |points: &[(usize, u64)]| {
        let mut line: Vec<(u32, f64)> = Vec::with_capacity(2 * points.len());
        for (at, ticks) in points {
            let (at, thousands) = (*at as u32, *ticks as f64 / 1e3);
            line.extend(line.last().map(|(_, before)| (at, *before)));
            line.push((at, thousands));
        }
        line
    };
    let (medians, p99s) = (stairs(medians), stairs(p99s));
    plot::draw((900, 190), |area| {
        let mut chart = plot::chart(area).build_cartesian_2d(0..last, 0.0..top)?;
        plot::axes(&mut chart, "commit", "1000 instructions", 4)?;
        chart.draw_series(LineSeries::new(p99s, plot::WORK.stroke_width(1)))?;
        let dots: Vec<(u32, f64)> = medians.clone();
        chart.draw_series(LineSeries::new(medians, plot::RENDER.stroke_width(2)))?;
        chart.draw_series(dots.into_iter().map(|point| Circle::new(point, 2, plot::RENDER.filled())))?;
        Ok(())
    })
    .map_err(|e| CompareError::Page { reason: e.to_string() })
}
