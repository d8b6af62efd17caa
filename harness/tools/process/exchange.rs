//! A program that is asked one thing: all of its input at once, all of its output at the end, as bytes.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::RunError;
use super::group::AsyncGroup;

/// How much of a program's errors is kept.
const STDERR_LIMIT: u64 = 64 * 1024;

/// What a program answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// Invalid UTF-8 replaced, cut after 64 KiB.
    pub stderr: String,
}

/// Runs `command`, writes `input` to it and closes its input, and returns all that it wrote. A failing exit
/// status is not an error here.
///
/// If the future is dropped, the program and all its descendants are ended before the drop returns.
///
/// # Errors
///
/// See [`RunError`]. After `limit` the whole group is ended.
pub async fn exchange(mut command: Command, input: &[u8], limit: Duration) -> Result<Answer, RunError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let lost = |source| RunError::Lost { program: program.clone(), source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group =
        AsyncGroup::spawn(command).map_err(|source| RunError::Start { program: program.clone(), source })?;
    let closed = || lost(std::io::ErrorKind::BrokenPipe.into());
    let mut stdin = group.child.stdin.take().ok_or_else(closed)?;
    let mut stdout = group.child.stdout.take().ok_or_else(closed)?;
    let stderr = group.child.stderr.take().ok_or_else(closed)?;
    let talk = async {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let write = async {
            // A program that ends without having read everything says so by its status.
            let _ = stdin.write_all(input).await;
            drop(stdin);
        };
        let mut stderr = stderr.take(STDERR_LIMIT);
        let ((), read, told) =
            tokio::join!(write, stdout.read_to_end(&mut out), stderr.read_to_end(&mut err));
        read.and(told).map(|_| (out, err))
    };
    let Ok(talked) = tokio::time::timeout(limit, talk).await else {
        drop(group);
        return Err(RunError::Deadline { program, limit, log_end: String::new() });
    };
    let (stdout, stderr) = talked.map_err(lost)?;
    let status = group.child.wait().await.map_err(lost)?;
    group.ended();
    Ok(Answer { status, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::group::tests::shell;
    use super::*;

    #[tokio::test]
    async fn bytes_go_in_and_come_out_whole() {
        let input: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        let answer =
            exchange(shell("cat; echo done >&2; exit 4"), &input, Duration::from_secs(20)).await.unwrap();
        assert_eq!(answer.status.code(), Some(4));
        assert!(answer.stdout == input);
        assert_eq!(answer.stderr, "done\n");
    }

    #[tokio::test]
    async fn a_program_that_reads_nothing_and_one_that_never_ends() {
        let answer = exchange(shell("exit 0"), &[7; 1_000_000], Duration::from_secs(20)).await.unwrap();
        assert!(answer.status.success() && answer.stdout.is_empty());
        let error = exchange(shell("sleep 60"), b"", Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(error, RunError::Deadline { .. }));
    }
}
