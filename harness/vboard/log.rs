//! The last lines that the board said on its serial port, over all boots.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many lines are kept.
const LINES: usize = 1000;

/// A log that several threads write to.
#[derive(Debug, Default)]
pub struct Log {
    lines: Mutex<VecDeque<String>>,
}

impl Log {
    /// Adds a line; the oldest goes when there are too many.
    pub fn push(&self, line: impl Into<String>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.into());
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
