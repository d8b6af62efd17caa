//! The emulated CPU: one QEMU process for one boot of the board, and the thread that owns it.
//!
//! The thread waits for one stream of events (commands, lines from the firmware, the end of the emulator, an order
//! to stop), so it never blocks on anything else and can always be told to end the emulator. Commands are done one
//! after the other, because the firmware reads no input while it works; that is what makes its time deterministic.

use std::collections::VecDeque;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::emulator::{self, Memory, PowerOnError};
use super::image_format::EspImage;
use super::log::Log;
use super::mailbox::{self, Command, Firmware, Mailbox, PANIC_EXIT_CODE, PanicRecord, Part, Status};
use super::monitor::Monitor;
use super::run_records::RunRecords;
use super::uart;
use crate::tools::process::Child;

/// Firmware that says and records nothing for so long, in host time, is taken for dead. Its own watchdog ends a
/// frame after 1 s of board time, which takes a few seconds of host time; this one is for firmware without it.
const SILENCE: Duration = Duration::from_secs(60);
/// Firmware that has not come up after so long, in host time, never will.
const BOOT_LIMIT: Duration = Duration::from_secs(60);
const CHECK: Duration = Duration::from_secs(1);

/// A running emulator. It ends when told to ([`Cpu::stop`]) or when dropped.
#[derive(Debug)]
pub struct Cpu {
    events: mpsc::Sender<Event>,
    mailbox: Arc<Mailbox>,
    booted: watch::Receiver<Option<Arc<Firmware>>>,
    end: watch::Receiver<Option<Arc<End>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: Status,
    /// Host time from doorbell to answer.
    pub took: Duration,
    /// What a measured run recorded, read before any other command could overwrite it.
    pub run: Option<Arc<RunRecords>>,
}

/// Why the emulator ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum End {
    #[error("the firmware gave up: {}", .0.reason_text())]
    Panic(PanicRecord),
    #[error("the emulator ended by itself ({status})")]
    Exited { status: ExitStatus },
    #[error("the firmware neither answered nor recorded a frame for {} s", SILENCE.as_secs())]
    Silent,
    #[error("the firmware did not come up within {} s", BOOT_LIMIT.as_secs())]
    NoBoot,
    #[error(transparent)]
    Unusable(#[from] mailbox::Unusable),
    #[error("lost the emulator")]
    Lost(#[from] io::Error),
    #[error("the board was switched off")]
    Stopped,
}

enum Event {
    Command(Command, oneshot::Sender<Reply>),
    Line(String),
    Closed,
    Stop,
}

impl Cpu {
    /// Puts `image` into memory and lets the CPU begin. The firmware's log goes to `log`.
    ///
    /// # Errors
    ///
    /// [`PowerOnError`]. Whether the firmware comes up is the matter of [`Cpu::booted`].
    pub fn power_on(qemu: &Path, image: &EspImage<'_>, log: Arc<Log>) -> Result<Self, PowerOnError> {
        let complaints = Arc::clone(&log);
        let listen = move |pipe| {
            let mut complain = |line: Option<String>| {
                line.into_iter().for_each(|line| complaints.push(format!("emulator: {line}")));
            };
            uart::lines(pipe, &mut complain);
        };
        let (cpu, ()) = Self::start(qemu, image, log, |_, _| Ok(()), listen)?;
        Ok(cpu)
    }

    /// As [`Cpu::power_on`], but `listen` is given what the emulator tells of its execution once the monitor was told to,
    /// on a thread of its own. It must read to the end, or the emulator waits for it. To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`PowerOnError`].
    pub fn power_on_traced(
        qemu: &Path,
        image: &EspImage<'_>,
        log: Arc<Log>,
        listen: impl FnOnce(ChildStderr) + Send + 'static,
    ) -> Result<(Self, Monitor), PowerOnError> {
        Self::start(qemu, image, log, Monitor::attach, listen)
    }

    fn start<P>(
        qemu: &Path,
        image: &EspImage<'_>,
        log: Arc<Log>,
        prepare: impl FnOnce(&mut std::process::Command, &Path) -> io::Result<P>,
        listen: impl FnOnce(ChildStderr) + Send + 'static,
    ) -> Result<(Self, P), PowerOnError> {
        let Memory { folder, ram, path } = emulator::memory(image)?;
        let emulator = |source| PowerOnError::Emulator { program: qemu.to_owned(), source };
        // Nothing is lost when the emulator is killed, so it gets no time to end by itself.
        let mut command = emulator::command(qemu, &path, image.entry);
        let prepared = prepare(&mut command, folder.path()).map_err(emulator)?;
        let mut child = Child::spawn(command, Duration::ZERO).map_err(emulator)?;
        let no_pipe = || emulator(io::ErrorKind::BrokenPipe.into());
        let doorbell = child.take_stdin().ok_or_else(no_pipe)?;
        let uart = child.take_stdout().ok_or_else(no_pipe)?;
        let complaints = child.take_stderr().ok_or_else(no_pipe)?;

        let (events, inbox) = mpsc::channel();
        let (booted_sender, booted) = watch::channel(None);
        let (end_sender, end) = watch::channel(None);
        let mailbox = Arc::new(Mailbox::new(ram));
        read_lines(uart, "uart", {
            let events = events.clone();
            move |line| drop(events.send(line.map_or(Event::Closed, Event::Line)))
        })
        .map_err(emulator)?;
        std::thread::Builder::new()
            .name("emulator".to_owned())
            .spawn(move || listen(complaints))
            .map_err(emulator)?;
        let operator = Operator {
            child,
            doorbell,
            mailbox: Arc::clone(&mailbox),
            folder: Some(folder),
            log,
            waiting: VecDeque::new(),
            pending: None,
            number: 0,
            booted: booted_sender,
        };
        let thread = std::thread::Builder::new()
            .name("cpu".to_owned())
            .spawn(move || {
                let end = operator.work(&inbox);
                end_sender.send_replace(Some(Arc::new(end)));
            })
            .map_err(emulator)?;
        Ok((Self { events, mailbox, booted, end, thread: Mutex::new(Some(thread)) }, prepared))
    }

    /// Waits until the firmware has come up.
    ///
    /// # Errors
    ///
    /// The [`End`] if it ended before.
    pub async fn booted(&self) -> Result<Arc<Firmware>, Arc<End>> {
        let mut booted = self.booted.clone();
        match booted.wait_for(Option::is_some).await.map(|firmware| firmware.clone()) {
            Ok(Some(firmware)) => Ok(firmware),
            _ => Err(self.ended().await),
        }
    }

    /// Lets the firmware do `command` after those given before, and waits until it is done.
    ///
    /// # Errors
    ///
    /// The [`End`] if the emulator ended first.
    pub async fn command(&self, command: Command) -> Result<Reply, Arc<End>> {
        match self.post(command).await {
            Ok(reply) => Ok(reply),
            Err(_) => Err(self.ended().await),
        }
    }

    /// Hands over `command` at once; the reply comes when it is done, or never if the emulator ends first.
    pub fn post(&self, command: Command) -> oneshot::Receiver<Reply> {
        let (sender, reply) = oneshot::channel();
        let _ = self.events.send(Event::Command(command, sender)); // an ended thread drops `sender`: no reply
        reply
    }

    /// Waits for the end of the emulator.
    pub async fn ended(&self) -> Arc<End> {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await.map(|end| end.clone()) {
            Ok(Some(end)) => end,
            _ => Arc::new(End::Stopped), // the thread died without a word, which it never does
        }
    }

    /// The memory that the firmware shares.
    pub const fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Ends the emulator, whatever it does, and returns when it is gone.
    pub fn stop(&self) {
        let _ = self.events.send(Event::Stop); // fails if it has ended already
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join(); // an error would be a panic, which was reported when it happened
        }
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the owning thread has.
struct Operator {
    child: Child,
    doorbell: ChildStdin,
    mailbox: Arc<Mailbox>,
    /// Of the RAM file; gone as soon as the emulator has opened it, so that nothing is left behind on any end.
    folder: Option<tempfile::TempDir>,
    log: Arc<Log>,
    waiting: VecDeque<(Command, oneshot::Sender<Reply>)>,
    pending: Option<Pending>,
    /// Of the last command.
    number: u32,
    booted: watch::Sender<Option<Arc<Firmware>>>,
}

struct Pending {
    is_run: bool,
    reply: oneshot::Sender<Reply>,
    since: Instant,
}

/// When something was last seen to happen.
struct Progress {
    since: Instant,
    sequence: u32,
}

impl Operator {
    /// Works until the emulator has ended.
    fn work(mut self, inbox: &mpsc::Receiver<Event>) -> End {
        let end = self.serve(inbox).unwrap_or_else(|end| end);
        if let Err(e) = self.child.end() {
            return End::Lost(e);
        }
        end
    }

    fn serve(&mut self, inbox: &mpsc::Receiver<Event>) -> Result<End, End> {
        let begun = Instant::now();
        let mut progress = Progress { since: begun, sequence: 0 };
        loop {
            match inbox.recv_timeout(CHECK) {
                Ok(Event::Line(line)) => {
                    progress.since = Instant::now();
                    match line.strip_prefix('@') {
                        Some(number) => self.answered(number)?,
                        None => self.log.hear(line),
                    }
                }
                Ok(Event::Command(command, reply)) => {
                    progress.since = Instant::now();
                    self.waiting.push_back((command, reply));
                }
                Ok(Event::Closed) => return self.why_it_ended(),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(End::Stopped),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !self.is_up() {
                if begun.elapsed() > BOOT_LIMIT {
                    return Ok(End::NoBoot);
                }
            } else if self.pending.is_none() {
                self.ring()?;
            } else if progress.since.elapsed() > CHECK && !self.goes_on(&mut progress)? {
                return Ok(End::Silent);
            }
        }
    }

    fn is_up(&self) -> bool {
        self.folder.is_none()
    }

    /// The firmware says that command `number` is done; 0 stands for the boot.
    fn answered(&mut self, number: &str) -> Result<(), End> {
        if number == "0" && !self.is_up() {
            let firmware = self.mailbox.firmware()?;
            self.folder = None;
            self.booted.send_replace(Some(Arc::new(firmware)));
            return Ok(());
        }
        if number.parse() != Ok(self.number) {
            self.log.hear(format!("@{number}"));
            return Ok(());
        }
        if let Some(Pending { is_run, reply, since }) = self.pending.take() {
            let status = self.mailbox.status()?;
            let run = is_run.then(|| RunRecords::read(&self.mailbox, &status)).transpose()?.map(Arc::new);
            let _ = reply.send(Reply { status, took: since.elapsed(), run }); // the asker may be gone
        }
        Ok(())
    }

    /// Gives the next command to the firmware.
    fn ring(&mut self) -> Result<(), End> {
        let Some((command, reply)) = self.waiting.pop_front() else { return Ok(()) };
        self.number = self.number.wrapping_add(1).max(1);
        self.mailbox.post(self.number, &command)?;
        let is_run = matches!(command, Command::Run { part: Part::Whole | Part::Measured, .. });
        self.pending = Some(Pending { is_run, reply, since: Instant::now() });
        match self.doorbell.write_all(b"\n").and_then(|()| self.doorbell.flush()) {
            // A closed pipe means that the emulator has ended; the end of its output says why.
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(End::Lost(e)),
            _ => Ok(()),
        }
    }

    /// Whether the firmware recorded a frame within [`SILENCE`].
    fn goes_on(&self, progress: &mut Progress) -> Result<bool, End> {
        let sequence = self.mailbox.status()?.next_sequence;
        if sequence != progress.sequence {
            *progress = Progress { since: Instant::now(), sequence };
        }
        Ok(progress.since.elapsed() < SILENCE)
    }

    /// To be called when the emulator has closed its output.
    fn why_it_ended(&mut self) -> Result<End, End> {
        let status = self.child.wait()?;
        match status.code() {
            Some(PANIC_EXIT_CODE) => Ok(End::Panic(self.mailbox.panic()?)),
            _ => Ok(End::Exited { status }),
        }
    }
}

/// Hands each line of `pipe` to `on_line` on a thread of its own, and none at the end.
fn read_lines(
    pipe: impl Read + Send + 'static,
    name: &str,
    mut on_line: impl FnMut(Option<String>) + Send + 'static,
) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || uart::lines(pipe, &mut on_line)).map(drop)
}
