//! Which of all that the CPU executed belongs to drawing a frame, and under which calls.
//!
//! The firmware's own number, `render_ticks`, is the difference of two readings of the counter around
//! `renderer::draw`. So the recorder counts from the first reading to the second, the few instructions of the frame loop
//! in between included: its sum over a frame is that number, or one of the two is wrong.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::vboard::{Block, Instruction, Kind};

/// More blocks than the frame loop executes between reading the counter and beginning to draw.
const LEAD: usize = 64;

/// No frame is drawn below this.
const ROOT: u32 = 0;

/// What was executed where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Addresses of the calls that led there, outermost first.
    pub(super) calls: Vec<u32>,
    pub(super) address: u32,
    /// How often.
    pub(super) count: u64,
}

/// Counts the instructions of frames.
#[derive(Debug)]
pub(super) struct Recorder {
    /// Address of `renderer::draw`.
    draw: u32,
    /// Executed since the counter was read last: a block and where in it to begin.
    lead: Vec<(Arc<Block>, usize)>,
    last: Option<Instruction>,
    drawing: Option<Drawing>,
    /// Stacks of calls as a tree: each node's parent, and the address of the call in it.
    nodes: Vec<(u32, u32)>,
    children: HashMap<(u32, u32), u32>,
    blocks: HashMap<u32, Arc<Block>>,
    /// Executions of whole blocks, by node and block.
    whole: HashMap<(u32, u32), u64>,
    /// Executions of instructions of the others, by node and address.
    single: HashMap<(u32, u32), u64>,
    frames: Vec<u64>,
}

/// The frame that is being drawn.
#[derive(Debug)]
struct Drawing {
    /// Where `renderer::draw` returns to.
    back: u32,
    has_returned: bool,
    /// The caller's node and where to return to, of each call that has not returned.
    calls: Vec<(u32, u32)>,
    node: u32,
    instructions: u64,
}

impl Recorder {
    pub(super) fn new(draw: u32) -> Self {
        Self {
            draw,
            lead: Vec::new(),
            last: None,
            drawing: None,
            nodes: vec![(ROOT, 0)],
            children: HashMap::new(),
            blocks: HashMap::new(),
            whole: HashMap::new(),
            single: HashMap::new(),
            frames: Vec::new(),
        }
    }

    /// Takes note that `block` was executed.
    pub(super) fn executed(&mut self, block: &Arc<Block>) {
        let (Some(first), Some(&last)) = (block.instructions.first(), block.instructions.last()) else {
            return;
        };
        let before = self.last.replace(last);
        let reading = |from: usize| {
            let found = block.instructions.iter().skip(from).position(|i| i.kind == Kind::ReadsClock);
            found.map(|at| from + at)
        };
        let Some(mut drawing) = self.drawing.take() else {
            if let (true, Some(call)) = (first.address == self.draw, before) {
                let drawing = self.begin(call.next);
                self.drawing = Some(self.count(drawing, block, 0..block.instructions.len()));
                return;
            }
            let mut from = 0;
            while let Some(at) = reading(from) {
                from = at + 1;
                self.lead.clear();
            }
            if self.lead.len() == LEAD {
                self.lead.clear(); // far from a frame
            }
            self.lead.push((Arc::clone(block), from));
            return;
        };
        if let Some(before) = before {
            self.follow(&mut drawing, before, first.address);
        }
        let end = if drawing.has_returned { reading(0) } else { None };
        let Some(end) = end else {
            self.drawing = Some(self.count(drawing, block, 0..block.instructions.len()));
            return;
        };
        let drawing = self.count(drawing, block, 0..end + 1);
        self.frames.push(drawing.instructions);
        self.lead.clear();
        self.lead.push((Arc::clone(block), end + 1));
    }

    fn begin(&mut self, back: u32) -> Drawing {
        let mut drawing =
            Drawing { back, has_returned: false, calls: Vec::new(), node: ROOT, instructions: 0 };
        for (block, from) in std::mem::take(&mut self.lead) {
            drawing = self.count(drawing, &block, from..block.instructions.len());
        }
        drawing
    }

    /// Keeps the stack of calls when `before` led to `address`.
    fn follow(&mut self, drawing: &mut Drawing, before: Instruction, address: u32) {
        match before.kind {
            Kind::Call => {
                drawing.calls.push((drawing.node, before.next));
                drawing.node = self.child(drawing.node, before.address);
            }
            Kind::Return => {
                // A function that ended in a jump to another one returns for both of them.
                match drawing.calls.iter().rposition(|(_, back)| *back == address) {
                    Some(at) => {
                        drawing.node = drawing.calls[at].0;
                        drawing.calls.truncate(at);
                    }
                    None => drawing.has_returned |= address == drawing.back,
                }
            }
            Kind::Other | Kind::ReadsClock => {}
        }
    }

    fn child(&mut self, parent: u32, call: u32) -> u32 {
        match self.children.entry((parent, call)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.nodes.push((parent, call));
                *new.insert(self.nodes.len() as u32 - 1)
            }
        }
    }

    fn count(&mut self, mut drawing: Drawing, block: &Arc<Block>, which: std::ops::Range<usize>) -> Drawing {
        drawing.instructions += which.len() as u64;
        if which.len() == block.instructions.len() {
            *self.whole.entry((drawing.node, block.id)).or_insert(0) += 1;
            self.blocks.entry(block.id).or_insert_with(|| Arc::clone(block));
        } else {
            for instruction in &block.instructions[which] {
                *self.single.entry((drawing.node, instruction.address)).or_insert(0) += 1;
            }
        }
        drawing
    }

    /// Instructions of each frame, and where they were executed, in the order of the stacks and addresses.
    pub(super) fn finish(mut self) -> (Vec<u64>, Vec<Sample>) {
        for ((node, id), count) in std::mem::take(&mut self.whole) {
            for instruction in self.blocks.get(&id).iter().flat_map(|block| &block.instructions) {
                *self.single.entry((node, instruction.address)).or_insert(0) += count;
            }
        }
        let mut samples: Vec<Sample> = self
            .single
            .iter()
            .map(|(&(node, address), &count)| Sample { calls: self.calls(node), address, count })
            .collect();
        samples.sort_by(|a, b| (&a.calls, a.address).cmp(&(&b.calls, b.address)));
        (self.frames, samples)
    }

    fn calls(&self, mut node: u32) -> Vec<u32> {
        let mut calls = Vec::new();
        while node != ROOT {
            let (parent, call) = self.nodes[node as usize];
            calls.push(call);
            node = parent;
        }
        calls.reverse();
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAW: u32 = 0x1000;

    /// Runs blocks that are given by their id, address and what their last instruction is; each has two instructions of
    /// four bytes.
    fn recorded(blocks: &[(u32, u32, Kind)]) -> (Vec<u64>, Vec<Sample>) {
        let mut recorder = Recorder::new(DRAW);
        for &(id, address, kind) in blocks {
            let at = |address, kind| Instruction { address, next: address + 4, kind };
            let instructions = vec![at(address, Kind::Other), at(address + 4, kind)];
            recorder.executed(&Arc::new(Block { id, instructions }));
        }
        recorder.finish()
    }

    /// The counter is read at 0x104, `draw` is called from 0x10c and the counter is read again at 0x114.
    fn frame(drawn: &[(u32, u32, Kind)]) -> Vec<(u32, u32, Kind)> {
        let (before, call) = ((1, 0x100, Kind::ReadsClock), (2, 0x108, Kind::Call));
        [&[before, call], drawn, &[(3, 0x110, Kind::ReadsClock)]].concat()
    }

    fn by_stack(samples: &[Sample]) -> Vec<(Vec<u32>, u64)> {
        let mut stacks: Vec<(Vec<u32>, u64)> = Vec::new();
        for Sample { calls, count, .. } in samples {
            match stacks.last_mut() {
                Some(last) if last.0 == *calls => last.1 += count,
                _ => stacks.push((calls.clone(), *count)),
            }
        }
        stacks
    }

    #[test]
    fn from_one_reading_of_the_counter_to_the_next_and_no_further() {
        let blocks = [frame(&[(10, DRAW, Kind::Return)]), vec![(4, 0x118, Kind::Other)]].concat();
        let (frames, samples) = recorded(&blocks);
        assert_eq!(frames, [6]);
        let addresses: Vec<u32> = samples.iter().map(|sample| sample.address).collect();
        assert_eq!(addresses, [0x108, 0x10c, 0x110, 0x114, DRAW, DRAW + 4]);
    }

    #[test]
    fn each_frame_has_its_sum() {
        let short = frame(&[(10, DRAW, Kind::Return)]);
        let long = frame(&[(10, DRAW, Kind::Other), (11, DRAW + 8, Kind::Return)]);
        let (frames, samples) = recorded(&[short, long.clone(), long].concat());
        assert_eq!(frames, [6, 8, 8]);
        assert_eq!(samples.iter().map(|sample| sample.count).sum::<u64>(), 22);
    }

    #[test]
    fn a_pattern_that_reads_the_clock_does_not_end_its_frame() {
        let drawn = [(10, DRAW, Kind::ReadsClock), (11, DRAW + 8, Kind::Return)];
        assert_eq!(recorded(&frame(&drawn)).0, [8]);
    }

    #[test]
    fn calls_are_attributed_below_their_callers() {
        let drawn = [
            (10, DRAW, Kind::Call),
            (20, 0x2000, Kind::Call),
            (30, 0x3000, Kind::Return),
            (21, 0x2008, Kind::Return),
            (11, DRAW + 8, Kind::Return),
        ];
        let (_, samples) = recorded(&frame(&drawn));
        let expected = [(vec![], 8), (vec![DRAW + 4], 4), (vec![DRAW + 4, 0x2004], 2)];
        assert_eq!(by_stack(&samples), expected);
    }

    #[test]
    fn a_tail_call_returns_for_its_caller_too() {
        let drawn = [
            (10, DRAW, Kind::Call),
            (20, 0x2000, Kind::Other), // goes on at 0x3000
            (30, 0x3000, Kind::Return),
            (11, DRAW + 8, Kind::Return),
        ];
        let (frames, samples) = recorded(&frame(&drawn));
        assert_eq!(frames, [12]);
        assert_eq!(by_stack(&samples), [(vec![], 8), (vec![DRAW + 4], 4)]);
    }

    #[test]
    fn recursion_has_a_stack_per_depth() {
        let drawn = [
            (10, DRAW, Kind::Call),
            (20, 0x2000, Kind::Call),
            (20, 0x2000, Kind::Call),
            (20, 0x2000, Kind::Other),
            (21, 0x2008, Kind::Return),
            (21, 0x2008, Kind::Return),
            (21, 0x2008, Kind::Return),
            (11, DRAW + 8, Kind::Return),
        ];
        let (_, samples) = recorded(&frame(&drawn));
        let depths: Vec<(usize, u64)> =
            by_stack(&samples).into_iter().map(|(calls, count)| (calls.len(), count)).collect();
        assert_eq!(depths, [(0, 8), (1, 4), (2, 4), (3, 4)]);
    }
}
