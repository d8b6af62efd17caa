//! Which of the records that were read are frames of the run, and why the others are not. Pure.
//!
//! A frame counts only if nothing speaks against it. Where two frames contradict each other and nothing tells
//! which of them is wrong, neither counts.

use super::{Frame, Rejected, Rejection};
use crate::board::probe::FrameRecord;

/// A chip takes the start of a frame from a clock of 1 µs and its parts from another: by that much a frame may
/// seem to reach into the next one.
const CLOCK_GRAIN_NS: u128 = 1000;

/// The run that the records should belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub id: u32,
    /// Sequence number of its first recorded frame.
    pub first_sequence: u32,
    /// How many frames it records.
    pub frames: u32,
    /// Ticks per second, at least 1.
    pub tick_hz: u32,
}

/// A record, and the sequence number of the place that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub place: u32,
    pub record: FrameRecord,
}

/// Sorts what was received into the frames that count and the places of the run that do not; together they are
/// all places of the run, each once, each list in order. Records from outside the run are ignored.
///
/// [`Frame::start_ns`] counts from the start of the first frame of the result: frame 0 unless that was rejected.
pub fn check(run: &Run, received: &[Received]) -> (Vec<Frame>, Vec<Rejected>) {
    let mut places = vec![Err(Rejection::Missing); run.frames as usize];
    for Received { place, record } in received {
        let index = place.wrapping_sub(run.first_sequence);
        if let Some(found) = places.get_mut(index as usize) {
            *found = merge(*found, examine(run, *place, record));
        }
    }
    reject_contradictions(run, &mut places);
    let origin = places.iter().flatten().map(|record| record.start_ns).next().unwrap_or(0);
    let (mut frames, mut rejected) = (Vec::new(), Vec::new());
    for (index, place) in (0..).zip(places) {
        match place {
            Ok(record) => frames.push(frame(index, &record, origin)),
            Err(reason) => rejected.push(Rejected { index, reason }),
        }
    }
    (frames, rejected)
}

type Place = Result<FrameRecord, Rejection>;

/// What one record says by itself.
fn examine(run: &Run, place: u32, record: &FrameRecord) -> Place {
    if !record.is_whole() {
        Err(Rejection::Torn)
    } else if record.sequence != place || record.run_id != run.id {
        Err(Rejection::Impossible)
    } else {
        Ok(*record)
    }
}

/// What two records of one place say together: a record that was torn when it was read first is replaced by the
/// whole one, and two that are whole must agree.
fn merge(known: Place, new: Place) -> Place {
    match (known, new) {
        (Ok(a), Ok(b)) if a == b => Ok(a),
        (Ok(_), Ok(_)) => Err(Rejection::Impossible),
        (Err(Rejection::Impossible), _) | (_, Err(Rejection::Impossible)) => Err(Rejection::Impossible),
        (Ok(record), Err(_)) | (Err(_), Ok(record)) => Ok(record),
        (Err(_), Err(new)) => Err(new),
    }
}

/// Rejects both of two neighbours of which the second begins before the first ends, until no two are left.
fn reject_contradictions(run: &Run, places: &mut [Place]) {
    let mut kept: Vec<(usize, FrameRecord)> = Vec::with_capacity(places.len());
    for index in 0..places.len() {
        let Ok(record) = places[index] else { continue };
        match kept.last() {
            Some((before, earlier)) if !fits(run, earlier, &record) => {
                places[*before] = Err(Rejection::Impossible);
                places[index] = Err(Rejection::Impossible);
                kept.pop();
            }
            _ => kept.push((index, record)),
        }
    }
}

/// Whether `later` can have begun after `earlier` had ended.
fn fits(run: &Run, earlier: &FrameRecord, later: &FrameRecord) -> bool {
    let parts = [earlier.render_ticks, earlier.quantize_ticks, earlier.wait_ticks, earlier.transmit_ticks];
    let ticks: u128 = parts.into_iter().map(u128::from).sum();
    let end = u128::from(earlier.start_ns) + ticks * 1_000_000_000 / u128::from(run.tick_hz.max(1));
    later.start_ns > earlier.start_ns && u128::from(later.start_ns) + CLOCK_GRAIN_NS >= end
}

fn frame(index: u32, record: &FrameRecord, origin: u64) -> Frame {
    Frame {
        index,
        start_ns: record.start_ns - origin,
        render_ticks: record.render_ticks,
        quantize_ticks: record.quantize_ticks,
        wait_ticks: record.wait_ticks,
        transmit_ticks: record.transmit_ticks,
        audio_ticks: record.audio_ticks,
        heap_free: record.heap_free,
        stack_used: record.stack_used,
        audio_age_us: record.audio_age_us,
        led_hash: record.led_hash,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const RUN: Run = Run { id: 3, first_sequence: 100, frames: 4, tick_hz: 1_000_000_000 };

    /// A frame of 1,000 ns every 10,000 ns.
    fn good(run: &Run, index: u32) -> Received {
        let place = run.first_sequence.wrapping_add(index);
        let record = FrameRecord {
            sequence: place,
            run_id: run.id,
            start_ns: 50_000 + 10_000 * u64::from(index),
            render_ticks: 700 + index,
            quantize_ticks: 100,
            transmit_ticks: 100,
            led_hash: index ^ 0xABCD,
            ..FrameRecord::default()
        };
        Received { place, record: record.sealed() }
    }

    fn whole(run: &Run) -> Vec<Received> {
        (0..run.frames).map(|index| good(run, index)).collect()
    }

    fn changed(index: u32, change: impl FnOnce(&mut FrameRecord)) -> Vec<Received> {
        let mut received = whole(&RUN);
        let record = &mut received[index as usize].record;
        change(record);
        *record = record.sealed();
        received
    }

    fn reasons(received: &[Received]) -> Vec<(u32, Rejection)> {
        check(&RUN, received).1.iter().map(|rejected| (rejected.index, rejected.reason)).collect()
    }

    #[test]
    fn a_whole_run_counts_from_its_first_frame() {
        let (frames, rejected) = check(&RUN, &whole(&RUN));
        assert_eq!(rejected, []);
        let starts: Vec<_> =
            frames.iter().map(|frame| (frame.index, frame.start_ns, frame.render_ticks)).collect();
        assert_eq!(starts, [(0, 0, 700), (1, 10_000, 701), (2, 20_000, 702), (3, 30_000, 703)]);
    }

    #[test]
    fn without_its_first_frame_a_run_counts_from_the_second() {
        let (frames, rejected) = check(&RUN, &whole(&RUN)[1..]);
        assert_eq!(rejected, [Rejected { index: 0, reason: Rejection::Missing }]);
        assert_eq!(
            frames.iter().map(|frame| (frame.index, frame.start_ns)).collect::<Vec<_>>(),
            [(1, 0), (2, 10_000), (3, 20_000)]
        );
    }

    #[test]
    fn nothing_received_is_all_missing() {
        assert_eq!(reasons(&[]), [0, 1, 2, 3].map(|index| (index, Rejection::Missing)));
    }

    #[test]
    fn a_torn_record_is_rejected_and_its_neighbours_are_not() {
        let mut received = whole(&RUN);
        received[1].record.render_ticks ^= 0x100;
        assert_eq!(reasons(&received), [(1, Rejection::Torn)]);
    }

    #[test]
    fn a_torn_record_that_is_read_again_whole_counts() {
        let mut received = whole(&RUN);
        let mut torn = received[1];
        torn.record.seal ^= 1;
        received.insert(1, torn);
        assert_eq!(reasons(&received), []);
    }

    #[test]
    fn records_of_other_places_are_ignored() {
        let mut received = whole(&RUN);
        received.insert(
            0,
            Received { place: 99, record: FrameRecord { sequence: 99, ..FrameRecord::default() } },
        );
        received.push(Received { place: 104, record: FrameRecord::default() });
        assert_eq!(reasons(&received), []);
    }

    #[rstest]
    #[case::of_another_run(changed(2, |record| record.run_id = 2), &[2])]
    #[case::of_another_place(changed(2, |record| record.sequence = 101), &[2])]
    #[case::that_ends_after_the_next_begins(changed(1, |record| record.transmit_ticks = 10_500), &[1, 2])]
    #[case::that_ends_after_one_much_later_begins(changed(0, |record| record.wait_ticks = 25_000), &[0, 1])]
    #[case::that_begins_with_the_one_before(changed(2, |record| record.start_ns -= 10_000), &[1, 2])]
    #[case::far_in_the_future(changed(1, |record| record.start_ns = u64::MAX), &[1, 2])]
    #[case::of_endless_parts(changed(3, |record| record.render_ticks = u32::MAX), &[])]
    fn impossible_is_a_frame(#[case] received: Vec<Received>, #[case] expected: &[u32]) {
        let expected: Vec<_> = expected.iter().map(|&index| (index, Rejection::Impossible)).collect();
        assert_eq!(reasons(&received), expected);
    }

    #[test]
    fn two_whole_records_of_one_place_that_differ_leave_none() {
        let mut received = whole(&RUN);
        let other = FrameRecord { render_ticks: 1, ..received[2].record }.sealed();
        received.push(Received { place: 102, record: other });
        assert_eq!(reasons(&received), [(2, Rejection::Impossible)]);
    }

    #[test]
    fn a_frame_may_reach_into_the_next_by_the_grain_of_a_clock() {
        let reach = |ns: u32| reasons(&changed(1, |record| record.wait_ticks = 10_000 - 901 + ns));
        assert_eq!(reach(1000), []);
        assert_eq!(reach(1001), [(1, Rejection::Impossible), (2, Rejection::Impossible)]);
    }

    #[test]
    fn a_clock_that_starts_again_leaves_no_order_that_is_wrong() {
        let run = Run { frames: 40, ..RUN };
        let mut received = whole(&run);
        for again in &mut received[20..] {
            again.record.start_ns -= 195_000;
            again.record = again.record.sealed();
        }
        let (frames, _) = check(&run, &received);
        assert!(frames.is_sorted_by(|a, b| a.start_ns < b.start_ns), "{frames:?}");
    }

    #[derive(Clone, Copy, Debug)]
    enum Damage {
        Drop,
        Tear { word: usize, bits: u32 },
        Again,
        AtPlace(u32),
    }

    fn damage(frames: u32) -> impl Strategy<Value = Damage> {
        prop_oneof![
            Just(Damage::Drop),
            (0..12_usize, 1..=u32::MAX).prop_map(|(word, bits)| Damage::Tear { word, bits }),
            Just(Damage::Again),
            (0..frames).prop_map(Damage::AtPlace),
        ]
    }

    fn tear(record: FrameRecord, word: usize, bits: u32) -> FrameRecord {
        let mut bytes = record.encode();
        for (byte, bits) in bytes[4 * word..].iter_mut().zip(bits.to_le_bytes()) {
            *byte ^= bits;
        }
        FrameRecord::decode(&bytes)
    }

    proptest! {
        /// Whatever is dropped, torn, repeated or put in a wrong place: what counts is true, what was not
        /// touched counts, and every place of the run is accounted for.
        #[test]
        fn no_damage_makes_a_wrong_frame_count(
            (frames, damages) in (1..60_u32).prop_flat_map(|frames| {
                (Just(frames), prop::collection::vec((0..frames, damage(frames)), 0..20))
            }),
            first_sequence in any::<u32>(),
        ) {
            let run = Run { frames, first_sequence, ..RUN };
            let truth = whole(&run);
            let mut received: Vec<Vec<Received>> = truth.iter().map(|one| vec![*one]).collect();
            let mut touched = vec![false; frames as usize];
            for (index, damage) in damages {
                let at = index as usize;
                match damage {
                    Damage::Drop => received[at].clear(),
                    Damage::Tear { word, bits } => {
                        received[at].iter_mut().for_each(|one| one.record = tear(one.record, word, bits));
                    }
                    Damage::Again => {
                        let again = received[at].first().copied();
                        received[at].extend(again);
                    }
                    Damage::AtPlace(place) => {
                        let copies: Vec<_> = received[at].iter().map(|one| one.record).collect();
                        let place_at = first_sequence.wrapping_add(place);
                        received[place as usize].extend(copies.iter().map(|&record| Received { place: place_at, record }));
                        touched[place as usize] |= place != index;
                    }
                }
                touched[at] |= !matches!(damage, Damage::Again | Damage::AtPlace(_));
            }
            let (counted, rejected) = check(&run, &received.concat());

            let mut places: Vec<u32> = counted.iter().map(|frame| frame.index).collect();
            places.extend(rejected.iter().map(|rejected| rejected.index));
            places.sort_unstable();
            prop_assert_eq!(places, (0..frames).collect::<Vec<_>>());

            let origin = counted.first().map_or(0, |first| truth[first.index as usize].record.start_ns);
            for found in &counted {
                prop_assert_eq!(*found, frame(found.index, &truth[found.index as usize].record, origin));
            }
            for index in (0..frames).filter(|&index| !touched[index as usize]) {
                prop_assert!(counted.iter().any(|found| found.index == index), "frame {} was lost", index);
            }
        }
    }
}
