//! Numbers to numbers; Add, Mul and Lerp work on colours and buffers too, LED by LED.

use super::{Args, Code, Const, NodeType, Output, Port, State};
use crate::graph::types::{Element, Shape, Type};

/// What Add, Mul and Lerp take. A float or colour beside a buffer counts for every LED.
const ANY: &[Shape] = &[Shape::Float, Shape::Color, Shape::FloatLeds, Shape::ColorLeds];
const FLOAT: &[Shape] = &[Shape::Float];

pub(super) const ENTRIES: &[NodeType] = &[
    NodeType::new("Add", "a + b, not clamped", Output::Of(joined), |x| {
        let element = joint_element(x);
        Code::value(format!("{} + {}", x.value_as("a", element), x.value_as("b", element)))
    })
    .inputs(&[Port::required("a", ANY), Port::required("b", ANY)])
    .folded(|c| Some(c.get("a")?.with(c.get("b")?, |a, b| a + b))),
    NodeType::new("Mul", "a × b, not clamped", Output::Of(joined), |x| {
        let (a, b) = (x.value("a"), x.value("b"));
        Code::value(match (x.element("a"), x.element("b")) {
            (Element::Color, Element::Color) => format!("k1g_Mul({a}, {b})"),
            // The firmware's colour has `colour * float` only.
            (_, Element::Color) => format!("{b} * {a}"),
            _ => format!("{a} * {b}"),
        })
    })
    .inputs(&[Port::required("a", ANY), Port::required("b", ANY)])
    .folded(|c| Some(c.get("a")?.with(c.get("b")?, |a, b| a * b))),
    NodeType::new("Mix", "a·(1 − t) + b·t; t is not clamped", Output::Is(Type::Float), |x| {
        Code::value(format!("k1g_Mix({}, {}, {})", x.value("a"), x.value("b"), x.value("t")))
    })
    .inputs(&[Port::required("a", FLOAT), Port::required("b", FLOAT), Port::required("t", FLOAT)])
    .folded(|c| {
        let (a, b, t) = (c.float("a")?, c.float("b")?, c.float("t")?);
        Some(Const::Float(a * (1.0 - t) + b * t))
    }),
    NodeType::new(
        "Lerp",
        "a + t·(b − a), of numbers, colours or buffers",
        Output::Of(|s| s[0].joined(s[1])),
        |x| {
            let element = joint_element(x);
            Code::value(format!(
                "k1g_Lerp({}, {}, {})",
                x.value_as("a", element),
                x.value_as("b", element),
                x.value("t")
            ))
        },
    )
    .inputs(&[Port::required("a", ANY), Port::required("b", ANY), Port::required("t", FLOAT)])
    .folded(|c| {
        let t = c.float("t")?;
        Some(c.get("a")?.with(c.get("b")?, |a, b| a + t * (b - a)))
    }),
    NodeType::new("Clamp", "value, but at least min and at most max", Output::Is(Type::Float), |x| {
        Code::value(format!("k1g_Clamp({}, {}, {})", x.value("value"), x.value("min"), x.value("max")))
    })
    .inputs(&[Port::required("value", FLOAT), Port::number("min", 0.0), Port::number("max", 1.0)])
    .folded(|c| Some(Const::Float(clamp(c.float("value")?, c.float("min")?, c.float("max")?)))),
    NodeType::new(
        "Pow",
        "base to the power of exponent; 0 where that is no number",
        Output::Is(Type::Float),
        |x| Code::value(format!("k1g_Pow({}, {})", x.value("base"), x.value("exponent"))),
    )
    .inputs(&[Port::required("base", FLOAT), Port::number("exponent", 2.0)])
    .folded(|c| {
        let power = c.float("base")?.powf(c.float("exponent")?);
        Some(Const::Float(if power.is_nan() { 0.0 } else { power }))
    }),
    NodeType::new("Sqrt", "square root; 0 of negative numbers", Output::Is(Type::Float), |x| {
        Code::value(format!("k1g_Sqrt({})", x.value("value")))
    })
    .inputs(&[Port::required("value", FLOAT).or(&["x"])])
    .folded(|c| Some(Const::Float(c.float("value")?.max(0.0).sqrt()))),
    NodeType::new(
        "LowPass",
        "smooths in time: alpha·signal + (1 − alpha)·last",
        Output::Is(Type::Float),
        |x| Code::value(format!("k1g_LowPass({}, {}, {})", x.state, x.value("signal"), x.value("alpha"))),
    )
    .inputs(&[Port::required("signal", FLOAT), Port::number("alpha", 0.1).within(0.0, 1.0)])
    .remembers(State::LastValue),
    // Called an S-curve in the documents, and linear there.
    NodeType::new(
        "Contrast",
        "(value − 0.5)·contrast + 0.5, clamped to 0 to 1",
        Output::Is(Type::Float),
        |x| Code::value(format!("k1g_Contrast({}, {})", x.value("value"), x.value("contrast"))),
    )
    .inputs(&[Port::required("value", FLOAT), Port::number("contrast", 1.0).within(0.5, 2.0)])
    .folded(|c| {
        let contrast = c.float("contrast")?;
        Some(Const::Float(clamp((c.float("value")? - 0.5) * contrast + 0.5, 0.0, 1.0)))
    }),
];

fn joined(shapes: &[Shape]) -> Option<Shape> {
    shapes[0].joined(shapes[1])
}

/// A colour if one of the two is.
fn joint_element(x: &Args<'_>) -> Element {
    if x.element("a") == Element::Color { Element::Color } else { x.element("b") }
}

/// As in C++: if the bounds contradict each other, the one that `x` is compared with first.
fn clamp(x: f32, min: f32, max: f32) -> f32 {
    if x > min { if x < max { x } else { max } } else { min }
}
