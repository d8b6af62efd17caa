//! Arming a run, reading its frames while they are recorded, and noticing when the firmware dies instead.

use std::time::Duration;

use tokio::time::Instant;

use super::check::{Received, Run, check};
use super::{BoardSeen, Capture, CaptureError, Frame, Picture, Plan};
use crate::board::probe::RING_CAPACITY;
use crate::board::{Board, BoardError, Panic, ProbeInfo, RunArmed, RunOrder, RunState};
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
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

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
    still_deployed(deployment, board, &board.info().await?)?;
    // All frames of the run come after what is recorded now; that also catches those of a board that goes on
    // recording afterwards and overwrites its ring.
    let next = board.frames(u32::MAX, 1).await?.first_sequence;
    let armed = arm(board, plan).await?;
    if armed.boot_id != deployment.boot_id {
        return Err(ended(deployment, board).await);
    }
    on_event(&Event::RunArmed { pattern: plan.pattern.clone(), frames: plan.frames });
    let reading = Reading { deployment, board, plan, armed, silence, on_event };
    let (run, received) = reading.read(next).await?;
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

/// Starts the run. The board itself says whether it has the pattern; only then its list is asked for, which it
/// hands out once a second.
async fn arm(board: &Board, plan: &Plan) -> Result<RunArmed, CaptureError> {
    let Plan { pattern, seed, warmup, frames, stimulus } = plan;
    let order = RunOrder { pattern, seed: *seed, warmup: *warmup, frames: *frames, stimulus: *stimulus };
    match board.run(&order).await {
        Err(refused @ BoardError::Refused { status: 404, .. }) => {
            let known: Vec<String> = board.patterns().await?.patterns.into_iter().map(|p| p.id).collect();
            if known.contains(pattern) {
                return Err(refused.into());
            }
            Err(CaptureError::NoPattern {
                board: board.address.to_string(),
                pattern: pattern.clone(),
                known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
            })
        }
        other => Ok(other?),
    }
}

/// Why the boot that `deployment` proved is over.
async fn ended(deployment: &Deployment, board: &Board) -> CaptureError {
    match board.info().await {
        Ok(ProbeInfo { panic: Some(panic @ Panic { boot_id, .. }), .. }) if boot_id == deployment.boot_id => {
            CaptureError::Died { board: board.address.to_string(), panic }
        }
        Ok(info) => match still_deployed(deployment, board, &info) {
            Err(changed) => changed,
            Ok(()) => CaptureError::Changed {
                board: board.address.to_string(),
                reason: format!("it named another boot than {} in mid-run", deployment.boot_id),
            },
        },
        Err(error) => error.into(),
    }
}

/// An armed run.
struct Reading<'a> {
    deployment: &'a Deployment,
    board: &'a Board,
    plan: &'a Plan,
    armed: RunArmed,
    silence: Duration,
    on_event: OnEvent<'a>,
}

impl Reading<'_> {
    /// Reads the records from the sequence number `next` on, until the run is done and its last frame read.
    async fn read(&self, mut next: u32) -> Result<(Run, Vec<Received>), CaptureError> {
        let mut received = Vec::new();
        let mut recorded = 0;
        let mut begun = false;
        let mut pause = FIRST_PAUSE;
        let (mut last_news, mut last_answer) = (Instant::now(), Instant::now());
        loop {
            let answer = match self.board.frames(next, RECORDS).await {
                Ok(answer) => answer,
                // It may have crashed and be on its way back.
                Err(BoardError::Unreachable { .. }) if last_answer.elapsed() < ABSENCE => {
                    tokio::time::sleep(LONGEST_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            last_answer = Instant::now();
            if answer.boot_id != self.deployment.boot_id {
                return Err(ended(self.deployment, self.board).await);
            }
            if answer.run_id == self.armed.run_id {
                begun = true;
            } else if begun {
                return Err(self.changed(format!(
                    "its run {} was replaced by run {}",
                    self.armed.run_id, answer.run_id
                )));
            }
            let run = Run {
                id: self.armed.run_id,
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
                pause = FIRST_PAUSE;
                let (pattern, of) = (self.plan.pattern.clone(), self.plan.frames);
                (self.on_event)(&Event::RunProgress { pattern, frames: recorded.min(of), of });
            }
            let past_the_end = next.wrapping_sub(run.first_sequence) >= run.frames;
            if begun && answer.run_state == RunState::Done && (past_the_end || !full) {
                return Ok((run, received));
            }
            if last_news.elapsed() >= self.silence {
                return Err(self.stuck(recorded));
            }
            if !full {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// The pictures of evenly spaced frames. Only those whose bytes have the hash of their frame: the ring may
    /// have moved on.
    async fn pictures(&self, run: &Run, frames: &[Frame]) -> Result<Vec<Picture>, CaptureError> {
        let every = run.frames.div_ceil(PICTURES).max(1);
        let answer = self.board.pictures(run.first_sequence, PICTURES, every).await?;
        if answer.boot_id != self.deployment.boot_id {
            return Err(ended(self.deployment, self.board).await);
        }
        let first = answer.first_sequence.wrapping_sub(run.first_sequence);
        let indices = (0..).map(|place: u32| first.wrapping_add(place.wrapping_mul(answer.every)));
        let genuine = indices.zip(&answer.pictures).filter(|(index, rgb)| {
            let frame = frames.binary_search_by_key(index, |frame| frame.index);
            frame.is_ok_and(|at| frames[at].led_hash == fnv1a(rgb))
        });
        Ok(genuine.map(|(index, rgb)| Picture { index, rgb_hex: hex(rgb) }).collect())
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
