//! What a comparison of two revisions says, from numbers made up for it.

use k1_hil::compare::{
    Diff, Finding, Found, Measured, Numbers, Refusal, Revision, Run, diff_markdown, diff_table,
};
use k1_hil::digest::Sha;
use k1_hil::image::Diagnostic;
use k1_hil::source::Commit;
use k1_hil::verdict::{Comparison, Outcome, Statistics, Summary};

fn revision(digit: &str, subject: &str) -> Revision {
    let commit = Commit {
        id: digit.repeat(40),
        parents: Vec::new(),
        date: "2026-01-01T00:00:00Z".to_owned(),
        subject: subject.to_owned(),
    };
    Revision::of(subject, commit)
}

/// A run of four frames with this median and p99, of which `late` were late, with these pictures.
fn ran(median: u64, p99: u64, late: u32, pictures: [u32; 4]) -> Numbers {
    let summary = |median_ticks, p99_ticks| Summary {
        median_ticks,
        p95_ticks: p99_ticks,
        p99_ticks,
        p999_ticks: None,
        max_ticks: p99_ticks,
        mean_ticks: median_ticks as f64,
        effective_frames: 4.0,
    };
    let statistics = Statistics {
        frames: 4,
        tick_hz: 250_000_000,
        fps: 166.0,
        span_ns: 18_000_000,
        render: summary(median, p99),
        work: summary(median, p99),
        deadline_ns: 33_333_333,
        late_frames: late,
        heap_min_bytes: 200_000,
        audio_age_p99_us: 5000,
        picture_sha256: Sha::of(format!("{pictures:?}")),
    };
    Numbers::Ran(Box::new(Run { statistics, led_hashes: pictures.to_vec(), render_ticks: Vec::new() }))
}

fn measured(revision: Revision, numbers: Vec<(&str, Numbers)>) -> Measured {
    let numbers: Vec<(String, Numbers)> = numbers.into_iter().map(|(id, n)| (id.to_owned(), n)).collect();
    let patterns = numbers.iter().map(|(id, _)| id.clone()).collect();
    Measured { revision, found: Found::Built { program_sha256: Sha::of("program"), patterns, numbers } }
}

const PICTURES: [u32; 4] = [1, 2, 3, 4];

fn every_finding() -> (Measured, Measured) {
    let hung = || Numbers::Failed("the firmware died drawing frame 7 of hang: watchdog".to_owned());
    let base = measured(
        revision("a", "Before | `it` <b>"),
        vec![
            ("steady", ran(1000, 1100, 0, PICTURES)),
            ("within", ran(1000, 1100, 0, PICTURES)),
            ("slow", ran(1000, 1100, 0, PICTURES)),
            ("slower", ran(1000, 1100, 0, PICTURES)),
            ("stutter", ran(1000, 1100, 0, PICTURES)),
            ("fast", ran(1000, 1100, 0, PICTURES)),
            ("repainted", ran(1000, 1100, 0, PICTURES)),
            ("lost", ran(1000, 1100, 0, PICTURES)),
            ("hang", ran(1000, 1100, 0, PICTURES)),
            ("hung", hung()),
        ],
    );
    let head = measured(
        revision("b", "After @somebody"),
        vec![
            ("steady", ran(1000, 1100, 0, PICTURES)),
            ("within", ran(1004, 1104, 0, PICTURES)),
            ("slow", ran(1030, 1133, 0, PICTURES)),
            ("slower", ran(1300, 1400, 1, [1, 2, 9, 9])),
            ("stutter", ran(900, 1300, 0, PICTURES)),
            ("fast", ran(900, 990, 0, PICTURES)),
            ("repainted", ran(1000, 1100, 0, [1, 9, 3, 4])),
            ("added", ran(500, 500, 0, PICTURES)),
            ("hang", hung()),
            ("hung", hung()),
        ],
    );
    (base, head)
}

#[test]
fn what_asks_for_attention_comes_first_and_a_faster_median_does_not_hide_a_stutter() {
    let (base, head) = every_finding();
    let diff = Diff::new(&base, &head, &Comparison::default());
    let found: Vec<(&str, Finding)> =
        diff.rows.iter().map(|row| (row.pattern.as_str(), row.finding)).collect();
    use Finding::*;
    let expected = [
        ("hang", Fails),
        ("slower", Slower),
        ("stutter", Slower),
        ("slow", Slower),
        ("repainted", OtherPicture),
        ("lost", Gone),
        ("added", New),
        ("fast", Faster),
        ("within", Same),
        ("steady", Same),
        ("hung", StillFails),
    ];
    assert_eq!(found, expected);
    assert_eq!(diff.outcome, Outcome::Failed);
    insta::assert_snapshot!("table", diff_table(&diff, |_, word| word.to_owned()));
    insta::assert_snapshot!("markdown", diff_markdown(&diff));
}

#[test]
fn the_outcome_follows_the_worst_finding() {
    let (base, head) = every_finding();
    let only = |of: &Measured, names: &[&str]| {
        let numbers = names.iter().filter_map(|id| Some((*id, of.numbers(id)?.clone()))).collect();
        measured(of.revision.clone(), numbers)
    };
    let outcome =
        |names: &[&str]| Diff::new(&only(&base, names), &only(&head, names), &Comparison::default()).outcome;
    assert_eq!(outcome(&["steady", "within"]), Outcome::Pass);
    assert_eq!(outcome(&["steady", "fast"]), Outcome::Improved);
    assert_eq!(outcome(&["fast", "slow"]), Outcome::Regressed);
    assert_eq!(outcome(&["repainted", "lost", "added", "hung"]), Outcome::Pass);
    assert_eq!(outcome(&[]), Outcome::Invalid);
}

#[test]
fn a_side_that_does_not_build_is_an_outcome_of_its_own() {
    let (base, head) = every_finding();
    let error = |line| Diagnostic {
        file: "firmware/src/a.cpp".to_owned(),
        line,
        column: 2,
        message: "unknown type".to_owned(),
        pattern: None,
        node: None,
    };
    let refusal = Refusal { reason: "the compiler refused it".to_owned(), errors: vec![error(3), error(9)] };
    let broken =
        |of: &Measured| Measured { revision: of.revision.clone(), found: Found::Refused(refusal.clone()) };
    let diff = Diff::new(&base, &broken(&head), &Comparison::default());
    assert_eq!(diff.outcome, Outcome::Failed);
    assert!(diff.rows.iter().all(|row| row.finding == Finding::DoesNotBuild));
    insta::assert_snapshot!("does_not_build", diff_markdown(&diff));

    let diff = Diff::new(&broken(&base), &head, &Comparison::default());
    assert_eq!(diff.outcome, Outcome::Inconclusive);
    let both = Diff::new(&broken(&base), &broken(&head), &Comparison::default());
    assert_eq!((both.outcome, both.rows.len()), (Outcome::Failed, 0));
}
