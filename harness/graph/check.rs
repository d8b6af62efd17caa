//! The graph as a whole: ids, order, types, outputs, state.

use std::collections::HashMap;

use super::catalogue::{Identity, Output, State};
use super::document::{Document, DocumentNode};
use super::fault::{self, Code, Faults, quoted};
use super::node::{self, Draft};
use super::order;
use super::types::Shape;
use super::{Graph, Input, Node, Type};

/// All state of one pattern, in bytes.
const STATE_BUDGET: usize = 16 * 1024;

/// Checks the parts of a document and puts the graph together; `None` if anything is wrong with it.
pub(super) fn check<'t>(document: Document<'t>, faults: &mut Faults<'t>) -> Option<Graph> {
    let nodes = &document.nodes;
    let ids = ids(nodes, faults);
    let names: Vec<&str> = nodes.iter().filter_map(|node| node.id.as_deref()).collect();
    let drafts: Vec<Draft> = nodes.iter().map(|node| node::read(node, &ids, &names, faults)).collect();
    let sources: Vec<Vec<usize>> = drafts.iter().map(|draft| draft.sources.clone()).collect();

    let order = order::order(&sources);
    circles(nodes, &sources, &order, faults);
    let types = types(nodes, &drafts, &order, faults);
    outputs(&document, &drafts, &sources, faults);
    state(&document, &drafts, &types, faults);
    if faults.any_error() {
        return None;
    }
    assemble(document.name.as_deref()?, &document, drafts, &order, &types)
}

/// The place of each id; of repeated ones the first.
fn ids<'n, 't>(nodes: &'n [DocumentNode<'t>], faults: &mut Faults<'t>) -> HashMap<&'n str, usize> {
    let mut ids = HashMap::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let Some(id) = node.id.as_deref() else { continue };
        if ids.contains_key(id) {
            faults
                .report(fault::REPEATED_ID, node.at, format!("there are two nodes {}", quoted(id)))
                .of_node(id);
        } else {
            ids.insert(id, index);
        }
    }
    ids
}

fn circles<'t>(nodes: &[DocumentNode<'t>], sources: &[Vec<usize>], order: &[usize], faults: &mut Faults<'t>) {
    const SHOWN: usize = 12;
    for circle in order::circles(sources, order) {
        let id = |n: usize| nodes[n].id.as_deref().unwrap_or("?");
        let mut way: Vec<&str> = circle.iter().take(SHOWN).map(|n| id(*n)).collect();
        if circle.len() > SHOWN {
            way.push("…");
        }
        way.push(id(circle[0]));
        let message = format!("the nodes go round in a circle: {}", way.join(" → "));
        faults
            .report(fault::CYCLE, nodes[circle[0]].at, message)
            .of_node(id(circle[0]))
            .hint("a value of the frame before can be kept by BufferPersist or LowPass only".to_owned());
    }
}

/// The type of what each node gives; `None` for outputs and where it cannot be known.
fn types<'t>(
    nodes: &[DocumentNode<'t>],
    drafts: &[Draft],
    order: &[usize],
    faults: &mut Faults<'t>,
) -> Vec<Option<Type>> {
    let mut types = vec![None; nodes.len()];
    for index in order.iter().copied() {
        let draft = &drafts[index];
        let Some(kind) = draft.kind else { continue };
        let shapes: Option<Vec<Shape>> = (0..kind.inputs.len())
            .map(|port| shape(nodes, drafts, &types, index, port, faults))
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        types[index] = match (kind.output, shapes) {
            (Output::Terminal { .. }, _) => None,
            (Output::Is(kind), _) => Some(kind),
            (Output::Of(_), None) => None,
            (Output::Of(rule), Some(shapes)) => {
                let result = rule(&shapes);
                if result.is_none() {
                    let of: Vec<_> = shapes.iter().map(|shape| shape.plain().name()).collect();
                    let message = format!("{} does not work on {} together", kind.name, of.join(" and "));
                    report(fault::TYPE_MISMATCH, nodes, index, nodes[index].at, message, faults)
                        .hint(conversion(shapes[0], shapes[1]));
                }
                result.map(Shape::plain)
            }
        };
    }
    types
}

/// The shape in which a node gets an input; `None` if it is not known or was reported.
fn shape<'t>(
    nodes: &[DocumentNode<'t>],
    drafts: &[Draft],
    types: &[Option<Type>],
    index: usize,
    port: usize,
    faults: &mut Faults<'t>,
) -> Option<Shape> {
    let kind = drafts[index].kind?;
    let accepted = kind.inputs[port].accepts;
    let source = match drafts[index].inputs[port]? {
        Input::Node(source) => source,
        Input::Color(_) => return Some(Shape::Color),
        Input::Number(_) => return Shape::Float.coerced(accepted),
        Input::Absent => return Some(Shape::Float),
    };
    let at = drafts[index].inputs_at[port];
    let name = kind.inputs[port].name;
    let source_id = quoted(nodes[source].id.as_deref().unwrap_or("?"));
    let Some(given) = types[source] else {
        if drafts[source].kind.is_some_and(|kind| kind.is_terminal()) {
            let message = format!("`{name}` reads {source_id}, which is an output and gives no value");
            report(fault::TYPE_MISMATCH, nodes, index, at, message, faults).at_port(name);
        }
        return None;
    };
    let coerced = given.shape().coerced(accepted);
    match coerced {
        None => {
            let wanted: Vec<_> = accepted.iter().map(|shape| shape.plain().name()).collect();
            let message =
                format!("`{name}` takes {}, but {source_id} is {}", wanted.join(" or "), given.name());
            report(fault::TYPE_MISMATCH, nodes, index, at, message, faults)
                .at_port(name)
                .hint(accepted.iter().find_map(|wanted| conversion(given.shape(), *wanted)));
        }
        Some(shape) if kind.identity == Identity::Always && shape == Shape::ColorLeds => {
            let message = format!("{} of a buffer changes nothing", kind.name);
            report(fault::NO_EFFECT, nodes, index, at, message, faults).at_port(name);
        }
        Some(_) => {}
    }
    coerced
}

/// Which nodes make one shape of another.
fn conversion(from: Shape, to: Shape) -> Option<String> {
    let nodes = match (from, to) {
        (Shape::Float | Shape::Color, Shape::ColorLeds) => "Fill gives every LED one color",
        (Shape::FloatLeds, Shape::ColorLeds | Shape::Color) | (Shape::ColorLeds, Shape::FloatLeds) => {
            "ColorizeBuffer or GradientMap makes colors of an LED buffer's numbers"
        }
        (Shape::Color, Shape::FloatLeds) => {
            "make colors of the buffer's numbers first, by ColorizeBuffer or GradientMap"
        }
        (Shape::Spectrum, Shape::FloatLeds | Shape::ColorLeds) => {
            "BandShape spreads a spectrum over the LEDs"
        }
        (Shape::Spectrum, _) => "AudioSnapshot gives the loudness as one number",
        _ => return None,
    };
    Some(nodes.to_owned())
}

fn outputs<'t>(document: &Document<'t>, drafts: &[Draft], sources: &[Vec<usize>], faults: &mut Faults<'t>) {
    let nodes = &document.nodes;
    let terminal = |n: &usize| drafts[*n].kind.is_some_and(|kind| kind.is_terminal());
    let outputs: Vec<usize> = (0..nodes.len()).filter(terminal).collect();
    let Some((first, others)) = outputs.split_first() else {
        // A node of an unknown type may be meant to be the output.
        if drafts.iter().any(|draft| draft.kind.is_none()) {
            return;
        }
        faults
            .report(fault::NO_OUTPUT, document.nodes_at, "the graph draws nothing")
            .hint("end it in a LedOutput or LedOutputMirror".to_owned());
        return;
    };
    for other in others {
        let message = format!(
            "the graph has more than one output: {} is one",
            quoted(nodes[*first].id.as_deref().unwrap_or("?"))
        );
        report(fault::SEVERAL_OUTPUTS, nodes, *other, nodes[*other].at, message, faults)
            .hint("combine them by ComposeLayers".to_owned());
    }
    // Where something is wrong, much seems unused that is not.
    if faults.any_error() {
        return;
    }
    let needed = order::needed(sources, &outputs);
    for unused in (0..nodes.len()).filter(|n| !needed[*n]) {
        let message = format!(
            "nothing that is drawn depends on {}",
            quoted(nodes[unused].id.as_deref().unwrap_or("?"))
        );
        report(fault::UNUSED_NODE, nodes, unused, nodes[unused].at, message, faults);
    }
}

/// The limits on what is kept from frame to frame.
fn state<'t>(document: &Document<'t>, drafts: &[Draft], types: &[Option<Type>], faults: &mut Faults<'t>) {
    let mut total = 0;
    for (index, (draft, output)) in drafts.iter().zip(types).enumerate() {
        let bytes = match (draft.kind.map(|kind| kind.state), output) {
            (Some(State::LastValue), Some(output)) => output.shape().bytes(),
            _ => continue,
        };
        total += bytes;
        if let Some(code) = state_tier(bytes) {
            let message = format!("the node keeps {bytes} bytes from frame to frame");
            report(code, &document.nodes, index, document.nodes[index].at, message, faults)
                .hint("numbers take a third of what colors do: color the buffer afterwards".to_owned());
        }
    }
    if total > STATE_BUDGET {
        let message = format!("the nodes keep {total} bytes from frame to frame; at most {STATE_BUDGET} fit");
        faults.report(fault::TOO_MUCH_STATE, document.nodes_at, message);
    }
}

/// The tiers of the K1 graph specification for one node.
fn state_tier(bytes: usize) -> Option<Code> {
    match bytes {
        0..=1024 => None,
        1025..=2560 => Some(fault::MUCH_NODE_STATE),
        _ => Some(fault::TOO_MUCH_NODE_STATE),
    }
}

/// Everything is right in itself; puts it in order. `None` only if something is missing that was reported.
fn assemble(
    name: &str,
    document: &Document<'_>,
    drafts: Vec<Draft>,
    order: &[usize],
    types: &[Option<Type>],
) -> Option<Graph> {
    let mut places = vec![0; drafts.len()];
    for (place, index) in order.iter().enumerate() {
        places[*index] = place;
    }
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let nodes = order.iter().map(|index| {
        let draft = drafts[*index].take()?;
        let inputs = draft.inputs.into_iter().map(|input| match input? {
            Input::Node(source) => Some(Input::Node(places[source])),
            other => Some(other),
        });
        Some(Node {
            id: document.nodes[*index].id.as_deref()?.to_owned(),
            kind: draft.kind?,
            inputs: inputs.collect::<Option<_>>()?,
            params: draft.params,
            output: types[*index],
        })
    });
    Some(Graph {
        name: name.to_owned(),
        title: document.title.as_deref().map_or_else(|| in_words(name), str::to_owned),
        description: document.description.as_deref().unwrap_or_default().to_owned(),
        nodes: nodes.collect::<Option<_>>()?,
        warnings: Vec::new(),
    })
}

/// `slow_tide` in words: `Slow Tide`.
fn in_words(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join(" ")
}

fn report<'f, 't>(
    code: Code,
    nodes: &[DocumentNode<'t>],
    index: usize,
    at: usize,
    message: String,
    faults: &'f mut Faults<'t>,
) -> &'f mut super::Fault {
    let fault = faults.report(code, at, message);
    fault.node = nodes[index].id.as_deref().map(str::to_owned);
    fault
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::graph::Severity;

    #[rstest]
    #[case(1024, None)]
    #[case(1025, Some(Severity::Warning))]
    #[case(2560, Some(Severity::Warning))]
    #[case(2561, Some(Severity::Error))]
    fn one_nodes_state_has_two_limits(#[case] bytes: usize, #[case] severity: Option<Severity>) {
        let mut faults = Faults::of("");
        if let Some(code) = state_tier(bytes) {
            faults.report(code, 0, "");
        }
        assert_eq!(faults.in_file_order().first().map(|fault| fault.severity), severity);
    }

    #[test]
    fn names_become_titles() {
        assert_eq!(in_words("slow_tide2"), "Slow Tide2");
        assert_eq!(in_words("a__b_"), "A B");
    }
}
