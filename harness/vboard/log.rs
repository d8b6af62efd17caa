//! The last lines that the board said, over all boots, and what its serial port is to make of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::mpsc;

use super::boot::{Boot, ResetReason};
use super::mailbox::PanicRecord;
use crate::digest::Sha;

/// How many lines are kept.
const LINES: usize = 1000;
/// What the serial port has not dealt with yet; more than that, and it is lost, as on a port that nobody reads.
const UNHEARD: usize = 1024;

/// A log that several threads write to.
#[derive(Debug, Default)]
pub struct Log {
    lines: Mutex<VecDeque<String>>,
    port: OnceLock<mpsc::Sender<Said>>,
}

/// What concerns the serial port.
#[derive(Debug)]
pub enum Said {
    /// The firmware wrote this line itself.
    Firmware(String),
    /// The board did something.
    Board(String),
    /// The chip begins to boot.
    Reset(ResetReason),
    /// The application gave up; the SHA-256 is that of its ELF.
    Panic(PanicRecord, Option<Sha>),
    /// The board is up.
    Up(Arc<Boot>),
}

impl Log {
    /// Adds a line about what the board did; the oldest goes when there are too many.
    pub fn push(&self, line: impl Into<String>) {
        let line = line.into();
        self.tell(Said::Board(line.clone()));
        self.keep(line);
    }

    /// Adds a line that the firmware wrote on its serial port.
    pub fn hear(&self, line: String) {
        self.tell(Said::Firmware(line.clone()));
        self.keep(line);
    }

    /// Tells the serial port, if there is one.
    pub fn tell(&self, said: Said) {
        if let Some(port) = self.port.get() {
            let _ = port.try_send(said); // see `UNHEARD`
        }
    }

    /// What is said from now on, for the serial port; none if there is one already.
    pub fn listen(&self) -> Option<mpsc::Receiver<Said>> {
        let (sender, receiver) = mpsc::channel(UNHEARD);
        self.port.set(sender).ok().map(|()| receiver)
    }

    fn keep(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// All lines, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_go_first() {
        let log = Log::default();
        (0..LINES + 2).for_each(|n| log.push(n.to_string()));
        let lines = log.lines();
        assert_eq!((lines.len(), lines[0].as_str(), lines[LINES - 1].as_str()), (LINES, "2", "1001"));
    }
}
