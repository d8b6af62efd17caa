//! A program, its process group, and the thread that starts them all.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::guard::guard;

/// Time between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_millis(500);

/// How long the end of a killed process is waited for.
const KILL: Duration = Duration::from_secs(1);

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
        let inner = on_spawner(move || guard().starting(|| command.spawn()))??;
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
        guard().forget(self.inner.id());
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
pub(super) struct AsyncGroup {
    pub(super) child: tokio::process::Child,
    group: Pid,
    running: bool,
}

impl AsyncGroup {
    pub(super) fn spawn(mut command: Command) -> io::Result<Self> {
        isolate(&mut command);
        let runtime = tokio::runtime::Handle::current();
        let child = on_spawner(move || {
            let _entered = runtime.enter();
            guard().starting(|| tokio::process::Command::from(command).spawn())
        })??;
        let id = child.id().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { child, group: group_of(id), running: true })
    }

    /// To be called when the leader has just ended.
    pub(super) fn ended(&mut self) {
        self.running = false;
        end_rest(self.group);
        guard().forget(self.group.as_raw().cast_unsigned());
    }
}

impl Drop for AsyncGroup {
    fn drop(&mut self) {
        if self.running {
            end_group(self.group, GRACE, || !matches!(self.child.try_wait(), Ok(None)));
            guard().forget(self.group.as_raw().cast_unsigned());
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
    while !reap() && killed.elapsed() < KILL {
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

/// Gives the program a process group of its own, known to the guard, and on Linux ties its life to this process.
fn isolate(command: &mut Command) {
    command.process_group(0);
    let guard = guard();
    #[cfg(target_os = "linux")]
    let parent = nix::unistd::getpid();
    #[expect(
        unsafe_code,
        reason = "the only way to ask for a signal at the parent's death, and to know the group in time"
    )]
    // SAFETY: between fork and exec only async-signal-safe functions may be called. This closure makes plain system
    // calls (prctl, getppid, getpid, sigaction, write), allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            #[cfg(target_os = "linux")]
            {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have died before the line above.
                if nix::unistd::getppid() != parent {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
            guard.enter();
            Ok(())
        });
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::{BufRead as _, Read as _, Write as _};
    use std::process::Stdio;

    pub(in super::super) fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Waits until no process of the group is left but zombies that an idle init has not collected.
    pub(in super::super) fn assert_gone(group: Pid) {
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

    /// Takes the role of this process in the guard's life: what it was told of and what is left at its end.
    #[test]
    fn the_guard_ends_the_groups_that_are_left_when_its_input_ends() {
        let left = || {
            let mut command = shell("sleep 60 & echo; wait");
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = Child::spawn(command, GRACE).unwrap();
            child.take_stdout().unwrap().read_exact(&mut [0]).unwrap();
            child
        };
        let (kept, ended, failed) = (left(), left(), left());
        let mut command = Command::new("sh");
        command.args(["-c", super::super::guard::SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut guard = Child::spawn(command, GRACE).unwrap();
        let mut input = guard.take_stdin().unwrap();
        let (kept, ended_id, failed_id) = (group_of(kept.id()), ended.id(), failed.id());
        let told = format!(
            "begin\n+       {kept}\nbegin\n+ {ended_id}\nbegin\n+ {failed_id}\nfailed\nfailed\n- {ended_id}\n- 1\n"
        );
        input.write_all(told.as_bytes()).unwrap();
        drop(input);
        assert!(guard.wait().unwrap().success());
        assert_gone(kept);
        assert!(has_living_member(group_of(ended_id)) && has_living_member(group_of(failed_id)));
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
