//! What the K1 firmware says again and again, by board time.
//!
//! While a measured run goes faster than the wall, board time jumps; then one line stands for all that were due, and
//! its counts are of all frames since the one before. So the counts of frames always add up.
//!
//! The emulated CPU does not tell what its patterns hear, so levels and tempo in these lines are constants; frames,
//! pattern and times are the board's.

use super::k1_log::{Message, info};
use crate::vboard::frame_metrics::History;
use crate::vboard::mailbox::Status;

const SECOND_NS: u64 = 1_000_000_000;
/// Audio chunks a second: 64 samples at 12.8 kHz.
const AUDIO_NS: u64 = 5_000_000;
/// Heartbeats that the firmware remembers.
const REMEMBERED: usize = 32;

/// When each line is due, in seconds of board time.
const HEARTBEAT: u64 = 1;
const BPM: u64 = 3;
const TEMPO: u64 = 10;
const PROFILE: u64 = 15;

/// The periodic lines of one boot.
#[derive(Debug, Default)]
pub struct Periodic {
    /// Of the last look.
    second: u64,
    last: Heartbeat,
    heartbeats: Vec<Heartbeat>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Heartbeat {
    at_ns: u64,
    frames: u32,
    frame_delta: u32,
    audio: u64,
    audio_delta: u64,
    pattern: u32,
}

impl Periodic {
    /// The lines that became due since the last look; `history` is asked for only if one needs it.
    pub fn due(&mut self, status: &Status, history: impl FnOnce() -> Option<History>) -> Vec<Message> {
        let second = status.now_ns / SECOND_NS;
        let is_due = |period: u64| second / period > self.second / period;
        let mut due = Vec::new();
        let (bpm, tempo, profile) = (is_due(BPM), is_due(TEMPO), is_due(PROFILE));
        if is_due(HEARTBEAT) {
            due.push(self.heartbeat(status));
        }
        if bpm {
            due.push(info('A', "BPM: \x1b[1;33m118.5\x1b[0m | VU: 0.21"));
        }
        if tempo {
            let text = "tempo classic bpm=118.5 conf=0.12 lock=UNLOCKED power_sum=1.234 dom_bin=120";
            due.push(info('T', text));
        }
        if profile && let Some(history) = history() {
            let averages = history.averages();
            due.push(info('P', format!("FPS: {:.1}", history.fps())));
            due.push(info(
                'P',
                format!(
                    "avg_ms render/quantize/wait/tx: {:.2} / {:.2} / {:.2} / {:.2}",
                    averages.render_us / 1000.0,
                    averages.quantize_us / 1000.0,
                    averages.wait_us / 1000.0,
                    averages.transmit_us / 1000.0
                ),
            ));
        }
        self.second = second;
        due
    }

    /// What the firmware remembers of its heartbeats, as its menu shows it.
    pub fn dump(&self) -> String {
        let head = format!("[heartbeat] samples={}\n", self.heartbeats.len());
        let line = |beat: &Heartbeat| {
            let Heartbeat { at_ns, frames, frame_delta, audio, audio_delta, pattern } = *beat;
            format!(
                "t={}ms frames={frames} (+{frame_delta}) audio={audio} (+{audio_delta}) snap={audio} (+{audio_delta}) \
                 loop_stall=0ms audio_stall=0ms led_idle=0ms pattern={pattern} vu=0.210 raw=0.210 tempo=0.120 \
                 silence=0 beat_q=0\n",
                at_ns / 1_000_000
            )
        };
        head + &self.heartbeats.iter().map(line).collect::<String>()
    }

    fn heartbeat(&mut self, status: &Status) -> Message {
        let audio = status.now_ns / AUDIO_NS;
        let beat = Heartbeat {
            at_ns: status.now_ns,
            frames: status.next_sequence,
            frame_delta: status.next_sequence.wrapping_sub(self.last.frames),
            audio,
            audio_delta: audio - self.last.audio,
            pattern: status.current_pattern,
        };
        self.last = beat;
        if self.heartbeats.len() == REMEMBERED {
            self.heartbeats.remove(0);
        }
        self.heartbeats.push(beat);
        let Heartbeat { frame_delta, audio_delta, pattern, .. } = beat;
        info(
            'X',
            format!(
                "[HEARTBEAT] frames=+{frame_delta} audio=+{audio_delta} snap={audio}(+{audio_delta}) pat={pattern} \
                 vu=0.210 tempo=0.120 silence=0"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vboard::mailbox::CommandResult;

    fn status(now_ms: u64, next_sequence: u32) -> Status {
        Status {
            reply_number: 0,
            result: CommandResult::Done,
            current_pattern: 3,
            next_sequence,
            run_id: 0,
            run_state: 0,
            run_first_sequence: 0,
            run_recorded: 0,
            now_ns: now_ms * 1_000_000,
            heap_free: 0,
        }
    }

    fn due(periodic: &mut Periodic, now_ms: u64, frames: u32) -> Vec<String> {
        let lines = periodic.due(&status(now_ms, frames), || Some(History::default()));
        lines.into_iter().map(|(_, tag, text)| format!("{tag} {text}")).collect()
    }

    #[test]
    fn a_line_comes_once_each_time_it_is_due() {
        let mut periodic = Periodic::default();
        assert!(due(&mut periodic, 999, 166).is_empty());
        let beat = "X [HEARTBEAT] frames=+167 audio=+200 snap=200(+200) pat=3 vu=0.210 tempo=0.120 silence=0";
        assert_eq!(due(&mut periodic, 1000, 167), [beat]);
        assert!(due(&mut periodic, 1900, 300).is_empty());
        assert_eq!(due(&mut periodic, 3000, 500).len(), 2, "with the tempo");
    }

    #[test]
    fn after_a_jump_each_line_comes_once_and_no_frame_is_lost() {
        let mut periodic = Periodic::default();
        due(&mut periodic, 1000, 167);
        let lines = due(&mut periodic, 16_500, 2000);
        assert_eq!(lines.len(), 5);
        assert!(lines[0].starts_with("X [HEARTBEAT] frames=+1833 "), "{lines:?}");
        assert!(lines[3].starts_with("P FPS: "), "{lines:?}");
        assert_eq!(periodic.dump().lines().count(), 3);
    }
}
