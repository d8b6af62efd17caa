//! The order of the nodes: each after its sources; which of them go round in a circle; which lead to an output.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// `sources[n]` are the nodes that node n reads. Returns an order in which each node comes after its sources, the
/// earlier one first where both are free; nodes in or behind a circle are missing from it.
pub(super) fn order(sources: &[Vec<usize>]) -> Vec<usize> {
    let mut readers = vec![Vec::new(); sources.len()];
    for (node, sources) in sources.iter().enumerate() {
        for source in sources {
            readers[*source].push(node);
        }
    }
    let mut waiting: Vec<usize> = sources.iter().map(Vec::len).collect();
    let mut free: BinaryHeap<_> = (0..sources.len()).filter(|n| waiting[*n] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(sources.len());
    while let Some(Reverse(node)) = free.pop() {
        order.push(node);
        for reader in &readers[node] {
            waiting[*reader] -= 1;
            if waiting[*reader] == 0 {
                free.push(Reverse(*reader));
            }
        }
    }
    order
}

/// One circle for each knot among the nodes that `order` left out, each as a way from a node back to itself.
pub(super) fn circles(sources: &[Vec<usize>], order: &[usize]) -> Vec<Vec<usize>> {
    let mut left = vec![true; sources.len()];
    for node in order {
        left[*node] = false;
    }
    // Each node that is left has a source that is left. Following them leads into a circle, or to where an earlier
    // walk has been.
    let mut walk_of = vec![None; sources.len()];
    let mut circles = Vec::new();
    for start in (0..sources.len()).filter(|n| left[*n]) {
        let mut way = Vec::new();
        let mut next = Some(start);
        while let Some(node) = next.filter(|n| walk_of[*n].is_none()) {
            walk_of[node] = Some(start);
            way.push(node);
            next = sources[node].iter().copied().find(|source| left[*source]);
        }
        let closed =
            next.filter(|n| walk_of[*n] == Some(start)).and_then(|n| way.iter().position(|w| *w == n));
        if let Some(first) = closed {
            let mut circle = way.split_off(first);
            // Against the way of the walk, so that it reads in the direction in which values flow.
            circle.reverse();
            circle.rotate_right(1);
            circles.push(circle);
        }
    }
    circles
}

/// Which nodes one of `outputs` depends on.
pub(super) fn needed(sources: &[Vec<usize>], outputs: &[usize]) -> Vec<bool> {
    let mut needed = vec![false; sources.len()];
    let mut open = outputs.to_vec();
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut needed[node], true) {
            open.extend(&sources[node]);
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_come_first_and_ties_keep_the_files_order() {
        assert_eq!(order(&[vec![2], vec![], vec![], vec![0, 1]]), [1, 2, 0, 3]);
        assert_eq!(order(&[vec![1, 1], vec![]]), [1, 0]);
    }

    #[test]
    fn each_knot_is_told_once() {
        // 0 → 1 → 2 → 0, 3 reads the circle, 4 reads itself, 5 is free.
        let sources = [vec![2], vec![0], vec![1], vec![2], vec![4], vec![]];
        let order = order(&sources);
        assert_eq!(order, [5]);
        assert_eq!(circles(&sources, &order), [vec![0, 1, 2], vec![4]]);
    }

    #[test]
    fn only_what_leads_to_an_output_is_needed() {
        assert_eq!(needed(&[vec![], vec![0], vec![]], &[1]), [true, true, false]);
    }
}
