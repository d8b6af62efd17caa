//! The port while the firmware runs: its log goes out, keys come in, and a touch at 1200 baud leads into the loader.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::k1_log::{self, Level, Message, info};
use super::keys::{Keys, Wish};
use super::mishap::SerialMishap;
use super::output::Output;
use super::periodic::Periodic;
use super::place::Place;
use super::pty::{Pty, USUAL_SPEED};
use super::{TOUCH_SPEED, rom_text, session};
use crate::vboard::boot::{App, Boot, ResetReason};
use crate::vboard::cpu::Reply;
use crate::vboard::frame_metrics::History;
use crate::vboard::log::Said;
use crate::vboard::machine::{Machine, Order};
use crate::vboard::mailbox::Command;

/// How often the port's speed is looked at, and whether a line is due.
const LOOK: Duration = Duration::from_millis(100);

/// The serial port of a board.
#[derive(Debug)]
pub struct Console {
    port: AsyncFd<Arc<Pty>>,
    place: Arc<Place>,
    /// Whether the port is gone until the board's power was off.
    is_dead: bool,
    machine: Arc<Machine>,
    said: mpsc::Receiver<Said>,
    output: Output,
    /// IP address of the board.
    ip: String,
    boot: Option<Arc<Boot>>,
    /// The pattern that a key asked for, and what tells when it is drawn.
    asked: Option<(usize, oneshot::Receiver<Reply>)>,
    periodic: Periodic,
    keys: Keys,
}

impl Console {
    /// The port `pty` of `machine`, which clients find at `place`; the board has the address `ip`.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn new(pty: Pty, place: Arc<Place>, machine: Arc<Machine>, ip: String) -> io::Result<Self> {
        let said = machine.log.listen().ok_or(io::ErrorKind::AlreadyExists)?;
        let port = register(pty)?;
        let (output, periodic, keys) = (Output::default(), Periodic::default(), Keys::default());
        let is_dead = false;
        Ok(Self { port, place, is_dead, machine, said, output, ip, boot: None, asked: None, periodic, keys })
    }

    /// Serves the port until the future is dropped or the board is switched off.
    pub async fn run(mut self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let machine = Arc::clone(&self.machine);
        loop {
            tokio::select! {
                stay = machine.in_loader() => match stay {
                    Some(stay) => self.load(stay).await,
                    None => return,
                },
                Some(said) = self.said.recv() => self.hear(said),
                () = self.output.write(&self.port) => {}
                keys = read(&self.port) => match keys {
                    Ok(keys) => keys.into_iter().for_each(|key| self.press(key)),
                    Err(_) => return, // does not happen while this end is open
                },
                _ = look.tick() => self.look(),
            }
        }
    }

    /// Gives the port to the loader until that is left.
    async fn load(&mut self, stay: u32) {
        // What was said before is said no more: clients of the loader take any byte for an answer.
        while self.said.try_recv().is_ok() {}
        self.output = Output::default();
        self.boot = None;
        let (pty, machine) = (Arc::clone(self.port.get_ref()), Arc::clone(&self.machine));
        let session = tokio::task::spawn_blocking(move || session::serve(&pty, &machine, stay));
        match session.await {
            Ok(Some(reason)) => {
                self.leave(reason);
                self.machine.restart(reason);
            }
            Ok(None) => {}
            // It does not panic; if it did, the board would come back all the same.
            Err(_) => self.machine.restart(ResetReason::Panic),
        }
        self.machine.left_loader(stay).await;
    }

    /// What becomes of the port when the chip leaves its loader by itself.
    fn leave(&mut self, reason: ResetReason) {
        let is_due = |next| matches!(next, SerialMishap::UsbDeath | SerialMishap::Renumbered);
        match self.machine.mishaps.take(is_due) {
            Some(SerialMishap::UsbDeath) => {
                self.place.hide();
                self.is_dead = true;
                self.plug_in();
            }
            Some(_) => self.plug_in(),
            None if reason == ResetReason::PowerOn => self.revive(),
            None => {}
        }
    }

    /// A new port in the place of the old one, whose clients lose it.
    fn plug_in(&mut self) {
        // Before the old one goes, so that the kernel does not give the same name again.
        if let Ok(port) = Pty::open().and_then(register) {
            self.port = port;
            self.output = Output::default();
        }
        self.show();
    }

    fn revive(&mut self) {
        if std::mem::take(&mut self.is_dead) {
            self.show();
        }
    }

    fn show(&self) {
        if !self.is_dead
            && let Err(e) = self.place.show(self.port.get_ref().path())
        {
            self.machine.log.push(format!("serial: cannot make the link to the port: {e}"));
        }
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Firmware(line) => self.output.push(&format!("{line}\n")),
            Said::Board(line) => {
                // The rest is not what a firmware would know of.
                if line.starts_with("OTA ") {
                    let level = if line.starts_with("OTA Error") { Level::Error } else { Level::Info };
                    self.log(&(level, '0', line));
                }
            }
            Said::Reset(reason) => {
                if reason == ResetReason::PowerOn {
                    self.revive();
                }
                self.boot = None;
                self.output.push(&rom_text::boot(reason));
            }
            Said::Panic(record, sha) => self.output.push(&rom_text::panic(&record, sha)),
            Said::Up(boot) => self.start(boot),
        }
    }

    /// The firmware has come up, or there is none.
    fn start(&mut self, boot: Arc<Boot>) {
        (self.periodic, self.keys, self.asked) = (Periodic::default(), Keys::default(), None);
        self.boot = Some(Arc::clone(&boot));
        match &boot.app {
            Ok(app) => {
                let current = app.status().map_or(0, |status| status.current_pattern as usize);
                let messages = k1_log::start(app, current, &self.ip);
                messages.iter().for_each(|message| self.log(message));
            }
            Err(no_app) => self.output.push(&rom_text::no_app(&no_app.0)),
        }
    }

    fn look(&mut self) {
        let pty = self.port.get_ref();
        if pty.speed() == TOUCH_SPEED {
            pty.set_speed(USUAL_SPEED); // so that the same touch is not seen twice
            self.machine.order(Order::Loader);
            return;
        }
        pty.share();
        self.output.look(pty);
        let Some(boot) = self.boot.clone() else { return };
        if let Ok(app) = &boot.app
            && let Ok(status) = app.status()
        {
            let due = self.periodic.due(&status, || History::read(app).ok());
            due.iter().for_each(|message| self.log(message));
        }
    }

    fn press(&mut self, key: u8) {
        let Some(boot) = self.boot.clone() else { return };
        let Ok(app) = &boot.app else { return };
        let messages = match self.keys.press(key) {
            Wish::Say(messages) => messages,
            Wish::Heartbeats(messages) => {
                self.output.push(&self.periodic.dump());
                messages
            }
            Wish::NextPattern => self.next_pattern(app),
        };
        messages.iter().for_each(|message| self.log(message));
    }

    /// Draws the next pattern, after what the firmware does at the moment.
    fn next_pattern(&mut self, app: &App) -> Vec<Message> {
        let patterns = &app.firmware.patterns;
        let asked = self.asked.take_if(|(_, reply)| matches!(reply.try_recv(), Err(TryRecvError::Empty)));
        let current = match asked {
            Some((asked, _)) => asked,
            None => app.status().map_or(0, |status| status.current_pattern as usize),
        };
        let index = (current + 1) % patterns.len().max(1);
        let Some(pattern) = patterns.get(index) else { return Vec::new() };
        self.asked = Some((index, app.cpu.post(Command::Select { pattern: index as u32 })));
        vec![
            info(
                '1',
                format!(
                    "PATTERN CHANGED: \x1b[1;31m[{index}]\x1b[0m {} - {}",
                    pattern.name, pattern.description
                ),
            ),
            info('1', format!("Pattern changed via spacebar to: {}", pattern.name)),
        ]
    }

    /// Writes a message of the firmware, unless its level or tag is not shown.
    fn log(&mut self, message: &Message) {
        if self.keys.shows(message) {
            let uptime_ns = self.boot.as_ref().map_or(0, |boot| boot.uptime_ns());
            self.output.push(&k1_log::line(uptime_ns, message));
        }
    }
}

fn register(pty: Pty) -> io::Result<AsyncFd<Arc<Pty>>> {
    #[expect(unsafe_code, reason = "the runtime has no other way to wait for a terminal")]
    // SAFETY: `Pty` has one descriptor from its making to its end, and the `AsyncFd` keeps it alive.
    let port = unsafe { AsyncFd::register(Arc::new(pty)) }?;
    Ok(port)
}

/// What clients sent.
async fn read(port: &AsyncFd<Arc<Pty>>) -> io::Result<Vec<u8>> {
    port.async_io(Interest::READABLE, |pty| {
        let mut buffer = [0; 256];
        pty.read(&mut buffer).map(|length| buffer[..length].to_vec())
    })
    .await
}
