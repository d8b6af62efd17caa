//! One node against its catalogue entry: the type, the inputs' sources, the parameters' values.

use std::borrow::Cow;
use std::collections::HashMap;

use super::catalogue::{self, Kind, NodeType, Param, Port, PortDefault};
use super::document::{DocumentInput, DocumentNode};
use super::fault::{self, Faults, quoted};
use super::json::Json;
use super::types::Shape;
use super::{Input, Node, Value};

/// A node whose inputs and parameters are read; sources are places in the document.
#[derive(Debug)]
pub(super) struct Draft {
    /// `None` if its type is not known.
    pub kind: Option<&'static NodeType>,
    /// In the catalogue's order; `None` where a fault was reported.
    pub inputs: Vec<Option<Input>>,
    /// The byte offset of each input, or of the node.
    pub inputs_at: Vec<usize>,
    pub params: Vec<Value>,
    /// Every node that it reads, also through ports that it does not have.
    pub sources: Vec<usize>,
}

/// Reads `node`; `ids` are the places of all nodes in the document.
pub(super) fn read<'t>(
    node: &DocumentNode<'t>,
    ids: &HashMap<&str, usize>,
    names: &[&str],
    faults: &mut Faults<'t>,
) -> Draft {
    let mut draft = Draft {
        kind: kind(node, faults),
        inputs: vec![],
        inputs_at: vec![],
        params: vec![],
        sources: vec![],
    };
    let sources: Vec<_> = node.inputs.iter().map(|input| source(node, input, ids, names, faults)).collect();
    draft.sources = sources.iter().flatten().copied().collect();
    let Some(kind) = draft.kind else { return draft };

    draft.inputs = kind.inputs.iter().map(|_| Some(Input::Absent)).collect();
    draft.inputs_at = vec![node.at; kind.inputs.len()];
    let mut params: Vec<Option<Value>> = kind.params.iter().map(|param| param.default.value()).collect();
    let mut reader = Reader { node, faults };
    let mut faulty = false;
    for (at, name, json) in &node.params {
        if let Some(index) = kind.param_named(name) {
            let value = reader.param(&kind.params[index], *json);
            // After a fault, any value will do to go on.
            faulty |= value.is_none();
            params[index] = Some(value.unwrap_or(Value::Empty));
        } else if let Some(index) = kind.input_named(name).filter(|i| takes_constants(&kind.inputs[*i])) {
            draft.inputs[index] = reader.constant(&kind.inputs[index], *json);
            draft.inputs_at[index] = *at;
        } else {
            reader.unknown_param(kind, *at, name);
        }
    }
    for (input, source) in node.inputs.iter().zip(sources) {
        match kind.input_named(&input.port) {
            Some(index) => {
                draft.inputs[index] = source.map(Input::Node);
                draft.inputs_at[index] = input.source_at;
            }
            None => reader.unknown_port(kind, input),
        }
    }
    for (port, input) in kind.inputs.iter().zip(&mut draft.inputs) {
        if *input == Some(Input::Absent) {
            *input = reader.default(port);
        }
    }
    for (param, _) in kind.params.iter().zip(&params).filter(|(_, value)| value.is_none()) {
        reader.missing_param(param);
        faulty = true;
    }
    draft.params = params.into_iter().flatten().collect();
    if !faulty {
        draft.params = reader.contradictions(kind, draft.params);
    }
    draft
}

fn kind<'t>(node: &DocumentNode<'t>, faults: &mut Faults<'t>) -> Option<&'static NodeType> {
    let (at, name) = node.kind.as_ref()?;
    let kind = catalogue::find(name);
    if kind.is_none() {
        let types: Vec<_> = catalogue::all().map(|entry| entry.name).collect();
        let hint = faults.meant(name, &types);
        let fault =
            faults.report(fault::UNKNOWN_TYPE, *at, format!("there is no node type {}", quoted(name)));
        fault.hint(hint).node = owned(&node.id);
    }
    kind
}

fn source<'t>(
    node: &DocumentNode<'t>,
    input: &DocumentInput<'t>,
    ids: &HashMap<&str, usize>,
    names: &[&str],
    faults: &mut Faults<'t>,
) -> Option<usize> {
    let source = input.source.as_deref()?;
    let found = ids.get(source).copied();
    if found.is_none() {
        let hint = faults.meant(source, names);
        let message = format!("there is no node {} for {}", quoted(source), quoted(&input.port));
        let fault = faults.report(fault::DANGLING_SOURCE, input.source_at, message);
        fault.at_port(&input.port).hint(hint).node = owned(&node.id);
    }
    found
}

fn takes_constants(port: &Port) -> bool {
    port.accepts.iter().any(|shape| matches!(shape, Shape::Float | Shape::Color))
}

struct Reader<'a, 't> {
    node: &'a DocumentNode<'t>,
    faults: &'a mut Faults<'t>,
}

impl<'t> Reader<'_, 't> {
    /// The value of a parameter; `None` if it is of another kind, which is reported.
    fn param(&mut self, param: &Param, json: Json<'t>) -> Option<Value> {
        let value = match param.kind {
            Kind::Number { min, max } => {
                json.number().map(|x| Value::Number(self.bounded(param.name, x, min, max, json)))
            }
            Kind::Integer { min, max } => {
                json.integer().map(|x| Value::Integer(self.bounded(param.name, x, min, max, json)))
            }
            Kind::Choice(choices) => return self.choice(param.name, choices, json),
            Kind::Color => color(json).map(|color| Value::Colors(vec![color])),
            Kind::Integers => json
                .items()
                .and_then(|items| items.into_iter().map(Json::integer).collect::<Option<_>>())
                .map(Value::Integers),
            Kind::Colors => json
                .items()
                .and_then(|items| items.into_iter().map(color).collect::<Option<_>>())
                .map(Value::Colors),
            Kind::Text => json.string().map(|_| Value::Empty),
        };
        if value.is_none() {
            let wanted = match param.kind {
                Kind::Number { .. } => "a number that a 32-bit float can hold",
                Kind::Integer { .. } => "a whole number",
                Kind::Color => "a color: [red, green, blue]",
                Kind::Integers => "a list of whole numbers",
                Kind::Colors => "a list of colors: [[red, green, blue], …]",
                Kind::Choice(_) | Kind::Text => "a string",
            };
            self.mismatch(param.name, wanted, json);
        }
        value
    }

    fn choice(&mut self, name: &str, choices: &'static [&'static str], json: Json<'t>) -> Option<Value> {
        let Some(text) = json.string() else {
            self.mismatch(name, "a string", json);
            return None;
        };
        let choice = choices.iter().copied().find(|choice| *choice == text);
        if choice.is_none() {
            let message = format!("`{name}` cannot be {}", quoted(&text));
            self.report(fault::PARAM_TYPE, json, name, message)
                .hint(format!("one of {}", choices.join(", ")));
        }
        choice.map(Value::Choice)
    }

    /// A constant given for an input.
    fn constant(&mut self, port: &Port, json: Json<'t>) -> Option<Input> {
        let number = json.number().map(|x| match port.bounds {
            Some((min, max)) => Input::Number(self.bounded(port.name, x, min, max, json)),
            None => Input::Number(x),
        });
        let takes_colors = port.accepts.contains(&Shape::Color);
        let constant = number.or_else(|| color(json).filter(|_| takes_colors).map(Input::Color));
        if constant.is_none() {
            let wanted = if takes_colors {
                "a number or a color: [red, green, blue]"
            } else {
                "a number that a 32-bit float can hold"
            };
            self.mismatch(port.name, wanted, json);
        }
        constant
    }

    fn default(&mut self, port: &Port) -> Option<Input> {
        match port.default {
            PortDefault::Number(number) => Some(Input::Number(number)),
            PortDefault::Optional => Some(Input::Absent),
            PortDefault::Required => {
                let hint = match takes_constants(port) {
                    true => "name a node in `inputs`, or give a constant in `params`",
                    false => "name a node in `inputs`",
                };
                let message = format!("the input `{}` is missing", port.name);
                let fault = self.faults.report(fault::MISSING_INPUT, self.node.at, message);
                fault.at_port(port.name).hint(hint.to_owned()).node = owned(&self.node.id);
                None
            }
        }
    }

    fn missing_param(&mut self, param: &Param) {
        let message = format!("the parameter `{}` is missing", param.name);
        let hint = match param.kind {
            Kind::Choice(choices) => Some(format!("one of {}", choices.join(", "))),
            _ => None,
        };
        let fault = self.faults.report(fault::MISSING_INPUT, self.node.at, message);
        fault.at_port(param.name).hint(hint).node = owned(&self.node.id);
    }

    /// Reports parameters that are each right but not together, and gives them back.
    fn contradictions(&mut self, kind: &'static NodeType, params: Vec<Value>) -> Vec<Value> {
        let node = Node { id: String::new(), kind, inputs: Vec::new(), params, output: None };
        if let Some((param, message)) = (kind.check)(&node) {
            let given = self
                .node
                .params
                .iter()
                .find(|(_, name, _)| kind.param_named(name) == kind.param_named(param));
            let at = given.map_or(self.node.at, |(at, ..)| *at);
            self.faults.report(fault::PARAM_TYPE, at, message).at_port(param).node = owned(&self.node.id);
        }
        node.params
    }

    /// `x`, or the bound that it is beyond.
    fn bounded<N: PartialOrd + Copy + std::fmt::Display>(
        &mut self,
        name: &str,
        x: N,
        min: N,
        max: N,
        json: Json<'t>,
    ) -> N {
        let (code, relation, bound) = if x < min {
            (fault::BELOW_BOUNDS, "below", min)
        } else if x > max {
            (fault::ABOVE_BOUNDS, "above", max)
        } else {
            return x;
        };
        let message = format!("`{name}` is {x}, {relation} {bound}; {bound} is used");
        self.report(code, json, name, message);
        bound
    }

    fn mismatch(&mut self, name: &str, wanted: &str, json: Json<'t>) {
        let message = format!("`{name}` must be {wanted}, not {}", shown(json));
        self.report(fault::PARAM_TYPE, json, name, message);
    }

    fn report(
        &mut self,
        code: fault::Code,
        json: Json<'t>,
        name: &str,
        message: String,
    ) -> &mut super::Fault {
        let fault = self.faults.report(code, self.faults.offset(json.text()), message);
        fault.node = owned(&self.node.id);
        fault.at_port(name)
    }

    fn unknown_param(&mut self, kind: &NodeType, at: usize, name: &str) {
        let mut known: Vec<_> = kind.params.iter().map(|param| param.name).collect();
        known.extend(kind.inputs.iter().filter(|port| takes_constants(port)).map(|port| port.name));
        let hint = if kind.input_named(name).is_some() {
            Some(format!("connect `{name}` in `inputs`"))
        } else if known.is_empty() {
            Some(format!("{} takes no parameters", kind.name))
        } else {
            self.faults.meant(name, &known)
        };
        let message = format!("{} has no parameter {}", kind.name, quoted(name));
        self.faults.report(fault::UNKNOWN_PARAM, at, message).at_port(name).hint(hint).node =
            owned(&self.node.id);
    }

    fn unknown_port(&mut self, kind: &NodeType, input: &DocumentInput<'t>) {
        let known: Vec<_> = kind.inputs.iter().map(|port| port.name).collect();
        let hint = if known.is_empty() {
            Some(format!("{} takes no inputs", kind.name))
        } else {
            self.faults.meant(&input.port, &known)
        };
        let message = format!("{} has no input {}", kind.name, quoted(&input.port));
        let fault = self.faults.report(fault::UNKNOWN_PORT, input.port_at, message);
        fault.at_port(&input.port).hint(hint).node = owned(&self.node.id);
    }
}

fn color(json: Json<'_>) -> Option<[f32; 3]> {
    match json.items()?.as_slice() {
        [r, g, b] => Some([r.number()?, g.number()?, b.number()?]),
        _ => None,
    }
}

/// A value in a message: numbers, booleans and strings as they are, else what kind of value it is.
fn shown(json: Json<'_>) -> String {
    match (json.kind(), json.string()) {
        (_, Some(text)) => format!("the string {}", quoted(&text)),
        ("an array", _) => "an array of something else".to_owned(),
        (kind @ ("an object" | "null"), _) => kind.to_owned(),
        _ => quoted(json.text()),
    }
}

fn owned(id: &Option<Cow<'_, str>>) -> Option<String> {
    id.as_deref().map(str::to_owned)
}
