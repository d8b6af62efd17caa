//! What ends programs when this process is killed outright and can end nothing itself.
//!
//! The death signal of Linux reaches the first process of a group and not the compilers that it started, and other
//! systems have none. So the first program that is started brings a shell along. Each program tells it of its group
//! before its first instruction; the shell waits for the end of its input, which comes with the end of this process
//! however it ends, and kills the groups that are left.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::LazyLock;

use nix::sys::signal::{SigHandler, Signal, signal};

/// `begin`: a program is about to start. `+ 17`: it did, and leads this group. `failed`: it could not be executed after
/// all. `- 17`: the group has ended, and its number may belong to others. Signals that a terminal sends to everything
/// are ignored: the shell has to outlive this process.
pub(super) const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
groups=' '
remove() {
    case $groups in *" $1 "*) groups="${groups%% $1 *} ${groups#* $1 }" ;; esac
}
while read -r sign group; do
    case $sign in
    begin) last=none ;;
    +) last=$group groups="$groups$group " ;;
    failed) remove "$last" ;;
    -) remove "$group" ;;
    esac
done
for group in $groups; do kill -9 "-$group"; done
"#;

static GUARD: LazyLock<Option<ChildStdin>> = LazyLock::new(|| {
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "k1-hil-guard"]).current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Without a shell everything is as good as it is without this file.
    command.spawn().ok()?.stdin
});

/// A way to the guard. Lines are far shorter than what a pipe takes in one piece, so they do not mix.
#[derive(Clone, Copy)]
pub(super) struct Guard {
    pipe: Option<BorrowedFd<'static>>,
}

/// The guard of this process, which is started by the first call.
pub(super) fn guard() -> Guard {
    Guard { pipe: GUARD.as_ref().map(ChildStdin::as_fd) }
}

impl Guard {
    /// Has `spawn` start a program whose group [`Guard::enter`]s itself. One at a time: see the thread that starts
    /// programs.
    pub(super) fn starting<T>(self, spawn: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.tell(b"begin\n");
        spawn().inspect_err(|_| self.tell(b"failed\n"))
    }

    /// Called between fork and exec by the program to be, whose id is that of its group: no allocation, no lock, only
    /// async-signal-safe calls.
    pub(super) fn enter(self) {
        let mut line = *b"+           \n";
        let mut id = std::process::id();
        let mut at = line.len() - 1;
        while id > 0 {
            at -= 1;
            line[at] = b'0' + (id % 10) as u8;
            id /= 10;
        }
        // A guard that was killed must not end the program: its signal for that has been switched on already.
        #[expect(unsafe_code, reason = "the only way to set how a signal is taken")]
        // SAFETY: no handler is installed, only ignored and switched back to what a new program has.
        unsafe {
            let _ = signal(Signal::SIGPIPE, SigHandler::SigIgn);
            self.tell(&line);
            let _ = signal(Signal::SIGPIPE, SigHandler::SigDfl);
        }
    }

    /// The group has ended.
    pub(super) fn forget(self, group: u32) {
        self.tell(format!("- {group}\n").as_bytes());
    }

    fn tell(self, line: &[u8]) {
        if let Some(pipe) = self.pipe {
            let _ = nix::unistd::write(pipe, line); // a guard that was killed is none
        }
    }
}
