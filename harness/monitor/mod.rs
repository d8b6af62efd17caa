//! Following a board's log: each line with the host's time, K1's lines taken apart, and the addresses of a panic as
//! functions and source lines.
//!
//! The port may vanish and come back, as a chip's own USB port does with each reset: that is told, and the log goes on.
//! Not for keys: nothing is ever written to the board.

mod line;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serialport::TTYPort;
use tokio::sync::mpsc;

use crate::blame::Blame;
use crate::board::serial::{PortError, PortGuard, SerialPort};
use crate::profile::{self, ProfileError, Symbols};

use line::Named;

pub use line::LogLine;

/// How long a read waits, and how often a port that is gone is looked for.
const PATIENCE: Duration = Duration::from_millis(100);
/// A longer line comes in pieces of so many bytes.
const LONGEST: usize = 4096;

/// What the port brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Heard {
    Line(Line),
    /// The port is gone.
    Gone(Stamp),
    /// It is back.
    Back(Stamp),
}

/// When something was heard, by the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stamp {
    /// Since the monitor began.
    pub monotonic_us: u64,
    /// RFC 3339, UTC.
    pub wall: String,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Of its first byte.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// Without colours and line end; invalid UTF-8 is replaced.
    pub text: String,
    /// If it is a line of K1's logger.
    pub log: Option<LogLine>,
    /// The addresses of code that it names, as far as they are known.
    pub places: Vec<Place>,
}

/// An address of code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// As the line names it.
    pub address: u32,
    /// Innermost first: each was inlined into the next.
    pub functions: Vec<Function>,
}

/// A function at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Function {
    pub name: String,
    /// Empty if it is not known.
    pub file: String,
    /// From 1; 0 if it is not known.
    pub line: u32,
}

/// Why a log cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("cannot read the debug information in {path}: {reason}")]
    Elf { path: PathBuf, reason: String },
}

impl MonitorError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Port(PortError::Busy { .. }) => Blame::Infrastructure,
            Self::Port(_) => Blame::Configuration,
            Self::Elf { .. } => Blame::Input,
        }
    }
}

/// The log at a port. Dropping it ends the session within a tenth of a second.
#[derive(Debug)]
pub struct Monitor {
    heard: mpsc::UnboundedReceiver<Heard>,
    is_over: Arc<AtomicBool>,
}

impl Monitor {
    /// Begins to follow the log at `port`, at that speed. Addresses are looked up in `elf`.
    ///
    /// # Errors
    ///
    /// [`MonitorError`].
    pub async fn start(port: &SerialPort, baud: u32, elf: Option<&Path>) -> Result<Self, MonitorError> {
        let guard = PortGuard::take(port, "reading the log").await?;
        let (heard_sender, heard) = mpsc::unbounded_channel();
        let (ready, begun) = tokio::sync::oneshot::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let (port, elf, flag) = (port.clone(), elf.map(Path::to_owned), Arc::clone(&is_over));
        let read = move || {
            // On this thread, because the debug information cannot leave it.
            let symbols = elf.as_deref().map(symbols).transpose();
            let opened = port.open(baud, PATIENCE).map_err(MonitorError::from);
            match symbols.and_then(|symbols| Ok((symbols, opened?))) {
                Err(error) => drop(ready.send(Err(error))),
                Ok((symbols, open)) => {
                    let _ = ready.send(Ok(())); // nobody waits if the start was given up
                    let reader = Reader::new(symbols, heard_sender, flag);
                    reader.follow(&port, baud, open);
                }
            }
            drop(guard);
        };
        let monitor = Self { heard, is_over };
        tokio::task::spawn_blocking(read);
        match begun.await {
            Ok(begun) => begun.map(|()| monitor),
            // The thread ended without a word, which it does not.
            Err(_) => Ok(monitor),
        }
    }

    /// The next thing that the port brings; waits for it. It can be given up and asked again.
    pub async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn symbols(elf: &Path) -> Result<Symbols, MonitorError> {
    Symbols::open(elf).map_err(|e| {
        let reason = match e {
            ProfileError::Unfit { reason, .. } => reason,
            other => other.to_string(),
        };
        MonitorError::Elf { path: elf.to_owned(), reason }
    })
}

/// The thread at the port.
struct Reader {
    symbols: Option<Symbols>,
    heard: mpsc::UnboundedSender<Heard>,
    is_over: Arc<AtomicBool>,
    begun: Instant,
    /// The line that has not ended yet, since when.
    line: Vec<u8>,
    since: Option<Stamp>,
}

impl Reader {
    fn new(symbols: Option<Symbols>, heard: mpsc::UnboundedSender<Heard>, is_over: Arc<AtomicBool>) -> Self {
        let (begun, line) = (Instant::now(), Vec::new());
        Self { symbols, heard, is_over, begun, line, since: None }
    }

    fn follow(mut self, port: &SerialPort, baud: u32, open: TTYPort) {
        let mut open = Some(open);
        let mut buffer = [0; 1024];
        while !self.is_over.load(Ordering::Relaxed) {
            let Some(reading) = &mut open else {
                std::thread::sleep(PATIENCE);
                open = port.open(baud, PATIENCE).ok();
                if open.is_some() {
                    self.tell(Heard::Back(self.now()));
                }
                continue;
            };
            match reading.read(&mut buffer) {
                Ok(length) if length > 0 => self.take(&buffer[..length]),
                Err(e) if matches!(e.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {}
                Ok(_) | Err(_) => {
                    self.end_line();
                    self.tell(Heard::Gone(self.now()));
                    open = None;
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.since.is_none() {
                self.since = Some(self.now());
            }
            if byte != b'\n' {
                self.line.push(byte);
            }
            if byte == b'\n' || self.line.len() == LONGEST {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let Some(stamp) = self.since.take() else { return };
        let text = line::plain(&String::from_utf8_lossy(&std::mem::take(&mut self.line)));
        let places = line::addresses(&text).into_iter().filter_map(|named| self.look_up(named)).collect();
        let log = LogLine::read(&text);
        self.tell(Heard::Line(Line { stamp, text, log, places }));
    }

    fn look_up(&mut self, Named { address, code }: Named) -> Option<Place> {
        let places = self.symbols.as_mut()?.at(code).ok()?;
        // An address that is in no function is named by itself.
        let is_known = places.iter().any(|place| !place.function.starts_with("0x"));
        let function = |place: &profile::Place| Function {
            name: place.function.clone(),
            file: place.file.clone(),
            line: place.line,
        };
        is_known.then(|| Place { address, functions: places.iter().rev().map(function).collect() })
    }

    fn now(&self) -> Stamp {
        Stamp {
            monotonic_us: self.begun.elapsed().as_micros() as u64,
            wall: jiff::Timestamp::now().to_string(),
        }
    }

    fn tell(&self, heard: Heard) {
        let _ = self.heard.send(heard); // whoever does not listen any more ends this thread, too
    }
}
