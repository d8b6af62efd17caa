//! The catalogue as a text for people.

use super::{Kind, NodeType, Output, Param, ParamDefault, Port, PortDefault, State, all};

/// Every node type with its inputs, parameters and output, as Markdown.
pub fn reference() -> String {
    all().map(section).collect::<Vec<_>>().join("\n")
}

fn section(node: &NodeType) -> String {
    let mut text = format!("### {}\n\n{}.\n", node.name, node.summary);
    if !node.aliases.is_empty() {
        text += &format!("Also spelled {}.\n", node.aliases.join(", "));
    }
    text += "\n";
    text.extend(node.inputs.iter().map(input));
    text.extend(node.params.iter().map(param));
    text += &match node.output {
        Output::Is(kind) => format!("* gives `{}`", kind.name()),
        Output::Of(_) => "* gives the type of its inputs".to_owned(),
        Output::Terminal { .. } => "* the output of a graph".to_owned(),
    };
    text += match node.state {
        State::Nothing => "\n",
        State::LastValue => "; remembers its last value\n",
    };
    text
}

fn input(port: &Port) -> String {
    let accepts: Vec<String> =
        port.accepts.iter().map(|shape| format!("`{}`", shape.plain().name())).collect();
    let default = match port.default {
        PortDefault::Required => ", required".to_owned(),
        PortDefault::Optional => ", optional".to_owned(),
        PortDefault::Number(number) => format!(", default {number}"),
    };
    let bounds = port.bounds.map(|(min, max)| format!(", {min} to {max}")).unwrap_or_default();
    format!("* input `{}`{}: {}{default}{bounds}\n", port.name, also(port.aliases), accepts.join(" or "))
}

fn param(param: &Param) -> String {
    let kind = match param.kind {
        Kind::Number { min, max } => format!("a number{}", range(f64::from(min), f64::from(max))),
        Kind::Integer { min, max } => format!("a whole number{}", range(min as f64, max as f64)),
        Kind::Choice(choices) => choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", "),
        Kind::Color => "a colour `[r, g, b]`".to_owned(),
        Kind::Integers => "a list of whole numbers".to_owned(),
        Kind::Colors => "a list of colours".to_owned(),
        Kind::Text => "any text".to_owned(),
    };
    let default = match param.default {
        ParamDefault::Required => ", required".to_owned(),
        ParamDefault::Number(number) => format!(", default {number}"),
        ParamDefault::Integer(number) => format!(", default {number}"),
        ParamDefault::Choice(choice) => format!(", default `{choice}`"),
        ParamDefault::Color([r, g, b]) => format!(", default [{r}, {g}, {b}]"),
        ParamDefault::Empty => String::new(),
    };
    format!("* parameter `{}`{}: {kind}{default}\n", param.name, also(param.aliases))
}

/// Bounds that a person would write; those that only keep numbers finite are not told.
fn range(min: f64, max: f64) -> String {
    if min.abs().max(max.abs()) < 1e9 { format!(" from {min} to {max}") } else { String::new() }
}

fn also(aliases: &[&str]) -> String {
    aliases.iter().map(|alias| format!(" (or `{alias}`)")).collect()
}
