//! The probe's side of recordings: handing one to the firmware, and knowing which one it keeps.

use std::sync::Arc;

use super::boot::{App, Boot};
use super::cpu::End;
use super::mailbox::{Command, CommandResult};
use crate::audio::Recording;
use crate::digest::Sha;

/// The recording of one boot. While the lock on it is held, no other is handed over.
#[derive(Debug, Default)]
pub struct Kept {
    /// What the firmware keeps once it has done all commands that it was given.
    sha256: Option<Sha>,
}

impl Kept {
    pub const fn sha256(&self) -> Option<Sha> {
        self.sha256
    }
}

/// Gives `recording` to the firmware of `app`, which keeps it in place of the one before. Whether it did is known at the
/// end; commands that are given meanwhile find it there.
///
/// # Errors
///
/// The [`End`] if the emulator ended first.
pub async fn keep(boot: &Boot, app: &App, recording: &Recording) -> Result<bool, Arc<End>> {
    let sha256 = recording.sha256();
    let reply = {
        let mut kept = boot.recording();
        kept.sha256 = Some(sha256);
        app.cpu.post(Command::Recording { bytes: recording.bytes().into() })
    };
    let Ok(reply) = reply.await else { return Err(app.cpu.ended().await) };
    let is_kept = reply.status.result == CommandResult::Done;
    let mut kept = boot.recording();
    if !is_kept && kept.sha256 == Some(sha256) {
        kept.sha256 = None;
    }
    Ok(is_kept)
}
