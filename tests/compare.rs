//! Commits of a firmware beside each other, on real builds and virtual boards: diff, bisect, history.

mod shaped;

use std::path::Path;

use shaped::Checkout;
use shaped::commands::{Bench, all_of, code, json, text};

const STATIC: &str = "firmware/src/patterns/static_family.hpp";
const AUDIO: &str = "firmware/src/patterns/audio_family.hpp";
const CONTEXT: &str = "firmware/src/pattern_render_context.h";

/// The finding of each pattern.
fn findings(diff: &serde_json::Value) -> Vec<(String, String)> {
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    diff["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (word(&row["pattern"]), word(&row["finding"])))
        .collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// One more wave for tide: the picture stays, since it weighs nothing, and the compiler cannot know.
fn slow_tide(checkout: &Checkout) {
    checkout.edit(
        STATIC,
        "* sinf(6.2831853f * (2.0f * distance - phase));",
        "* sinf(6.2831853f * (2.0f * distance - phase)) + context.params.background * sinf(distance + phase);",
    );
}

fn other_ember(checkout: &Checkout) {
    checkout.edit(STATIC, "color_from_palette(0, 0.9f", "color_from_palette(1, 0.9f");
}

#[test]
fn a_diff_tells_slower_from_other_picture_from_the_same() {
    let (bench, checkout) = (Bench::new(), Checkout::new());
    let base = checkout.head();
    slow_tide(&checkout);
    other_ember(&checkout);
    let before = checkout.state();

    let slower = bench.run(&["diff", &base, "--json"], &checkout);
    assert_eq!(code(&slower), 3, "{}", all_of(&slower));
    let diff = json(&slower);
    let expected = [("tide", "slower"), ("ember", "other-picture"), ("breath", "same"), ("fold", "same")];
    assert_eq!(findings(&diff), pairs(&expected));
    assert_eq!((&diff["outcome"], &diff["head"]["name"]), (&"REGRESSED".into(), &"working tree".into()));
    assert_eq!(
        (&diff["rows"][0]["picture"], &diff["rows"][1]["other_frames"]),
        (&"same".into(), &300.into())
    );
    assert_eq!(checkout.state(), before, "the checkout is as it was");

    // And in which function: one frame of those that were measured.
    let functions = &diff["rows"][0]["functions"];
    assert_eq!(functions["within"], "draw_tide(PatternRenderContext const&)", "{functions}");
    let frame = functions["frame"].as_u64().unwrap() as usize;
    let measured = |side: &str| &diff["rows"][0][side]["ran"]["render_ticks"][frame];
    assert_eq!((&functions["base"], &functions["head"]), (measured("base"), measured("head")));
    let amount = |value: &serde_json::Value| value.as_i64().unwrap();
    let changes: i64 = functions["functions"].as_array().unwrap().iter().map(|f| amount(&f["change"])).sum();
    assert_eq!(changes, amount(&functions["head"]) - amount(&functions["base"]));
    assert_eq!(diff["rows"][1]["functions"], serde_json::Value::Null, "another picture is not dearer");

    // As a commit it is the same program: nothing is compiled or measured again.
    checkout.commit("Slower, and another picture");
    let again = bench.run(&["diff", &base, "HEAD", "--markdown"], &checkout);
    assert_eq!(code(&again), 3, "{}", all_of(&again));
    let said = text(&again.stderr);
    assert!(!said.contains("compiling") && !said.contains("sent") && !said.contains("counting"), "{said}");
    assert!(said.contains("tide was profiled before"), "{said}");
    assert!(
        text(&again.stdout).contains("### LED frames: 1 slower, 1 other picture, 2 the same"),
        "{}",
        all_of(&again)
    );
    assert!(text(&again.stdout).contains("| `tide` | **slower** |"), "{}", all_of(&again));
    let heading = "\n`tide`, frame ";
    assert!(text(&again.stdout).contains(heading), "{}", all_of(&again));
    assert!(
        text(&again.stdout).contains(", in `draw_tide(PatternRenderContext const&)`\n\n| function |"),
        "{}",
        all_of(&again)
    );

    let faster = bench.run(&["diff", "HEAD", &base, "--pattern", "tide"], &checkout);
    assert_eq!(code(&faster), 0, "{}", all_of(&faster));
    assert!(text(&faster.stdout).contains("1 faster"), "{}", all_of(&faster));
    let sentence =
        text(&faster.stdout).lines().find(|line| line.starts_with("tide, frame ")).map(str::to_owned);
    let sentence = sentence.unwrap_or_else(|| panic!("{}", all_of(&faster)));
    assert!(
        sentence.contains(" (-") && sentence.ends_with(", in draw_tide(PatternRenderContext const&)"),
        "{sentence}"
    );

    let unnamed = bench.run(&["diff", &base, "HEAD", "--functions", "0", "--json"], &checkout);
    assert_eq!(json(&unnamed)["rows"][0]["functions"], serde_json::Value::Null);

    // A comment moves lines and changes the debug information only: compiled, and not measured.
    checkout.edit(STATIC, "#pragma once", "#pragma once\n// A comment.\n");
    let comment = bench.run(&["diff", "HEAD"], &checkout);
    assert_eq!(code(&comment), 0, "{}", all_of(&comment));
    assert!(!text(&comment.stderr).contains("sent"), "{}", all_of(&comment));
    assert!(text(&comment.stdout).contains("4 the same"), "{}", all_of(&comment));
}

#[test]
fn a_head_that_does_not_build_is_told_with_file_and_line() {
    let (bench, checkout) = (Bench::new(), Checkout::new());
    checkout.edit(AUDIO, "context.audio_snapshot.payload.vu_level", "context.audio_snapshot.vu");
    let broken = bench.run(&["diff", "HEAD"], &checkout);
    assert_eq!(code(&broken), 1, "{}", all_of(&broken));
    let said = text(&broken.stdout);
    assert!(said.contains("working tree does not build: the firmware is broken in itself, whatever it is built for: firmware/src/patterns/audio_family.hpp:16:"), "{said}");
    assert!(said.contains("no member named 'vu'"), "{said}");
    let run = bench.run(&["run"], &checkout);
    assert_eq!(code(&run), 2, "{}", all_of(&run));
}

/// Tide gets slower inside a branch, between a commit that does not build and one with another interface.
#[test]
fn a_bisection_passes_over_what_does_not_build_and_looks_into_merges() {
    let (bench, checkout) = (Bench::new(), Checkout::new());
    let base = checkout.head();
    checkout.git(&["checkout", "--quiet", "-b", "branch"]);
    checkout.edit(CONTEXT, "const float time;", "const float seconds;");
    let broken = checkout.commit("Another interface");
    checkout.edit(CONTEXT, "const float seconds;", "const float time;");
    checkout.write("docs/notes.md", "notes\n");
    let good = checkout.commit("The old interface");
    slow_tide(&checkout);
    let guilty = checkout.commit("Smoother tide");
    other_ember(&checkout);
    checkout.commit("Another ember");
    checkout.git(&["checkout", "--quiet", "main"]);
    checkout.write("docs/more.md", "more\n");
    checkout.commit("More notes");
    checkout.git(&["merge", "--quiet", "--no-ff", "-m", "Merge branch", "branch"]);

    let range = format!("{base}..HEAD");
    let found = bench.run(&["bisect", &range, "tide", "--json"], &checkout);
    assert_eq!(code(&found), 0, "{}", all_of(&found));
    let found = json(&found);
    assert_eq!((&found["first_bad"]["id"], &found["fault"]), (&guilty.as_str().into(), &"slower".into()));
    assert_eq!(found["last_good"]["commit"]["id"], good.as_str());
    assert_eq!(found["functions"]["within"], "draw_tide(PatternRenderContext const&)");
    let passed: Vec<_> =
        found["passed_over"].as_array().unwrap().iter().map(|p| &p["commit"]["id"]).collect();
    assert!(passed.iter().all(|id| **id == broken.as_str()), "{passed:?}");

    let text_of = bench.run(&["bisect", &range, "tide"], &checkout);
    let said = text(&text_of.stdout);
    assert!(
        said.starts_with(&format!("{} made tide +", &guilty[..7]))
            && said.contains("Smoother tide")
            && said.contains(", in draw_tide(PatternRenderContext const&)\n"),
        "{said}"
    );

    let nothing = bench.run(&["bisect", &range, "fold"], &checkout);
    assert_eq!(code(&nothing), 2, "{}", all_of(&nothing));
    assert!(text(&nothing.stderr).contains("draws fold as"), "{}", all_of(&nothing));
    let backwards = bench.run(&["bisect", &format!("HEAD..{base}"), "tide"], &checkout);
    assert_eq!(code(&backwards), 2, "{}", all_of(&backwards));
    assert!(text(&backwards.stderr).contains("does not build on"), "{}", all_of(&backwards));
}

#[test]
fn a_history_names_each_change_and_is_written_as_table_and_plot() {
    let (bench, checkout) = (Bench::new(), Checkout::new());
    let base = checkout.head();
    slow_tide(&checkout);
    let slower = checkout.commit("Smoother tide");
    checkout.edit(AUDIO, "#pragma once", "#pragma once\n#error broken\n");
    let broken = checkout.commit("=HYPERLINK(\"x\") <script>");
    checkout.edit(AUDIO, "#error broken\n", "");
    other_ember(&checkout);
    checkout.commit("Another ember");

    let history = bench.run(&["history", "--since", &base, "--out", "out", "--json"], &checkout);
    assert_eq!(code(&history), 0, "{}", all_of(&history));
    let found = json(&history);
    let steps: Vec<(u64, &str, &str)> = found["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (s["point"].as_u64().unwrap(), s["pattern"].as_str().unwrap(), s["finding"].as_str().unwrap())
        })
        .collect();
    assert_eq!(steps, [(1, "tide", "slower"), (3, "ember", "other-picture")]);
    let out = |name: &str| std::fs::read_to_string(bench.out.path().join("out").join(name)).unwrap();
    assert!(Path::new(found["files"]["html"].as_str().unwrap()).ends_with("history.html"));
    let csv = out("history.csv");
    assert_eq!(csv.lines().count(), 1 + 3 * 4 + 1, "{csv}");
    assert!(csv.contains(&format!("{slower},")) && csv.contains(&format!("{broken},")), "{csv}");
    assert!(csv.contains("\"'=HYPERLINK(\"\"x\"\") <script>\",,does not build,"), "{csv}");
    let html = out("history.html");
    assert!(html.contains("<svg") && html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
}
