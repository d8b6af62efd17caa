//! Firmware as K1 was before patterns were given a context: another interface, fewer parameters, no colour pipeline.

mod shaped;

use k1_hil::bench::Bench;
use k1_hil::capture::{Capture, Plan};
use k1_hil::event::ignore;
use k1_hil::session::{self, Session};
use k1_hil::source::GraftError;
use k1_hil::tools::Toolbox;
use k1_hil::{Error, graph};
use shaped::Checkout;

const TYPES: &str = "#pragma once
#include \"parameters.h\"

typedef void (*PatternFunction)(float time, const PatternParameters& params);

struct PatternInfo {
    const char* name;
    const char* id;
    const char* description;
    PatternFunction draw_fn;
    bool is_audio_reactive;
};
";

const PATTERNS: &str = "#pragma once
#include \"led_driver.h\"
#include \"pattern_registry.h\"

void draw_lamp(float time, const PatternParameters& params) {
    for (int i = 0; i < NUM_LEDS; ++i) leds[i] = CRGBF(LEVEL, LEVEL * params.speed, time > 0.03f ? LEVEL : 0.0f);
}

const PatternInfo g_pattern_registry[] = {
    {\"Lamp\", \"lamp\", \"\", draw_lamp, false},
};
const uint8_t g_num_patterns = 1;
";

/// The fixture with the interface of then, its patterns at `level`, on a board that is set to `brightness`.
fn checkout(level: &str, brightness: &str) -> Checkout {
    let checkout = Checkout::without_git();
    for path in
        ["pattern_render_context.h", "pattern_declarations.h", "color_pipeline.h", "color_pipeline.cpp"]
    {
        std::fs::remove_file(checkout.file(&format!("firmware/src/{path}"))).unwrap();
    }
    let file = |name: &str| format!("firmware/src/{name}");
    checkout.write(&file("pattern_types.h"), TYPES);
    checkout.write(&file("generated_patterns.h"), &PATTERNS.replace("LEVEL", level));
    checkout.write(
        &file("pattern_registry.cpp"),
        "#include \"pattern_registry.h\"\nuint8_t g_current_pattern_index = 0;\n",
    );
    checkout.write(&file("profiler.h"), "#pragma once\n"); // main.cpp included it in front of the patterns
    let parameters = std::fs::read_to_string(checkout.file(&file("parameters.h"))).unwrap();
    checkout.write(
        &file("parameters.h"),
        &parameters.replace("    float mirror_mode;\n    float led_offset;\n", ""),
    );
    let code = std::fs::read_to_string(checkout.file(&file("parameters.cpp"))).unwrap();
    let code = code
        .replace("    p.mirror_mode = 1.0f;\n", "")
        .replace(" &p.mirror_mode,", "")
        .replace("    good &= limit(p.led_offset, -160.0f, 160.0f);\n", "")
        .replace("p.brightness = 1.0f", &format!("p.brightness = {brightness}"));
    checkout.write(&file("parameters.cpp"), &code);
    // The driver scales by the brightness, as long as there is no pipeline that does.
    checkout.edit(&file("led_driver.cpp"), "value * 255.0f", "value * global_brightness * 255.0f");
    checkout
}

async fn measured(checkout: &Checkout) -> Capture {
    let toolbox = Toolbox::from_env().unwrap();
    let image = session::build_checkout(checkout.path(), None, &toolbox, &ignore).await.unwrap();
    let bench = Bench::of_virtual_boards(1, &toolbox).await.unwrap();
    let session = Session { plan: Plan { warmup: 3, frames: 10, ..Plan::of("") }, ..Session::default() };
    session.run_on(&image, &bench.boards, "", "", &ignore).await.unwrap().captures.remove(0)
}

#[tokio::test]
async fn it_is_drawn_with_the_time_the_parameters_and_the_brightness_that_it_is_given() {
    let pictures = |capture: &Capture| capture.frames.iter().map(|frame| frame.led_hash).collect::<Vec<_>>();
    let dim = measured(&checkout("0.25f", "1.0f")).await;
    let dimmed = measured(&checkout("0.5f", "0.5f")).await;
    assert_eq!(dim.plan.pattern, "lamp");
    assert_eq!(dim.frames.len(), 10);
    assert_ne!(pictures(&dim)[0], pictures(&dim)[9], "the time is seen");
    assert_eq!(pictures(&dimmed), pictures(&dim));
    let bright = measured(&checkout("0.5f", "1.0f")).await;
    assert_ne!(pictures(&bright), pictures(&dim));
}

#[tokio::test]
async fn a_pattern_from_a_graph_has_no_place_in_it() {
    let checkout = checkout("0.5f", "1.0f");
    let graphs = [graph::load("patterns/slow_tide.json").unwrap()];
    let toolbox = Toolbox::from_env().unwrap();
    let error = session::build_grafted(checkout.path(), None, &graphs, &toolbox, &ignore).await.unwrap_err();
    assert!(matches!(&error, Error::Graft(GraftError::Unfit { .. })), "{error}");
    assert_eq!(
        error.to_string(),
        "patterns cannot be added to firmware/src/pattern_render_context.h: the manifest K1.node1 expects what a pattern \
         is given, and there is no such file"
    );
}
