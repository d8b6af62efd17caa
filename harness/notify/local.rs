//! Channels of this machine: a file, a program.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Failure, Message};
use crate::story;
use crate::tools::{lock, process};

/// A line of the file.
#[derive(serde::Serialize)]
struct Line<'a> {
    time: jiff::Timestamp,
    #[serde(flatten)]
    message: &'a Message,
}

/// Appends `message` to the file at `path`, which is made with its folder where missing: a whole line or nothing,
/// whoever else appends to it.
pub(super) async fn append(path: &Path, message: &Message) -> Result<u32, Failure> {
    let line = Line { time: jiff::Timestamp::now(), message };
    let line = serde_json::to_vec(&line).map_err(|error| failure(&error))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failure(&error))?;
    }
    // The lock is on the file itself, and one writes for no longer than a line takes.
    let _held = lock::lock(path, || ()).await.map_err(|error| failure(&error))?;
    add_line(path, line).map_err(|error| failure(&error))?;
    Ok(1)
}

fn add_line(path: &Path, mut line: Vec<u8>) -> std::io::Result<()> {
    let mut file = std::fs::File::options().read(true).write(true).open(path)?;
    let end = file.seek(SeekFrom::End(0))?;
    // What somebody else left unfinished stays on its own line.
    let mut last = [b'\n'];
    if end > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != *b"\n" {
        line.insert(0, b'\n');
    }
    line.push(b'\n');
    let written = file.write_all(&line);
    if written.is_err() {
        file.set_len(end)?;
    }
    written
}

/// Runs `program` with `message` on its input.
pub(super) async fn run(
    program: &Path,
    arguments: &[String],
    message: &Message,
    limit: Duration,
) -> Result<u32, Failure> {
    let input = serde_json::to_vec(message).map_err(|error| failure(&error))?;
    let mut command = Command::new(program);
    command.args(arguments);
    let answer = process::exchange(command, &input, limit).await.map_err(|error| failure(&error))?;
    if answer.status.success() {
        return Ok(1);
    }
    let said = answer.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let reason = format!("{} ended with {}: {said}", program.display(), answer.status);
    Err(Failure { attempts: 1, reason: reason.trim_end_matches([':', ' ']).to_owned() })
}

fn failure(error: &dyn std::error::Error) -> Failure {
    Failure { attempts: 1, reason: story::one_line(error) }
}
