//! Captures are judged by budgets and by baselines.

mod captures;

use captures::{breathing, capture, image};
use k1_hil::board::Cpu;
use k1_hil::capture::{Capture, Rejected, Rejection, Stimulus};
use k1_hil::digest::Sha;
use k1_hil::image::{Diagnostic, Usage};
use k1_hil::verdict::{
    Baseline, BaselineError, Budget, Budgets, Comparison, Likeness, Metric, Outcome, Verdict, judge,
};
use proptest::prelude::*;
use rstest::rstest;

fn alone(capture: &Capture) -> Verdict {
    judge(capture, None, &Budgets::default(), None, &Comparison::default())
}

fn against(baseline: &Capture, capture: &Capture) -> Verdict {
    let budgets = Budgets::default();
    let baseline = Baseline::of(baseline, Some(&image()), budgets.deadline_ns()).unwrap();
    judge(capture, Some(&image()), &budgets, Some(&baseline), &Comparison::default())
}

fn scaled(ticks: &[u32], per_mille: u32) -> Vec<u32> {
    ticks.iter().map(|t| (u64::from(*t) * u64::from(per_mille) / 1000) as u32).collect()
}

fn baseline() -> Baseline {
    let budgets = Budgets::default();
    Baseline::of(&capture("slow_tide", &breathing()), Some(&image()), budgets.deadline_ns()).unwrap()
}

// ---- what people read -------------------------------------------------------------------------------------

#[test]
fn a_capture_within_all_budgets_passes() {
    let run = capture("slow_tide", &breathing());
    let verdict = judge(&run, Some(&image()), &Budgets::default(), None, &Comparison::default());
    assert!(verdict.passed(), "{verdict}");
    insta::assert_snapshot!(verdict);
}

#[test]
fn the_same_frames_as_the_baseline_pass_as_the_same() {
    let run = capture("slow_tide", &breathing());
    let verdict = against(&run, &run);
    assert_eq!(verdict.picture, Likeness::Same);
    insta::assert_snapshot!(verdict);
}

#[test]
fn two_percent_more_work_is_a_regression_named_in_instructions() {
    let verdict =
        against(&capture("slow_tide", &breathing()), &capture("slow_tide", &scaled(&breathing(), 1020)));
    assert_eq!(verdict.outcome, Outcome::Regressed);
    assert_eq!(verdict.changes[0].effect_percent, Some(2.0));
    assert_eq!(verdict.changes[0].difference, 1850.0);
    insta::assert_snapshot!(verdict);
}

#[test]
fn two_percent_less_work_is_an_improvement() {
    let verdict =
        against(&capture("slow_tide", &breathing()), &capture("slow_tide", &scaled(&breathing(), 980)));
    assert_eq!(verdict.outcome, Outcome::Improved);
    assert!(verdict.passed());
    insta::assert_snapshot!(verdict);
}

#[test]
fn an_improvement_that_draws_something_else_says_so() {
    let mut run = capture("slow_tide", &scaled(&breathing(), 900));
    run.frames[150].led_hash ^= 1;
    let verdict = against(&capture("slow_tide", &breathing()), &run);
    assert_eq!((verdict.outcome, verdict.picture), (Outcome::Improved, Likeness::Changed));
    insta::assert_snapshot!(verdict);
}

#[test]
fn a_change_below_the_minimum_effect_passes() {
    let verdict =
        against(&capture("slow_tide", &breathing()), &capture("slow_tide", &scaled(&breathing(), 1004)));
    assert_eq!(verdict.outcome, Outcome::Pass);
    insta::assert_snapshot!(verdict);
}

#[test]
fn stutter_alone_is_a_regression_though_the_median_stands() {
    let mut ticks = breathing();
    ticks.iter_mut().step_by(60).for_each(|t| *t = 7_500_000);
    let verdict = against(&capture("slow_tide", &breathing()), &capture("slow_tide", &ticks));
    assert_eq!(verdict.outcome, Outcome::Failed, "30 ms exceed the render budget as well");
    let lenient = Budgets { max_render_ms: 40.0, ..Budgets::default() };
    let baseline = Baseline::of(&capture("slow_tide", &breathing()), None, lenient.deadline_ns()).unwrap();
    let verdict =
        judge(&capture("slow_tide", &ticks), None, &lenient, Some(&baseline), &Comparison::default());
    assert_eq!(verdict.outcome, Outcome::Regressed);
    insta::assert_snapshot!(verdict);
}

#[test]
fn every_exceeded_budget_is_named_with_both_values() {
    let mut run = capture("slow_tide", &[6_000_000; 200]);
    for frame in &mut run.frames {
        frame.start_ns = u64::from(frame.index) * 40_000_000;
        frame.audio_age_us = 62_500;
        frame.heap_free = 50_000;
    }
    let mut image = image();
    image.flash = Usage { used: 700, of: 1000 };
    image.ram = Usage { used: 800, of: 1000 };
    image.warnings.push(Diagnostic {
        file: "a.cpp".to_owned(),
        line: 1,
        column: 1,
        message: "unused".to_owned(),
        pattern: None,
        node: None,
    });
    let verdict = judge(&run, Some(&image), &Budgets::default(), None, &Comparison::default());
    assert_eq!(verdict.outcome, Outcome::Failed);
    assert_eq!(verdict.budgets.iter().filter(|check| !check.ok).count(), 7);
    insta::assert_snapshot!(verdict);
}

#[test]
fn lost_frames_make_a_run_invalid_with_their_causes() {
    let mut run = capture("slow_tide", &breathing());
    for (index, reason) in [(17, Some(Rejection::Torn)), (16, Some(Rejection::Torn)), (3, None)] {
        run.frames.remove(index);
        run.rejected.extend(reason.map(|reason| Rejected { index: index as u32, reason }));
    }
    let verdict = alone(&run);
    assert_eq!(verdict.outcome, Outcome::Invalid);
    insta::assert_snapshot!(verdict);
}

#[test]
fn a_chip_with_one_run_a_side_is_inconclusive() {
    let on_chip = |ticks: &[u32]| {
        let mut run = capture("slow_tide", ticks);
        run.board.cpu = Cpu::Chip;
        run
    };
    let verdict = against(&on_chip(&breathing()), &on_chip(&scaled(&breathing(), 1100)));
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(verdict.changes.iter().all(|change| !change.exact));
    insta::assert_snapshot!(verdict);
}

#[test]
fn a_baseline_of_another_plan_is_not_compared() {
    let mut run = capture("slow_tide", &breathing()[..200]);
    run.plan.stimulus = Stimulus::Beat;
    let verdict = against(&capture("slow_tide", &breathing()), &run);
    assert_eq!((verdict.outcome, verdict.changes.len()), (Outcome::Inconclusive, 0));
    insta::assert_snapshot!(verdict);
}

#[test]
fn another_compiler_is_named_beside_its_regression() {
    let budgets = Budgets::default();
    let mut other = image();
    other.tools.insert("ziglang".to_owned(), "0.18.0".to_owned());
    let run = capture("slow_tide", &scaled(&breathing(), 1020));
    let verdict = judge(&run, Some(&other), &budgets, Some(&baseline()), &Comparison::default());
    assert_eq!(
        verdict.reasons.last().unwrap(),
        "ziglang 0.18.0 built this image, and ziglang 0.17.1 the baseline's"
    );
}

// ---- what must not pass -----------------------------------------------------------------------------------

#[rstest]
#[case::no_frames(|c: &mut Capture| c.frames.clear(), "no frame was measured")]
#[case::nothing_planned(|c: &mut Capture| { c.frames.clear(); c.plan.frames = 0 }, "no frame was measured")]
#[case::one_frame(|c: &mut Capture| { c.frames.truncate(1); c.plan.frames = 1 }, "one frame has no frame rate")]
#[case::no_tick_rate(|c: &mut Capture| c.tick_hz = 0, "no tick rate")]
#[case::other_format(|c: &mut Capture| c.format = 2, "format 2")]
#[case::surplus(|c: &mut Capture| c.plan.frames = 299, "300 frames of a run of 299")]
#[case::twice_the_same(|c: &mut Capture| c.frames[8] = c.frames[7], "frame 7 stands where frame 8 should be")]
#[case::time_stands_still(|c: &mut Capture| c.frames[8].start_ns = c.frames[7].start_ns, "frame 8 does not begin after")]
#[case::quiet_skip(
    |c: &mut Capture| c.frames[20..40].iter_mut().for_each(|f| (f.quantize_ticks, f.transmit_ticks) = (0, 0)),
    "20 of 300 frames were drawn but not sent"
)]
fn what_cannot_be_judged_is_invalid(#[case] spoil: fn(&mut Capture), #[case] reason: &str) {
    let mut run = capture("slow_tide", &breathing());
    spoil(&mut run);
    let verdict = alone(&run);
    assert_eq!(verdict.outcome, Outcome::Invalid);
    assert!(verdict.reasons[0].contains(reason), "{verdict}");
    assert!(Baseline::of(&run, None, 1).is_err(), "what cannot be judged cannot become a baseline");
}

#[test]
fn frames_of_another_image_are_invalid() {
    let mut other = image();
    other.elf_sha256 = Sha::of("another elf");
    let run = capture("slow_tide", &breathing());
    let verdict = judge(&run, Some(&other), &Budgets::default(), None, &Comparison::default());
    assert_eq!(verdict.outcome, Outcome::Invalid, "{verdict}");
}

#[test]
fn an_exceeded_budget_outweighs_an_improvement() {
    let budgets = Budgets { min_fps: 200.0, ..Budgets::default() };
    let run = capture("slow_tide", &scaled(&breathing(), 900));
    let verdict = judge(&run, None, &budgets, Some(&baseline()), &Comparison::default());
    assert_eq!(verdict.outcome, Outcome::Failed, "{verdict}");
}

#[test]
fn the_worst_outcome_speaks_for_many_and_nothing_is_never_a_pass() {
    use Outcome::*;
    assert_eq!(Outcome::worst([]), Invalid);
    assert_eq!(Outcome::worst([Pass, Pass]), Pass);
    let by_severity = [Pass, Improved, Inconclusive, Regressed, Failed, Invalid];
    for pair in by_severity.windows(2) {
        assert_eq!(Outcome::worst([pair[1], pair[0], Pass]), pair[1]);
    }
}

// ---- budgets ----------------------------------------------------------------------------------------------

#[rstest]
#[case::rate_at_the_limit(Budget::FrameRate, |c: &mut Capture| pace(c, 33_333_333), true)]
#[case::rate_below(Budget::FrameRate, |c: &mut Capture| pace(c, 33_400_000), false)]
#[case::render_at_the_limit(Budget::Render, |c: &mut Capture| c.frames.iter_mut().for_each(|f| f.render_ticks = 5_000_000), true)]
#[case::render_above(Budget::Render, |c: &mut Capture| c.frames.iter_mut().for_each(|f| f.render_ticks = 5_000_001), false)]
#[case::three_spikes_in_300(Budget::Render, |c: &mut Capture| c.frames[..3].iter_mut().for_each(|f| f.render_ticks = 9_000_000), true)]
#[case::four_spikes_in_300(Budget::Render, |c: &mut Capture| c.frames[..4].iter_mut().for_each(|f| f.render_ticks = 9_000_000), false)]
#[case::heap_at_the_limit(Budget::Heap, |c: &mut Capture| c.frames[299].heap_free = 50_000, false)]
#[case::heap_above(Budget::Heap, |c: &mut Capture| c.frames[299].heap_free = 50_001, true)]
#[case::audio_at_the_limit(Budget::AudioLatency, |c: &mut Capture| c.frames.iter_mut().for_each(|f| f.audio_age_us = 50_000), true)]
fn budgets_hold_at_their_edges(#[case] budget: Budget, #[case] change: fn(&mut Capture), #[case] ok: bool) {
    let mut run = capture("slow_tide", &breathing());
    change(&mut run);
    let verdict = alone(&run);
    let check = verdict.budgets.iter().find(|check| check.name == budget).unwrap();
    assert_eq!(check.ok, ok, "{check}");
}

fn pace(capture: &mut Capture, period_ns: u64) {
    capture.frames.iter_mut().for_each(|f| f.start_ns = u64::from(f.index) * period_ns);
}

#[test]
fn the_frame_rate_is_frames_by_time_and_not_the_mean_of_rates() {
    let mut run = capture("slow_tide", &[90_000; 3]);
    run.frames[1].start_ns = 1_000_000;
    run.frames[2].start_ns = 100_000_000;
    // The mean of 1000 FPS and 10.1 FPS would be 505 FPS.
    assert_eq!(alone(&run).statistics.unwrap().fps, 20.0);
}

#[test]
fn budgets_are_read_strictly() {
    let budgets: Budgets = serde_json::from_str(r#"{"min_fps": 60}"#).unwrap();
    assert_eq!(budgets, Budgets { min_fps: 60.0, ..Budgets::default() });
    for wrong in
        [r#"{"min_fsp": 60}"#, r#"{"min_fps": -1}"#, r#"{"max_render_ms": 1e999}"#, r#"{"max_warnings": -1}"#]
    {
        assert!(serde_json::from_str::<Budgets>(wrong).is_err(), "{wrong}");
    }
}

// ---- baselines --------------------------------------------------------------------------------------------

#[test]
fn a_baseline_is_text_that_reads_well_in_a_review() {
    insta::assert_snapshot!(baseline());
}

#[test]
fn a_saved_baseline_is_loaded_and_a_missing_one_is_none() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Baseline::load(dir.path(), "k1-virtual", "slow_tide").unwrap().is_none());
    let path = baseline().save(dir.path()).unwrap();
    assert_eq!(path, dir.path().join("k1-virtual/slow_tide.json"));
    assert_eq!(Baseline::load(dir.path(), "k1-virtual", "slow_tide").unwrap(), Some(baseline()));
}

#[rstest]
#[case::cut_short(|text: String| text[..text.len() / 2].to_owned(), "EOF while parsing")]
#[case::other_format(|text: String| text.replace("\"format\": 1", "\"format\": 9"), "it has format 9")]
#[case::unknown_key(|text: String| text.replace("\"format\"", "\"epoch\": 3,\n  \"format\""), "unknown field `epoch`")]
#[case::edited_badly(|text: String| text.replace("\"median\": 92500", "\"median\": 925000"), "contradict each other")]
fn a_spoilt_baseline_is_refused_by_name(#[case] spoil: fn(String) -> String, #[case] reason: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = baseline().save(dir.path()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_ne!(spoil(text.clone()), text);
    std::fs::write(&path, spoil(text)).unwrap();
    let error = Baseline::load(dir.path(), "k1-virtual", "slow_tide").unwrap_err().to_string();
    assert!(error.contains("slow_tide.json is not a baseline") && error.contains(reason), "{error}");
}

#[rstest]
#[case("..", "slow_tide")]
#[case("k1-virtual", "../../etc/passwd")]
#[case("k1-virtual", "")]
#[case("/etc", "slow_tide")]
fn a_baseline_never_leaves_its_folder(#[case] model: &str, #[case] pattern: &str) {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Baseline::load(dir.path(), model, pattern), Err(BaselineError::Name { .. })));
}

#[test]
fn other_late_deadlines_leave_late_frames_out() {
    let budgets = Budgets { min_fps: 60.0, ..Budgets::default() };
    let verdict =
        judge(&capture("slow_tide", &breathing()), None, &budgets, Some(&baseline()), &Comparison::default());
    assert!(verdict.changes.iter().all(|change| change.metric != Metric::LateFrames));
    assert_eq!(
        verdict.reasons.last().unwrap(),
        "late frames are not compared: the deadline is another one than the baseline's 33.333 ms"
    );
}

// ---- what always holds ------------------------------------------------------------------------------------

prop_compose! {
    /// A run that may keep or exceed its budgets, on either kind of CPU.
    fn any_run()(
        render in prop::collection::vec(prop_oneof![80_000_u32..100_000, 4_000_000_u32..9_000_000], 2..120),
        heap in prop_oneof![40_000_u32..60_000, Just(180_000)],
        period_ns in prop_oneof![Just(6_000_000_u64), 30_000_000_u64..40_000_000],
        chip in any::<bool>(),
    ) -> Capture {
        let mut run = capture("slow_tide", &render);
        run.frames[0].heap_free = heap;
        run.board.cpu = if chip { Cpu::Chip } else { Cpu::Emulated };
        pace(&mut run, period_ns);
        run
    }
}

proptest! {
    #[test]
    fn dropping_a_frame_never_helps(run in any_run(), place in any::<prop::sample::Index>(), said in any::<bool>(), compared in any::<bool>()) {
        let baseline = compared.then(|| Baseline::of(&run, None, Budgets::default().deadline_ns()).unwrap());
        let judged = |run: &Capture| judge(run, None, &Budgets::default(), baseline.as_ref(), &Comparison::default());
        let mut less = run.clone();
        let index = place.index(run.frames.len());
        less.frames.remove(index);
        if said {
            less.rejected.push(Rejected { index: index as u32, reason: Rejection::Torn });
        }
        let (whole, less) = (judged(&run), judged(&less));
        prop_assert!(less.outcome.severity() >= whole.outcome.severity(), "{} after {}", less, whole);
        prop_assert!(!less.passed(), "{}", less);
    }

    #[test]
    fn scaling_all_ticks_is_reported_as_that_scale(
        thousands in prop::collection::vec(50_u32..400, 2..200),
        per_mille in 500_u32..1500,
    ) {
        let ticks: Vec<u32> = thousands.iter().map(|t| t * 1000).collect();
        let verdict = against(&capture("slow_tide", &ticks), &capture("slow_tide", &scaled(&ticks, per_mille)));
        let expected = f64::from(per_mille) / 10.0 - 100.0;
        for change in verdict.changes.iter().filter(|change| change.metric != Metric::LateFrames) {
            let effect = change.effect_percent.unwrap();
            prop_assert!((effect - expected).abs() < 1e-3, "{} instead of {}", effect, expected);
        }
        let outcome = match per_mille {
            ..995 => Outcome::Improved,
            995..=1005 => Outcome::Pass,
            _ => Outcome::Regressed,
        };
        prop_assert_eq!(verdict.outcome, outcome);
    }

    #[test]
    fn a_run_against_itself_never_regresses(run in any_run()) {
        let verdict = against(&run, &run);
        prop_assert!(!matches!(verdict.outcome, Outcome::Regressed | Outcome::Improved), "{}", verdict);
    }

    #[test]
    fn more_work_in_any_frame_never_helps(run in any_run(), place in any::<prop::sample::Index>(), more in 1_u32..1_000_000) {
        let mut slower = run.clone();
        slower.frames[place.index(run.frames.len())].render_ticks += more;
        let (base, run, slower) = (run.clone(), against(&run, &run), against(&run, &slower));
        prop_assert!(slower.outcome.severity() >= run.outcome.severity(), "{} after {}", slower, base.plan.frames);
    }

    #[test]
    fn a_verdict_and_a_baseline_read_back_as_they_were(run in any_run()) {
        let verdict = against(&run, &run);
        let text = serde_json::to_string(&verdict).unwrap();
        let again: Verdict = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), text);
        prop_assert_eq!(against(&run, &run), verdict, "the same input gives the same verdict");
        let dir = tempfile::tempdir().unwrap();
        let baseline = Baseline::of(&run, Some(&image()), 33_333_333).unwrap();
        baseline.save(dir.path()).unwrap();
        prop_assert_eq!(Baseline::load(dir.path(), "k1-virtual", "slow_tide").unwrap(), Some(baseline));
    }
}
