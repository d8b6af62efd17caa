//! Arming a run, reading its frames while they are recorded, and noticing when the firmware dies instead.

use std::time::Duration;

use tokio::time::Instant;

use super::check::{Received, Run, check};
use super::{BoardSeen, Capture, CaptureError, Frame, Picture, Plan};
use crate::board::probe::{Frames, RING_CAPACITY};
use crate::board::{Board, BoardError, Cpu, ProbeInfo, RunArmed, RunOrder, RunState};
use crate::deploy::Deployment;
use crate::event::{Event, OnEvent};

/// How long a run may go without a new frame before it counts as stuck.
pub const SILENCE: Duration = Duration::from_secs(60);
/// How long a board may be unreachable in mid-run: the time of a restart after a crash.
const ABSENCE: Duration = Duration::from_secs(15);
/// Records per answer: 24 KB, which a chip can still put together in its memory.
const RECORDS: u32 = 512;
/// Pictures per capture.
const PICTURES: u32 = 64;
/// Between two looks at a board that does not answer or is busy.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The first and the longest pause between two readings of a run's records. An emulated CPU does not notice them. On
/// a chip the server goes before the drawing, so that each reading slows frames; its ring holds many seconds.
const fn pauses(cpu: Cpu) -> (Duration, Duration) {
    match cpu {
        Cpu::Emulated => (Duration::from_millis(2), Duration::from_millis(50)),
        Cpu::Chip => (Duration::from_millis(500), Duration::from_millis(1000)),
    }
}

/// Runs `plan` on `board`, which must still run what `deployment` proved, and reads its frames.
///
/// # Errors
///
/// See [`CaptureError`]; a run without a new frame for [`SILENCE`] is stuck.
pub async fn capture(
    deployment: &Deployment,
    board: &Board,
    plan: &Plan,
    on_event: OnEvent<'_>,
) -> Result<Capture, CaptureError> {
    capture_within(deployment, board, plan, SILENCE, on_event).await
}

/// As [`capture`], with a limit of one's own for the time without a new frame. The warm-up is such a time.
///
/// # Errors
///
/// See [`CaptureError`].
pub async fn capture_within(
    deployment: &Deployment,
    board: &Board,
    plan: &Plan,
    silence: Duration,
    on_event: OnEvent<'_>,
) -> Result<Capture, CaptureError> {
    if plan.frames == 0 || plan.frames > RING_CAPACITY {
        return Err(CaptureError::Frames { frames: plan.frames, limit: RING_CAPACITY });
    }
    let info = board.info().await?;
    still_deployed(deployment, board, &info)?;
    let reading = Reading { deployment, board, plan, silence, on_event };
    reading.hand_over_the_recording(&info).await?;
    let (run, received) = reading.read().await?;
    let (frames, rejected) = check(&run, &received);
    let pictures = reading.pictures(&run, &frames).await?;
    on_event(&Event::Captured {
        pattern: plan.pattern.clone(),
        frames: frames.len() as u32,
        rejected: rejected.len() as u32,
    });
    Ok(Capture {
        format: 1,
        plan: plan.clone(),
        board: BoardSeen {
            mac: board.mac.clone(),
            model: board.model.clone(),
            cpu: deployment.cpu,
            address: board.address.clone(),
        },
        elf_sha256: deployment.elf_sha256,
        boot_id: deployment.boot_id,
        run_id: run.id,
        tick_hz: run.tick_hz,
        frames,
        rejected,
        pictures,
    })
}

/// Whether the board is in the boot that `deployment` proved.
fn still_deployed(deployment: &Deployment, board: &Board, info: &ProbeInfo) -> Result<(), CaptureError> {
    let reason = if board.mac != deployment.mac {
        format!("it is the board {}, not {}", board.mac, deployment.mac)
    } else if info.boot_id != deployment.boot_id {
        match &info.panic {
            Some(panic) => format!("it restarted after {} crashed: {}", panic.pattern, panic.reason),
            None => format!("it restarted ({})", info.reset_reason),
        }
    } else if info.image_sha256 != Some(deployment.elf_sha256) {
        let running = info.image_sha256.map_or_else(|| "none".to_owned(), |sha| sha.short());
        format!("its image is {running}, not {}", deployment.elf_sha256.short())
    } else {
        return Ok(());
    };
    Err(CaptureError::Changed { board: board.address.to_string(), reason })
}

/// A run that is armed and read.
struct Reading<'a> {
    deployment: &'a Deployment,
    board: &'a Board,
    plan: &'a Plan,
    silence: Duration,
    on_event: OnEvent<'a>,
}

impl Reading<'_> {
    /// Arms the run and reads its records while they are recorded.
    async fn read(&self) -> Result<(Run, Vec<Received>), CaptureError> {
        // All frames of the run come after what is recorded now. To read from there on also catches those of a
        // board that goes on recording after the run and overwrites its ring.
        let mut next = self.frames(u32::MAX, 1).await?.first_sequence;
        let armed = self.arm().await?;
        if armed.boot_id != self.deployment.boot_id {
            return Err(self.ended().await);
        }
        (self.on_event)(&Event::RunArmed { pattern: self.plan.pattern.clone(), frames: self.plan.frames });
        let mut received = Vec::new();
        let mut recorded = 0;
        let mut begun = false;
        let (first_pause, longest_pause) = pauses(self.deployment.cpu);
        let mut pause = first_pause;
        let mut last_news = Instant::now();
        loop {
            let answer = self.frames(next, RECORDS).await?;
            if answer.run_id == armed.run_id {
                begun = true;
            } else if begun {
                return Err(
                    self.changed(format!("its run {} was replaced by run {}", armed.run_id, answer.run_id))
                );
            }
            let run = Run {
                id: armed.run_id,
                first_sequence: answer.run_first_sequence,
                frames: self.plan.frames,
                tick_hz: answer.tick_hz,
            };
            let full = answer.records.len() >= RECORDS as usize;
            let before = recorded;
            for (offset, record) in (0..).zip(answer.records) {
                recorded += u32::from(record.run_id == run.id);
                received.push(Received { place: answer.first_sequence.wrapping_add(offset), record });
                next = answer.first_sequence.wrapping_add(offset).wrapping_add(1);
            }
            if recorded > before {
                last_news = Instant::now();
                pause = first_pause;
                let (pattern, of) = (self.plan.pattern.clone(), self.plan.frames);
                (self.on_event)(&Event::RunProgress { pattern, frames: recorded.min(of), of });
            }
            // Sequence numbers wrap around; before the run's first frame the difference is negative.
            let past_the_end =
                next.wrapping_sub(run.first_sequence).cast_signed() >= run.frames.cast_signed();
            if begun && answer.run_state == RunState::Done && (past_the_end || !full) {
                return Ok((run, received));
            }
            if last_news.elapsed() >= self.silence {
                return Err(self.stuck(recorded));
            }
            if !full {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest_pause);
            }
        }
    }

    /// Gives the board the plan's recording, if it has one that the board does not keep yet.
    async fn hand_over_the_recording(&self, info: &ProbeInfo) -> Result<(), CaptureError> {
        let Some(name) = self.plan.stimulus.recording() else { return Ok(()) };
        let cannot = |reason: String| CaptureError::NoRecordings {
            board: self.board.address.to_string(),
            recording: name.to_string(),
            reason,
        };
        if info.recording_limit == 0 {
            return Err(cannot("its firmware plays named stimuli only".to_owned()));
        }
        if info.recording == Some(name.sha256) {
            return Ok(());
        }
        let wanted = name.clone();
        let loading = tokio::task::spawn_blocking(move || wanted.load());
        let recording = loading.await.map_err(|e| cannot(e.to_string()))??;
        let (bytes, limit) = (recording.bytes().len(), info.recording_limit);
        if bytes as u64 > u64::from(limit) {
            return Err(cannot(format!("it has {bytes} bytes, and the board has room for {limit}")));
        }
        match self.board.keep_recording(&recording).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explained(error).await),
        }
    }

    /// Starts the run. The board itself says whether it has the pattern; only then its list is asked for, which
    /// it hands out once a second.
    async fn arm(&self) -> Result<RunArmed, CaptureError> {
        let Plan { pattern, seed, warmup, frames, stimulus, audio } = self.plan;
        let (seed, warmup, frames, audio) = (*seed, *warmup, *frames, *audio);
        let order = RunOrder { pattern, seed, warmup, frames, stimulus, audio };
        let asked = Instant::now();
        loop {
            match self.board.run(&order).await {
                // A run that somebody gave up reading is still under way.
                Err(BoardError::Refused { status: 409, .. }) if asked.elapsed() < self.silence => {
                    tokio::time::sleep(LONGEST_PAUSE).await;
                }
                Err(refused @ BoardError::Refused { status: 404, .. }) => {
                    let known: Vec<_> =
                        self.board.patterns().await?.patterns.into_iter().map(|p| p.id).collect();
                    if known.contains(pattern) {
                        return Err(refused.into());
                    }
                    return Err(CaptureError::NoPattern {
                        board: self.board.address.to_string(),
                        pattern: pattern.clone(),
                        known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
                    });
                }
                Err(error) => return Err(self.explained(error).await),
                Ok(armed) => return Ok(armed),
            }
        }
    }

    /// Records of the boot that was deployed to. A board that does not answer may have crashed: its return, which
    /// tells, is waited for.
    async fn frames(&self, since: u32, max: u32) -> Result<Frames, CaptureError> {
        let asked = Instant::now();
        loop {
            match self.board.frames(since, max).await {
                Ok(answer) if answer.boot_id == self.deployment.boot_id => return Ok(answer),
                Ok(_) => return Err(self.ended().await),
                Err(BoardError::Unreachable { .. }) if asked.elapsed() < ABSENCE => {
                    tokio::time::sleep(LONGEST_PAUSE).await;
                }
                Err(error) => return Err(self.explained(error).await),
            }
        }
    }

    /// The pictures of evenly spaced frames. Only those whose bytes have the hash of their frame: the ring may
    /// have moved on.
    async fn pictures(&self, run: &Run, frames: &[Frame]) -> Result<Vec<Picture>, CaptureError> {
        let every = run.frames.div_ceil(PICTURES).max(1);
        let answer = match self.board.pictures(run.first_sequence, PICTURES, every).await {
            Ok(answer) if answer.boot_id == self.deployment.boot_id => answer,
            Ok(_) => return Err(self.ended().await),
            Err(error) => return Err(self.explained(error).await),
        };
        let first = answer.first_sequence.wrapping_sub(run.first_sequence);
        let indices = (0..).map(|place: u32| first.wrapping_add(place.wrapping_mul(answer.every)));
        let genuine = indices.zip(&answer.pictures).filter(|(index, rgb)| {
            let frame = frames.binary_search_by_key(index, |frame| frame.index);
            frame.is_ok_and(|at| frames[at].led_hash == fnv1a(rgb))
        });
        Ok(genuine.map(|(index, rgb)| Picture { index, rgb_hex: hex(rgb) }).collect())
    }

    /// What is behind `error`: a crash, if the board is in another boot by now.
    async fn explained(&self, error: BoardError) -> CaptureError {
        match self.board.info_if_up().await {
            Ok(info) if info.boot_id != self.deployment.boot_id => self.after(&info),
            _ => error.into(),
        }
    }

    /// Why the boot that was deployed to is over.
    async fn ended(&self) -> CaptureError {
        match self.board.info().await {
            Ok(info) => self.after(&info),
            Err(error) => error.into(),
        }
    }

    /// What `info`, of a later boot, says about the end of the one that was deployed to.
    fn after(&self, info: &ProbeInfo) -> CaptureError {
        match &info.panic {
            Some(panic) if panic.boot_id == self.deployment.boot_id => {
                CaptureError::Died { board: self.board.address.to_string(), panic: panic.clone() }
            }
            _ => match still_deployed(self.deployment, self.board, info) {
                Err(changed) => changed,
                Ok(()) => self.changed("it named another boot in mid-run".to_owned()),
            },
        }
    }

    fn changed(&self, reason: String) -> CaptureError {
        CaptureError::Changed { board: self.board.address.to_string(), reason }
    }

    fn stuck(&self, recorded: u32) -> CaptureError {
        CaptureError::Stuck {
            board: self.board.address.to_string(),
            pattern: self.plan.pattern.clone(),
            recorded,
            frames: self.plan.frames,
            seconds: self.silence.as_secs(),
        }
    }
}

/// FNV-1a, 32 bit: what `FrameRecord.led_hash` is.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
