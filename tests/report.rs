//! Verdicts become a table, a page, and files that a program can read.

mod captures;

use std::path::Path;

use captures::{breathing, capture, image};
use k1_hil::board::{BoardError, Panic};
use k1_hil::capture::{Capture, CaptureError, Picture};
use k1_hil::report::{self, Fault, PatternResult, Report, ReportError};
use k1_hil::verdict::{Baseline, Budgets, Comparison, Outcome, judge};
use rstest::rstest;

/// A run with 60 pictures of a wave that runs outwards from the centre.
fn filmed(pattern: &str, render: &[u32], run_id: u32) -> Capture {
    let led = |row: u32, led: u32| {
        let wave = f64::from(led.abs_diff(80)) / 80.0 - f64::from(row) / 30.0;
        let light = (wave * 9.0).sin().max(0.0).powi(2);
        let hue = f64::from(run_id);
        let channel = |phase: f64| (255.0 * light * (0.5 + 0.5 * (hue + phase + wave).cos())) as u8;
        format!("{:02x}{:02x}{:02x}", channel(0.0), channel(2.1), channel(4.2))
    };
    let picture = |row| Picture { index: row * 5, rgb_hex: (0..160).map(|i| led(row, i)).collect() };
    let pictures = (0..60).map(picture).collect();
    Capture { run_id, pictures, ..capture(pattern, render) }
}

fn result(capture: &Capture, baseline: Option<&Capture>) -> PatternResult {
    let budgets = Budgets::default();
    let baseline = baseline.map(|c| Baseline::of(c, Some(&image()), budgets.deadline_ns()).unwrap());
    let verdict = judge(capture, Some(&image()), &budgets, baseline.as_ref(), &Comparison::default());
    PatternResult::new(capture, verdict)
}

fn report(results: Vec<PatternResult>, faults: Vec<Fault>, seen: Option<&Capture>) -> Report {
    let board = seen.map(|capture| capture.board.clone());
    let mut report =
        Report::new("20260214-101502-a1b2", "2026-02-14T10:15:02Z", Some(image()), board, results, faults);
    // Snapshots outlive releases.
    report.harness = "0.0.0".to_owned();
    report
}

/// A session with one pattern of each kind, and its captures.
fn session() -> (Report, Vec<Capture>) {
    let percent = |p: u32| breathing().iter().map(|ticks| ticks * p / 100).collect::<Vec<_>>();
    let spiky: Vec<u32> =
        (0..300).map(|i| if i % 40 == 7 { 6_200_000 } else { 120_000 + i % 7 * 800 }).collect();
    let mut lost = filmed("drift", &percent(70), 5);
    lost.frames.truncate(298);
    let captures = vec![
        filmed("slow_tide", &breathing(), 1),
        filmed("ember", &percent(102), 2),
        filmed("bass_bloom", &percent(97), 3),
        filmed("prism_walk", &spiky, 4),
        lost,
    ];
    let baselines = [Some(breathing()), Some(breathing()), Some(breathing()), None, None];
    let results = captures.iter().zip(baselines).map(|(run, baseline)| {
        let baseline = baseline.map(|ticks| Capture { run_id: 9, ..capture(&run.plan.pattern, &ticks) });
        result(run, baseline.as_ref())
    });
    let panic = Panic {
        reason: "watchdog: a frame took longer than 1000 ms".to_owned(),
        pattern: "spiral".to_owned(),
        frame: 530,
        run_frame: Some(42),
        pc: 0x8000_1234,
        value: 0,
        boot_id: 11,
    };
    let died = CaptureError::Died { board: "k1-virtual".to_owned(), panic };
    let faults = vec![Fault::new(Some("spiral"), &died, died.blame())];
    (report(results.collect(), faults, captures.first()), captures)
}

fn plain_table(report: &Report) -> String {
    report::table(report, |_, word| word.to_owned())
}

// ---- for people -------------------------------------------------------------------------------------------

#[test]
fn the_table_has_a_line_per_pattern_and_the_reasons_below() {
    insta::assert_snapshot!(plain_table(&session().0));
}

#[test]
fn the_table_of_one_pass_is_short() {
    let run = capture("slow_tide", &breathing());
    insta::assert_snapshot!(plain_table(&report(vec![result(&run, None)], Vec::new(), Some(&run))));
}

#[test]
fn a_pass_that_draws_something_else_is_named_in_the_table() {
    let baseline = capture("slow_tide", &breathing());
    let mut run = baseline.clone();
    run.frames[9].led_hash ^= 1;
    insta::assert_snapshot!(plain_table(&report(
        vec![result(&run, Some(&baseline))],
        Vec::new(),
        Some(&run)
    )));
}

#[test]
fn colour_does_not_move_the_columns() {
    let (report, _) = session();
    let painted = report::table(&report, |_, word| format!("\u{1b}[31m{word}\u{1b}[0m"));
    assert_eq!(painted.replace("\u{1b}[31m", "").replace("\u{1b}[0m", ""), plain_table(&report));
}

#[test]
fn the_page_reads_as_it_should() {
    let (report, captures) = session();
    // Left there for whoever wants to look at the page.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    let written = report.write(&captures, &[], &dir).unwrap();
    let html = std::fs::read_to_string(written.html).unwrap();
    insta::with_settings!({ filters => vec![
        (r"(?s)<style>.*</style>", "[style]"),
        (r"(?s)<svg.*?</svg>", "[plot]"),
        (r"data:image/png;base64,[^\x22]+", "[png]"),
    ] }, { insta::assert_snapshot!(html) });
}

#[test]
fn six_patterns_of_300_frames_make_a_page_under_300_kilobytes_that_needs_no_network() {
    let captures: Vec<Capture> = (1..=6).map(|n| filmed(&format!("pattern_{n}"), &breathing(), n)).collect();
    let results = captures.iter().map(|run| result(run, Some(run))).collect();
    let dir = tempfile::tempdir().unwrap();
    let written = report(results, Vec::new(), captures.first()).write(&captures, &[], dir.path()).unwrap();
    let html = std::fs::read_to_string(written.html).unwrap();
    assert!(html.len() < 300_000, "{} bytes", html.len());
    assert_eq!(html.matches("<svg").count(), 18);
    assert_eq!(html.matches("data:image/png").count(), 6);
    let namespace = "http://www.w3.org/2000/svg";
    assert!(!html.replace(namespace, "").contains("://"), "an address of the network");
    assert!(!html.contains("<script") && !html.contains("<link"));
}

#[test]
fn the_longest_run_stays_light() {
    let render: Vec<u32> = (0..2048_u32).map(|i| 90_000 + i.wrapping_mul(2_654_435_761) % 40_000).collect();
    let run = filmed("noisy", &render, 1);
    let dir = tempfile::tempdir().unwrap();
    let written =
        report(vec![result(&run, None)], Vec::new(), Some(&run)).write(&[run], &[], dir.path()).unwrap();
    assert!(std::fs::metadata(written.html).unwrap().len() < 80_000);
}

#[test]
fn hostile_words_stay_words_on_the_page() {
    let mut run = filmed("slow_tide", &breathing(), 1);
    run.board.model = "<script>alert(1)</script>".to_owned();
    let error = BoardError::Refused {
        board: "\"><img src=x onerror=alert(1)>".to_owned(),
        request: "GET /".to_owned(),
        status: 500,
        body: "</pre><script>".to_owned(),
    };
    let faults = vec![Fault::new(Some("</title><b>"), &error, error.blame())];
    let dir = tempfile::tempdir().unwrap();
    let mut report = report(vec![result(&run, None)], faults, Some(&run));
    report.run_id = "</title><script>".to_owned();
    let written = report.write(&[run], &[], dir.path()).unwrap();
    let html = std::fs::read_to_string(written.html).unwrap();
    for tag in ["<script", "<img src=x", "<b>", "</pre><"] {
        assert!(!html.contains(tag), "{tag}");
    }
}

// ---- for programs -----------------------------------------------------------------------------------------

#[test]
fn a_written_result_fits_the_schema_that_is_checked_in_and_reads_back() {
    let (report, captures) = session();
    let dir = tempfile::tempdir().unwrap();
    let written = report.write(&captures, &[], dir.path()).unwrap();
    let schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(schema_path()).unwrap()).unwrap();
    let result: serde_json::Value = serde_json::from_slice(&std::fs::read(&written.result).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(&result).map(|e| format!("{} at {}", e, e.instance_path())).collect();
    assert_eq!(faults, [""; 0]);
    let mut without = result.clone();
    without["results"][0]["verdict"].as_object_mut().unwrap().remove("outcome");
    assert!(!validator.is_valid(&without), "a schema that takes anything proves nothing");
    assert_eq!(serde_json::to_value(Report::read(&written.result).unwrap()).unwrap(), result);
}

#[test]
fn the_schema_that_is_checked_in_is_that_of_the_types() {
    let text = serde_json::to_string_pretty(&report::schema()).unwrap() + "\n";
    if std::fs::read_to_string(schema_path()).ok().as_deref() != Some(&text) {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("result.schema.json");
        std::fs::write(&new, text).unwrap();
        panic!(
            "the types of result.json changed; if that is meant: cp {} {}",
            new.display(),
            schema_path().display()
        );
    }
}

fn schema_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/result.schema.json")
}

#[test]
fn the_frames_are_stored_beside_the_result() {
    let (report, captures) = session();
    let dir = tempfile::tempdir().unwrap();
    let written = report.write(&captures, &[], dir.path()).unwrap();
    assert_eq!(written.captures[1], dir.path().join("captures/ember.json"));
    for (path, capture) in written.captures.iter().zip(&captures) {
        let stored: Capture = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(stored, *capture);
    }
}

#[test]
fn a_stored_capture_is_judged_as_the_measured_one_was() {
    let (report, captures) = session();
    let dir = tempfile::tempdir().unwrap();
    let written = report.write(&captures, &[], dir.path()).unwrap();
    let stored: Capture = serde_json::from_slice(&std::fs::read(&written.captures[3]).unwrap()).unwrap();
    assert_eq!(result(&stored, None), report.results[3]);
}

#[test]
fn a_report_that_cannot_be_written_whole_leaves_no_result() {
    let (report, captures) = session();
    let dir = tempfile::tempdir().unwrap();
    let written = report.write(&captures, &[], dir.path()).unwrap();
    std::fs::remove_file(&written.html).unwrap();
    std::fs::create_dir_all(written.html.join("in the way")).unwrap();
    let error = report.write(&captures, &[], dir.path()).unwrap_err();
    assert!(error.to_string().contains("report.html"), "{error}");
    assert!(!written.result.exists(), "a result beside half a report");
}

#[rstest]
#[case::climbs("../../evil", "it is no file name")]
#[case::empty("", "it is no file name")]
fn frames_never_leave_the_report_folder(#[case] pattern: &str, #[case] reason: &str) {
    let run = capture(pattern, &breathing());
    let dir = tempfile::tempdir().unwrap();
    let error =
        report(vec![result(&run, None)], Vec::new(), Some(&run)).write(&[run], &[], dir.path()).unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn two_results_of_one_pattern_are_refused_rather_than_one_lost() {
    let runs = [filmed("ember", &breathing(), 1), filmed("Ember", &breathing(), 2)];
    let results = runs.iter().map(|run| result(run, None)).collect();
    let dir = tempfile::tempdir().unwrap();
    let error = report(results, Vec::new(), None).write(&runs, &[], dir.path()).unwrap_err();
    assert!(matches!(error, ReportError::Name { .. }), "{error}");
}

#[test]
fn a_result_without_its_frames_is_refused() {
    let run = capture("ember", &breathing());
    let dir = tempfile::tempdir().unwrap();
    let error = report(vec![result(&run, None)], Vec::new(), None).write(&[], &[], dir.path()).unwrap_err();
    assert!(matches!(error, ReportError::NoCapture { .. }), "{error}");
}

#[rstest]
#[case::not_json("{", "EOF")]
#[case::another_thing("{}", "missing field")]
fn what_is_no_result_is_refused(#[case] text: &str, #[case] reason: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("result.json");
    std::fs::write(&path, text).unwrap();
    let error = Report::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("result.json is not a result of this program") && error.contains(reason),
        "{error}"
    );
}

// ---- the outcome of a session -----------------------------------------------------------------------------

#[test]
fn a_session_is_as_good_as_its_worst_pattern() {
    let run = capture("ember", &breathing());
    let pass = || vec![result(&run, None)];
    let fault = |error: CaptureError| vec![Fault::new(Some("spiral"), &error, error.blame())];
    let lost = CaptureError::Changed { board: "b".to_owned(), reason: "it restarted".to_owned() };
    let (whole, _) = session();
    let died = Fault { errors: Vec::new(), ..whole.faults[0].clone() };
    assert_eq!(report(pass(), Vec::new(), None).outcome, Outcome::Pass);
    assert_eq!(report(pass(), fault(lost), None).outcome, Outcome::Invalid);
    assert_eq!(report(pass(), vec![died], None).outcome, Outcome::Failed);
    assert_eq!(report(Vec::new(), Vec::new(), None).outcome, Outcome::Invalid);
}

#[test]
fn an_empty_session_still_makes_a_page_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let written = report(Vec::new(), Vec::new(), None).write(&[], &[], dir.path()).unwrap();
    let html = std::fs::read_to_string(written.html).unwrap();
    assert!(html.contains("Nothing was measured.") && html.contains("INVALID"));
}
