//! Which sectors have to be written, found by asking the board for checksums of what it has.
//!
//! The first block of 64 KiB is compared, in which any other build differs; if it is the same, all at once; then the
//! other blocks, and, where few differ, their sectors. So an unchanged image costs two questions, a wholly changed one a
//! question for each block and a look at each byte, and a changed constant a few more.

use std::ops::Range;

use super::layout::SECTOR;

/// Bytes that are compared at once.
const BLOCK: u32 = 16 * SECTOR;
/// Sectors are looked at one by one where no more than one block in so many differs.
const FEW: usize = 4;

/// The ranges of an area of `length` bytes that differ, in order, not touching each other, each beginning with a sector
/// and ending with one or with the area. `is_same` is asked about ranges; its error ends the search.
///
/// # Errors
///
/// The first of `is_same`.
pub(super) fn differing<E>(
    length: u32,
    is_same: &mut dyn FnMut(Range<u32>) -> Result<bool, E>,
) -> Result<Vec<Range<u32>>, E> {
    let blocks = parts(0..length, BLOCK);
    let Some((first, rest)) = blocks.split_first() else { return Ok(Vec::new()) };
    let is_same_at_first = is_same(first.clone())?;
    if is_same_at_first && (rest.is_empty() || is_same(0..length)?) {
        return Ok(Vec::new());
    }
    let mut differing = keep_differing(rest.to_vec(), is_same)?;
    if !is_same_at_first {
        differing.insert(0, first.clone());
    }
    if length <= SECTOR || (differing.len() * FEW > blocks.len() && blocks.len() > 1) {
        return Ok(joined(differing));
    }
    let sectors = differing.into_iter().flat_map(|block| parts(block, SECTOR)).collect();
    Ok(joined(keep_differing(sectors, is_same)?))
}

fn parts(range: Range<u32>, size: u32) -> Vec<Range<u32>> {
    let starts = range.clone().step_by(size as usize);
    starts.map(|start| start..range.end.min(start.saturating_add(size))).collect()
}

fn keep_differing<E>(
    ranges: Vec<Range<u32>>,
    is_same: &mut dyn FnMut(Range<u32>) -> Result<bool, E>,
) -> Result<Vec<Range<u32>>, E> {
    let mut kept = Vec::new();
    for range in ranges {
        if !is_same(range.clone())? {
            kept.push(range);
        }
    }
    Ok(kept)
}

fn joined(ranges: Vec<Range<u32>>) -> Vec<Range<u32>> {
    let mut joined: Vec<Range<u32>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// What differs between the two, and how many questions that took.
    fn compare(old: &[u8], new: &[u8]) -> (Vec<Range<u32>>, usize) {
        let mut questions = 0;
        let mut is_same = |range: Range<u32>| {
            questions += 1;
            let range = range.start as usize..range.end as usize;
            Ok::<_, Infallible>(old[range.clone()] == new[range])
        };
        let Ok(ranges) = differing(new.len() as u32, &mut is_same);
        (ranges, questions)
    }

    const MIB: usize = 1024 * 1024;

    #[rstest]
    #[case::nothing(&[], &[], 2)]
    #[case::all(&[(0, MIB)], &[(0, MIB)], 16)]
    #[case::one_byte(&[(70_000, 70_001)], &[(69_632, 73_728)], 33)]
    #[case::two_neighbours(&[(8191, 8193)], &[(4096, 12_288)], 32)]
    #[case::the_end(&[(MIB - 1, MIB)], &[(MIB - 4096, MIB)], 33)]
    fn few_questions_find_what_differs(
        #[case] changes: &[(usize, usize)],
        #[case] expected: &[(usize, usize)],
        #[case] questions: usize,
    ) {
        let old = vec![0; MIB];
        let mut new = old.clone();
        changes.iter().for_each(|&(from, to)| new[from..to].fill(1));
        let expected: Vec<_> = expected.iter().map(|&(from, to)| from as u32..to as u32).collect();
        assert_eq!(compare(&old, &new), (expected, questions));
    }

    proptest! {
        #[test]
        fn no_changed_byte_is_left_out(
            length in 1_usize..300_000,
            changes in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..9000), 0..6),
        ) {
            let old = vec![0_u8; length];
            let mut new = old.clone();
            for (at, size) in changes {
                let at = at.index(length);
                new[at..length.min(at + size)].fill(1);
            }
            let (ranges, _) = compare(&old, &new);
            let mut written = old;
            for range in &ranges {
                let range = range.start as usize..range.end as usize;
                prop_assert!(range.start % 4096 == 0 && (range.end % 4096 == 0 || range.end == length));
                written[range.clone()].copy_from_slice(&new[range]);
            }
            prop_assert!(written == new);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
