//! Whether a capture can be judged at all.
//!
//! A run is judged whole or not at all: a frame that was lost may be the slow one, so every tolerance for lost
//! frames is a way to pass by losing them. A torn record can be read again while the ring holds it, and a run
//! never exceeds the ring; so a loss that remains is a fault to be mended, not noise to be allowed for.

use crate::capture::{Capture, Frame, Rejection};

/// Why a capture cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Stored by another version of this program.
    #[error("the capture has format {found}; this version reads format 1")]
    Format { found: u32 },
    /// Ticks without a rate are no times.
    #[error("the board named no tick rate")]
    NoTickRate,
    /// Nothing was measured.
    #[error("no frame was measured")]
    NoFrames,
    /// A rate needs two starts.
    #[error("one frame has no frame rate; a run needs at least 2 frames")]
    OneFrame,
    /// Frames of the plan are not there.
    #[error(
        "{missing} of {planned} frames cannot be used ({}); a lost frame may be the slow one, so a run is judged only whole",
        causes(reasons)
    )]
    Missing { missing: u32, planned: u32, reasons: Vec<(Rejection, u32)> },
    /// The frames are not those of one run, in order.
    #[error("the capture contradicts itself: frame {index} stands where frame {expected} should be")]
    Order { index: u32, expected: u32 },
    /// More frames than the plan asked for.
    #[error("the capture contradicts itself: it has {found} frames of a run of {planned}")]
    Surplus { found: usize, planned: u32 },
    /// Board time stood still or ran backwards.
    #[error("the capture contradicts itself: frame {index} does not begin after the frame before it")]
    Time { index: u32 },
    /// The firmware did not send what it drew, which makes frames look fast (K1's quiet-skip).
    #[error(
        "{skipped} of {frames} frames were drawn but not sent: the firmware skips frames in silence, which looks fast; give it a stimulus other than silence"
    )]
    QuietSkip { skipped: usize, frames: usize },
}

/// Says whether `capture` can be judged.
///
/// # Errors
///
/// The first reason that holds, in the order of [`Unusable`]'s variants.
pub fn usable(capture: &Capture) -> Result<(), Unusable> {
    let frames = &capture.frames;
    let planned = capture.plan.frames;
    if capture.format != 1 {
        return Err(Unusable::Format { found: capture.format });
    }
    if capture.tick_hz == 0 {
        return Err(Unusable::NoTickRate);
    }
    if frames.is_empty() {
        return Err(Unusable::NoFrames);
    }
    if frames.len() > planned as usize {
        return Err(Unusable::Surplus { found: frames.len(), planned });
    }
    let missing = planned - frames.len() as u32;
    if missing > 0 {
        return Err(Unusable::Missing { missing, planned, reasons: reasons(capture, missing) });
    }
    if frames.len() == 1 {
        return Err(Unusable::OneFrame);
    }
    in_order(frames)?;
    sent(frames)
}

/// How many frames were rejected for which reason; frames that nothing was said of are missing.
fn reasons(capture: &Capture, missing: u32) -> Vec<(Rejection, u32)> {
    let count = |reason| capture.rejected.iter().filter(|r| r.reason == reason).count() as u32;
    let (torn, impossible) = (count(Rejection::Torn), count(Rejection::Impossible));
    [
        (Rejection::Missing, missing.saturating_sub(torn).saturating_sub(impossible)),
        (Rejection::Torn, torn),
        (Rejection::Impossible, impossible),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .collect()
}

fn causes(reasons: &[(Rejection, u32)]) -> String {
    let word = |reason: &Rejection| match reason {
        Rejection::Missing => "missing",
        Rejection::Torn => "torn",
        Rejection::Impossible => "impossible",
    };
    reasons.iter().map(|(reason, count)| format!("{count} {}", word(reason))).collect::<Vec<_>>().join(", ")
}

fn in_order(frames: &[Frame]) -> Result<(), Unusable> {
    for (frame, expected) in frames.iter().zip(0..) {
        if frame.index != expected {
            return Err(Unusable::Order { index: frame.index, expected });
        }
    }
    match frames.windows(2).find(|pair| pair[1].start_ns <= pair[0].start_ns) {
        Some(pair) => Err(Unusable::Time { index: pair[1].index }),
        None => Ok(()),
    }
}

/// A single frame with neither quantisation nor transmission happens where the stock firmware resets its sums;
/// two in a row are quiet-skip.
fn sent(frames: &[Frame]) -> Result<(), Unusable> {
    let unsent = |frame: &Frame| frame.quantize_ticks == 0 && frame.transmit_ticks == 0;
    if frames.windows(2).any(|pair| pair.iter().all(unsent)) {
        let skipped = frames.iter().filter(|frame| unsent(frame)).count();
        return Err(Unusable::QuietSkip { skipped, frames: frames.len() });
    }
    Ok(())
}
