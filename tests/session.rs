//! From graphs to verdicts on virtual boards, as a user's tests do it.

use k1_hil::board::Board;
use k1_hil::capture::{self, Capture, Plan};
use k1_hil::deploy::{self, DeployOptions};
use k1_hil::event::ignore;
use k1_hil::graph::{self, Graph};
use k1_hil::image::Image;
use k1_hil::report::Report;
use k1_hil::session::{self, Baselines, Selection, Session};
use k1_hil::tools::Toolbox;
use k1_hil::vboard::{Options, VirtualBoard};
use k1_hil::verdict::{self, Baseline, Budgets, Comparison, Outcome};
use k1_hil::{Error, source};
use rstest::{fixture, rstest};
use tokio::sync::OnceCell;

#[fixture]
async fn virtual_board() -> VirtualBoard {
    let qemu = Toolbox::from_env().and_then(|tools| tools.qemu()).expect("run `k1-hil setup` once");
    VirtualBoard::start(Options::new(qemu)).await.expect("a virtual board starts")
}

/// The repository's own patterns.
fn patterns() -> Vec<Graph> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("patterns");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| graph::load(path).unwrap()).collect()
}

/// One image of them all, for all tests.
async fn image() -> &'static Image {
    static IMAGE: OnceCell<Image> = OnceCell::const_new();
    let build = async || session::build(&patterns(), &Toolbox::from_env().unwrap(), &ignore).await.unwrap();
    IMAGE.get_or_init(build).await
}

async fn measured(board: &VirtualBoard, plan: &Plan) -> Result<Capture, Error> {
    let board = Board::connect(board.address()).await?;
    let deployment = deploy::deploy(image().await, &board, &DeployOptions::default(), &ignore).await?;
    Ok(capture::capture(&deployment, &board, plan, &ignore).await?)
}

/// What a user would write for each pattern; the ten run at once, each on a board of its own, and each compares
/// with counts that were taken on an idle machine long before.
#[rstest]
#[tokio::test]
async fn a_pattern_keeps_its_budgets_and_its_baseline_while_nine_others_run(
    #[future(awt)] virtual_board: VirtualBoard,
    #[values(0, 1, 2, 3, 4, 5, 0, 1, 2, 3)] pattern: usize,
) -> Result<(), Error> {
    let name = &patterns()[pattern].name;
    let baselines = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("patterns/baselines");
    let baseline =
        Baseline::load(&baselines, "k1-virtual", name)?.expect("each of our patterns has a baseline");

    let capture = measured(&virtual_board, &Plan::of(name)).await?;
    let verdict = verdict::judge(
        &capture,
        Some(image().await),
        &Budgets::default(),
        Some(&baseline),
        &Comparison::default(),
    );

    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict}");
    assert!(verdict.changes.iter().all(|change| change.difference == 0.0), "{verdict}");
    assert_eq!(verdict.picture, verdict::Likeness::Same, "{verdict}");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_session_measures_every_pattern_of_the_image_in_order(#[future(awt)] virtual_board: VirtualBoard) {
    let image = image().await;
    let board = Board::connect(virtual_board.address()).await.unwrap();
    let session = Session { plan: Plan { frames: 20, ..Plan::default() }, ..Session::default() };
    let findings = session.run(image, &board, "a run", "2026-11-24T00:00:00Z", &ignore).await.unwrap();
    let measured: Vec<&str> = findings.report.results.iter().map(|result| result.pattern.as_str()).collect();
    assert_eq!(measured, image.patterns);
    assert_eq!(findings.report.outcome, Outcome::Pass);
    assert!(findings.captures.iter().all(|capture| capture.frames.len() == 20));
}

#[rstest]
#[tokio::test]
async fn a_profiled_session_shows_functions_nodes_and_a_flame_graph(
    #[future(awt)] virtual_board: VirtualBoard,
) {
    let board = Board::connect(virtual_board.address()).await.unwrap();
    let named = ["slow_bloom", "night_glass"].map(str::to_owned);
    let session = Session {
        plan: Plan { frames: 20, ..Plan::default() },
        selection: Selection::Named(named.to_vec()),
        ..Session::default()
    };
    let mut findings =
        session.run(image().await, &board, "a run", "2026-11-24T00:00:00Z", &ignore).await.unwrap();
    session::profile(&mut findings, &patterns(), &Toolbox::from_env().unwrap(), &ignore).await.unwrap();

    let results = &findings.report.results;
    for ((result, profile), capture) in results.iter().zip(&findings.profiles).zip(&findings.captures) {
        let frames = profile.plan.frames as usize;
        let measured: Vec<u64> = capture.frames.iter().map(|frame| frame.render_ticks.into()).collect();
        assert_eq!(profile.frames, measured[..frames], "the first frames of the run that was measured");
        let table = result.profile.as_ref().unwrap();
        assert!(!table.functions.is_empty() && !table.nodes.as_ref().unwrap().nodes.is_empty());
    }

    let folder = tempfile::tempdir().unwrap();
    let written = findings.report.write(&findings.captures, &findings.profiles, folder.path()).unwrap();
    let html = std::fs::read_to_string(&written.html).unwrap();
    assert_eq!(html.matches("<figure class=\"flame\">\n<svg").count(), 2);
    for word in ["<td class=\"code\">k1g_Blur(CRGBF const*, int, int)</td>", "<td>halo</td>", "<td>soft</td>"]
    {
        assert!(html.contains(word), "{word}");
    }
    assert_eq!(Report::read(&written.result).unwrap(), findings.report);
    for (path, profile) in written.profiles.iter().zip(&findings.profiles) {
        let stored: k1_hil::profile::Profile = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(stored, *profile);
    }
    let error = findings.report.write(&findings.captures, &[], folder.path()).unwrap_err();
    assert_eq!(error.to_string(), "the profile of pattern slow_bloom was not given");
}

#[rstest]
#[tokio::test]
async fn another_plan_is_not_compared_with_the_baseline(#[future(awt)] virtual_board: VirtualBoard) {
    let image = image().await;
    let board = Board::connect(virtual_board.address()).await.unwrap();
    let baselines = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("patterns/baselines");
    let session = Session {
        plan: Plan { frames: 30, ..Plan::default() },
        baselines: Baselines::Folder(baselines),
        ..Session::default()
    };
    let findings = session.run(image, &board, "a run", "2026-11-24T00:00:00Z", &ignore).await.unwrap();
    assert_eq!(findings.report.outcome, Outcome::Inconclusive);
}

/// Firmware that dies in mid-run is that pattern's failure; the others are measured all the same.
#[rstest]
#[tokio::test]
async fn a_pattern_that_crashes_is_named_and_the_others_are_measured(
    #[future(awt)] virtual_board: VirtualBoard,
) {
    let graph = |name: &str| {
        let text = format!(
            r#"{{"name": "{name}", "version": "v1.0", "nodes": [
                {{"id": "tint", "type": "Color", "params": {{"r": 0.5, "g": 0.2, "b": 0.1}}}},
                {{"id": "strip", "type": "Fill", "inputs": {{"color": "tint"}}}},
                {{"id": "out", "type": "LedOutput", "inputs": {{"color": "strip"}}}}]}}"#
        );
        graph::parse(&text, name).unwrap()
    };
    let mut source = source::generate(&["calm", "crashes", "hangs"].map(graph)).unwrap();
    for (name, body) in
        [("crashes", "__builtin_trap();"), ("hangs", "for (volatile int i = 0;; i = i + 1) {}")]
    {
        let file = source.files.iter_mut().find(|file| file.pattern.as_deref() == Some(name)).unwrap();
        let draw = file.text.find(&format!("draw_{name}(")).unwrap();
        let begin = draw + file.text[draw..].find('{').unwrap() + 1;
        file.text.insert_str(begin, body);
    }
    let toolbox = Toolbox::from_env().unwrap();
    let image =
        k1_hil::image::compile(&source, k1_hil::image::Target::Virtual, &toolbox, &ignore).await.unwrap();
    let board = Board::connect(virtual_board.address()).await.unwrap();
    let session = Session { plan: Plan { frames: 20, ..Plan::default() }, ..Session::default() };
    let findings = session.run(&image, &board, "a run", "2026-11-24T00:00:00Z", &ignore).await.unwrap();

    assert_eq!(findings.report.outcome, Outcome::Failed);
    assert_eq!(findings.report.results.len(), 1);
    let faults: Vec<String> = findings
        .report
        .faults
        .iter()
        .map(|f| format!("{}: {}", f.pattern.as_deref().unwrap(), f.errors[0]))
        .collect();
    assert!(faults[0].contains("crashes") && faults[0].contains("illegal instruction"), "{faults:?}");
    assert!(faults[1].contains("hangs") && faults[1].contains("watchdog"), "{faults:?}");
}
