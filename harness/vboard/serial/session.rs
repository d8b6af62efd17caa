//! The loader at the port: from the moment at which the chip comes up in download mode until it leaves.
//!
//! It runs on a thread of its own. The CPU stands still meanwhile, as on a real chip, so nothing that is measured can
//! be disturbed.

use std::io;
use std::time::{Duration, Instant};

use super::loader::{Loader, Next};
use super::mishap::SerialMishap;
use super::pty::{Pty, USUAL_SPEED};
use super::registers::Watchdog;
use super::request::{Request, op};
use super::slip::Decoder;
use super::{TOUCH_SPEED, rom_text};
use crate::vboard::boot::ResetReason;
use crate::vboard::machine::Machine;

/// How often the port's speed and the board's power are looked at when nothing comes.
const LOOK: Duration = Duration::from_millis(20);
/// From the arming of the watchdog to the reset if its registers are not locked again. A real one takes some 15 ms, in
/// which clients lock the registers and hear that they did; a client on a busy host gets the time for that here.
const WATCHDOG: Duration = Duration::from_millis(500);
/// From the locking to the reset.
const WATCHDOG_LOCKED: Duration = Duration::from_millis(15);
/// After this silence what was written is saved, and the port is everybody's again.
const SILENCE: Duration = Duration::from_millis(200);
/// Output that a client does not take for so long is dropped: the client is gone.
const UNTAKEN: Duration = Duration::from_secs(1);

/// Serves clients during the `stay`th stay in the loader. The reset that ends it; none if the board was reset or
/// switched off from elsewhere.
pub fn serve(pty: &Pty, machine: &Machine, stay: u32) -> Option<ResetReason> {
    let mut session = Session::new(pty, machine, stay);
    session.begin();
    let ended = loop {
        match session.step() {
            Ok(Step::Goes) => {}
            Ok(Step::Leaves(reason)) => break Some(reason),
            Ok(Step::Gone) | Err(_) => break None,
        }
    };
    session.save();
    ended
}

struct Session<'a> {
    pty: &'a Pty,
    machine: &'a Machine,
    stay: u32,
    loader: Loader,
    decoder: Decoder,
    /// What the port is set to, once the client chose; before that the ROM takes any speed.
    speed: Option<u32>,
    watchdog: Option<Instant>,
    /// Blocks for the flash that came.
    blocks: u32,
    /// Whether the stub hangs.
    is_stuck: bool,
    last_heard: Instant,
}

enum Step {
    Goes,
    Leaves(ResetReason),
    Gone,
}

impl<'a> Session<'a> {
    fn new(pty: &'a Pty, machine: &'a Machine, stay: u32) -> Self {
        Self {
            pty,
            machine,
            stay,
            loader: Loader::new(machine.mac),
            decoder: Decoder::default(),
            speed: None,
            watchdog: None,
            blocks: 0,
            is_stuck: false,
            last_heard: Instant::now(),
        }
    }

    /// The chip comes up in its loader, and says so.
    fn begin(&mut self) {
        *self = Self::new(self.pty, self.machine, self.stay);
        if self.machine.mishaps.take(|next| next == SerialMishap::OtherMac).is_some() {
            let [a, b, c, d, e, last] = self.machine.mac;
            self.loader = Loader::new([a, b, c, d, e, !last]);
        }
        if self.pty.speed() == TOUCH_SPEED {
            self.pty.set_speed(USUAL_SPEED);
        }
        self.pty.forget_output();
        let _ = self.pty.write(rom_text::WAITING.as_bytes()); // there is room: what was there is forgotten
    }

    fn step(&mut self) -> io::Result<Step> {
        self.pty.wait(false, LOOK)?;
        if !self.machine.is_in_loader(self.stay) {
            return Ok(Step::Gone);
        }
        if self.watchdog.is_some_and(|at| at <= Instant::now()) {
            return Ok(Step::Leaves(ResetReason::Watchdog));
        }
        let mut buffer = [0; 4096];
        let length = match self.pty.read(&mut buffer) {
            Ok(length) => length,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.idle();
                return Ok(Step::Goes);
            }
            Err(e) => return Err(e),
        };
        self.last_heard = Instant::now();
        // At another speed than the chip's, bits are not where it looks for them.
        if self.speed.is_some_and(|speed| speed != self.pty.speed()) {
            return Ok(Step::Goes);
        }
        let mut frames = Vec::new();
        self.decoder.feed(&buffer[..length], &mut |frame| frames.push(frame.to_vec()));
        for frame in frames {
            match self.answer(&frame)? {
                Next::Stay => {}
                Next::Speed(speed) => self.speed = Some(speed),
                Next::Watchdog(Watchdog::On) => self.watchdog = Some(Instant::now() + WATCHDOG),
                Next::Watchdog(Watchdog::OnAndLocked) => {
                    self.watchdog = Some(Instant::now() + WATCHDOG_LOCKED);
                }
                // Without a word: a client that still waits for an answer would take it for that.
                Next::Restart => {
                    *self = Self::new(self.pty, self.machine, self.stay);
                    break;
                }
                Next::Boot(reason) => return Ok(Step::Leaves(reason)),
            }
        }
        Ok(Step::Goes)
    }

    /// Answers one frame, and works.
    fn answer(&mut self, frame: &[u8]) -> io::Result<Next> {
        let mishap = self.mishap(frame);
        self.is_stuck |= matches!(mishap, Some(SerialMishap::StuckStub { .. }));
        if self.is_stuck {
            return Ok(Next::Stay);
        }
        if let Some(SerialMishap::BrownOut { .. }) = mishap {
            return Ok(Next::Boot(ResetReason::PowerOn));
        }
        let said = self.loader.hear(frame, &mut self.machine.flash());
        if !matches!(mishap, Some(SerialMishap::LostAnswer { .. })) {
            self.send(&said.bytes)?;
        }
        let later = self.loader.work(&mut self.machine.flash());
        self.send(&later)?;
        if let Some(SerialMishap::BitFlip { .. }) = mishap {
            self.loader.lose_a_bit(&mut self.machine.flash());
        }
        Ok(said.next)
    }

    /// What goes wrong with this frame.
    fn mishap(&mut self, frame: &[u8]) -> Option<SerialMishap> {
        let request = Request::read(frame)?;
        if !matches!(request.op, op::FLASH_DATA | op::DEFLATE_DATA) {
            return None;
        }
        let block = self.blocks;
        self.blocks += 1;
        self.machine.mishaps.take(|next| next.block() == Some(block))
    }

    fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        let begun = Instant::now();
        while !bytes.is_empty() && begun.elapsed() < UNTAKEN {
            match self.pty.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.pty.wait(true, LOOK)?,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Nothing came for a moment.
    fn idle(&mut self) {
        if self.pty.speed() == TOUCH_SPEED {
            self.begin();
        }
        if self.last_heard.elapsed() > SILENCE {
            self.last_heard = Instant::now();
            self.pty.share();
            self.save();
        }
    }

    fn save(&self) {
        if let Err(e) = self.machine.flash().save() {
            self.machine.log.push(format!("serial: cannot save the flash: {e}"));
        }
    }
}
