//! What the board has said on its port and nobody has taken yet.
//!
//! A burst waits here until a client that listens takes it. Without one, text is old after a second and goes, as on the
//! USB port of a real board: a client that comes later hears what is said from then on.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::pty::Pty;

/// More text than that is not kept, bytes.
const MOST: usize = 64 * 1024;
/// Who has not taken everything for so long does not listen.
const OLD: Duration = Duration::from_secs(1);

/// Text on its way to the clients.
#[derive(Debug)]
pub struct Output {
    queue: VecDeque<u8>,
    /// When everything had been taken last.
    taken: Instant,
}

impl Default for Output {
    fn default() -> Self {
        Self { queue: VecDeque::new(), taken: Instant::now() }
    }
}

impl Output {
    /// Adds `text`, whole or, if there is no room, not at all.
    pub fn push(&mut self, text: &str) {
        if self.queue.len() + text.len() <= MOST {
            self.queue.extend(text.as_bytes());
        }
    }

    /// Writes some of it; never ends if there is nothing to write.
    pub async fn write(&mut self, port: &AsyncFd<Arc<Pty>>) {
        if self.queue.is_empty() {
            return std::future::pending().await;
        }
        let queue = &self.queue;
        let written = port.async_io(Interest::WRITABLE, |pty| pty.write(queue.as_slices().0)).await;
        match written {
            Ok(written) => drop(self.queue.drain(..written)),
            Err(_) => self.queue.clear(), // does not happen while the board's end is open
        }
    }

    /// Drops what is old; to be called now and then.
    pub fn look(&mut self, pty: &Pty) {
        if self.queue.is_empty() && pty.unread() == 0 {
            self.taken = Instant::now();
        } else if self.taken.elapsed() > OLD {
            self.queue.clear();
            pty.forget_output();
            self.taken = Instant::now();
        } else {
            // Should the kernel not have told that there is room again.
            while let Ok(written) = write_some(pty, &self.queue) {
                self.queue.drain(..written);
            }
        }
    }
}

fn write_some(pty: &Pty, queue: &VecDeque<u8>) -> io::Result<usize> {
    if queue.is_empty() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    pty.write(queue.as_slices().0)
}
