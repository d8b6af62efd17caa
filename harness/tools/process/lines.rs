//! A program's output, line by line.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// A longer line is handed out in pieces of this many bytes.
pub(super) const LIMIT: usize = 64 * 1024;

/// The lines of a pipe.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    pub(super) open: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(pipe: R) -> Self {
        Self { reader: BufReader::new(pipe), line: Vec::new(), open: true }
    }

    /// The next line; none at the end. It may be dropped and called again at any time without losing a byte.
    pub(super) async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                self.open = false;
                return Ok((!self.line.is_empty()).then(|| self.take()));
            }
            let room = LIMIT - self.line.len();
            let piece = &chunk[..chunk.len().min(room)];
            let newline = piece.iter().position(|&byte| byte == b'\n');
            let text = &piece[..newline.unwrap_or(piece.len())];
            self.line.extend_from_slice(text);
            let used = text.len() + usize::from(newline.is_some());
            self.reader.consume(used);
            if newline.is_some() || self.line.len() >= LIMIT {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> String {
        let line = String::from_utf8_lossy(&self.line).trim_end_matches('\r').to_owned();
        self.line.clear();
        line
    }
}
