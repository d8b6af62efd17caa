//! Programs that outlive this process: a server that goes on after the command that started it.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Starts `command` in a session of its own, so that no terminal ends it, with its output and errors in `log`. Returns
/// its process id, which is also the id of its group.
///
/// `held` becomes its input: a lock on that file is held as long as the program lives, and no longer, whatever becomes
/// of this process and of process ids.
///
/// # Errors
///
/// The error of the operating system if the program cannot be started.
pub fn detach(mut command: Command, log: File, held: File) -> io::Result<u32> {
    command.stdin(Stdio::from(held)).stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log));
    #[expect(unsafe_code, reason = "the only way to give a program a session of its own")]
    // SAFETY: between fork and exec only async-signal-safe functions may be called; setsid is one, and nothing here
    // allocates or takes a lock.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            Ok(())
        });
    }
    command.spawn().map(|child| child.id())
}

/// Asks the program `id`, which [`detach`] started and which is known to run, to end; or kills it and all that it started.
pub fn end_detached(id: u32, at_once: bool) {
    let signal = if at_once { Signal::SIGKILL } else { Signal::SIGTERM };
    let _ = killpg(Pid::from_raw(id.cast_signed()), signal); // it may just have ended by itself
}
