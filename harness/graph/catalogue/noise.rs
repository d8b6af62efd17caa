//! Irregular values that are the same every time.

use super::{Code, NodeType, Output, Param, Port, literal};
use crate::graph::types::{Shape, Type};

pub(super) const ENTRIES: &[NodeType] = &[
    // Documented as −1 to 1, but by an expression that gives 0 to 1: the latter, because it can be used as it is.
    NodeType::new("PerlinNoise", "smooth noise along x, 0 to 1", Output::Is(Type::Float), |x| {
        Code::value(format!(
            "k1g_PerlinNoise({} * {}, {}u, {})",
            x.value("x"),
            literal(x.node.number("scale")),
            x.node.integer("seed"),
            x.node.integer("octaves")
        ))
    })
    .inputs(&[Port::required("x", &[Shape::Float])])
    .params(&[
        Param::integer("seed", 0, 0, u32::MAX as i64),
        Param::number("scale", 1.0, 0.01, 10.0),
        Param::integer("octaves", 1, 1, 4),
    ]),
];
