//! Image → Profile, with the real emulator: exact, whole, and the same as what a virtual board measures.

mod shaped;

use std::sync::Mutex;

use k1_hil::board::Board;
use k1_hil::capture::{self, Plan};
use k1_hil::deploy::{self, DeployOptions};
use k1_hil::event::{Event, ignore};
use k1_hil::image::Image;
use k1_hil::profile::{self, Profile, ProfileError};
use k1_hil::tools::Toolbox;
use k1_hil::vboard::{Options, TraceError, VirtualBoard};
use k1_hil::{Blame, graph, session, source};
use tokio::sync::OnceCell;

fn plan(pattern: &str) -> Plan {
    Plan { warmup: 2, frames: 3, ..Plan::of(pattern) }
}

fn graphs() -> [graph::Graph; 1] {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("patterns/slow_bloom.json");
    [graph::load(&path).unwrap()]
}

async fn image() -> &'static Image {
    static IMAGE: OnceCell<Image> = OnceCell::const_new();
    let build = async || session::build(&graphs(), &Toolbox::from_env().unwrap(), &ignore).await.unwrap();
    IMAGE.get_or_init(build).await
}

async fn profile_of(pattern: &str) -> Result<Profile, ProfileError> {
    profile::profile(image().await, &plan(pattern), &Toolbox::from_env().unwrap()).await
}

#[tokio::test]
async fn it_explains_every_instruction_that_a_virtual_board_measures() {
    let toolbox = Toolbox::from_env().unwrap();
    let virtual_board = VirtualBoard::start(Options::new(toolbox.qemu().unwrap())).await.unwrap();
    let board = Board::connect(virtual_board.address()).await.unwrap();
    let deployment = deploy::deploy(image().await, &board, &DeployOptions::default(), &ignore).await.unwrap();
    let capture = capture::capture(&deployment, &board, &plan("slow_bloom"), &ignore).await.unwrap();
    let measured: Vec<u64> = capture.frames.iter().map(|frame| frame.render_ticks.into()).collect();

    let profile = profile_of("slow_bloom").await.unwrap();

    assert_eq!(profile.frames, measured);
    assert_eq!(profile.instructions, measured.iter().sum::<u64>());
    assert_eq!(profile.functions.iter().map(|f| f.own).sum::<u64>(), profile.instructions);
    assert_eq!(profile.stacks.iter().map(|s| s.instructions).sum::<u64>(), profile.instructions);
    for function in &profile.functions {
        let lines: u64 = function.lines.iter().map(|line| line.own).sum();
        assert_eq!(lines, function.own, "{}", function.name);
        let below = profile.stacks.iter().filter(|stack| stack.functions.contains(&function.name));
        assert_eq!(below.map(|s| s.instructions).sum::<u64>(), function.total, "{}", function.name);
    }
}

/// Nodes, functions with their calls, inlined ones, hottest lines; and the stacks from the frame loop down.
#[tokio::test]
async fn it_names_functions_and_lines() {
    let profile = profile_of("slow_bloom").await.unwrap();
    let nodes = profile::nodes(&profile, &source::generate(&graphs()).unwrap());
    insta::assert_snapshot!("table", profile::text(&profile.table(nodes)));
    insta::assert_snapshot!("folded", profile::folded(&profile));
    assert_eq!(profile_of("slow_bloom").await.unwrap(), profile, "it is the same each time");
}

#[tokio::test]
async fn each_node_has_its_instructions_and_nothing_is_left_out() {
    let profile = profile_of("slow_bloom").await.unwrap();
    let source = source::generate(&graphs()).unwrap();
    let nodes = profile::nodes(&profile, &source).unwrap();
    let of_nodes: u64 = nodes.nodes.iter().map(|node| node.instructions).sum();
    assert_eq!(of_nodes + nodes.between + nodes.around, profile.instructions);
    let dearest: Vec<&str> = nodes.nodes.iter().take(3).map(|node| node.node.as_str()).collect();
    assert_eq!(dearest, ["soft", "leds", "petals"]);
    let known: Vec<String> = graphs()[0].nodes.iter().map(|node| node.id.clone()).collect();
    assert!(nodes.nodes.iter().all(|node| known.contains(&node.node)), "{nodes:?}");

    let other = Profile { plan: plan("somebody_elses"), ..profile };
    assert_eq!(profile::nodes(&other, &source), None);
}

/// The warm-up is not watched, and is drawn all the same: the frames are those behind it.
#[tokio::test]
async fn a_longer_warm_up_shows_later_frames_of_the_same_run() {
    let toolbox = Toolbox::from_env().unwrap();
    let at = async |warmup, frames| {
        let plan = Plan { warmup, frames, ..plan("slow_bloom") };
        profile::profile(image().await, &plan, &toolbox).await.unwrap().frames
    };
    let all = at(0, 40).await;
    assert_eq!(at(37, 3).await, all[37..]);
    assert_eq!(at(1, 1).await, all[1..2]);
}

#[tokio::test]
async fn a_profile_is_made_once() {
    let cache = tempfile::tempdir().unwrap();
    let toolbox = Toolbox::at(cache.path().to_owned());
    let seen = Mutex::new(Vec::new());
    let on_event = |event: &Event| seen.lock().unwrap().push(event.clone());
    let of = async |plan: &Plan| {
        profile::known_or_profile(image().await, plan, &toolbox, &on_event).await.unwrap()
    };
    let short = Plan { frames: 1, ..plan("slow_bloom") };

    let made = of(&short).await;
    assert_eq!(of(&short).await, made);
    of(&plan("slow_bloom")).await;

    let pattern = || "slow_bloom".to_owned();
    let expected = [
        Event::ProfileStarted { pattern: pattern(), frames: 1 },
        Event::Profiled { pattern: pattern(), frames: 1 },
        Event::ProfiledBefore { pattern: pattern() },
        Event::ProfileStarted { pattern: pattern(), frames: 3 },
        Event::Profiled { pattern: pattern(), frames: 3 },
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_checkouts_own_functions_and_lines_are_named() {
    let (checkout, toolbox) = (shaped::Checkout::without_git(), Toolbox::from_env().unwrap());
    let image = session::build_checkout(checkout.path(), None, &toolbox, &ignore).await.unwrap();
    let no_pattern = profile::profile(&image, &plan("no_such"), &toolbox).await.unwrap_err();
    assert_eq!(no_pattern.blame(), Blame::Input);
    let ProfileError::Trace(TraceError::NoPattern { known, .. }) = &no_pattern else {
        panic!("{no_pattern}")
    };

    for pattern in known.split(", ") {
        let profile = profile::profile(&image, &plan(pattern), &toolbox).await.unwrap();
        let draws = |name: &str| name == format!("draw_{pattern}(PatternRenderContext const&)");
        let draw = profile.functions.iter().find(|function| draws(&function.name));
        let draw = draw.unwrap_or_else(|| panic!("{}", profile::text(&profile.table(None))));
        assert!(
            draw.lines
                .iter()
                .any(|line| line.file.starts_with("checkout/firmware/src/patterns/") && line.line > 0),
            "{draw:?}"
        );
    }
}

#[tokio::test]
async fn firmware_that_dies_in_the_run_has_no_profile() {
    let toolbox = Toolbox::from_env().unwrap();
    let checkout = shaped::Checkout::without_git();
    let registry = std::fs::read_to_string(checkout.file("firmware/src/patterns/static_family.hpp")).unwrap();
    let (before, body) = registry.split_once("PatternRenderContext& context) {").unwrap();
    let dies = format!("{before}PatternRenderContext& context) {{ __builtin_trap();{body}");
    checkout.write("firmware/src/patterns/static_family.hpp", &dies);
    let image = session::build_checkout(checkout.path(), None, &toolbox, &ignore).await.unwrap();
    let named = before.rsplit_once("draw_").and_then(|(_, rest)| rest.split_once('(')).unwrap().0;

    let died = profile::profile(&image, &plan(named), &toolbox).await.unwrap_err();

    assert_eq!(died.to_string(), "the firmware died: the firmware gave up: illegal instruction");
    assert_eq!(died.blame(), Blame::Firmware);
}
