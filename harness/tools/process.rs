//! Starting programs, and ending whole process groups. No other file of the library starts a program.
//!
//! PlatformIO starts SCons, which starts compilers: a signal to the first process alone leaves the others
//! running. So each program gets a process group of its own, and whatever ends the wait for it (its own end, a
//! deadline, a dropped future, a dropped [`Child`]) ends the group: SIGTERM, and SIGKILL after a grace.
//!
//! On Linux a program also dies when this process is killed outright. `PR_SET_PDEATHSIG` fires when the
//! *thread* that started the program ends, and threads of an async runtime come and go; hence all programs are
//! started by one thread that lives as long as the process ([`on_spawner`]). Elsewhere a program whose parent was
//! killed outright ends when it next writes to its closed pipe.
//!
//! Dropping blocks until the group is gone, at most for [`GRACE`] and a little: a dropped build is over when its
//! folder is removed and when the process exits, at the price of a short pause of one runtime thread.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Time between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_millis(500);

/// How long the pipes are read on after the program ended: a descendant that left the group may hold them open.
const DRAIN: Duration = Duration::from_secs(1);

/// A longer line is handed out in pieces of this many bytes.
const LINE_LIMIT: usize = 64 * 1024;

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
    let drain = tokio::time::sleep(limit + DRAIN);
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

/// A running program with pipes of its own, for callers on threads of their own (the emulator of a virtual board).
///
/// Dropping it ends the program and all its descendants.
#[derive(Debug)]
pub struct Child {
    inner: std::process::Child,
    status: Option<ExitStatus>,
    grace: Duration,
}

impl Child {
    /// Starts `command`, whose `stdin`, `stdout` and `stderr` the caller has set (piped, null, a file).
    ///
    /// The program gets a process group of its own, and on Linux dies with this process however that ends. It
    /// may be called from any thread, also one that ends before the program does. `grace` is the time that the
    /// program gets between SIGTERM and SIGKILL when it is ended; zero: it is killed at once.
    ///
    /// # Errors
    ///
    /// The error of the operating system if the program cannot be started.
    pub fn spawn(mut command: Command, grace: Duration) -> io::Result<Self> {
        isolate(&mut command);
        let inner = on_spawner(move || command.spawn())??;
        Ok(Self { inner, status: None, grace })
    }

    /// The process id, which is also the id of the group.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// The writing end of the program's input, if it was piped and not taken yet.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.inner.stdin.take()
    }

    /// The reading end of the program's output, if it was piped and not taken yet.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.inner.stdout.take()
    }

    /// The reading end of the program's errors, if they were piped and not taken yet.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.inner.stderr.take()
    }

    /// The exit status if the program has ended; what it left behind is then ended too.
    ///
    /// # Errors
    ///
    /// The error of the operating system, which does not occur for a program of one's own.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none()
            && let Some(status) = self.inner.try_wait()?
        {
            self.ended(status);
        }
        Ok(self.status)
    }

    /// Closes the program's input if it was not taken, waits for the program's end, and ends what it left behind.
    ///
    /// # Errors
    ///
    /// The error of the operating system, which does not occur for a program of one's own.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        match self.status {
            Some(status) => Ok(status),
            None => {
                let status = self.inner.wait()?;
                Ok(self.ended(status))
            }
        }
    }

    /// Ends the program and all its descendants, and returns its exit status.
    ///
    /// # Errors
    ///
    /// The error of the operating system, which does not occur for a program of one's own.
    pub fn end(&mut self) -> io::Result<ExitStatus> {
        if self.status.is_none() {
            end_group(group_of(self.inner.id()), self.grace, || !matches!(self.inner.try_wait(), Ok(None)));
        }
        self.wait()
    }

    /// The group is signalled now or never: later its number may belong to others.
    fn ended(&mut self, status: ExitStatus) -> ExitStatus {
        end_rest(group_of(self.inner.id()));
        self.status = Some(status);
        status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.end(); // nothing could be done about an error here
    }
}

/// The async counterpart of [`Child`].
struct AsyncGroup {
    child: tokio::process::Child,
    group: Pid,
    running: bool,
}

impl AsyncGroup {
    fn spawn(mut command: Command) -> io::Result<Self> {
        isolate(&mut command);
        let runtime = tokio::runtime::Handle::current();
        let child = on_spawner(move || {
            let _entered = runtime.enter();
            tokio::process::Command::from(command).spawn()
        })??;
        let id = child.id().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { child, group: group_of(id), running: true })
    }

    /// To be called when the leader has just ended.
    fn ended(&mut self) {
        self.running = false;
        end_rest(self.group);
    }
}

impl Drop for AsyncGroup {
    fn drop(&mut self) {
        if self.running {
            end_group(self.group, GRACE, || !matches!(self.child.try_wait(), Ok(None)));
        }
    }
}

/// Ends all processes of `group`; `reap` collects the leader and says whether it has ended.
///
/// A process id is not given out anew while a group of that number has members, and an empty group is not
/// signalled again but for the last SIGKILL, microseconds after it was seen.
fn end_group(group: Pid, grace: Duration, mut reap: impl FnMut() -> bool) {
    let begun = Instant::now();
    if !grace.is_zero() && killpg(group, Signal::SIGTERM).is_ok() {
        while begun.elapsed() < grace {
            if reap() && killpg(group, None).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let _ = killpg(group, Signal::SIGKILL); // fails only if nothing is left to be killed
    // SIGKILL cannot be refused, but a process in an uninterruptible system call takes it late.
    let killed = Instant::now();
    while !reap() && killed.elapsed() < DRAIN {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills what the leader of `group`, which has just ended, left behind.
fn end_rest(group: Pid) {
    let _ = killpg(group, Signal::SIGKILL); // "no such group" is the usual and wanted answer
}

fn group_of(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed())
}

/// Gives the program a process group of its own and, on Linux, ties its life to this process.
fn isolate(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = nix::unistd::getpid();
        #[expect(unsafe_code, reason = "the only way to ask for a signal at the parent's death")]
        // SAFETY: between fork and exec only async-signal-safe functions may be called. This closure makes two
        // plain system calls (prctl, getppid), allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(move || {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have died before the line above.
                if nix::unistd::getppid() != parent { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
            });
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Runs `job` on the thread that starts all programs. It starts with the first program and never ends.
fn on_spawner<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    static SPAWNER: LazyLock<io::Result<mpsc::Sender<Job>>> = LazyLock::new(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || jobs.into_iter().for_each(|job| job()))?;
        Ok(sender)
    });
    let gone = || io::Error::other("the thread that starts programs is gone");
    let spawner = SPAWNER.as_ref().map_err(|e| io::Error::new(e.kind(), e.to_string()))?;
    let (sender, result) = mpsc::sync_channel(1);
    let reply = move || {
        let _ = sender.send(job()); // the receiver below waits for it
    };
    spawner.send(Box::new(reply)).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())
}

/// The lines of a pipe.
struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    open: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(pipe: R) -> Self {
        Self { reader: BufReader::new(pipe), line: Vec::new(), open: true }
    }

    /// The next line; none at the end. It may be dropped and called again at any time without losing a byte.
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                self.open = false;
                return Ok((!self.line.is_empty()).then(|| self.take()));
            }
            let room = LINE_LIMIT - self.line.len();
            let piece = &chunk[..chunk.len().min(room)];
            let newline = piece.iter().position(|&byte| byte == b'\n');
            let text = &piece[..newline.unwrap_or(piece.len())];
            self.line.extend_from_slice(text);
            let used = text.len() + usize::from(newline.is_some());
            self.reader.consume(used);
            if newline.is_some() || self.line.len() >= LINE_LIMIT {
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

fn joined(lines: &VecDeque<String>) -> String {
    lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, Write as _};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Waits until no process of the group is left but zombies that an idle init has not collected.
    fn assert_gone(group: Pid) {
        let begun = Instant::now();
        while killpg(group, None).is_ok() && has_living_member(group) {
            assert!(begun.elapsed() < Duration::from_secs(5), "group {group} is still alive");
            std::thread::yield_now();
        }
    }

    fn has_living_member(group: Pid) -> bool {
        let listing = Command::new("ps").args(["-A", "-o", "pgid=,stat="]).output().unwrap();
        String::from_utf8_lossy(&listing.stdout).lines().any(|line| {
            let mut fields = line.split_whitespace();
            fields.next() == Some(&group.to_string()) && !fields.next().unwrap_or("Z").starts_with('Z')
        })
    }

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
        assert_eq!(longest, LINE_LIMIT);
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
        assert_gone(Pid::from_raw(group.unwrap()));
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
        assert_gone(Pid::from_raw(group));
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
        assert_gone(Pid::from_raw(group.unwrap()));
    }

    #[test]
    fn a_child_talks_through_its_pipes_and_ends_when_dropped() {
        let mut command = shell("read word; echo $word $$; sleep 60 & wait");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // The thread that starts it ends at once: that must not end the program.
        let mut child = std::thread::spawn(|| Child::spawn(command, GRACE).unwrap()).join().unwrap();
        child.take_stdin().unwrap().write_all(b"ping\n").unwrap();
        let mut line = String::new();
        io::BufReader::new(child.take_stdout().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, format!("ping {}\n", child.id()));
        assert!(child.try_wait().unwrap().is_none());
        let group = group_of(child.id());
        drop(child);
        assert_gone(group);
    }

    #[test]
    fn a_question_gets_its_answer_or_a_deadline() {
        let (status, text) = output(shell("echo 7.2; exit 4"), Duration::from_secs(20)).unwrap();
        assert_eq!((status.code(), text.as_str()), (Some(4), "7.2\n"));
        let error = output(shell("sleep 60"), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, RunError::Deadline { .. }), "{error}");
    }

    #[test]
    fn a_child_reports_its_own_end() {
        let mut command = shell("exit 66");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = Child::spawn(command, Duration::ZERO).unwrap();
        let mut output = String::new();
        child.take_stdout().unwrap().read_to_string(&mut output).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(66));
        assert_eq!(child.end().unwrap().code(), Some(66));
    }
}
