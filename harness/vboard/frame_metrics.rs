//! What the K1 firmware says of its last frames: rates, averages, and the ring of 64 with its known fault.
//!
//! Source: K1.node1's `frame_metrics` and `profiler`; where they average over the frames since a periodic reset,
//! this board averages over the frames that it still has.

use std::io;

use serde::Serialize;

use super::boot::App;
use super::json::Float;
use crate::board::probe::{FrameRecord, RING_CAPACITY};

/// Slots of the firmware's ring.
const RING: u32 = 64;
/// Rates that the firmware averages.
const RATES: usize = 16;

/// The last frames, oldest first.
#[derive(Debug, Default)]
pub struct History {
    records: Vec<FrameRecord>,
    /// Frames since boot.
    total: u32,
    tick_hz: u32,
}

/// Means over all frames that are known, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Averages {
    pub render_us: f32,
    pub quantize_us: f32,
    pub wait_us: f32,
    pub transmit_us: f32,
}

/// `GET /api/frame-metrics`.
#[derive(Debug, Serialize)]
pub struct FrameMetrics {
    frame_count: u32,
    buffer_size: u32,
    avg_render_us: Float,
    avg_quantize_us: Float,
    avg_rmt_wait_us: Float,
    avg_rmt_tx_us: Float,
    avg_total_us: Float,
    frames: Vec<FrameMetric>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct FrameMetric {
    render_us: u32,
    quantize_us: u32,
    rmt_wait_us: u32,
    rmt_tx_us: u32,
    total_us: u32,
    heap_free: u32,
    fps: Float,
}

/// The answer as the firmware's accessor gives it: entry `i` is slot `(write index + i) % 64`, which is right only
/// once 64 frames were recorded; before that slots come back that were never written, as zeros.
pub fn last_64(history: &History) -> FrameMetrics {
    let frame_count = history.total.min(RING);
    let in_slot = |slot: u32| {
        let newest = history.total.checked_sub(1)?;
        let age = (newest % RING + RING - slot) % RING;
        (age <= newest).then(|| history.metric(age)).flatten()
    };
    let entry = |i| in_slot((history.total + i) % RING).unwrap_or_default();
    let frames: Vec<FrameMetric> = (0..frame_count).map(entry).collect();
    let mean = |of: fn(&FrameMetric) -> u32| {
        let sum: u64 = frames.iter().map(|frame| u64::from(of(frame))).sum();
        Float(sum as f32 / frames.len().max(1) as f32)
    };
    FrameMetrics {
        frame_count,
        buffer_size: RING,
        avg_render_us: mean(|frame| frame.render_us),
        avg_quantize_us: mean(|frame| frame.quantize_us),
        avg_rmt_wait_us: mean(|frame| frame.rmt_wait_us),
        avg_rmt_tx_us: mean(|frame| frame.rmt_tx_us),
        avg_total_us: mean(|frame| frame.total_us),
        frames,
    }
}

impl History {
    /// Reads the frames that `app` still has.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn read(app: &App) -> io::Result<Self> {
        let total = app.status()?.next_sequence;
        let count = total.min(RING_CAPACITY);
        let records = app.cpu.mailbox().records(total - count, count)?;
        // While the firmware draws, the oldest slot may be rewritten; what is torn or from the future is not history.
        let is_history = |record: &FrameRecord| record.is_whole() && record.sequence < total;
        let records = records.into_iter().filter(is_history).collect();
        Ok(Self { records, total, tick_hz: app.firmware.tick_hz })
    }

    /// Means over all frames.
    pub fn averages(&self) -> Averages {
        let mean = |of: fn(&FrameRecord) -> u32| {
            let sum: f64 = self.records.iter().map(|record| self.micros(of(record))).sum();
            (sum / self.records.len().max(1) as f64) as f32
        };
        Averages {
            render_us: mean(|record| record.render_ticks),
            quantize_us: mean(|record| record.quantize_ticks),
            wait_us: mean(|record| record.wait_ticks),
            transmit_us: mean(|record| record.transmit_ticks),
        }
    }

    /// Arithmetic mean of the last 16 rates; a slot that was not filled yet counts as 0.
    pub fn fps(&self) -> f32 {
        self.fps_before(0)
    }

    /// The 16 rates as they are stored: rate `n` since boot in slot `n % 16`.
    pub fn fps_slots(&self) -> [f32; RATES] {
        let mut slots = [0.0; RATES];
        for pair in self.records.windows(2).rev().take(RATES) {
            slots[pair[1].sequence as usize % RATES] = rate(pair);
        }
        slots
    }

    /// The share of time that the CPU drew and quantised, percent.
    pub fn cpu_percent(&self) -> f32 {
        let [first, .., last] = self.records.as_slice() else { return 0.0 };
        let working =
            |record: &FrameRecord| self.micros(record.render_ticks) + self.micros(record.quantize_ticks);
        let busy_us: f64 = self.records[..self.records.len() - 1].iter().map(working).sum();
        let span_us = last.start_ns.saturating_sub(first.start_ns) as f64 / 1000.0;
        if span_us > 0.0 { (100.0 * busy_us / span_us) as f32 } else { 0.0 }
    }

    /// Mean rate as it was `age` frames ago.
    fn fps_before(&self, age: usize) -> f32 {
        let known = &self.records[..self.records.len().saturating_sub(age)];
        known.windows(2).rev().take(RATES).map(rate).sum::<f32>() / RATES as f32
    }

    /// The frame that is `age` frames older than the newest.
    fn metric(&self, age: u32) -> Option<FrameMetric> {
        let index = self.records.len().checked_sub(1 + age as usize)?;
        let record = &self.records[index];
        let [render_us, quantize_us, rmt_wait_us, rmt_tx_us] =
            [record.render_ticks, record.quantize_ticks, record.wait_ticks, record.transmit_ticks]
                .map(|ticks| self.micros(ticks) as u32);
        // The firmware stores the mean from before the frame, as a 16-bit number of hundredths.
        let hundredths = (self.fps_before(age as usize + 1) * 100.0).round().min(f32::from(u16::MAX));
        Some(FrameMetric {
            render_us,
            quantize_us,
            rmt_wait_us,
            rmt_tx_us,
            total_us: render_us + quantize_us + rmt_wait_us + rmt_tx_us,
            heap_free: record.heap_free,
            fps: Float(hundredths / 100.0),
        })
    }

    fn micros(&self, ticks: u32) -> f64 {
        f64::from(ticks) * 1e6 / f64::from(self.tick_hz.max(1))
    }
}

/// Frames per second from one frame's beginning to the next one's.
fn rate(pair: &[FrameRecord]) -> f32 {
    match pair[1].start_ns.saturating_sub(pair[0].start_ns) / 1000 {
        0 => 0.0,
        micros => 1e6 / micros as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` frames, one each 6 ms; frame `n` takes `n` µs to draw.
    fn history(count: u32) -> History {
        let record = |n| FrameRecord {
            sequence: n,
            start_ns: u64::from(n) * 6_000_000,
            render_ticks: n * 250,
            transmit_ticks: 4_850 * 250,
            heap_free: 1000,
            ..FrameRecord::default()
        };
        History { records: (0..count).map(record).collect(), total: count, tick_hz: 250_000_000 }
    }

    fn renders(count: u32) -> Vec<u32> {
        last_64(&history(count)).frames.iter().map(|frame| frame.render_us).collect()
    }

    #[test]
    fn the_ring_is_right_once_it_is_full() {
        assert_eq!(renders(64), (0..64).collect::<Vec<_>>());
        assert_eq!(renders(1000), (936..1000).collect::<Vec<_>>());
    }

    #[test]
    fn before_that_it_begins_with_slots_that_were_never_written() {
        assert_eq!(renders(0), Vec::<u32>::new());
        assert_eq!(renders(32), vec![0; 32]);
        let expected: Vec<u32> = std::iter::repeat_n(0, 24).chain(0..16).collect();
        assert_eq!(renders(40), expected);
    }

    #[test]
    fn rates_are_the_mean_of_sixteen() {
        assert!((history(100).fps() - 166.666_67).abs() < 0.001);
        assert!((history(9).fps() - 83.333_33).abs() < 0.001, "eight rates and eight empty slots");
        assert_eq!(history(9).fps_slots().iter().filter(|&&rate| rate == 0.0).count(), 8);
        assert_eq!(History::default().fps(), 0.0);
    }

    #[test]
    fn times_are_micros_and_the_rate_is_that_of_the_frame_before() {
        let metrics = last_64(&history(100));
        let last = metrics.frames.last().unwrap();
        assert_eq!((last.render_us, last.rmt_tx_us, last.total_us), (99, 4850, 4949));
        assert_eq!(last.fps, Float(166.67));
        assert_eq!(metrics.avg_render_us, Float(67.5));
        assert!((history(101).cpu_percent() - 100.0 * 49.5 / 6000.0).abs() < 0.01);
    }
}
