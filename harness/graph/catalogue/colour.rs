//! Colours from numbers, one or LED by LED.

use super::{Args, Code, Const, Kind, NodeType, Output, Param, ParamDefault, Port, literal};
use crate::graph::types::{Shape, Type};

const FLOAT: &[Shape] = &[Shape::Float];

pub(super) const ENTRIES: &[NodeType] = &[
    // The firmware's own `hsv` does not wrap the hue. The summary makes s and v optional.
    NodeType::new("Hsv", "hue (wraps at 1), saturation, value", Output::Is(Type::Color), |x| {
        Code::value(format!("k1g_Hsv({}, {}, {})", x.value("h"), x.value("s"), x.value("v")))
    })
    .inputs(&[Port::required("h", FLOAT), Port::number("s", 1.0), Port::number("v", 1.0)])
    .folded(|c| Some(Const::Color(hsv(c.float("h")?, c.float("s")?, c.float("v")?)))),
    NodeType::new("Color", "red, green, blue, not clamped", Output::Is(Type::Color), |x| {
        Code::value(format!("CRGBF({}, {}, {})", x.value("r"), x.value("g"), x.value("b")))
    })
    .inputs(&[Port::required("r", FLOAT), Port::required("g", FLOAT), Port::required("b", FLOAT)])
    .folded(|c| Some(Const::Color([c.float("r")?, c.float("g")?, c.float("b")?]))),
    // v2 gives a colour, the summary a buffer: both, after the input. Interpolated, where the documents' runtime
    // takes the nearest of 256 entries. They never say where a custom palette comes from: from `colors`.
    NodeType::new(
        "GradientMap",
        "a colour of a gradient by number 0 to 1",
        Output::Of(colored),
        gradient_map,
    )
    .inputs(&[Port::required("index", &[Shape::Float, Shape::FloatLeds])])
    .params(&[
        Param::choice("palette", &["viridis", "plasma", "hot", "cool", "rainbow", "custom"]),
        Param::new("colors", Kind::Colors, ParamDefault::Empty),
    ])
    .checked(|node| {
        let custom = node.choice("palette") == "custom";
        match (custom, node.colors("colors").len()) {
            (true, 2..=16) | (false, 0) => None,
            (true, _) => Some(("colors", "a custom palette needs 2 to 16 colors")),
            (false, _) => Some(("colors", "`colors` belongs to the palette `custom` alone")),
        }
    }),
    // `hue_shift` is undefined in the documents: here the value is the hue and the brightness.
    NodeType::new("ColorizeBuffer", "a colour for each LED's number", Output::Is(Type::LedBufferVec3), |x| {
        let index = x.value("index_buf");
        Code::value(match x.node.choice("mode") {
            "palette" => format!("k1g_Palette({}, k1g_Clamp01({index}))", x.node.integer("palette_id")),
            "hue_shift" => format!("k1g_HueShift({index})"),
            _ => format!("k1g_Gray(k1g_Clamp01({index}))"),
        })
    })
    .or(&["Colorize"])
    .inputs(&[Port::required("index_buf", &[Shape::FloatLeds])])
    .params(&[
        Param::choice("mode", &["grayscale", "palette", "hue_shift"]),
        Param::integer("palette_id", 0, 0, 32),
    ]),
];

fn colored(shapes: &[Shape]) -> Option<Shape> {
    match shapes[0] {
        Shape::Float => Some(Shape::Color),
        Shape::FloatLeds => Some(Shape::ColorLeds),
        _ => None,
    }
}

fn gradient_map(x: &Args<'_>) -> Code {
    let index = x.value("index");
    let function = match x.node.choice("palette") {
        "plasma" => "k1g_Plasma",
        "hot" => "k1g_Hot",
        "cool" => "k1g_Cool",
        "rainbow" => "k1g_Rainbow",
        "custom" => return custom_gradient(x, &index),
        _ => "k1g_Viridis",
    };
    Code::value(format!("{function}({index})"))
}

fn custom_gradient(x: &Args<'_>, index: &str) -> Code {
    let (table, colors) = (x.own("colors"), x.node.colors("colors"));
    let rows: Vec<String> = colors
        .iter()
        .map(|[r, g, b]| format!("{{{}, {}, {}}}", literal(*r), literal(*g), literal(*b)))
        .collect();
    Code::value(format!("k1g_Gradient({table}, {}, {index})", colors.len())).with_table(format!(
        "static const float {table}[{}][3] = {{{}}};",
        colors.len(),
        rows.join(", ")
    ))
}

/// As `k1g_Hsv`.
fn hsv(hue: f32, saturation: f32, value: f32) -> [f32; 3] {
    let sector = (hue - hue.floor()) * 6.0;
    let (saturation, value) = (saturation.clamp(0.0, 1.0), value.clamp(0.0, 1.0));
    let pure = [(sector - 3.0).abs() - 1.0, 2.0 - (sector - 2.0).abs(), 2.0 - (sector - 4.0).abs()];
    pure.map(|channel| value * (1.0 - saturation + saturation * channel.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0.0, 1.0, 1.0, [1.0, 0.0, 0.0])]
    #[case(0.5, 1.0, 1.0, [0.0, 1.0, 1.0])]
    #[case(-0.5, 1.0, 1.0, [0.0, 1.0, 1.0])]
    #[case(2.25, 1.0, 0.5, [0.25, 0.5, 0.0])]
    #[case(0.7, 0.0, 0.3, [0.3, 0.3, 0.3])]
    fn hue_wraps(#[case] h: f32, #[case] s: f32, #[case] v: f32, #[case] color: [f32; 3]) {
        assert_eq!(hsv(h, s, v), color);
    }
}
