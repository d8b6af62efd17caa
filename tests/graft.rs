//! Patterns from graphs inside a user's firmware: for one build, and for good in the working tree.

mod shaped;

use std::path::PathBuf;

use k1_hil::bench::Bench;
use k1_hil::capture::{Capture, Frame, Plan};
use k1_hil::event::ignore;
use k1_hil::graph::{self, Graph};
use k1_hil::image::{CompileError, Image};
use k1_hil::session::{self, Session};
use k1_hil::source::{self, Changes, Firmware, GraftError};
use k1_hil::tools::Toolbox;
use k1_hil::{Blame, Error};
use rstest::rstest;
use shaped::Checkout;
use shaped::commands::{all_of, code, json, text};

const REGISTRY: &str = "firmware/src/pattern_registry.cpp";
const INCLUDED: &str = "firmware/src/generated_patterns.h";
const DECLARED: &str = "firmware/src/pattern_declarations.h";
const CHANGED: [&str; 3] = [INCLUDED, DECLARED, REGISTRY];

fn repository(path: &str) -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Two of this repository's patterns, one of which listens.
fn graphs() -> Vec<Graph> {
    ["patterns/slow_tide.json", "patterns/two_voices.json"]
        .map(|path| graph::load(repository(path)).unwrap())
        .into()
}

/// A pattern in one colour of the board's palette, under a name.
fn plain(name: &str) -> Graph {
    let text = format!(
        r#"{{ "name": "{name}", "version": "v1.0", "nodes": [
            {{ "id": "tint", "type": "ParamColor", "params": {{ "name": "color" }} }},
            {{ "id": "fill", "type": "Fill", "inputs": {{ "color": "tint" }} }},
            {{ "id": "leds", "type": "LedOutput", "inputs": {{ "color": "fill" }} }} ] }}"#
    );
    graph::parse(&text, name).unwrap()
}

fn contents(checkout: &Checkout) -> Vec<(PathBuf, Vec<u8>)> {
    checkout.state().into_iter().map(|(path, _, bytes)| (path, bytes)).collect()
}

#[tokio::test]
async fn a_working_tree_gets_patterns_and_is_the_same_again_without_them() {
    let checkout = Checkout::without_git();
    let before = contents(&checkout);
    let changes = source::insert(checkout.path(), &graphs()).await.unwrap();
    let headers = ["pattern_abi.h", "graph_runtime.h", "slow_tide.hpp", "two_voices.hpp"];
    let mut written = headers.map(|name| format!("firmware/src/patterns/{name}")).to_vec();
    written.extend(CHANGED.map(str::to_owned));
    assert_eq!(changes, Changes { written: written.clone(), removed: Vec::new() });

    let state = checkout.state();
    assert_eq!(source::insert(checkout.path(), &graphs()).await.unwrap(), Changes::default());
    assert_eq!(checkout.state(), state, "twice changes nothing, not even a time");

    let ids = ["two_voices", "slow_tide"].map(str::to_owned);
    let changes = source::remove(checkout.path(), &ids[..1]).await.unwrap();
    assert_eq!(changes.removed, ["firmware/src/patterns/two_voices.hpp"]);
    source::remove(checkout.path(), &ids[1..]).await.unwrap();
    assert_eq!(contents(&checkout), before);
    let error = source::remove(checkout.path(), &ids).await.unwrap_err();
    assert!(matches!(error, GraftError::NotAdded { .. }), "{error}");
}

#[tokio::test]
async fn permissions_and_links_of_the_files_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let checkout = Checkout::without_git();
    std::fs::set_permissions(checkout.file(REGISTRY), PermissionsExt::from_mode(0o750)).unwrap();
    std::fs::rename(checkout.file(DECLARED), checkout.file("declarations.h")).unwrap();
    symlink("../../declarations.h", checkout.file(DECLARED)).unwrap();
    source::insert(checkout.path(), &graphs()).await.unwrap();
    assert_eq!(checkout.file(REGISTRY).metadata().unwrap().permissions().mode() & 0o777, 0o750);
    assert!(checkout.file(DECLARED).is_symlink());
    assert!(std::fs::read_to_string(checkout.file("declarations.h")).unwrap().contains("draw_slow_tide"));
}

fn leads_away(checkout: &Checkout) {
    std::fs::rename(checkout.file(DECLARED), checkout.path().parent().unwrap().join("outside.h")).unwrap();
    std::os::unix::fs::symlink("../../../outside.h", checkout.file(DECLARED)).unwrap();
}

fn has_no_places(checkout: &Checkout) {
    let manifest = format!(
        "[firmware]\nformat = 1\nname = \"mine\"\nroot = [\"{REGISTRY}\"]\nhost = \"hosts/k1_node1\"\n\
         include = [\"firmware/src\"]\nsource = [{{ path = \"{REGISTRY}\" }}]\n"
    );
    checkout.write("hil.toml", &manifest);
}

#[rstest]
#[case::another_list(
    |checkout: &Checkout| checkout.edit(REGISTRY, "g_pattern_registry[]", "g_patterns[]"), "glow",
    "patterns cannot be added to firmware/src/pattern_registry.cpp or firmware/src/generated_patterns.h: the manifest \
     K1.node1 expects the definition of the array g_pattern_registry"
)]
#[case::no_header(
    |checkout: &Checkout| std::fs::remove_file(checkout.file(INCLUDED)).unwrap(), "glow",
    "patterns cannot be added to firmware/src/generated_patterns.h: the manifest K1.node1 expects a header that includes \
     those of the patterns"
)]
#[case::not_text(
    |checkout: &Checkout| std::fs::write(checkout.file(DECLARED), b"\xff").unwrap(), "glow",
    "firmware/src/pattern_declarations.h is not UTF-8 text"
)]
#[case::a_link_away(
    leads_away,
    "glow",
    "firmware/src/pattern_declarations.h is a symbolic link to \"../../../outside.h\", which is not followed: it leaves \
     the checkout"
)]
#[case::taken(
    |_: &Checkout| (), "tide",
    "the graph tide cannot be added: firmware/src/pattern_registry.cpp:8 lists \"Tide\" with the id tide, drawn by \
     draw_tide; the graph needs another name"
)]
#[case::a_file_in_the_way(
    |_: &Checkout| (), "static_family",
    "firmware/src/patterns/static_family.hpp is there already and was not generated"
)]
#[case::a_manifest_that_does_not_say_how(
    has_no_places,
    "glow",
    "the manifest mine does not say how patterns are added: it has no table `patterns`"
)]
#[tokio::test]
async fn what_cannot_be_added_is_told_and_nothing_is_changed(
    #[case] change: impl FnOnce(&Checkout),
    #[case] name: &str,
    #[case] message: &str,
) {
    let checkout = Checkout::without_git();
    change(&checkout);
    let before = checkout.state();
    let error = source::insert(checkout.path(), &[plain(name)]).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), error.blame()), (message, Blame::Input));
    assert_eq!(checkout.state(), before);
}

#[tokio::test]
async fn for_one_build_the_checkout_is_not_touched_and_of_a_commit_its_files_count() {
    let (checkout, cache) = (Checkout::new(), tempfile::tempdir().unwrap());
    let toolbox = Toolbox::at(cache.path());
    checkout.edit(REGISTRY, "g_pattern_registry[]", "g_patterns[]"); // in the working tree only
    let before = checkout.state();
    let plain = source::checkout(checkout.path(), Some("HEAD"), &toolbox).await.unwrap();
    let grafted = source::graft(&plain, &graphs()).unwrap();
    assert_eq!(checkout.state(), before);
    assert_ne!(grafted.sha256, plain.sha256);
    let (Firmware::Checkout(with), Firmware::Checkout(without)) = (&grafted.firmware, &plain.firmware) else {
        panic!("two checkouts")
    };
    assert_eq!(with.tree, without.tree, "the checkout's own files are laid out as they are");
    let said = with.origin.to_string();
    assert_eq!(said, format!("{} and slow_tide, two_voices from graphs", &checkout.head()[..7]));
    let own = source::generate(&graphs()).unwrap();
    assert!(matches!(source::graft(&own, &graphs()), Err(GraftError::NoCheckout)));
}

async fn measured(image: &Image) -> Vec<Capture> {
    let bench = Bench::of_virtual_boards(1, &Toolbox::from_env().unwrap()).await.unwrap();
    let session = Session { plan: Plan { warmup: 3, frames: 10, ..Plan::of("") }, ..Session::default() };
    session.run_on(image, &bench.boards, "", "", &ignore).await.unwrap().captures
}

fn of<'c>(captures: &'c [Capture], pattern: &str) -> &'c Capture {
    captures.iter().find(|capture| capture.plan.pattern == pattern).unwrap()
}

/// The hand-written patterns cost what they cost without; a generated one draws with the firmware's palettes; for good it
/// is the same program.
#[tokio::test]
async fn generated_patterns_are_measured_beside_the_ones_that_are_written_by_hand() {
    let (checkout, toolbox) = (Checkout::without_git(), Toolbox::from_env().unwrap());
    checkout.edit(
        "firmware/src/patterns/audio_family.hpp",
        "inline void draw_fold(const PatternRenderContext& context) {",
        "inline void draw_fold(const PatternRenderContext& context) {\n    const PatternParameters& p = context.params;\n    \
         for (int i = 0; i < context.num_leds; ++i) context.leds[i] = color_from_palette(p.palette_id, p.color, 1.0f);\n    \
         if (p.brightness > 0.0f) return;",
    );
    let mut graphs = graphs();
    graphs.push(plain("twin"));
    let alone = session::build_checkout(checkout.path(), None, &toolbox, &ignore).await.unwrap();
    let image = session::build_grafted(checkout.path(), None, &graphs, &toolbox, &ignore).await.unwrap();
    let (alone, captures) = (measured(&alone).await, measured(&image).await);
    let ids: Vec<&str> = captures.iter().map(|capture| capture.plan.pattern.as_str()).collect();
    assert_eq!(ids, ["ember", "tide", "fold", "breath", "slow_tide", "two_voices", "twin"]);
    // What generated patterns keep between frames takes memory.
    let without_heap = |capture: &Capture| -> Vec<Frame> {
        capture.frames.iter().map(|frame| Frame { heap_free: 0, ..*frame }).collect()
    };
    for by_hand in &alone {
        assert_eq!(without_heap(of(&captures, &by_hand.plan.pattern)), without_heap(by_hand));
    }
    let pictures = |id| of(&captures, id).frames.iter().map(|frame| frame.led_hash).collect::<Vec<_>>();
    assert_eq!(pictures("twin"), pictures("fold"), "the palettes are the firmware's own");

    source::insert(checkout.path(), &graphs).await.unwrap();
    let for_good = session::build_checkout(checkout.path(), None, &toolbox, &ignore).await.unwrap();
    assert_eq!(for_good.program_sha256, image.program_sha256);
    // With a pattern that is there already its graph's present code is measured, once.
    let again = session::build_grafted(checkout.path(), None, &graphs, &toolbox, &ignore).await.unwrap();
    assert_eq!(again.program_sha256, image.program_sha256);
}

/// A macro of the firmware may meet a name of the generated code: the graph's node is named, and the firmware not blamed.
#[tokio::test]
async fn an_error_in_generated_code_is_told_with_its_node() {
    let (checkout, toolbox) = (Checkout::without_git(), Toolbox::from_env().unwrap());
    checkout.edit(
        "firmware/src/led_driver.h",
        "#define NUM_LEDS 160",
        "#define NUM_LEDS 160\n#define n_tint )",
    );
    let error =
        session::build_grafted(checkout.path(), None, &[plain("glow")], &toolbox, &ignore).await.unwrap_err();
    let Error::Compile(CompileError::Refused { errors, .. }) = &error else { panic!("{error:?}") };
    let first = errors.first().unwrap();
    assert_eq!(first.file, "firmware/src/patterns/glow.hpp", "{error}");
    assert_eq!((first.pattern.as_deref(), first.node.as_deref()), (Some("glow"), Some("tint")), "{error}");
}

#[test]
fn the_command_line_adds_for_a_run_and_for_good() {
    let (bench, checkout) = (shaped::commands::Bench::new(), Checkout::new());
    let path = |name: &str| repository(&format!("patterns/{name}.json")).display().to_string();
    let (tide, voices) = (path("slow_tide"), path("two_voices"));
    let before = checkout.state();
    // As a shell makes it of `--graph patterns/*.json tide`.
    let run = bench.run(&["run", "--frames", "5", "--json", "--graph", &tide, &voices, "tide"], &checkout);
    assert_eq!(code(&run), 0, "{}", all_of(&run));
    let result = json(&run);
    let measured: Vec<&str> =
        result["results"].as_array().unwrap().iter().map(|r| r["pattern"].as_str().unwrap()).collect();
    assert_eq!(measured, ["tide", "slow_tide", "two_voices"]);
    assert_eq!(result["image"]["origin"]["added"], serde_json::json!(["slow_tide", "two_voices"]));
    assert_eq!(checkout.state(), before);

    let generate = |arguments: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_k1-hil"))
            .arg("generate")
            .args(arguments)
            .args(["--into".as_ref(), checkout.path().as_os_str()])
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    };
    let into = generate(&[&tide]);
    assert_eq!(code(&into), 0, "{}", all_of(&into));
    assert!(text(&into.stdout).contains("pattern_registry.cpp\n"), "{}", all_of(&into));
    assert_eq!(text(&generate(&[&tide]).stdout), "nothing to change\n");
    let out = generate(&["--remove", "slow_tide"]);
    assert_eq!(code(&out), 0, "{}", all_of(&out));
    assert_eq!(checkout.git(&["status", "--porcelain"]), "");
    let nothing = generate(&["--remove", "tide"]);
    assert_eq!(code(&nothing), 2, "{}", all_of(&nothing));
    assert!(
        text(&nothing.stderr).contains("no pattern tide was added to the checkout"),
        "{}",
        all_of(&nothing)
    );
}
