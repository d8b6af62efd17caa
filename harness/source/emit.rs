//! The C++ header of one pattern, from its plan.
//!
//! Every name in it that comes from the graph has a prefix, so that no node can be called like a keyword, a macro
//! or something of the firmware: `n_` values, `s_` state, `band_`, `colors_`, `dots_` tables. Names of the run-time
//! library have a capital letter, which ids have not.

use super::cpp::Writer;
use super::plan::{Operand, Plan, Rate, Step, Storage, plan};
use crate::graph::catalogue::{Args, Code, Operand as Cpp, Reach, State};
use crate::graph::types::{Element, LEDS};
use crate::graph::{Graph, Node};

/// The header's text, and the node of each line that stems from one.
pub(super) fn header(graph: &Graph) -> (String, Vec<(u32, String)>) {
    let plan = plan(graph);
    let mut out = Writer::with_capacity(1024 + 128 * graph.nodes.len());
    let code: Vec<Option<Code>> = graph
        .nodes
        .iter()
        .enumerate()
        .map(|(index, node)| plan.steps[index].map(|step| (node.kind.emit)(&args(&plan, index, step))))
        .collect();

    out.line(first_line(&graph.name));
    out.line("#pragma once");
    out.line("#include \"graph_runtime.h\"");
    out.line("");
    out.line(format!("namespace k1g_{} {{", graph.name));
    out.line("");
    namespace(&plan, &code, &mut out);
    out.line("inline void draw(const PatternRenderContext& context) {");
    scratch(&plan, &mut out);
    once_per_frame(&plan, &code, &mut out);
    for (level, leds) in plan.loops.iter().enumerate() {
        one_loop(&plan, level, *leds, &code, &mut out);
    }
    out.line("}");
    out.line("");
    out.line(format!("}}  // namespace k1g_{}", graph.name));
    out.line("");
    out.line(format!("inline void draw_{}(const PatternRenderContext& context) {{", graph.name));
    out.line(format!("k1g_{}::draw(context);", graph.name));
    out.line("}");
    out.finish()
}

/// The first line of the header of the pattern `name`, by which it is known.
pub(super) fn first_line(name: &str) -> String {
    format!("// Pattern {name}, generated from its graph. Changes belong into the graph.")
}

/// Tables, state, and the reset of the state.
fn namespace(plan: &Plan<'_>, code: &[Option<Code>], out: &mut Writer) {
    let mut any = false;
    for (index, (node, code)) in plan.graph.nodes.iter().zip(code).enumerate() {
        for table in code.iter().flat_map(|code| &code.tables) {
            out.node_line(format!("{table}  // {}", comment(plan, index)), &node.id);
            any = true;
        }
    }
    let states: Vec<_> = states(plan).collect();
    for (index, node, element) in states.iter().copied() {
        let (kind, name) = (cpp_type(element), state_name(node));
        let size = if plan.rate[index] == Rate::Led { "[NUM_LEDS]" } else { "" };
        out.node_line(format!("static {kind} {name}{size};  // {}", comment(plan, index)), &node.id);
        any = true;
    }
    if any {
        out.line("");
    }
    out.line("// Forgets all earlier frames.");
    out.line("inline void reset() {");
    for (index, node, element) in states {
        let zero = match element {
            Element::Color => "CRGBF(0.0f, 0.0f, 0.0f)",
            _ => "0.0f",
        };
        let name = state_name(node);
        out.node_line(
            match plan.rate[index] {
                Rate::Led => format!("for (int i = 0; i < NUM_LEDS; ++i) {name}[i] = {zero};"),
                Rate::Frame => format!("{name} = {zero};"),
            },
            &node.id,
        );
    }
    out.line("}");
    out.line("");
}

/// Short names for the scratch buffers in use.
fn scratch(plan: &Plan<'_>, out: &mut Writer) {
    for number in 0..plan.float_scratch {
        out.line(format!("float* const floats{number} = k1g_FloatScratch<{number}>::leds;"));
    }
    for number in 0..plan.color_scratch {
        out.line(format!("CRGBF* const colors{number} = k1g_ColorScratch<{number}>::leds;"));
    }
}

fn once_per_frame(plan: &Plan<'_>, code: &[Option<Code>], out: &mut Writer) {
    for (index, (node, code)) in plan.graph.nodes.iter().zip(code).enumerate() {
        let (Some(code), Some(step)) = (code, plan.steps[index]) else { continue };
        let about = comment(plan, index);
        for statement in &code.prepare {
            out.node_line(format!("{statement}  // {about}"), &node.id);
        }
        if plan.rate[index] == Rate::Frame {
            out.node_line(value(node, step, &code.value, &about), &node.id);
        }
    }
}

fn one_loop(plan: &Plan<'_>, level: usize, leds: usize, code: &[Option<Code>], out: &mut Writer) {
    let end = if leds == LEDS { "NUM_LEDS" } else { "NUM_LEDS / 2" };
    out.line("");
    out.line(format!("for (int i = 0; i < {end}; ++i) {{"));
    for (index, (node, code)) in plan.graph.nodes.iter().zip(code).enumerate() {
        let (Some(code), Some(step)) = (code, plan.steps[index]) else { continue };
        if plan.rate[index] != Rate::Led || step.level != level {
            continue;
        }
        let about = comment(plan, index);
        out.node_line(value(node, step, &code.value, &about), &node.id);
        if let (Storage::Scratch(_), true) = (step.storage, step.local) {
            out.node_line(
                format!("{}[i] = {};  // {about}", array_name(node, step), value_name(node)),
                &node.id,
            );
        }
    }
    out.line("}");
}

/// The line that computes a node's value.
fn value(node: &Node, step: Step, value: &str, about: &str) -> String {
    let Some(output) = node.output else { return format!("{value}  // {about}") };
    match step.storage {
        _ if step.local => {
            format!(
                "const {} {} = {value};  // {about}",
                cpp_type(output.shape().element()),
                value_name(node)
            )
        }
        Storage::Scratch(_) => format!("{}[i] = {value};  // {about}", array_name(node, step)),
        // The expression stores it.
        Storage::State | Storage::Nowhere => format!("{value};  // {about}"),
    }
}

/// What an entry of the catalogue needs to know of its node.
fn args<'p>(plan: &'p Plan<'_>, index: usize, step: Step) -> Args<'p> {
    let node = &plan.graph.nodes[index];
    let elsewhere = (node.kind.reach)(node) != Reach::Here;
    let operands = node.inputs.iter().map(|input| match plan.operand(*input) {
        Operand::Absent => None,
        Operand::Const(constant) => Some(Cpp {
            value: constant.literal(),
            array: String::new(),
            element: constant.element(),
            constant: true,
        }),
        Operand::Node(source) => Some(read(plan, source, step, elsewhere)),
    });
    let state = match (node.kind.state, plan.rate[index]) {
        (State::Nothing, _) => String::new(),
        (State::LastValue, Rate::Frame) => state_name(node),
        (State::LastValue, Rate::Led) => format!("{}[i]", state_name(node)),
    };
    Args { node, operands: operands.collect(), state }
}

/// How a node in `reader`'s loop reads `source`.
fn read(plan: &Plan<'_>, source: usize, reader: Step, elsewhere: bool) -> Cpp {
    let node = &plan.graph.nodes[source];
    let element = node.output.map_or(Element::Float, |output| output.shape().element());
    let step = plan.steps[source].filter(|_| plan.rate[source] == Rate::Led);
    let (value, array) = match step {
        Some(step) if elsewhere => (String::new(), array_name(node, step)),
        Some(step) if step.level != reader.level => (format!("{}[i]", array_name(node, step)), String::new()),
        _ => (value_name(node), String::new()),
    };
    Cpp { value, array, element, constant: false }
}

/// The nodes that remember something.
fn states<'p>(plan: &'p Plan<'_>) -> impl Iterator<Item = (usize, &'p Node, Element)> {
    plan.graph.nodes.iter().enumerate().filter_map(|(index, node)| {
        let remembers = plan.steps[index].is_some() && node.kind.state == State::LastValue;
        remembers.then(|| Some((index, node, node.output?.shape().element())))?
    })
}

fn value_name(node: &Node) -> String {
    format!("n_{}", node.id)
}

fn state_name(node: &Node) -> String {
    format!("s_{}", node.id)
}

fn array_name(node: &Node, step: Step) -> String {
    match (step.storage, node.output.map(|output| output.shape().element())) {
        (Storage::Scratch(number), Some(Element::Color)) => format!("colors{number}"),
        (Storage::Scratch(number), _) => format!("floats{number}"),
        _ => state_name(node),
    }
}

fn cpp_type(element: Element) -> &'static str {
    match element {
        Element::Float => "float",
        Element::Color => "CRGBF",
        Element::Spectrum => "float* const",
    }
}

/// `glow: BufferPersist`, and the nodes that became one with it.
fn comment(plan: &Plan<'_>, index: usize) -> String {
    let node = &plan.graph.nodes[index];
    let mut text = format!("{}: {}", node.id, node.kind.name);
    for (number, other) in plan.merged[index].iter().enumerate() {
        text.push_str(if number == 0 { "; also " } else { ", " });
        text.push_str(other);
    }
    text
}
