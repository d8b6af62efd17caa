//! The pseudo terminal that is the board's serial port: clients open its path, the board has the other end.
//!
//! A terminal of the kernel, because espflash talks to terminals only. It has no lines DTR and RTS. The board keeps
//! the clients' end open too: so it is raw before anybody opens it, the speed outlives a client, and the board's end
//! stays readable when a client goes.
//!
//! What nobody reads must never hold the board up: its end does not block.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{ioctl_fionbio, ioctl_fionread};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, QueueSelector, ioctl_tiocnxcl, tcflush, tcgetattr, tcsetattr};

/// The speed at which the port is found, baud.
pub const USUAL_SPEED: u32 = 115_200;

/// The board's serial port.
#[derive(Debug)]
pub struct Pty {
    board: File,
    client: OwnedFd,
    path: PathBuf,
}

impl Pty {
    /// A new port.
    ///
    /// # Errors
    ///
    /// The error of the operating system: there is no terminal left, or none at all.
    pub fn open() -> io::Result<Self> {
        let board = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&board)?;
        unlockpt(&board)?;
        let path = PathBuf::from(OsString::from_vec(ptsname(&board, Vec::new())?.into_bytes()));
        let client = rustix::fs::open(
            &path,
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        ioctl_fionbio(&board, true)?;
        let pty = Self { board: File::from(board), client, path };
        let mut settings = tcgetattr(&pty.client)?;
        settings.make_raw();
        settings.set_speed(USUAL_SPEED)?;
        tcsetattr(&pty.client, OptionalActions::Now, &settings)?;
        Ok(pty)
    }

    /// What clients open.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The speed that the last client set, baud.
    pub fn speed(&self) -> u32 {
        // An error cannot occur while the terminal is open; the usual speed then changes nothing.
        tcgetattr(&self.client).map_or(USUAL_SPEED, |settings| settings.output_speed())
    }

    /// Sets the speed, as if a client had.
    pub fn set_speed(&self, speed: u32) {
        if let Ok(mut settings) = tcgetattr(&self.client)
            && settings.set_speed(speed).is_ok()
        {
            let _ = tcsetattr(&self.client, OptionalActions::Now, &settings); // see `speed`
        }
    }

    /// Lets others open the port though a client that was killed had it to itself: the kernel keeps that mark for as
    /// long as the board's end is open.
    pub fn share(&self) {
        let _ = ioctl_tiocnxcl(&self.client); // see `speed`
    }

    /// What clients sent; [`io::ErrorKind::WouldBlock`] if that is nothing.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.board).read(buffer)
    }

    /// Writes as much as there is room for, and returns how much that was; [`io::ErrorKind::WouldBlock`] for nothing.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.board).write(bytes)
    }

    /// Bytes of output that nobody has read yet.
    pub fn unread(&self) -> u64 {
        ioctl_fionread(&self.client).unwrap_or(0) // see `speed`
    }

    /// Drops the output that nobody has read yet.
    pub fn forget_output(&self) {
        let _ = tcflush(&self.client, QueueSelector::IFlush); // see `speed`
    }

    /// Waits until there is something to read, or room to write if that is what is wanted, for at most `limit`.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn wait(&self, wants_room: bool, limit: Duration) -> io::Result<()> {
        let wanted = if wants_room { PollFlags::OUT } else { PollFlags::IN };
        let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        let mut waiting = [PollFd::new(&self.board, wanted)];
        match poll(&mut waiting, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// The board's end, for the runtime.
impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.board.as_fd()
    }
}

impl AsRawFd for Pty {
    fn as_raw_fd(&self) -> RawFd {
        self.board.as_raw_fd()
    }
}
