//! The report as a table for a terminal.

use super::{PatternResult, Report};
use crate::verdict::words::{counted, signed_percent, thousands, time};
use crate::verdict::{Direction, Likeness, Metric, Outcome, Statistics, Verdict};

const HEAD: [&str; 8] =
    ["pattern", "verdict", "fps", "render median", "p99", "late", "budgets", "vs baseline"];
/// Texts stand at the left, numbers at the right.
const LEFT: [bool; 8] = [true, true, false, false, false, false, false, true];
const VERDICT: usize = 1;

/// One line per pattern, then the reasons of those that are not a plain PASS. Times are instructions on an emulated CPU.
/// `paint` may put colour around a verdict's word; it is given the word already padded.
pub fn table(report: &Report, paint: impl Fn(Outcome, &str) -> String) -> String {
    let mut rows = vec![(None, HEAD.map(str::to_owned))];
    rows.extend(report.results.iter().map(|result| (Some(result.verdict.outcome), row(result))));
    for fault in &report.faults {
        let mut cells = ["-"; 8].map(str::to_owned);
        cells[0] = fault.subject().to_owned();
        cells[VERDICT] = fault.outcome().to_string();
        rows.push((Some(fault.outcome()), cells));
    }
    let mut text = lines(&rows, &paint);
    for Verdict { pattern, reasons, .. } in notable(report) {
        text += &format!("\n{pattern}\n");
        text.extend(reasons.iter().map(|reason| format!("  {reason}\n")));
    }
    for fault in &report.faults {
        text += &format!("\n{}\n  {}\n", fault.subject(), fault.errors.join(": "));
    }
    if !report.notes.is_empty() {
        text.push('\n');
        text.extend(report.notes.iter().map(|note| format!("{note}\n")));
    }
    text + &last_line(report, &paint)
}

fn row(result: &PatternResult) -> [String; 8] {
    let verdict = &result.verdict;
    let mut cells = ["-"; 8].map(str::to_owned);
    cells[0] = result.pattern.clone();
    cells[VERDICT] = verdict.outcome.to_string();
    if let Some(s) = &verdict.statistics {
        cells[2] = format!("{:.1}", s.fps);
        cells[3] = amount(s.render.median_ticks, s, verdict.emulated);
        cells[4] = amount(s.render.p99_ticks, s, verdict.emulated);
        cells[5] = s.late_frames.to_string();
    }
    let kept = verdict.budgets.iter().filter(|check| check.ok).count();
    cells[6] = format!("{kept}/{}", verdict.budgets.len());
    cells[7] = against_baseline(verdict);
    cells
}

fn amount(ticks: u64, statistics: &Statistics, emulated: bool) -> String {
    if emulated { thousands(ticks) } else { time(ticks as f64, statistics.tick_hz) }
}

/// The median's change, and what else is worth a look.
pub(super) fn against_baseline(verdict: &Verdict) -> String {
    let picture = if verdict.picture == Likeness::Changed { ", other picture" } else { "" };
    times_against_baseline(verdict) + picture
}

fn times_against_baseline(verdict: &Verdict) -> String {
    let change = |metric| verdict.changes.iter().find(|change| change.metric == metric);
    let Some(median) = change(Metric::RenderMedian) else { return "-".to_owned() };
    if verdict.changes.iter().all(|change| change.difference == 0.0) {
        return "same".to_owned();
    }
    let mut text = median.effect_percent.map(signed_percent).unwrap_or_else(|| median.difference_text());
    if let Some(p99) = change(Metric::RenderP99).filter(|p99| p99.direction != median.direction) {
        text += &format!(
            ", p99 {}",
            p99.effect_percent.map(signed_percent).unwrap_or_else(|| p99.difference_text())
        );
    }
    if change(Metric::LateFrames).is_some_and(|late| late.direction == Direction::Worse) {
        text += ", more late";
    }
    text
}

fn notable(report: &Report) -> impl Iterator<Item = &Verdict> {
    report
        .results
        .iter()
        .map(|result| &result.verdict)
        .filter(|verdict| verdict.outcome != Outcome::Pass || verdict.picture == Likeness::Changed)
}

fn lines(rows: &[(Option<Outcome>, [String; 8])], paint: &impl Fn(Outcome, &str) -> String) -> String {
    let widths: [usize; 8] =
        std::array::from_fn(|i| rows.iter().map(|(_, cells)| cells[i].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for (outcome, cells) in rows {
        let mut line = String::new();
        for (i, cell) in cells.iter().enumerate() {
            let padding = " ".repeat(widths[i] - cell.chars().count());
            let padded = if LEFT[i] { format!("{cell}{padding}") } else { format!("{padding}{cell}") };
            line += if i == 0 { "" } else { "  " };
            line += &match outcome {
                Some(outcome) if i == VERDICT => paint(*outcome, &padded),
                _ => padded,
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn last_line(report: &Report, paint: &impl Fn(Outcome, &str) -> String) -> String {
    let emulated = report.results.iter().any(|result| result.verdict.emulated);
    let patterns = counted((report.results.len() + report.faults.len()) as u64, "pattern");
    let note = if emulated {
        "; emulated: times are instructions per frame, exact, and a model of the chip"
    } else {
        ""
    };
    format!("\n{} ({patterns}{note})\n", paint(report.outcome, report.outcome.as_str()))
}
