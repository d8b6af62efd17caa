//! A board with a serial port, and a client that reads it.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k1_hil::board::lease::Locks;
use k1_hil::board::serial::SerialPort;
use k1_hil::board::{Board, ProbeInfo};
use k1_hil::vboard::{Options, VirtualBoard};
use serialport::TTYPort;

use crate::images::images;

/// Nothing in these tests takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// The flash of a board in the order of its bytes.
pub const APP: usize = 0x1_0000;

pub const MAC: &str = "A0:B7:65:12:34:56";

/// A board without an application.
pub async fn blank_board() -> VirtualBoard {
    let options =
        Options { mac: [0xA0, 0xB7, 0x65, 0x12, 0x34, 0x56], ..Options::new(images().await.qemu.clone()) };
    VirtualBoard::start(options).await.unwrap()
}

/// The port of a board, at `path`, with locks that only this board's sessions share: the kernel gives the name of a port
/// that is gone to the next board of these tests, while a session may still wait for the first one to come back.
pub fn port_at(board: &VirtualBoard, path: impl Into<PathBuf>) -> SerialPort {
    SerialPort { locks: Locks::at(locks_of(board)), ..SerialPort::at(path) }
}

/// As [`port_at`], where the port is now.
pub fn port_of(board: &VirtualBoard) -> SerialPort {
    port_at(board, board.serial_port())
}

/// The folder of those locks.
pub fn locks_of(board: &VirtualBoard) -> PathBuf {
    let number = board.address().http_port.to_string();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("serial-locks").join(number)
}

/// Waits until the board answers, and what its probe says then.
pub async fn info(board: &VirtualBoard) -> ProbeInfo {
    let connecting = async {
        loop {
            if let Ok(board) = Board::connect(board.address()).await {
                return board.info().await.unwrap();
            }
        }
    };
    tokio::time::timeout(LIMIT, connecting).await.expect("the board answers")
}

/// Checks that a flash which was `before` is now the same but for `contents` at [`APP`], in whole sectors.
pub fn holds_only(after: &[u8], contents: &[u8], before: &[u8]) {
    assert!(after[APP..][..contents.len()] == *contents);
    assert!(after[..APP] == before[..APP], "what is in front of it is untouched");
    let erased_to = (APP + contents.len()).next_multiple_of(4096);
    assert!(after[APP + contents.len()..erased_to].iter().all(|&byte| byte == 0xFF));
    assert!(after[erased_to..] == before[erased_to..], "and what is behind its last sector");
}

/// Bytes that do not compress well, so that several blocks are sent.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8 & 0x3F
    };
    (0..length).map(next).collect()
}

/// A client of the port.
pub struct Client {
    port: TTYPort,
    /// All that was read and not handed out.
    text: String,
}

impl Client {
    pub fn open(path: &Path) -> Self {
        Self::open_at(path, 115_200)
    }

    pub fn open_at(path: &Path, baud: u32) -> Self {
        let port = SerialPort::at(path).open(baud, Duration::from_millis(50)).unwrap();
        Self { port, text: String::new() }
    }

    pub fn press(&mut self, keys: &str) {
        self.port.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until `mark` comes; all up to its end, without colours.
    pub async fn until(self, mark: &'static str) -> (Self, String) {
        let reading = tokio::task::spawn_blocking(move || self.read_until(mark));
        reading.await.unwrap()
    }

    fn read_until(mut self, mark: &str) -> (Self, String) {
        let begun = Instant::now();
        let mut buffer = [0; 1024];
        loop {
            if let Some(at) = self.text.find(mark) {
                let rest = self.text.split_off(at + mark.len());
                let read = std::mem::replace(&mut self.text, rest);
                return (self, read);
            }
            assert!(begun.elapsed() < LIMIT, "no {mark:?} in {}", self.text);
            if let Ok(length) = self.port.read(&mut buffer) {
                self.text += &without_colours(&String::from_utf8_lossy(&buffer[..length]));
            }
        }
    }
}

/// As far as colours are not cut by the end of a read, which no test depends on.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('m').map_or(part, |(_, rest)| rest))
}
