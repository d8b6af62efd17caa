//! What is drawn. The firmware quantises; these write clamped floats.

use super::{Code, NodeType, Output, Port};
use crate::graph::types::{LEDS, Shape};

const COLOR_LEDS: &[Shape] = &[Shape::ColorLeds];

pub(super) const ENTRIES: &[NodeType] = &[
    NodeType::new("LedOutput", "draws the buffer", Output::Terminal { leds: LEDS }, |x| {
        Code::value(format!("context.leds[i] = k1g_Clamp01({});", x.value("color")))
    })
    .inputs(&[Port::required("color", COLOR_LEDS)]),
    NodeType::new(
        "LedOutputMirror",
        "draws the first half of the buffer and its mirror image",
        Output::Terminal { leds: LEDS / 2 },
        |x| {
            let color = x.value("color");
            Code::value(format!("context.leds[i] = context.leds[NUM_LEDS - 1 - i] = k1g_Clamp01({color});"))
        },
    )
    .inputs(&[Port::required("color", COLOR_LEDS)]),
];
