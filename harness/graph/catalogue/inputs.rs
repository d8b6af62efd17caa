//! Where values come from: time, sound, and the board's parameters.

use super::{Args, Code, Const, Kind, NodeType, Output, Param, ParamDefault, literal};
use crate::graph::types::Type;

/// The numbers of `PatternParameters` that a graph may read.
const PARAMETERS: &[&str] = &[
    "brightness",
    "softness",
    "color",
    "saturation",
    "background",
    "speed",
    "custom_param_1",
    "custom_param_2",
    "custom_param_3",
];

const ANY: f32 = f32::MAX;

pub(super) const ENTRIES: &[NodeType] = &[
    // The documents count frames at 30 per second; the board's own clock is right at any rate.
    NodeType::new("Time", "seconds since the pattern began", Output::Is(Type::Time), |_| {
        Code::value("context.time")
    }),
    // v1 of the catalogue gave the spectrum as a second output; there is no way to name one.
    NodeType::new("AudioSnapshot", "loudness, 0 to 1", Output::Is(Type::AudioEnvelope), |_| {
        Code::value("context.audio_snapshot.payload.vu_level")
    }),
    // Musical bins, a semitone apart; the documents speak of linear ones, which the firmware does not have.
    NodeType::new(
        "AudioSpectrum",
        "loudness of 64 semitones, 0 to 1",
        Output::Is(Type::AudioSpectrum),
        |_| Code::value("context.audio_snapshot.payload.spectrogram_smooth"),
    ),
    // The board always has a value, so `default` is checked and otherwise unused. Equal bounds make a constant.
    NodeType::new("ParamF", "a parameter of the board, within bounds", Output::Is(Type::ParamFloat), param_f)
        .params(&[
            Param::new("name", Kind::Choice(PARAMETERS), ParamDefault::Required),
            Param::number("min", 0.0, -ANY, ANY),
            Param::number("max", 1.0, -ANY, ANY),
            Param::number("default", 0.5, -ANY, ANY),
        ])
        .checked(|node| (node.number("min") > node.number("max")).then_some(("min", "`min` is above `max`")))
        .folded(|c| {
            let (min, max) = (c.node.number("min"), c.node.number("max"));
            (min == max).then_some(Const::Float(max))
        }),
    // The documents read a field that the firmware does not have; its palette and colour are what a person sets.
    NodeType::new("ParamColor", "the colour chosen on the board", Output::Is(Type::ParamColor), |_| {
        Code::value("k1g_Palette(context.params.palette_id, context.params.color)")
    })
    .params(&[
        Param::new("name", Kind::Text, ParamDefault::Empty),
        Param::new("default", Kind::Color, ParamDefault::Color([1.0; 3])),
    ]),
];

fn param_f(x: &Args<'_>) -> Code {
    let (min, max) = (literal(x.node.number("min")), literal(x.node.number("max")));
    Code::value(format!("k1g_Clamp(context.params.{}, {min}, {max})", x.node.choice("name")))
}
