//! The probe's side of measured runs: arming one, and handing out records and pictures.

use std::io;
use std::sync::Arc;

use super::boot::{App, Boot};
use super::cpu::Reply;
use super::mailbox::{Command, CommandResult, Mailbox, Part, Status};
use super::run_records::RunRecords;
use crate::board::probe::{FrameRecord, Frames, Pictures, RING_CAPACITY};
use crate::board::{AudioSource, RunState, RunStatus};
use crate::digest::Sha;

/// Longest warm-up of a run, frames; `RUN_WARMUP_LIMIT` of the mailbox.
pub const MOST_WARMUP: u32 = 65_536;

/// The runs of one boot.
#[derive(Debug, Default)]
pub struct Runs {
    /// The last one that was armed.
    last: Option<Run>,
}

#[derive(Debug)]
struct Run {
    /// From 1.
    id: u32,
    frames: u32,
    ended: Option<Arc<RunRecords>>,
}

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct RunOrder {
    /// Index of the pattern.
    pub pattern: u32,
    pub seed: u32,
    /// At most [`MOST_WARMUP`].
    pub warmup: u32,
    /// 1 to [`RING_CAPACITY`].
    pub frames: u32,
    pub stimulus: u32,
    /// The recording that it is.
    pub recording: Option<Sha>,
    pub audio: AudioSource,
}

/// Why a run does not begin.
#[derive(Debug, PartialEq, Eq)]
pub enum NotArmed {
    /// Another one is under way.
    UnderWay { id: u32 },
    /// The firmware does not keep the recording.
    NoSuchRecording,
}

impl Runs {
    /// Whether no run was ever armed.
    pub const fn is_untouched(&self) -> bool {
        self.last.is_none()
    }

    fn under_way(&self) -> Option<u32> {
        self.last.as_ref().filter(|run| run.ended.is_none()).map(|run| run.id)
    }
}

/// Arms a run of `app` and returns its id at once.
///
/// # Errors
///
/// See [`NotArmed`].
pub fn arm(boot: &Arc<Boot>, app: &App, order: RunOrder) -> Result<u32, NotArmed> {
    let RunOrder { pattern, seed, warmup, frames, stimulus, recording, audio } = order;
    let (id, reply) = {
        let mut runs = boot.runs();
        if let Some(id) = runs.under_way() {
            return Err(NotArmed::UnderWay { id });
        }
        // No other one is handed over before the run is posted.
        let kept = boot.recording();
        if recording.is_some() && recording != kept.sha256() {
            return Err(NotArmed::NoSuchRecording);
        }
        let id = runs.last.as_ref().map_or(0, |run| run.id).wrapping_add(1).max(1);
        runs.last = Some(Run { id, frames, ended: None });
        let part = Part::Whole;
        let command = Command::Run { part, pattern, seed, warmup, frames, stimulus, run_id: id, audio };
        (id, app.cpu.post(command))
    };
    let boot = Arc::clone(boot);
    tokio::spawn(async move {
        // Without a reply the emulator has ended, and this boot with it.
        if let Ok(Reply { status, run: Some(records), .. }) = reply.await {
            let records = match status.result {
                CommandResult::Done => records,
                // The order was checked before, so this firmware is stricter than its mailbox says.
                CommandResult::BadArgument | CommandResult::Unknown => Arc::default(),
            };
            if let Some(run) = boot.runs().last.as_mut().filter(|run| run.id == id) {
                run.ended = Some(records);
            }
        }
    });
    Ok(id)
}

/// How far the last run got. `status` must have been read before.
pub fn run_status(boot: &Boot, status: &Status) -> RunStatus {
    let runs = boot.runs();
    let Some(run) = &runs.last else {
        return RunStatus { id: 0, state: RunState::None, first_sequence: 0, recorded: 0 };
    };
    let (state, first_sequence, recorded) = match &run.ended {
        Some(records) => (RunState::Done, records.first_sequence, records.records.len() as u32),
        None if status.run_id == run.id => {
            (RunState::Running, status.run_first_sequence, status.run_recorded.min(run.frames))
        }
        // Armed, but the firmware still does something else.
        None => (RunState::Running, status.next_sequence, 0),
    };
    RunStatus { id: run.id, state, first_sequence, recorded }
}

/// The answer to `GET /api/hil/frames`: at most `max` records from `since` on.
///
/// # Errors
///
/// The error of the operating system.
pub fn frames(boot: &Boot, app: &App, since: u32, max: u32) -> io::Result<Frames> {
    let mailbox = app.cpu.mailbox();
    let status = app.status()?;
    let run = run_status(boot, &status);
    let (first_sequence, records) = match kept(boot, &status, since) {
        Some((run, first)) => (first, run.records_from(first, max)),
        None => ring_records(mailbox, &status, since, max)?,
    };
    Ok(Frames {
        boot_id: boot.id,
        run_id: run.id,
        run_state: run.state,
        first_sequence,
        overwritten: first_sequence.saturating_sub(since),
        tick_hz: app.firmware.tick_hz,
        run_first_sequence: run.first_sequence,
        records,
    })
}

/// The answer to `GET /api/hil/leds`: at most `max` pictures of the frames `since`, `since + every` …
///
/// # Errors
///
/// The error of the operating system.
pub fn pictures(boot: &Boot, app: &App, since: u32, max: u32, every: u32) -> io::Result<Pictures> {
    let mailbox = app.cpu.mailbox();
    let status = app.status()?;
    let (every, led_count) = (every.max(1), app.firmware.led_count);
    // The first of the frames asked for that is not below `floor`.
    let on_grid =
        |floor: u32| since.saturating_add(floor.saturating_sub(since).div_ceil(every).saturating_mul(every));
    let (first_sequence, pictures) = match kept(boot, &status, since) {
        Some((run, first)) => {
            let first = on_grid(first);
            (first, run.pictures_from(first, max, every, led_count))
        }
        None => {
            // The next frame draws into the slot of the oldest one before it is recorded.
            let first = on_grid(oldest(&status).max(status.next_sequence.saturating_sub(RING_CAPACITY - 1)));
            let sequences = (first..status.next_sequence).step_by(every as usize).take(max as usize);
            let read = |sequence| mailbox.pictures(sequence, 1, led_count);
            let pictures: io::Result<Vec<_>> = sequences.map(read).collect();
            (first, pictures?.concat())
        }
    };
    Ok(Pictures { boot_id: boot.id, led_count: led_count as u16, first_sequence, every, pictures })
}

/// The records of the last run, if they reach further back towards `since` than the ring does, and the first of them
/// that was asked for.
fn kept(boot: &Boot, status: &Status, since: u32) -> Option<(Arc<RunRecords>, u32)> {
    let run = boot.runs().last.as_ref()?.ended.clone()?;
    let first = since.max(run.first_sequence);
    let is_kept = first - run.first_sequence < run.records.len() as u32;
    (is_kept && first <= since.max(oldest(status))).then_some((run, first))
}

/// Of the oldest record in the ring.
fn oldest(status: &Status) -> u32 {
    status.next_sequence.saturating_sub(RING_CAPACITY)
}

/// Records from the ring, without those that were overwritten while they were read.
fn ring_records(
    mailbox: &Mailbox,
    status: &Status,
    since: u32,
    max: u32,
) -> io::Result<(u32, Vec<FrameRecord>)> {
    let first = since.max(oldest(status)).min(status.next_sequence);
    let count = (status.next_sequence - first).min(max);
    let mut records = mailbox.records(first, count)?;
    let after = mailbox.status()?;
    let mut gone = oldest(&after).saturating_sub(first).min(count);
    // The slot of the oldest record may just be in the firmware's hand.
    let is_oldest = gone < count && first + gone == oldest(&after) && after.next_sequence >= RING_CAPACITY;
    if is_oldest && records.get(gone as usize).is_some_and(|record| !record.is_whole()) {
        gone += 1;
    }
    records.drain(..gone as usize);
    Ok((first + gone, records))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(next_sequence: u32) -> Status {
        Status {
            reply_number: 0,
            result: CommandResult::Done,
            current_pattern: 0,
            next_sequence,
            run_id: 1,
            run_state: 2,
            run_first_sequence: 0,
            run_recorded: 0,
            now_ns: 0,
            heap_free: 0,
        }
    }

    /// A boot whose last run recorded `count` frames from `first` on.
    fn boot_after_run(first: u32, count: u32) -> Boot {
        let boot = Boot::new(1, super::super::boot::ResetReason::PowerOn, Err(Default::default()), None);
        let record = |sequence| FrameRecord { sequence, ..FrameRecord::default() }.sealed();
        let records = RunRecords {
            first_sequence: first,
            records: (first..first + count).map(record).collect(),
            pictures: Vec::new(),
        };
        boot.runs().last = Some(Run { id: 1, frames: count, ended: Some(Arc::new(records)) });
        boot
    }

    #[test]
    fn the_records_of_a_run_outlive_the_ring() {
        let boot = boot_after_run(100, 2048);
        let first = |next, since| kept(&boot, &status(next), since).map(|(_, first)| first);
        assert_eq!(first(2148, 100), Some(100), "just done");
        assert_eq!(first(9000, 100), Some(100), "the ring went on");
        assert_eq!(first(9000, 0), Some(100), "what was before it is gone");
        assert_eq!(first(9000, 2147), Some(2147));
        assert_eq!(first(9000, 2148), None, "what came after it is the ring's matter");
        assert_eq!(first(2148, 50), Some(100));
    }

    #[test]
    fn the_ring_is_asked_where_it_reaches_further_back() {
        let boot = boot_after_run(100, 10);
        assert!(kept(&boot, &status(110), 50).is_none());
        assert!(kept(&boot, &status(3000), 50).is_some());
    }
}
