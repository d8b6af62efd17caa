//! Cutting what comes over the serial port into lines.

use std::io::{self, Read};

/// A longer line is handed out in pieces of this many bytes, so that firmware that never ends a line costs no memory.
const LIMIT: usize = 4096;

/// Hands each line of `pipe` to `on_line`, without its end and with invalid UTF-8 replaced; and none at the end.
pub fn lines(mut pipe: impl Read, on_line: &mut dyn FnMut(Option<String>)) {
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break, // a broken pipe is an ended one
        };
        for &byte in &buffer[..count] {
            if byte == b'\n' || line.len() == LIMIT {
                on_line(Some(text(&line)));
                line.clear();
            }
            if byte != b'\n' {
                line.push(byte);
            }
        }
    }
    if !line.is_empty() {
        on_line(Some(text(&line)));
    }
    on_line(None);
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Option<String>> {
        let mut seen = Vec::new();
        lines(bytes, &mut |line| seen.push(line));
        seen
    }

    #[test]
    fn lines_come_without_their_ends_and_the_last_needs_none() {
        let expected = ["@0", "", "caf\u{fffd}", "rest"].map(|line| Some(line.to_owned()));
        assert_eq!(all(b"@0\r\n\ncaf\xE9\nrest"), [expected.as_slice(), &[None]].concat());
    }

    #[test]
    fn an_endless_line_comes_in_pieces() {
        let lengths: Vec<_> =
            all(&[b'x'; 2 * LIMIT + 1]).into_iter().flatten().map(|line| line.len()).collect();
        assert_eq!(lengths, [LIMIT, LIMIT, 1]);
    }
}
