//! What an entry of the catalogue sees when its node is folded or becomes C++, and what it gives back.

use std::fmt::Write as _;

use crate::graph::types::Element;
use crate::graph::{Node, Value};

/// The C++ of one node.
#[derive(Debug)]
pub(crate) struct Code {
    /// Definitions of tables that never change.
    pub tables: Vec<String>,
    /// Statements that stand before the value, once per frame.
    pub prepare: Vec<String>,
    /// An expression; at LED `i` if the value differs between LEDs. Of an output, a statement.
    pub value: String,
}

impl Code {
    pub(crate) fn value(value: impl Into<String>) -> Self {
        Self { tables: Vec::new(), prepare: Vec::new(), value: value.into() }
    }

    pub(crate) fn with_table(mut self, table: String) -> Self {
        self.tables.push(table);
        self
    }

    pub(crate) fn prepared_by(mut self, statement: String) -> Self {
        self.prepare.push(statement);
        self
    }
}

/// A node that becomes C++, with the C++ of its inputs.
#[derive(Debug)]
pub(crate) struct Args<'a> {
    pub node: &'a Node,
    /// For each input of the node's type; `None` if it is absent.
    pub operands: Vec<Option<Operand>>,
    /// The variable that holds the node's last value, if it remembers one.
    pub state: String,
}

/// The C++ of an input.
#[derive(Debug)]
pub(crate) struct Operand {
    /// The value, at LED `i` if it differs between LEDs.
    pub value: String,
    /// The array of the values of all LEDs, where the node reads others than LED `i`.
    pub array: String,
    pub element: Element,
    pub constant: bool,
}

impl Args<'_> {
    fn operand(&self, port: &str) -> Option<&Operand> {
        self.operands[self.port(port)].as_ref()
    }

    fn port(&self, port: &str) -> usize {
        self.node.kind.input_named(port).expect("an entry asks for its own inputs; a test emits every entry")
    }

    pub(crate) fn is_given(&self, port: &str) -> bool {
        self.operand(port).is_some()
    }

    /// The value of an input as it comes. A float that varies is kept within the input's bounds.
    pub(crate) fn value(&self, port: &str) -> String {
        match (self.operand(port), self.node.kind.inputs[self.port(port)].bounds) {
            (Some(Operand { value, constant: false, .. }), Some((min, max))) => {
                format!("k1g_Clamp({value}, {}, {})", literal(min), literal(max))
            }
            (Some(operand), _) => operand.value.clone(),
            (None, _) => literal(0.0),
        }
    }

    /// The value of an input as a colour: a float is a grey.
    pub(crate) fn color(&self, port: &str) -> String {
        match self.element(port) {
            Element::Color => self.value(port),
            _ => format!("k1g_Gray({})", self.value(port)),
        }
    }

    /// The value of an input as `element`.
    pub(crate) fn value_as(&self, port: &str, element: Element) -> String {
        if element == Element::Color { self.color(port) } else { self.value(port) }
    }

    pub(crate) fn element(&self, port: &str) -> Element {
        self.operand(port).map_or(Element::Float, |operand| operand.element)
    }

    /// The array of an input's values at all LEDs.
    pub(crate) fn array(&self, port: &str) -> &str {
        self.operand(port).map_or("", |operand| operand.array.as_str())
    }

    /// The name of a variable or table of this node alone.
    pub(crate) fn own(&self, what: &str) -> String {
        format!("{what}_{}", self.node.id)
    }
}

/// A value known when the code is generated; at every LED the same if the node gives a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Const {
    Float(f32),
    Color([f32; 3]),
}

impl Const {
    pub(crate) fn channels(self) -> [f32; 3] {
        match self {
            Self::Float(x) => [x; 3],
            Self::Color(c) => c,
        }
    }

    pub(crate) fn element(self) -> Element {
        match self {
            Self::Float(_) => Element::Float,
            Self::Color(_) => Element::Color,
        }
    }

    /// The operation on each channel; of floats a float, else a colour.
    pub(crate) fn with(self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => Self::Float(operation(a, b)),
            _ => {
                let (a, b) = (self.channels(), other.channels());
                Self::Color([operation(a[0], b[0]), operation(a[1], b[1]), operation(a[2], b[2])])
            }
        }
    }

    pub(crate) fn is_finite(self) -> bool {
        self.channels().into_iter().all(f32::is_finite)
    }

    pub(crate) fn literal(self) -> String {
        match self {
            Self::Float(x) => literal(x),
            Self::Color([r, g, b]) => format!("CRGBF({}, {}, {})", literal(r), literal(g), literal(b)),
        }
    }
}

/// A node whose inputs are all constant.
#[derive(Debug)]
pub(crate) struct Consts<'a> {
    pub node: &'a Node,
    /// For each input of the node's type; `None` if it is absent.
    pub inputs: &'a [Option<Const>],
}

impl Consts<'_> {
    pub(crate) fn get(&self, port: &str) -> Option<Const> {
        self.inputs[self.node.kind.input_named(port)?]
    }

    pub(crate) fn float(&self, port: &str) -> Option<f32> {
        match self.get(port)? {
            Const::Float(x) => Some(x),
            Const::Color(_) => None,
        }
    }
}

/// What an entry reads of its node's parameters. The kinds were checked when the graph was read; a parameter that
/// is asked for as another kind is as if it were empty.
impl Node {
    fn param(&self, name: &str) -> Option<&Value> {
        self.params.get(self.kind.param_named(name)?)
    }

    pub(crate) fn number(&self, name: &str) -> f32 {
        match self.param(name) {
            Some(Value::Number(number)) => *number,
            _ => 0.0,
        }
    }

    pub(crate) fn integer(&self, name: &str) -> i64 {
        match self.param(name) {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        }
    }

    pub(crate) fn choice(&self, name: &str) -> &'static str {
        match self.param(name) {
            Some(Value::Choice(choice)) => choice,
            _ => "",
        }
    }

    pub(crate) fn integers(&self, name: &str) -> &[i64] {
        match self.param(name) {
            Some(Value::Integers(numbers)) => numbers,
            _ => &[],
        }
    }

    pub(crate) fn colors(&self, name: &str) -> &[[f32; 3]] {
        match self.param(name) {
            Some(Value::Colors(colors)) => colors,
            _ => &[],
        }
    }
}

/// A finite number as a C++ `float` that reads back to the same bits.
pub(crate) fn literal(number: f32) -> String {
    // Rust writes the shortest digits that read back, with a point or an exponent: 0.1, 1.0, 1e-7.
    let mut text = String::with_capacity(12);
    let _ = write!(text, "{number:?}f"); // Writing to a string cannot fail.
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(1.0, "1.0f")]
    #[case(-0.0, "-0.0f")]
    #[case(0.1, "0.1f")]
    #[case(1e-7, "1e-7f")]
    #[case(16_777_216.0, "16777216.0f")]
    #[case(3e38, "3e38f")]
    fn literals_are_floats(#[case] number: f32, #[case] text: &str) {
        assert_eq!(literal(number), text);
    }

    proptest! {
        #[test]
        fn a_literal_reads_back_to_the_same_bits(bits: u32) {
            let number = f32::from_bits(bits);
            prop_assume!(number.is_finite());
            let text = literal(number);
            prop_assert!(text.contains(['.', 'e']), "{text} would be an integer");
            let read: f32 = text.strip_suffix('f').unwrap().parse().unwrap();
            prop_assert_eq!(read.to_bits(), bits);
        }
    }
}
