//! The counts of an image, however busy the host is.

mod shaped;

use std::sync::atomic::{AtomicBool, Ordering};

use k1_hil::bench::Bench;
use k1_hil::capture::{AudioSource, Capture, Frame, Plan};
use k1_hil::event::ignore;
use k1_hil::image::Image;
use k1_hil::session::{self, Selection, Session};
use k1_hil::tools::Toolbox;
use shaped::Checkout;

/// A pattern that looks at all that could differ: clocks, random numbers, the heap, what it kept.
const CURIOUS: &str = r#"#pragma once
#include <Arduino.h>

inline void draw_curious(const PatternRenderContext& context) {
    static uint32_t kept = 0;
    kept = 31u * kept + micros() + millis() + static_cast<uint32_t>(random(1000)) + ESP.getFreeHeap();
    if (context.audio_snapshot.payload.vu_level > 0.3f) esp_rom_delay_us(kept % 50u);
    for (int i = 0; i < context.num_leds; ++i) {
        kept += static_cast<uint32_t>(esp_timer_get_time());
        context.leds[i] = CRGBF((kept & 255u) / 255.0f, context.audio_snapshot.payload.spectrogram[i % 64], 0.1f);
    }
}
"#;

async fn image() -> Image {
    let checkout = Checkout::new();
    checkout.write("firmware/src/patterns/curious.hpp", CURIOUS);
    checkout.edit(
        "firmware/src/generated_patterns.h",
        "#pragma once",
        "#pragma once\n#include \"pattern_render_context.h\"\n#include \"patterns/curious.hpp\"",
    );
    checkout.edit(
        "firmware/src/pattern_registry.cpp",
        "draw_breath, true},",
        "draw_breath, true},\n    {\"Curious\", \"curious\", \"\", draw_curious, true},",
    );
    session::build_checkout(checkout.path(), None, &Toolbox::from_env().unwrap(), &ignore).await.unwrap()
}

/// Every frame of every pattern, `copies` times over, on `boards` boards at once.
async fn measured(image: &Image, boards: usize, copies: usize) -> Vec<Capture> {
    let bench = Bench::of_virtual_boards(boards, &Toolbox::from_env().unwrap()).await.unwrap();
    let patterns = ["ember", "tide", "fold", "breath", "curious"];
    let plan = Plan { warmup: 5, frames: 40, audio: AudioSource::Snapshot, ..Plan::of("") };
    let selection = Selection::Named(patterns.repeat(copies).into_iter().map(str::to_owned).collect());
    let session = Session { plan, selection, ..Session::default() };
    session.run_on(image, &bench.boards, "", "", &ignore).await.unwrap().captures
}

fn frames(captures: &[Capture]) -> Vec<(&str, &[Frame])> {
    captures.iter().map(|capture| (capture.plan.pattern.as_str(), capture.frames.as_slice())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_image_gives_the_same_counts_while_all_cores_are_taken() {
    let image = image().await;
    let idle = measured(&image, 1, 1).await;
    assert!(idle.iter().all(|capture| capture.frames.len() == 40));

    let over = AtomicBool::new(false);
    let loaded = std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let loaded = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current()
                .block_on(async { tokio::join!(measured(&image, 1, 1), measured(&image, usize::MAX, 3)) })
        });
        over.store(true, Ordering::Relaxed);
        loaded
    });
    let (alone, together) = loaded;
    assert_eq!(frames(&alone), frames(&idle));
    for pass in together.chunks(idle.len()) {
        assert_eq!(frames(pass), frames(&idle));
    }
}
