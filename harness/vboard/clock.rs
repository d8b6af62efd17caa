//! Board time while nothing is measured: it follows the clock on the wall.
//!
//! Board time exists only while the firmware works, so somebody has to ask it to go on. Each tick asks for the frames
//! up to the present. A pattern that is too heavy for that gets a quarter of a host core and no more; board time then
//! lags behind and the lag is forgotten, so that a board is never busy catching up. A measured run is one command
//! that goes as fast as the emulator can; board time runs ahead with it, and goes on from there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cpu::{Cpu, End, Reply};
use super::mailbox::Command;

const TICK: Duration = Duration::from_millis(50);
/// At most so many frames in a tick; the shortest period of a frame, 4 ms, gives 13.
const MOST_FRAMES: u32 = 16;
/// The board rests three times as long as it works.
const REST: u32 = 3;
/// A difference between board and wall that is no longer made up for.
const LARGE_LAG_NS: u64 = 100_000_000;

/// Lets the board's time pass until its emulator ends.
pub async fn follow_the_wall(cpu: &Cpu) -> Arc<End> {
    tokio::select! {
        biased;
        end = cpu.ended() => end,
        end = tick(cpu) => end,
    }
}

async fn tick(cpu: &Cpu) -> Arc<End> {
    let mut pace = Pace::new(Instant::now());
    let mut rest = Duration::ZERO;
    loop {
        tokio::time::sleep(rest).await;
        let until_ns = pace.target_ns(Instant::now());
        match cpu.command(Command::Advance { until_ns, frames: pace.frames }).await {
            Ok(reply) => rest = pace.after(until_ns, &Answer::of(&reply), Instant::now()),
            Err(end) => return end,
        }
    }
}

/// What a tick brought.
struct Answer {
    now_ns: u64,
    next_sequence: u32,
    took: Duration,
}

impl Answer {
    fn of(reply: &Reply) -> Self {
        Self { now_ns: reply.status.now_ns, next_sequence: reply.status.next_sequence, took: reply.took }
    }
}

/// How board time relates to the wall, and how much the board may do in a tick.
struct Pace {
    /// Board time `anchor_ns` was at this moment.
    anchor: Instant,
    anchor_ns: u64,
    frames: u32,
    sequence: u32,
}

impl Pace {
    fn new(now: Instant) -> Self {
        // One frame first: how heavy the pattern is, is not known yet.
        Self { anchor: now, anchor_ns: 0, frames: 1, sequence: 0 }
    }

    /// The board time that it should be.
    fn target_ns(&self, now: Instant) -> u64 {
        self.anchor_ns + now.duration_since(self.anchor).as_nanos() as u64
    }

    /// Takes in what a tick that was to reach `until_ns` brought; the rest until the next one.
    fn after(&mut self, until_ns: u64, answer: &Answer, now: Instant) -> Duration {
        let drawn = answer.next_sequence.wrapping_sub(self.sequence).max(1);
        self.sequence = answer.next_sequence;
        if answer.now_ns.abs_diff(until_ns) > LARGE_LAG_NS {
            (self.anchor, self.anchor_ns) = (now, answer.now_ns);
        }
        let budget = TICK / (REST + 1);
        let per_frame = answer.took / drawn;
        self.frames = match per_frame.as_nanos() {
            0 => MOST_FRAMES,
            nanos => (budget.as_nanos() / nanos).clamp(1, u128::from(MOST_FRAMES)) as u32,
        };
        TICK.saturating_sub(answer.took).max(answer.took * REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(now_ms: u64, next_sequence: u32, took_ms: u64) -> Answer {
        Answer { now_ns: now_ms * 1_000_000, next_sequence, took: Duration::from_millis(took_ms) }
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn a_light_pattern_keeps_up_with_the_wall() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        for tick in 1..20 {
            let now = begin + TICK * tick;
            let target = pace.target_ns(now);
            assert_eq!(target, u64::from(tick) * 50 * MS);
            let rest = pace.after(target, &answer(target / MS, tick * 8, 8), now);
            assert_eq!(rest, Duration::from_millis(42));
        }
        assert_eq!(pace.frames, 12);
    }

    #[test]
    fn a_heavy_pattern_gets_a_quarter_of_a_core_and_lags() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        let rest = pace.after(pace.target_ns(begin + 2 * TICK), &answer(1, 1, 100), begin + 2 * TICK);
        assert_eq!((rest, pace.frames), (Duration::from_millis(300), 1));
        let later = begin + Duration::from_secs(1);
        let target = pace.target_ns(later);
        let rest = pace.after(target, &answer(7, 2, 100), later);
        assert_eq!((rest, pace.frames), (Duration::from_millis(300), 1));
        assert_eq!(pace.target_ns(later), 7 * MS, "the lag is forgotten");
    }

    #[test]
    fn time_goes_on_from_where_a_measured_run_left_it() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        pace.after(0, &answer(0, 1, 1), begin);
        pace.after(50 * MS, &answer(12_000, 2001, 1), begin + TICK);
        assert_eq!(pace.target_ns(begin + 2 * TICK), 12_050 * MS);
    }
}
