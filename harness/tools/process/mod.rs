//! Starting programs, and ending whole process groups. No other file of the library starts a program.
//!
//! PlatformIO starts SCons, which starts compilers: a signal to the first process alone leaves the others
//! running. So each program gets a process group of its own, and whatever ends the wait for it (its own end, a
//! deadline, a dropped future, a dropped [`Child`]) ends the group: SIGTERM, and SIGKILL after a grace.
//!
//! On Linux a program also dies when this process is killed outright. `PR_SET_PDEATHSIG` fires when the
//! *thread* that started the program ends, and threads of an async runtime come and go; hence all programs are
//! started by one thread that lives as long as the process. What those programs started, and programs on
//! other systems, are then ended by a guard, a process of its own.
//!
//! Dropping blocks until the group is gone, at most for [`GRACE`] and a little: a dropped build is over when its
//! folder is removed and when the process exits, at the price of a short pause of one runtime thread.

mod detached;
mod exchange;
mod group;
mod guard;
mod lines;

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

pub use detached::{detach, end_detached};
pub use exchange::{Answer, exchange};
pub use group::{Child, GRACE};

use group::AsyncGroup;
use lines::Lines;

/// How long the pipes are read on after the program ended: a descendant that left the group may hold them open.
const DRAIN: Duration = Duration::from_secs(1);

/// How many lines [`Finished::log_end`] holds.
const LOG_END_LINES: usize = 40;

/// Which pipe of a program a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipe {
    Stdout,
    Stderr,
}

/// A program that ran to its end.
#[derive(Clone, Debug)]
pub struct Finished {
    pub status: ExitStatus,
    /// The last lines of both pipes, in the order in which they were read.
    pub log_end: String,
}

/// Why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It did not start.
    #[error("cannot start {program}")]
    Start { program: String, source: io::Error },
    /// It took too long and was ended.
    #[error("{program} was ended because it took longer than {} s", limit.as_secs())]
    Deadline { program: String, limit: Duration, log_end: String },
    /// Its pipes or its status could not be read.
    #[error("lost {program} while it ran")]
    Lost { program: String, source: io::Error },
}

/// Runs `command` with no input, calls `on_line` with each line that it writes (without the line end, invalid
/// UTF-8 replaced), and waits for its end. A failing exit status is not an error here.
///
/// If the future is dropped, the program and all its descendants are ended before the drop returns.
///
/// # Errors
///
/// See [`RunError`]. After `limit` the whole group is ended.
pub async fn run(
    mut command: Command,
    limit: Duration,
    on_line: &mut (dyn FnMut(Pipe, &str) + Send),
) -> Result<Finished, RunError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let lost = |source| RunError::Lost { program: program.clone(), source };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group =
        AsyncGroup::spawn(command).map_err(|source| RunError::Start { program: program.clone(), source })?;
    let mut stdout =
        Lines::new(group.child.stdout.take().ok_or_else(|| lost(io::ErrorKind::BrokenPipe.into()))?);
    let mut stderr =
        Lines::new(group.child.stderr.take().ok_or_else(|| lost(io::ErrorKind::BrokenPipe.into()))?);
    let mut end = VecDeque::with_capacity(LOG_END_LINES);
    let mut status = None;
    let deadline = tokio::time::sleep(limit);
    let drain = tokio::time::sleep(limit.saturating_add(DRAIN));
    tokio::pin!(deadline, drain);
    while status.is_none() || stdout.open || stderr.open {
        let (pipe, line) = tokio::select! {
            line = stdout.next(), if stdout.open => (Pipe::Stdout, line.map_err(lost)?),
            line = stderr.next(), if stderr.open => (Pipe::Stderr, line.map_err(lost)?),
            ended = group.child.wait(), if status.is_none() => {
                status = Some(ended.map_err(lost)?);
                group.ended();
                drain.as_mut().reset(tokio::time::Instant::now() + DRAIN);
                continue;
            }
            () = &mut drain, if status.is_some() => break,
            () = &mut deadline, if status.is_none() => {
                drop(group);
                return Err(RunError::Deadline { program, limit, log_end: joined(&end) });
            }
        };
        if let Some(line) = line {
            on_line(pipe, &line);
            if end.len() == LOG_END_LINES {
                end.pop_front();
            }
            end.push_back(line);
        }
    }
    let status = status.ok_or_else(|| lost(io::ErrorKind::Other.into()))?;
    Ok(Finished { status, log_end: joined(&end) })
}

/// Runs `command` with no input, for at most `limit`, and returns its exit status and output; its errors are
/// dropped. For questions that a program answers at once (`--version`): it blocks.
///
/// # Errors
///
/// See [`RunError`].
pub fn output(mut command: Command, limit: Duration) -> Result<(ExitStatus, String), RunError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let lost = |source| RunError::Lost { program: program.clone(), source };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Child::spawn(command, Duration::ZERO)
        .map_err(|source| RunError::Start { program: program.clone(), source })?;
    let mut pipe = child.take_stdout().ok_or_else(|| lost(io::ErrorKind::BrokenPipe.into()))?;
    let (sender, read) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .spawn(move || {
            let mut bytes = Vec::new();
            let result = pipe.read_to_end(&mut bytes).map(|_| bytes);
            let _ = sender.send(result); // nobody waits for it after the limit
        })
        .map_err(lost)?;
    match read.recv_timeout(limit) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes.map_err(lost)?).into_owned();
            Ok((child.wait().map_err(lost)?, text))
        }
        Err(_) => Err(RunError::Deadline { program, limit, log_end: String::new() }),
    }
}

fn joined(lines: &VecDeque<String>) -> String {
    lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::group::tests::{assert_gone, shell};
    use super::*;

    #[tokio::test]
    async fn both_pipes_arrive_line_by_line_with_the_exit_status() {
        let mut lines = Vec::new();
        let script = "echo one; echo two >&2; printf 'caf\\351\\r\\nlast'; exit 3";
        let finished = run(shell(script), Duration::from_secs(20), &mut |pipe, line| {
            lines.push((pipe, line.to_owned()))
        })
        .await
        .unwrap();
        assert_eq!(finished.status.code(), Some(3));
        let of = |wanted| {
            lines.iter().filter(|(pipe, _)| *pipe == wanted).map(|(_, l)| l.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of(Pipe::Stdout), ["one", "caf\u{fffd}", "last"]);
        assert_eq!(of(Pipe::Stderr), ["two"]);
    }

    #[tokio::test]
    async fn a_program_that_does_not_exist_is_named() {
        let error =
            run(Command::new("no-such-program"), Duration::from_secs(1), &mut |_, _| ()).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot start no-such-program");
    }

    #[tokio::test]
    async fn the_end_of_the_log_is_kept_and_endless_lines_are_cut() {
        let script = "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; head -c 100000 /dev/zero | tr '\\0' x";
        let mut longest = 0;
        let finished =
            run(shell(script), Duration::from_secs(20), &mut |_, line| longest = longest.max(line.len()))
                .await
                .unwrap();
        assert_eq!(longest, lines::LIMIT);
        assert!(finished.log_end.starts_with("line 62\nline 63\n"), "{}", &finished.log_end[..40]);
    }

    #[tokio::test]
    async fn a_deadline_ends_grandchildren_that_ignore_sigterm() {
        let script = "trap '' TERM; (trap '' TERM; echo $$; sleep 60) & wait";
        let mut group = None;
        let error = run(shell(script), Duration::from_millis(300), &mut |_, line| group = line.parse().ok())
            .await
            .unwrap_err();
        assert!(matches!(error, RunError::Deadline { .. }), "{error}");
        assert_gone(nix::unistd::Pid::from_raw(group.unwrap()));
    }

    #[tokio::test]
    async fn dropping_the_future_ends_the_group() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut on_line = move |_: Pipe, line: &str| sender.send(line.parse::<i32>().unwrap()).unwrap();
        let group = {
            let running = run(shell("sleep 60 & echo $$; wait"), Duration::from_secs(60), &mut on_line);
            tokio::pin!(running);
            tokio::select! {
                ended = &mut running => panic!("{ended:?}"),
                group = receiver.recv() => group.unwrap(),
            }
        };
        assert_gone(nix::unistd::Pid::from_raw(group));
    }

    #[tokio::test]
    async fn what_a_program_leaves_behind_is_ended_with_it() {
        let mut group = None;
        let finished = run(shell("sleep 60 & echo $$"), Duration::from_secs(50), &mut |_, line| {
            group = line.parse().ok()
        })
        .await
        .unwrap();
        assert!(finished.status.success());
        assert_gone(nix::unistd::Pid::from_raw(group.unwrap()));
    }

    #[test]
    fn a_question_gets_its_answer_or_a_deadline() {
        let (status, text) = output(shell("echo 7.2; exit 4"), Duration::from_secs(20)).unwrap();
        assert_eq!((status.code(), text.as_str()), (Some(4), "7.2\n"));
        let error = output(shell("sleep 60"), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, RunError::Deadline { .. }), "{error}");
    }
}
