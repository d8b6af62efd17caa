//! Image → Profile, with the real emulator: exact, whole, and the same as what a virtual board measures.

mod shaped;

use k1_hil::board::Board;
use k1_hil::capture::{self, Plan};
use k1_hil::deploy::{self, DeployOptions};
use k1_hil::event::ignore;
use k1_hil::image::Image;
use k1_hil::profile::{self, Profile, ProfileError};
use k1_hil::tools::Toolbox;
use k1_hil::vboard::{Options, TraceError, VirtualBoard};
use k1_hil::{Blame, graph, session};
use tokio::sync::OnceCell;

fn plan(pattern: &str) -> Plan {
    Plan { warmup: 2, frames: 3, ..Plan::of(pattern) }
}

async fn image() -> &'static Image {
    static IMAGE: OnceCell<Image> = OnceCell::const_new();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("patterns/slow_bloom.json");
    let build = async || {
        let graphs = [graph::load(&path).unwrap()];
        session::build(&graphs, &Toolbox::from_env().unwrap(), &ignore).await.unwrap()
    };
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
        let lines: u64 = function.lines.iter().map(|line| line.instructions).sum();
        assert_eq!(lines, function.own, "{}", function.name);
        let below = profile.stacks.iter().filter(|stack| stack.functions.contains(&function.name));
        assert_eq!(below.map(|s| s.instructions).sum::<u64>(), function.total, "{}", function.name);
    }
}

/// Functions with their calls, inlined ones, hottest lines; and the stacks from the frame loop down.
#[tokio::test]
async fn it_names_functions_and_lines() {
    let profile = profile_of("slow_bloom").await.unwrap();
    insta::assert_snapshot!("table", profile::table(&profile));
    insta::assert_snapshot!("folded", profile::folded(&profile));
    assert_eq!(profile_of("slow_bloom").await.unwrap(), profile, "it is the same each time");
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
        let draw = draw.unwrap_or_else(|| panic!("{}", profile::table(&profile)));
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
