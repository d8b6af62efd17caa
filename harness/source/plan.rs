//! From a graph to what is computed when: constants folded, equal nodes merged, loops fused, buffers shared.
//!
//! A value is computed once per frame if it is the same at every LED (also where it is a buffer, as Fill's), else
//! LED by LED. The per-LED nodes are put into as few loops over the strip as their reads allow: a node that reads
//! its source at the same LED shares its loop; one that reads it elsewhere (Mirror, Blur) comes in a later loop.
//! Each node comes as late as its readers allow, because a value that is made in the loop that uses it needs no
//! buffer. What crosses from one loop to another lies in a scratch buffer, which is used again once it has been
//! read; the state of a node that remembers (BufferPersist) is its own buffer.

use std::collections::HashMap;

use crate::graph::catalogue::{Const, Consts, Identity, Output, Reach, State};
use crate::graph::types::{Element, LEDS};
use crate::graph::{Graph, Input, Node, Value};

/// What becomes of the nodes of a graph. All vectors are by the node's place in the graph.
#[derive(Debug)]
pub(super) struct Plan<'g> {
    pub graph: &'g Graph,
    /// What a reader of the node reads.
    pub reads: Vec<Operand>,
    /// Ids of the nodes that were merged into the node.
    pub merged: Vec<Vec<&'g str>>,
    pub rate: Vec<Rate>,
    /// `None` if no code is generated for the node.
    pub steps: Vec<Option<Step>>,
    /// The LEDs that each loop runs over, from 0, in the order of the loops.
    pub loops: Vec<usize>,
    /// Scratch buffers in use at once.
    pub float_scratch: usize,
    pub color_scratch: usize,
}

/// How often a value is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    Frame,
    Led,
}

/// What stands for a node or input where it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operand {
    Const(Const),
    Node(usize),
    Absent,
}

/// How the code of a node is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The loop that it is computed in, if it is computed LED by LED.
    pub level: usize,
    /// Whether it is read at the same LED in its own loop, or as a value of the frame.
    pub local: bool,
    pub storage: Storage,
}

/// Where the values of all LEDs lie after a node's loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Nowhere,
    /// In what it remembers.
    State,
    /// In a scratch buffer of this number, of its element.
    Scratch(usize),
}

/// Plans the code of `graph`.
pub(super) fn plan(graph: &Graph) -> Plan<'_> {
    let mut plan = Plan {
        graph,
        reads: Vec::with_capacity(graph.nodes.len()),
        merged: vec![Vec::new(); graph.nodes.len()],
        rate: vec![Rate::Frame; graph.nodes.len()],
        steps: vec![None; graph.nodes.len()],
        loops: Vec::new(),
        float_scratch: 0,
        color_scratch: 0,
    };
    plan.simplify();
    plan.keep_what_is_drawn();
    plan.lay_out_loops();
    plan.store_what_crosses();
    plan
}

impl<'g> Plan<'g> {
    /// What an input of a node is after simplification.
    pub(super) fn operand(&self, input: Input) -> Operand {
        match input {
            Input::Node(source) => self.reads[source],
            Input::Number(number) => Operand::Const(Const::Float(number)),
            Input::Color(color) => Operand::Const(Const::Color(color)),
            Input::Absent => Operand::Absent,
        }
    }

    /// The nodes that `node` reads, after simplification.
    fn sources(&self, node: &'g Node) -> impl Iterator<Item = usize> {
        node.inputs.iter().filter_map(|input| match self.operand(*input) {
            Operand::Node(source) => Some(source),
            _ => None,
        })
    }

    /// The nodes that `node` reads at each LED.
    fn led_sources(&self, node: &'g Node) -> impl Iterator<Item = usize> {
        self.sources(node).filter(|source| self.rate[*source] == Rate::Led)
    }

    fn element(&self, operand: Operand) -> Option<Element> {
        match operand {
            Operand::Const(constant) => Some(constant.element()),
            Operand::Node(node) => self.graph.nodes[node].output.map(|output| output.shape().element()),
            Operand::Absent => None,
        }
    }

    /// Constant folding, removal of nodes without effect, and merging of equal pure nodes.
    fn simplify(&mut self) {
        let mut seen: HashMap<Vec<u32>, usize> = HashMap::with_capacity(self.graph.nodes.len());
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let led = node.kind.places || self.led_sources(node).next().is_some();
            self.rate[index] = if led { Rate::Led } else { Rate::Frame };
            let operand = self.simpler(node).or_else(|| {
                if node.kind.state != State::Nothing || node.kind.is_terminal() {
                    return None;
                }
                let first = *seen.entry(self.key(node)).or_insert(index);
                (first != index).then_some(Operand::Node(first))
            });
            if let Some(Operand::Node(other)) = operand {
                self.merged[other].push(&node.id);
            }
            self.reads.push(operand.unwrap_or(Operand::Node(index)));
        }
    }

    /// A constant or another node that has the value of `node`.
    fn simpler(&self, node: &'g Node) -> Option<Operand> {
        let output = node.output?.shape().element();
        let inputs: Vec<Operand> = node.inputs.iter().map(|input| self.operand(*input)).collect();
        let constant = |operand: &Operand| match operand {
            Operand::Const(constant) => Some(Some(*constant)),
            Operand::Absent => Some(None),
            Operand::Node(_) => None,
        };
        if !node.kind.places
            && node.kind.state == State::Nothing
            && let Some(inputs) = inputs.iter().map(constant).collect::<Option<Vec<_>>>()
            && let Some(constant) = (node.kind.fold)(&Consts { node, inputs: &inputs })
            && constant.is_finite()
        {
            return Some(Operand::Const(match output {
                Element::Color => Const::Color(constant.channels()),
                _ => constant,
            }));
        }
        let first = *inputs.first()?;
        let same = match node.kind.identity {
            Identity::Never => false,
            Identity::OfUniform => !matches!(first, Operand::Node(source) if self.rate[source] == Rate::Led),
            Identity::Always => true,
        };
        (same && self.element(first) == Some(output)).then_some(first)
    }

    /// Equal for nodes that give the same value.
    fn key(&self, node: &Node) -> Vec<u32> {
        let mut key = Vec::with_capacity(16);
        text(node.kind.name, &mut key);
        for input in &node.inputs {
            match self.operand(*input) {
                Operand::Absent => key.push(0),
                Operand::Const(Const::Float(x)) => key.extend([1, x.to_bits()]),
                Operand::Const(Const::Color(c)) => {
                    key.extend([2, c[0].to_bits(), c[1].to_bits(), c[2].to_bits()])
                }
                Operand::Node(source) => key.extend([3, source as u32]),
            }
        }
        for value in &node.params {
            match value {
                Value::Empty => key.push(0),
                Value::Number(x) => key.extend([1, x.to_bits()]),
                Value::Integer(x) => key.extend([2, *x as u32, (*x >> 32) as u32]),
                Value::Choice(choice) => text(choice, &mut key),
                Value::Integers(list) => {
                    key.push(list.len() as u32);
                    key.extend(list.iter().flat_map(|x| [*x as u32, (*x >> 32) as u32]));
                }
                Value::Colors(list) => {
                    key.push(list.len() as u32);
                    key.extend(list.iter().flatten().map(|x| x.to_bits()));
                }
            }
        }
        key
    }

    /// Gives a step to each node that the output still depends on.
    fn keep_what_is_drawn(&mut self) {
        const STEP: Step = Step { level: 0, local: false, storage: Storage::Nowhere };
        // From the last node to the first, so that each node comes before its sources.
        for (index, node) in self.graph.nodes.iter().enumerate().rev() {
            if node.kind.is_terminal() {
                self.rate[index] = Rate::Led;
                self.steps[index] = Some(STEP);
            }
            if self.steps[index].is_some() {
                for source in self.sources(node).collect::<Vec<_>>() {
                    self.steps[source] = Some(STEP);
                }
            }
        }
    }

    /// The loops that the per-LED nodes are computed in, and how far each loop runs.
    fn lay_out_loops(&mut self) {
        let nodes = &self.graph.nodes;
        let mut earliest = vec![0; nodes.len()];
        for (index, node) in self.live_led_nodes() {
            let later = usize::from((node.kind.reach)(node) != Reach::Here);
            earliest[index] =
                self.led_sources(node).map(|source| earliest[source] + later).max().unwrap_or(0);
        }
        let last = self.live_led_nodes().map(|(index, _)| earliest[index]).max().unwrap_or(0);
        let mut latest = vec![last; nodes.len()];
        let mut needed = vec![0; nodes.len()];
        self.loops = vec![0; last + 1];
        let live: Vec<_> = self.live_led_nodes().collect();
        for (index, node) in live.into_iter().rev() {
            if let Output::Terminal { leds } = node.kind.output {
                needed[index] = leds;
            }
            let level = latest[index];
            self.loops[level] = self.loops[level].max(needed[index]);
            let (before, needs) = match (node.kind.reach)(node) {
                Reach::Here => (0, needed[index]),
                Reach::FirstHalf => (1, LEDS / 2),
                Reach::Anywhere => (1, LEDS),
            };
            for source in self.led_sources(node) {
                latest[source] = latest[source].min(level - before);
                needed[source] = needed[source].max(needs);
            }
            if let Some(step) = &mut self.steps[index] {
                step.level = level;
            }
        }
    }

    fn live_led_nodes(&self) -> impl DoubleEndedIterator<Item = (usize, &'g Node)> + '_ {
        let nodes = self.graph.nodes.iter().enumerate();
        nodes.filter(|(index, _)| self.steps[*index].is_some() && self.rate[*index] == Rate::Led)
    }

    /// A buffer for each value that is read at another LED or in a later loop.
    fn store_what_crosses(&mut self) {
        let mut last_read = vec![None; self.graph.nodes.len()];
        for (reader, node) in self.graph.nodes.iter().enumerate() {
            let Some(step) = self.steps[reader] else { continue };
            let elsewhere = (node.kind.reach)(node) != Reach::Here;
            for source in self.sources(node).collect::<Vec<_>>() {
                let crosses = self.rate[source] == Rate::Led
                    && (elsewhere || self.steps[source].is_some_and(|s| s.level != step.level));
                if crosses {
                    last_read[source] = last_read[source].max(Some(step.level));
                } else if let Some(step) = &mut self.steps[source] {
                    step.local = true;
                }
            }
        }
        let mut by_level: Vec<usize> = self.live_led_nodes().map(|(index, _)| index).collect();
        by_level.sort_by_key(|index| self.steps[*index].map(|step| step.level));
        // For each scratch buffer, the last loop that reads what is in it.
        let (mut floats, mut colors) = (Vec::new(), Vec::new());
        for index in by_level {
            let node = &self.graph.nodes[index];
            let (Some(last), Some(step), Some(output)) =
                (last_read[index], &mut self.steps[index], node.output)
            else {
                continue;
            };
            step.storage = if node.kind.state == State::LastValue {
                Storage::State
            } else {
                let slots: &mut Vec<usize> =
                    if output.shape().element() == Element::Color { &mut colors } else { &mut floats };
                let free =
                    slots.iter().position(|busy_until| *busy_until < step.level).unwrap_or(slots.len());
                slots.resize(slots.len().max(free + 1), 0);
                slots[free] = last;
                Storage::Scratch(free)
            };
        }
        (self.float_scratch, self.color_scratch) = (floats.len(), colors.len());
    }
}

/// Four bytes to a word, after the length.
fn text(text: &str, key: &mut Vec<u32>) {
    key.push(text.len() as u32);
    for bytes in text.as_bytes().chunks(4) {
        key.push(bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)));
    }
}
