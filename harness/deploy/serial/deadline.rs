//! The end of a session in which nothing goes on.
//!
//! espflash 4.7.0 waits for an answer for as long as bytes come, and takes a board's log for the beginning of one. A board
//! that falls out of its loader in mid-transfer (a brown-out, a reset button) and goes on with its firmware would hold it
//! for ever. So somebody watches, and exchanges the port under it for a pipe without a writer, from which every read and
//! write fails.
//!
//! The ways not taken: a pseudo terminal of our own between espflash and the port, which could be cut without that, and
//! through which every byte would go twice; settings of the terminal that let no byte through, which a duplicate of the
//! port could make without unsafe code, but only the patience of each read would end the session then, and a port that
//! is stuck in a write not at all.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use espflash::connection::Port;

/// Watches a port. It must be dropped before the port is.
#[derive(Debug)]
pub(super) struct Deadline {
    beats: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Deadline {
    /// Watches `port` from now on: without a [`Self::beat`] for so long, it is cut.
    pub(super) fn watch(port: &Port, limit: Duration) -> io::Result<Self> {
        let descriptor = port.as_raw_fd();
        let (beats, heard) = mpsc::channel();
        let watch = move || {
            loop {
                match heard.recv_timeout(limit) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            let Ok((dead, writer)) = io::pipe() else { return };
            drop(writer);
            #[expect(unsafe_code, reason = "espflash owns the port and does not let anybody interrupt it")]
            // SAFETY: the port that owns the descriptor is open until this thread has ended: `Deadline` is dropped
            // before it, and waits for that. It is not closed here.
            let mut port = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(descriptor) });
            let _ = rustix::io::dup2(&dead, &mut port); // fails only for want of memory
        };
        let thread = std::thread::Builder::new().name("flash deadline".to_owned()).spawn(watch)?;
        Ok(Self { beats: Some(beats), thread: Some(thread) })
    }

    /// Says that something goes on.
    pub(super) fn beat(&self) {
        if let Some(beats) = &self.beats {
            let _ = beats.send(()); // fails once the port is cut
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.beats = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it does not panic
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_port_without_a_beat_is_cut_though_bytes_come() {
        let (mut board, mut port) = Port::pair().unwrap();
        serialport::SerialPort::set_timeout(&mut port, Duration::from_secs(60)).unwrap();
        let deadline = Deadline::watch(&port, Duration::from_millis(20)).unwrap();
        let mut byte = [0];
        let read = loop {
            let _ = board.write_all(b"x"); // fails once the port is cut
            if let Err(error) = port.read(&mut byte) {
                break error;
            }
        };
        assert_eq!(read.kind(), io::ErrorKind::BrokenPipe);
        drop(deadline);
    }

    #[test]
    fn a_deadline_that_is_dropped_leaves_the_port_alone() {
        let (mut board, mut port) = Port::pair().unwrap();
        let deadline = Deadline::watch(&port, Duration::from_secs(60)).unwrap();
        deadline.beat();
        drop(deadline);
        board.write_all(b"x").unwrap();
        assert_eq!(port.read(&mut [0]).unwrap(), 1);
    }
}
