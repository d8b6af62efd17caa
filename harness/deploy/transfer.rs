//! The transfer itself: an image over a connected socket, in chunks that the board acknowledges.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::acknowledgements::{Acknowledgements, LastWord};
use super::espota::{Ending, Limits};

/// Bytes that are sent at a time: one sector of a board's flash. A board reads from a stream and does not see the
/// chunks; `espota.py` sends 1,024 bytes and pays a round trip for each.
const CHUNK: usize = 4096;
/// Bytes that may be sent ahead of their acknowledgement, so that the board never waits for the host. What its TCP
/// cannot take yet (it takes 5.7 KB) waits here.
const AHEAD: u64 = 4096;
/// Bytes before anything is sent ahead. A board finds a wrong image when it writes the first sector of 4 KiB; were
/// there bytes that it has not read when it closes, its reason could be lost with them.
const CAREFUL: u64 = 8192;
/// Bytes between two reports of progress.
const PROGRESS: u64 = 16 * 1024;

/// Why a transfer ended too soon.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The board gave up, in these words.
    Refused(String),
    /// The link broke when the board had acknowledged `sent` bytes.
    Broken { sent: u64, source: io::Error },
}

/// Sends `image` and reports the acknowledged bytes to `progress`.
///
/// # Errors
///
/// See [`Stopped`].
pub(super) async fn transfer(
    stream: TcpStream,
    image: Vec<u8>,
    limits: Limits,
    progress: watch::Sender<u64>,
) -> Result<Ending, Stopped> {
    let total = image.len() as u64;
    // Small packets are not held back: the board's next count may depend on them.
    let _ = stream.set_nodelay(true);
    let mut link = Link { stream, said: Acknowledgements::default() };
    let mut sent = 0;
    for chunk in image.chunks(CHUNK) {
        sent += chunk.len() as u64;
        let all_sent = sent == total;
        let awaited = if all_sent || sent <= CAREFUL { sent } else { sent - AHEAD };
        let outcome = within(limits.acknowledgement, link.exchange(chunk, awaited)).await;
        let acknowledged = link.said.acknowledged().min(sent);
        match outcome {
            Ok(None) => {}
            Ok(Some(LastWord::Ok)) => {
                progress.send_replace(total);
                return Ok(Ending::Confirmed);
            }
            Ok(Some(LastWord::Refused(reason))) => return Err(Stopped::Refused(reason)),
            Err(source) if all_sent => return Ok(Ending::Unconfirmed(source)),
            Err(source) => return Err(Stopped::Broken { sent: acknowledged, source }),
        }
        if acknowledged == total || acknowledged >= *progress.borrow() + PROGRESS {
            progress.send_replace(acknowledged);
        }
    }
    match within(limits.result, link.listen(u64::MAX)).await {
        Ok(Some(LastWord::Refused(reason))) => Err(Stopped::Refused(reason)),
        Ok(_) => Ok(Ending::Confirmed),
        Err(source) => Ok(Ending::Unconfirmed(source)),
    }
}

/// The connection, and what was heard on it.
struct Link {
    stream: TcpStream,
    said: Acknowledgements,
}

impl Link {
    /// Sends one chunk and waits until `awaited` bytes of the image are acknowledged, or for the last word.
    async fn exchange(&mut self, chunk: &[u8], awaited: u64) -> io::Result<Option<LastWord>> {
        match self.stream.write_all(chunk).await {
            Ok(()) => self.listen(awaited).await,
            // A board that gives up says why and closes; its words may still be unread.
            Err(broken) => self.listen(u64::MAX).await.map_err(|_| broken),
        }
    }

    /// Reads until `awaited` bytes of the image are acknowledged (`None`), or for the last word.
    async fn listen(&mut self, awaited: u64) -> io::Result<Option<LastWord>> {
        let mut buffer = [0; 64];
        loop {
            if let Some(word) = self.said.last_word() {
                return Ok(Some(word));
            }
            if self.said.acknowledged() >= awaited {
                return Ok(None);
            }
            let end = match self.stream.read(&mut buffer).await {
                Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                Ok(length) => {
                    self.said.hear(&buffer[..length])?;
                    continue;
                }
                Err(broken) => broken,
            };
            return self.said.last_word_at_the_end().map(Some).ok_or(end);
        }
    }
}

async fn within<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let silence =
        || io::Error::new(io::ErrorKind::TimedOut, format!("silence for {} s", limit.as_secs_f64()));
    timeout(limit, step).await.unwrap_or_else(|_| Err(silence()))
}
