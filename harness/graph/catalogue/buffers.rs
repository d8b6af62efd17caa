//! A value for each LED: made, moved, blurred, layered, remembered.

use super::{
    Args, Code, Const, Identity, Kind, NodeType, Output, Param, ParamDefault, Port, Reach, State, literal,
};
use crate::graph::types::{BINS, LEDS, Shape, Type};

const COLOR_LEDS: &[Shape] = &[Shape::ColorLeds];

pub(super) const ENTRIES: &[NodeType] = &[
    // The documents' prototype ignored the sound. Here: `bandwidth` semitones around `center_bin` (moved inwards at
    // the ends of the spectrum), spread over the LEDs from low to high. `smoothing` is spatial, between neighbouring
    // bins, because no document allots it a state.
    NodeType::new(
        "BandShape",
        "a band of the spectrum, spread over the LEDs",
        Output::Is(Type::LedBufferFloat),
        band_shape,
    )
    .inputs(&[Port::required("src", &[Shape::Spectrum])])
    .params(&[
        Param::number("gain", 1.0, 1.0, 2.0),
        Param::number("smoothing", 0.6, 0.0, 1.0),
        Param::integer("center_bin", 32, 0, BINS as i64 - 1),
        Param::integer("bandwidth", 8, 1, 16),
    ])
    .places(),
    // The specification's spectrum example feeds it a buffer, which passes through.
    NodeType::new("Fill", "the same colour at every LED", Output::Is(Type::LedBufferVec3), |x| {
        Code::value(x.color("color"))
    })
    .inputs(&[Port::required("color", &[Shape::Color, Shape::ColorLeds])])
    .identity(Identity::Always)
    .folded(|c| Some(Const::Color(c.get("color")?.channels()))),
    NodeType::new(
        "Blur",
        "mean over radius LEDs to either side, round the ends",
        Output::Is(Type::LedBufferVec3),
        |x| Code::value(format!("k1g_Blur({}, i, {})", x.array("src"), x.node.integer("radius"))),
    )
    .inputs(&[Port::required("src", COLOR_LEDS)])
    .params(&[Param::integer("radius", 1, 1, 5)])
    .reaching(|_| Reach::Anywhere)
    .identity(Identity::OfUniform),
    // A flip by default, as specified, which makes nothing symmetric; `origin: center` is what the prototypes did
    // later: the first half of the source, from the centre outwards on both sides. A strip has one axis, so both
    // values of `axis` mean the same.
    NodeType::new(
        "Mirror",
        "flipped end for end, or laid out from the centre",
        Output::Is(Type::LedBufferVec3),
        |x| {
            let index = match x.node.choice("origin") {
                "center" => "k1g_FromCenter(i)",
                _ => "NUM_LEDS - 1 - i",
            };
            Code::value(format!("{}[{index}]", x.array("src")))
        },
    )
    .inputs(&[Port::required("src", COLOR_LEDS)])
    .params(&[
        Param::choice("axis", &["vertical", "horizontal"]),
        Param::choice("origin", &["edge", "center"]),
    ])
    .reaching(|node| if node.choice("origin") == "center" { Reach::FirstHalf } else { Reach::Anywhere })
    .identity(Identity::OfUniform),
    // One example in the documents moves the other way; the specification does not.
    NodeType::new(
        "Shift",
        "LED i shows LED i + offset, round the end",
        Output::Is(Type::LedBufferVec3),
        |x| Code::value(format!("{}[k1g_Wrapped(i + {})]", x.array("src"), x.node.integer("offset"))),
    )
    .inputs(&[Port::required("src", COLOR_LEDS)])
    .params(&[Param::integer("offset", 0, 0, LEDS as i64)])
    .reaching(|_| Reach::Anywhere)
    .identity(Identity::OfUniform),
    // Dot k has colour k, round the list (white if it is empty). Dots of one colour that overlap are drawn once;
    // `add` clamps to 1; dots beyond the ends of the strip are cut off.
    NodeType::new(
        "DotRender",
        "dots at given LEDs, over a base",
        Output::Is(Type::LedBufferVec3),
        dot_render,
    )
    .inputs(&[Port::optional("base_buf", COLOR_LEDS)])
    .params(&[
        Param::new("indices", Kind::Integers, ParamDefault::Empty),
        Param::new("peak_colors", Kind::Colors, ParamDefault::Empty),
        Param::choice("blend", &["add", "replace", "multiply"]).or(&["blend_mode"]),
        Param::integer("peak_width", 1, 1, 3),
    ])
    .places(),
    // The prototype applied opacity to `add` alone; here it blends every mode.
    NodeType::new(
        "ComposeLayers",
        "overlay on base, blended by opacity",
        Output::Is(Type::LedBufferVec3),
        |x| {
            let function = match x.node.choice("blend_mode") {
                "multiply" => "k1g_ComposeMultiply",
                "screen" => "k1g_ComposeScreen",
                "overlay" => "k1g_ComposeOverlay",
                _ => "k1g_ComposeAdd",
            };
            let opacity = literal(x.node.number("opacity"));
            Code::value(format!("{function}({}, {}, {opacity})", x.value("base"), x.value("overlay")))
        },
    )
    .inputs(&[Port::required("base", COLOR_LEDS), Port::required("overlay", COLOR_LEDS)])
    .params(&[
        Param::choice("blend_mode", &["add", "multiply", "screen", "overlay"]),
        Param::number("opacity", 1.0, 0.0, 1.0),
    ]),
    // Decay is an input in some documents and a parameter in others; like every number it may be either here.
    NodeType::new(
        "BufferPersist",
        "fades in time: decay·last + (1 − decay)·src",
        Output::Of(|s| Some(s[0])),
        |x| Code::value(format!("k1g_BufferPersist({}, {}, {})", x.state, x.value("src"), x.value("decay"))),
    )
    .inputs(&[
        Port::required("src", &[Shape::FloatLeds, Shape::ColorLeds]),
        Port::number("decay", 0.92).within(0.8, 0.99),
    ])
    .remembers(State::LastValue),
];

fn band_shape(x: &Args<'_>) -> Code {
    let bandwidth = x.node.integer("bandwidth");
    let first = (x.node.integer("center_bin") - bandwidth / 2).clamp(0, BINS as i64 - 1 - bandwidth);
    let band = x.own("band");
    let step = bandwidth as f32 / (LEDS - 1) as f32;
    Code::value(format!("k1g_Along({band}, {} * static_cast<float>(i))", literal(step)))
        // One place more than there are bins: rounding may lead just past the last one.
        .prepared_by(format!("float {band}[{}];", bandwidth + 2))
        .prepared_by(format!(
            "k1g_BandShape({band}, {}, {first}, {}, {}, {});",
            x.value("src"),
            bandwidth + 1,
            literal(x.node.number("smoothing")),
            literal(x.node.number("gain"))
        ))
}

fn dot_render(x: &Args<'_>) -> Code {
    let function = match x.node.choice("blend") {
        "replace" => "k1g_DotReplace",
        "multiply" => "k1g_DotMultiply",
        _ => "k1g_DotAdd",
    };
    let base = if x.is_given("base_buf") { x.value("base_buf") } else { Const::Color([0.0; 3]).literal() };
    let mut code = Code::value(base);
    for (number, (color, leds)) in dots(x).into_iter().enumerate() {
        let table = format!("{}_{number}", x.own("dots"));
        let words: Vec<String> = leds.iter().map(|word| format!("{word:#010x}u")).collect();
        code.value =
            format!("{function}({}, k1g_Bit({table}, i), {})", code.value, Const::Color(color).literal());
        code = code.with_table(format!(
            "static const uint32_t {table}[{}] = {{{}}};",
            words.len(),
            words.join(", ")
        ));
    }
    code
}

/// For each colour in use, a bit for each LED that it covers, 32 to a word.
fn dots(x: &Args<'_>) -> Vec<([f32; 3], [u32; LEDS.div_ceil(32)])> {
    let given = x.node.colors("peak_colors");
    let colors = if given.is_empty() { &[[1.0; 3]][..] } else { given };
    let width = x.node.integer("peak_width");
    let mut layers: Vec<_> = colors.iter().map(|color| (*color, [0; LEDS.div_ceil(32)])).collect();
    for (number, center) in x.node.integers("indices").iter().enumerate() {
        let first = center.saturating_sub((width - 1) / 2);
        let (_, leds) = &mut layers[number % colors.len()];
        for led in (0..width).filter_map(|offset| usize::try_from(first.saturating_add(offset)).ok()) {
            if led < LEDS {
                leds[led / 32] |= 1 << (led % 32);
            }
        }
    }
    layers.retain(|(_, leds)| leds.iter().any(|word| *word != 0));
    layers
}
