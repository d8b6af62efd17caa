//! Images for the tests, built by the real tools, once for all tests and cached between them.

use std::path::PathBuf;

use k1_hil::digest::Sha;
use k1_hil::image::{Image, Target, compile};
use k1_hil::source::{Firmware, Pattern, Source, SourceFile};
use k1_hil::tools::{Toolbox, setup};
use tokio::sync::OnceCell;

/// A pattern of a test image: id and the body of its function.
type Body = (&'static str, &'static str);

const GLOW: Body = (
    "glow",
    "for (int i = 0; i < context.num_leds; ++i) \
     context.leds[i] = CRGBF(context.time * 0.5f, static_cast<float>(i) / 160.0f, context.audio_snapshot.payload.vu_level);",
);
const DARK: Body =
    ("dark", "for (int i = 0; i < context.num_leds; ++i) context.leds[i] = CRGBF(0.0f, 0.0f, 0.0f);");
/// About ten times the instructions of `glow`.
const HEAVY: Body = (
    "heavy",
    "for (int k = 0; k < 30; ++k) for (int i = 0; i < context.num_leds; ++i) \
     context.leds[i] = context.leds[i] * 0.5f + CRGBF(context.time, 0.1f, 0.2f);",
);
/// Reads where no memory is, in its third frame of a run.
const CRASH: Body = (
    "crash",
    "static volatile float* nowhere = reinterpret_cast<volatile float*>(0x90000000u); \
     if (context.time >= 0.012f) context.leds[0].r = *nowhere;",
);
const HANG: Body = ("hang", "for (volatile unsigned i = 0;; ++i) if (context.leds == nullptr) break;");
/// Writes behind its buffer, and in front of it, in its third frame of a run.
const BEYOND: Body = ("beyond", "context.leds[context.time >= 0.012f ? 161 : 0] = CRGBF(1.0f, 0.0f, 0.0f);");
const BEFORE: Body = ("before", "context.leds[context.time >= 0.012f ? -2 : 0] = CRGBF(1.0f, 0.0f, 0.0f);");
/// Keeps a count that nothing resets but a restart.
const COUNT: Body =
    ("count", "static int frames; context.leds[frames++ % context.num_leds] = CRGBF(1.0f, 0.0f, 0.0f);");

/// The images that the tests share.
pub struct Images {
    pub qemu: PathBuf,
    /// All of them.
    pub all: Built,
    /// `glow` alone: another image than `all`.
    pub other: Built,
    /// Crashes as soon as it is left alone.
    pub doomed: Built,
}

pub struct Built {
    pub image: Image,
    pub bin: Vec<u8>,
}

/// Builds them, or takes them from the cache.
pub async fn images() -> &'static Images {
    static IMAGES: OnceCell<Images> = OnceCell::const_new();
    IMAGES
        .get_or_init(|| async {
            let toolbox = Toolbox::from_env().unwrap();
            setup(&toolbox, &k1_hil::event::ignore).await.unwrap();
            Images {
                qemu: toolbox.qemu().unwrap(),
                all: build(&[GLOW, DARK, HEAVY, CRASH, HANG, BEYOND, BEFORE, COUNT], &toolbox).await,
                other: build(&[GLOW], &toolbox).await,
                doomed: build(&[CRASH], &toolbox).await,
            }
        })
        .await
}

async fn build(bodies: &[Body], toolbox: &Toolbox) -> Built {
    let image = compile(&source(bodies), Target::Virtual, toolbox, &k1_hil::event::ignore).await.unwrap();
    let bin = std::fs::read(&image.bin).unwrap();
    Built { image, bin }
}

fn source(bodies: &[Body]) -> Source {
    let functions: String = bodies
        .iter()
        .map(|(id, body)| {
            format!("static void draw_{id}(const PatternRenderContext& context) {{\n    {body}\n}}\n\n")
        })
        .collect();
    let rows: String = bodies
        .iter()
        .map(|(id, _)| format!("    {{\"The {id}\", \"{id}\", \"For tests → é\", draw_{id}, false}},\n"))
        .collect();
    let resets = vec!["nullptr"; bodies.len()].join(", ");
    let text = format!(
        "#include \"core/pattern_abi.h\"\n\n{functions}const PatternInfo g_pattern_registry[] = {{\n{rows}}};\n\
         const uint8_t g_num_patterns = {};\nconst PatternReset g_pattern_resets[] = {{{resets}}};\n",
        bodies.len()
    );
    let pattern =
        |(id, _): &Body| Pattern { id: (*id).to_owned(), title: format!("The {id}"), audio_reactive: false };
    Source {
        sha256: Sha::of(&text),
        firmware: Firmware::Core,
        patterns: bodies.iter().map(pattern).collect(),
        files: vec![SourceFile { path: "registry.cpp".to_owned(), text, pattern: None, nodes: Vec::new() }],
    }
}
