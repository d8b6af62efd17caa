//! The node catalogue: all that there is to know of a node type, in one entry.
//!
//! The entries stand in one file per family. A new node is one more entry: its inputs, parameters, type rule and
//! state are checked from it, and its C++ is generated from it; nothing else lists the node types. What an entry
//! calls in C++ is the function of the node's name in `firmware/core/graph_runtime.h`.
//!
//! Where the K1 documents disagree about a node, the comment at its entry says what was chosen.

use super::types::{Shape, Type};
use super::{Node, Value};

mod buffers;
mod code;
mod colour;
mod inputs;
mod maths;
mod noise;
mod outputs;
mod reference;

pub use reference::reference;

pub(crate) use code::{Args, Code, Const, Consts, Operand, literal};

const FAMILIES: [&[NodeType]; 6] =
    [inputs::ENTRIES, maths::ENTRIES, colour::ENTRIES, buffers::ENTRIES, noise::ENTRIES, outputs::ENTRIES];

/// A node type.
pub struct NodeType {
    /// As the schema spells it.
    pub name: &'static str,
    /// Other names that documents gave it.
    pub aliases: &'static [&'static str],
    /// What it does, in one line.
    pub summary: &'static str,
    pub inputs: &'static [Port],
    pub params: &'static [Param],
    /// The type of what it gives, if it gives anything.
    pub output: Output,
    /// What it remembers from frame to frame.
    pub state: State,
    /// Whether each LED gets a value of its own even if all inputs are the same everywhere.
    pub(crate) places: bool,
    /// Which LEDs of its buffer input the value of one LED depends on.
    pub(crate) reach: fn(&Node) -> Reach,
    /// When its value is that of its first input.
    pub(crate) identity: Identity,
    /// What is wrong with parameters that are each right: the parameter and a sentence.
    pub(crate) check: fn(&Node) -> Option<(&'static str, &'static str)>,
    /// The value where all inputs are constant; `None` if it can only be known at run time.
    pub(crate) fold: fn(&Consts<'_>) -> Option<Const>,
    /// The C++ of the value at LED `i`, or of the whole statement for an output.
    pub(crate) emit: fn(&Args<'_>) -> Code,
}

/// An input of a node type.
///
/// An input of numbers or colours may also be given as a constant, in the node's `params` under the port's name;
/// a connection wins over it.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub accepts: &'static [Shape],
    pub default: PortDefault,
    /// Inclusive.
    pub bounds: Option<(f32, f32)>,
}

/// What an input is when it is neither connected nor given as a constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PortDefault {
    /// A fault.
    Required,
    /// Absent.
    Optional,
    Number(f32),
}

/// A parameter of a node type.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    pub default: ParamDefault,
}

/// The values that a parameter takes; bounds are inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Number {
        min: f32,
        max: f32,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Choice(&'static [&'static str]),
    /// Red, green, blue.
    Color,
    /// A list of whole numbers.
    Integers,
    /// A list of colours.
    Colors,
    /// Any text; it has no influence on what is drawn.
    Text,
}

/// The value of a parameter that a node leaves out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamDefault {
    /// A fault.
    Required,
    Number(f32),
    Integer(i64),
    Choice(&'static str),
    Color([f32; 3]),
    /// The empty list or text.
    Empty,
}

/// How the type of the output follows from the inputs.
#[derive(Clone, Copy, Debug)]
pub enum Output {
    Is(Type),
    /// From the shapes of the inputs after coercion (a float where one is absent); `None`: they do not go together.
    Of(fn(&[Shape]) -> Option<Shape>),
    /// The node is an output of the graph and draws so many LEDs by itself.
    Terminal {
        leds: usize,
    },
}

/// What a node remembers from frame to frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Nothing,
    /// Its last value.
    LastValue,
}

/// Which LEDs of a buffer a value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The same one.
    Here,
    /// Some of the first half.
    FirstHalf,
    /// Any.
    Anywhere,
}

/// When a node can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    Never,
    /// Where the first input is the same at every LED.
    OfUniform,
    Always,
}

/// The node type that goes by `name`.
pub fn find(name: &str) -> Option<&'static NodeType> {
    all().find(|entry| entry.name == name || entry.aliases.contains(&name))
}

/// Every node type, by family.
pub fn all() -> impl Iterator<Item = &'static NodeType> {
    FAMILIES.into_iter().flatten()
}

impl NodeType {
    /// A pure node without inputs and parameters; the methods below add to it.
    const fn new(
        name: &'static str,
        summary: &'static str,
        output: Output,
        emit: fn(&Args<'_>) -> Code,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            summary,
            inputs: &[],
            params: &[],
            output,
            state: State::Nothing,
            places: false,
            reach: |_| Reach::Here,
            identity: Identity::Never,
            check: |_| None,
            fold: |_| None,
            emit,
        }
    }

    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn inputs(mut self, inputs: &'static [Port]) -> Self {
        self.inputs = inputs;
        self
    }

    const fn params(mut self, params: &'static [Param]) -> Self {
        self.params = params;
        self
    }

    const fn remembers(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    const fn places(mut self) -> Self {
        self.places = true;
        self
    }

    const fn reaching(mut self, reach: fn(&Node) -> Reach) -> Self {
        self.reach = reach;
        self
    }

    const fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    const fn checked(mut self, check: fn(&Node) -> Option<(&'static str, &'static str)>) -> Self {
        self.check = check;
        self
    }

    const fn folded(mut self, fold: fn(&Consts<'_>) -> Option<Const>) -> Self {
        self.fold = fold;
        self
    }

    /// Whether it is an output of a graph.
    pub const fn is_terminal(&self) -> bool {
        matches!(self.output, Output::Terminal { .. })
    }

    /// The place of the input that goes by `name`.
    pub fn input_named(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|port| port.name == name || port.aliases.contains(&name))
    }

    /// The place of the parameter that goes by `name`.
    pub fn param_named(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|param| param.name == name || param.aliases.contains(&name))
    }
}

/// There is one entry per name.
impl PartialEq for NodeType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for NodeType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Port {
    const fn required(name: &'static str, accepts: &'static [Shape]) -> Self {
        Self { name, aliases: &[], accepts, default: PortDefault::Required, bounds: None }
    }

    const fn optional(name: &'static str, accepts: &'static [Shape]) -> Self {
        Self { name, aliases: &[], accepts, default: PortDefault::Optional, bounds: None }
    }

    const fn number(name: &'static str, default: f32) -> Self {
        Self {
            name,
            aliases: &[],
            accepts: &[Shape::Float],
            default: PortDefault::Number(default),
            bounds: None,
        }
    }

    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn within(mut self, min: f32, max: f32) -> Self {
        self.bounds = Some((min, max));
        self
    }
}

impl Param {
    const fn new(name: &'static str, kind: Kind, default: ParamDefault) -> Self {
        Self { name, aliases: &[], kind, default }
    }

    const fn number(name: &'static str, default: f32, min: f32, max: f32) -> Self {
        Self::new(name, Kind::Number { min, max }, ParamDefault::Number(default))
    }

    const fn integer(name: &'static str, default: i64, min: i64, max: i64) -> Self {
        Self::new(name, Kind::Integer { min, max }, ParamDefault::Integer(default))
    }

    const fn choice(name: &'static str, choices: &'static [&'static str]) -> Self {
        Self::new(name, Kind::Choice(choices), ParamDefault::Choice(choices[0]))
    }

    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

impl ParamDefault {
    /// The value, if the parameter may be left out.
    pub(super) fn value(self) -> Option<Value> {
        match self {
            Self::Required => None,
            Self::Number(number) => Some(Value::Number(number)),
            Self::Integer(number) => Some(Value::Integer(number)),
            Self::Choice(choice) => Some(Value::Choice(choice)),
            Self::Color(color) => Some(Value::Colors(vec![color])),
            Self::Empty => Some(Value::Empty),
        }
    }
}
