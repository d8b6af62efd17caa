//! Comparisons for people: as tables for a terminal, as Markdown for a pull request, as CSV for a spreadsheet.

use super::bisect::{Bisection, Fault, Passed};
use super::diff::{Diff, Finding, Row, deciding};
use super::functions::Functions;
use super::functions_text;
use super::history::{History, Step};
use super::revision::{Numbers, Refusal, Revision};
use crate::verdict::words::{counted, signed_percent, thousands};
use crate::verdict::{Change, Likeness, Metric};

/// What the numbers are, said under every table.
const UNIT: &str = "instructions per frame on an emulated CPU: exact, and a model of the chip";

/// The cells of a row: pattern, finding, median before and after, change, p99, remarks.
type Cells = [String; 7];

const HEAD: [&str; 7] = ["pattern", "", "median before", "after", "change", "p99", ""];
const LEFT: [bool; 7] = [true, true, false, false, false, false, true];

/// The diff for a terminal: what changed in a table, the rest in a line. `paint` may put colour around a finding's
/// word; it is given the word already padded.
pub fn diff_table(diff: &Diff, paint: impl Fn(Finding, &str) -> String) -> String {
    let mut text = format!("base  {}\nhead  {}\n\n", diff.base.title(), diff.head.title());
    text += &refusals(diff, "", "");
    let changed: Vec<&Row> = diff.rows.iter().filter(|row| is_shown(row)).collect();
    let rows: Vec<(Option<Finding>, Cells)> = std::iter::once((None, HEAD.map(str::to_owned)))
        .chain(changed.iter().map(|row| (Some(row.finding), cells(row))))
        .collect();
    if !changed.is_empty() {
        text += &columns(&rows, &LEFT, |finding, at, padded| match finding {
            Some(finding) if at == 1 => paint(*finding, padded),
            _ => padded.to_owned(),
        });
        text.push('\n');
    }
    text += &in_functions(diff, functions_text::table);
    text + &summary(diff) + "\n"
}

/// The functions of each row that has some, each with an empty line behind it.
fn in_functions(diff: &Diff, told: impl Fn(&str, &Functions) -> String) -> String {
    let of = |row: &Row| Some(told(&row.pattern, row.functions.as_ref()?) + "\n");
    diff.rows.iter().filter_map(of).collect()
}

/// The diff as Markdown, made for a comment on a pull request.
pub fn diff_markdown(diff: &Diff) -> String {
    let mut text = format!("### LED frames: {}\n\n", headline(diff));
    text += &format!("{} → {}\n\n", markdown_title(&diff.base), markdown_title(&diff.head));
    text += &refusals(diff, "```text\n", "```\n");
    let same: Vec<&Row> = diff.rows.iter().filter(|row| row.finding == Finding::Same).collect();
    let changed: Vec<&Row> = diff.rows.iter().filter(|row| is_shown(row)).collect();
    text += &markdown_rows(&changed);
    text += &in_functions(diff, functions_text::markdown);
    if !same.is_empty() {
        let count = counted(same.len() as u64, "pattern");
        text += &format!("<details><summary>{count} the same</summary>\n\n");
        text += &markdown_rows(&same);
        text += "</details>\n\n";
    }
    text + &format!(
        "<sub>{UNIT}. A change up to {} % counts as none.</sub>\n",
        crate::verdict::words::plain(diff.min_effect_percent)
    )
}

fn markdown_rows(rows: &[&Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text =
        "| pattern | | median before | after | change | p99 | |\n|---|---|--:|--:|--:|--:|---|\n".to_owned();
    for row in rows {
        let [_, _, before, after, change, p99, remarks] = cells(row).map(|cell| escaped(&cell));
        let finding = match row.finding {
            Finding::Same => "same".to_owned(),
            finding => format!("**{finding}**"),
        };
        let pattern = code(&row.pattern);
        text += &format!("| {pattern} | {finding} | {before} | {after} | {change} | {p99} | {remarks} |\n");
    }
    text + "\n"
}

/// What came from a commit or a firmware must not become markup, nor call anybody.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '@' => out += "@\u{200b}",
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '|' | '!' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A text between backticks, where nothing but they and a table's bars means anything.
pub(super) fn code(text: &str) -> String {
    let plain = |c: char| match c {
        '`' => '\'',
        c if c.is_control() => ' ',
        c => c,
    };
    format!("`{}`", text.chars().map(plain).collect::<String>().replace('|', "\\|"))
}

/// The commit's id as code and its subject as text.
fn markdown_title(revision: &Revision) -> String {
    match &revision.commit {
        Some(commit) => format!("{} {}", code(commit.short()), escaped(&commit.subject)),
        None => escaped(&revision.name),
    }
}

/// What is the same needs no line; that a firmware does not build is said once.
fn is_shown(row: &Row) -> bool {
    !matches!(row.finding, Finding::Same | Finding::DoesNotBuild)
}

fn cells(row: &Row) -> Cells {
    let median = |numbers: &Option<Numbers>| match numbers.as_ref() {
        Some(Numbers::Ran(run)) => thousands(run.statistics.render.median_ticks),
        Some(Numbers::Failed(_)) => "failed".to_owned(),
        None => "-".to_owned(),
    };
    let effect = |metric| row.change(metric).map(|change| change.effect_text()).unwrap_or_default();
    [
        row.pattern.clone(),
        row.finding.to_string(),
        median(&row.base),
        median(&row.head),
        effect(Metric::RenderMedian),
        effect(Metric::RenderP99),
        remarks(row).join("; "),
    ]
}

fn remarks(row: &Row) -> Vec<String> {
    let mut remarks = Vec::new();
    if row.picture == Likeness::Changed {
        let first = row.first_other_frame.unwrap_or(0);
        remarks.push(format!(
            "{} drawn differently, from frame {first} on",
            counted(row.other_frames.into(), "frame")
        ));
    }
    if let Some(late) = row.change(Metric::LateFrames).filter(|late| late.difference != 0.0) {
        remarks.push(format!("{} of frames late", late.difference_text()));
    }
    if let Some(Numbers::Failed(reason)) = &row.head {
        remarks.push(reason.clone());
    }
    remarks
}

fn refusals(diff: &Diff, before: &str, after: &str) -> String {
    let said = |side: &str, refusal: &Refusal| {
        let mut text = format!("{side} does not build: {}\n", refusal.reason);
        text.extend(refusal.errors.iter().skip(1).take(20).map(|error| format!("  {error}\n")));
        // What the compiler said must not end the block that holds it.
        let text = if before.is_empty() { text } else { text.replace('`', "'") };
        format!("{before}{text}{after}\n")
    };
    let base = diff.base_refusal.as_ref().map(|refusal| said(diff.base.short(), refusal));
    let head = diff.head_refusal.as_ref().map(|refusal| said(diff.head.short(), refusal));
    base.into_iter().chain(head).collect()
}

/// `2 slower, 1 other picture, 43 the same`.
fn headline(diff: &Diff) -> String {
    if diff.head_refusal.is_some() {
        return "the firmware does not build".to_owned();
    }
    let findings = [
        Finding::Fails,
        Finding::Slower,
        Finding::OtherPicture,
        Finding::Gone,
        Finding::New,
        Finding::Faster,
        Finding::StillFails,
        Finding::Same,
    ];
    let count = |finding| diff.rows.iter().filter(|row| row.finding == finding).count();
    let counts: Vec<String> = findings
        .into_iter()
        .map(|finding| (finding, count(finding)))
        .filter(|(_, count)| *count > 0)
        .map(|(finding, count)| match finding {
            Finding::Same => format!("{count} the same"),
            finding => format!("{count} {finding}"),
        })
        .collect();
    if counts.is_empty() { "nothing was measured".to_owned() } else { counts.join(", ") }
}

fn summary(diff: &Diff) -> String {
    format!("{} ({UNIT})", headline(diff))
}

/// The history for a terminal: what each pattern costs now and at the beginning, and each change on its way.
pub fn history_table(history: &History) -> String {
    let mut text = String::new();
    let refused: Vec<_> = history.points.iter().filter_map(|p| Some((p, p.measured.refusal()?))).collect();
    let mut rows: Vec<((), [String; 5])> =
        vec![((), ["pattern", "first", "last", "change", "steps"].map(str::to_owned))];
    for pattern in &history.patterns {
        let medians: Vec<u64> =
            history.runs(pattern).map(|(_, run)| run.statistics.render.median_ticks).collect();
        let (Some(first), Some(last)) = (medians.first(), medians.last()) else { continue };
        let change = 100.0 * (*last as f64 - *first as f64) / (*first).max(1) as f64;
        let steps = history.steps.iter().filter(|step| &step.pattern == pattern);
        let steps: Vec<String> = steps.map(|step| step_text(history, step)).collect();
        rows.push((
            (),
            [pattern.clone(), thousands(*first), thousands(*last), signed_percent(change), steps.join(", ")],
        ));
    }
    text += &columns(&rows, &[true, false, false, false, true], |(), _, padded| padded.to_owned());
    for (point, refusal) in &refused {
        text += &format!("\n{} does not build: {}", point.measured.revision.title(), refusal.reason);
    }
    let commits = counted(history.points.len() as u64, "commit");
    let built = history.points.len() - refused.len();
    text + &format!("\n{commits}, of which {built} built ({UNIT})\n")
}

/// `111cc6e slower p99 +4.10 %`
fn step_text(history: &History, step: &Step) -> String {
    let at = history.points[step.point].measured.revision.short();
    format!("{at} {}{}", step.finding, step.by().map(|by| format!(" {by}")).unwrap_or_default())
}

impl Step {
    /// How much, where the finding has an amount: `+4.10 %`, `p99 +4.10 %`, `+1.333 points late`.
    pub fn by(&self) -> Option<String> {
        let change = self.change.as_ref()?;
        Some(match change.metric {
            Metric::RenderMedian => change.effect_text(),
            Metric::LateFrames => format!("{} late", change.difference_text()),
            _ => format!("p99 {}", change.effect_text()),
        })
    }
}

/// What a bisection found, for a terminal.
pub fn bisection_text(found: &Bisection) -> String {
    let Bisection { pattern, first_bad, after, changes, .. } = found;
    let did = match (found.fault, after) {
        (Fault::Fails, Numbers::Failed(reason)) => format!("made {pattern} fail: {reason}"),
        (Fault::OtherPicture, _) => {
            format!("changed what {pattern} draws: {} differ", counted(found.other_frames.into(), "frame"))
        }
        _ => {
            let worst = deciding(changes, Finding::Slower);
            worst.map_or_else(|| format!("made {pattern} slower"), |change| slower(pattern, change))
        }
    };
    let mut text = format!("{} {}\n  {}  {}\n", first_bad.short(), did, first_bad.date, first_bad.subject);
    if !found.suspects.is_empty() {
        text += "\none of these may have done it too, for it could not be measured:\n";
        text += &passed(&found.suspects);
    }
    let others: Vec<Passed> =
        found.passed_over.iter().filter(|passed| !found.suspects.contains(passed)).cloned().collect();
    if !others.is_empty() {
        text += "\npassed over:\n";
        text += &passed(&others);
    }
    if let Some(functions) = &found.functions {
        text += &format!("\n{}", functions_text::table(pattern, functions));
    }
    text + &format!("\n{} measured ({UNIT})\n", counted(found.measured as u64, "commit"))
}

fn slower(pattern: &str, change: &Change) -> String {
    let (was, is) = (change.value_text(change.baseline), change.value_text(change.measured));
    match change.metric {
        Metric::LateFrames => format!("made more frames of {pattern} late: {was} before, {is} now"),
        metric => {
            let by = change.effect_percent.map(|percent| signed_percent(percent) + " ").unwrap_or_default();
            format!("made {pattern} {by}slower: {metric} {was} before, {is} now")
        }
    }
}

fn passed(list: &[Passed]) -> String {
    let line = |p: &Passed| format!("  {} {}\n    {}\n", p.commit.short(), p.commit.subject, p.reason);
    list.iter().map(line).collect()
}

/// One line per commit and pattern; commits that do not build have one line with no pattern.
pub fn history_csv(history: &History) -> String {
    let mut text = "commit,date,subject,pattern,state,render_median_ticks,render_p99_ticks,render_mean_ticks,late_frames,frames,picture_sha256\n".to_owned();
    for point in &history.points {
        let measured = &point.measured;
        let (id, date, subject) = match &measured.revision.commit {
            Some(commit) => (commit.id.as_str(), commit.date.as_str(), commit.subject.as_str()),
            None => (measured.revision.name.as_str(), "", ""),
        };
        let begin = format!("{id},{date},{}", quoted(subject));
        if measured.refusal().is_some() {
            text += &format!("{begin},,does not build,,,,,,\n");
        }
        for pattern in measured.measured() {
            let name = quoted(pattern);
            match measured.numbers(pattern) {
                Some(Numbers::Ran(run)) => {
                    let (s, r) = (&run.statistics, &run.statistics.render);
                    text += &format!(
                        "{begin},{name},measured,{},{},{},{},{},{}\n",
                        r.median_ticks, r.p99_ticks, r.mean_ticks, s.late_frames, s.frames, s.picture_sha256
                    );
                }
                _ => text += &format!("{begin},{name},failed,,,,,,\n"),
            }
        }
    }
    text
}

/// A field that a spreadsheet takes for text: quoted, and never for a formula.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Rows in columns that are as wide as their widest cell.
pub(super) fn columns<K, const N: usize>(
    rows: &[(K, [String; N])],
    left: &[bool; N],
    paint: impl Fn(&K, usize, &str) -> String,
) -> String {
    let widths: [usize; N] =
        std::array::from_fn(|i| rows.iter().map(|(_, cells)| cells[i].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for (key, cells) in rows {
        let mut line = String::new();
        for (i, cell) in cells.iter().enumerate() {
            let padding = " ".repeat(widths[i] - cell.chars().count());
            let padded = if left[i] { format!("{cell}{padding}") } else { format!("{padding}{cell}") };
            line += if i == 0 { "" } else { "  " };
            line += &paint(key, i, &padded);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_commit_becomes_markup_or_a_formula() {
        assert_eq!(escaped("a|b <img> `x` @me\n"), "a\\|b &lt;img&gt; \\`x\\` @\u{200b}me ");
        assert_eq!(escaped("![x](y) *b*"), "\\!\\[x\\](y) \\*b\\*");
        assert_eq!(code("a`b|c\n"), "`a'b\\|c `");
        assert_eq!(quoted("=1+1 \"x\""), "\"'=1+1 \"\"x\"\"\"");
    }
}
