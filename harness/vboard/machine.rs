//! The life of the board: boot, run, die or be reset, boot again.
//!
//! A board that crashes comes back after a second, as a real one does. One that crashes again and again with nobody
//! asking anything of it stays down with its last panic on record, so that it does not keep the host busy; a reset
//! or an update brings it back.

use std::hash::{BuildHasher as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::boot::{self, App, Boot, Loaded, NoApp, ResetReason};
use super::clock;
use super::cpu::{Cpu, End};
use super::flash::Flash;
use super::log::Log;
use crate::board::Panic;

/// Time from a crash to the next boot.
const RESTART: Duration = Duration::from_secs(1);
/// After so many crashes in a row the board stays down.
const CRASHES: u32 = 3;

/// What all parts of a board share.
#[derive(Debug)]
pub struct Machine {
    qemu: PathBuf,
    pub mac: [u8; 6],
    flash: Mutex<Flash>,
    pub log: Arc<Log>,
    power: watch::Sender<Power>,
    resets: mpsc::UnboundedSender<ResetReason>,
    socket: Mutex<Socket>,
    boot_ids: u32,
}

#[derive(Clone, Debug)]
enum Power {
    Restarting,
    Up(Arc<Boot>),
    Off,
}

/// Where the CPU sits. It is never filled once the board is off.
#[derive(Debug, Default)]
struct Socket {
    off: bool,
    cpu: Option<Arc<Cpu>>,
}

/// How a boot ended.
enum Ending {
    Reset(ResetReason),
    Died(Death),
}

struct Death {
    panic: Panic,
    /// Of the boot that follows.
    reason: ResetReason,
    /// Whether nobody had asked for a run. Who asks for one that crashes wants to see it, as often as he likes; only
    /// a board that crashes by itself must be stopped.
    was_untouched: bool,
}

impl Machine {
    /// A board that is switched off, and the resets that [`Machine::live`] waits for.
    pub fn new(
        qemu: PathBuf,
        mac: [u8; 6],
        flash: Flash,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<ResetReason>) {
        let (resets, inbox) = mpsc::unbounded_channel();
        let machine = Self {
            qemu,
            mac,
            flash: Mutex::new(flash),
            log: Arc::default(),
            power: watch::Sender::new(Power::Restarting),
            resets,
            socket: Mutex::default(),
            boot_ids: std::hash::RandomState::new().build_hasher().finish() as u32,
        };
        (Arc::new(machine), inbox)
    }

    /// Lives until its future is dropped.
    pub async fn live(self: Arc<Self>, mut resets: mpsc::UnboundedReceiver<ResetReason>) {
        let mut reason = ResetReason::PowerOn;
        let mut panic = None;
        let mut crashes = 0;
        for number in 0.. {
            let id = self.boot_id(number);
            let boot = self.boot(id, reason, panic.take(), crashes, &mut resets).await;
            self.set_power(Power::Restarting);
            self.empty_socket();
            match boot {
                Ending::Reset(why) => (reason, crashes) = (why, 0),
                Ending::Died(death) => {
                    self.log.push(format!("board: {}", death.panic.reason));
                    reason = death.reason;
                    panic = Some(death.panic);
                    crashes = if death.was_untouched { crashes + 1 } else { 0 };
                    tokio::select! {
                        () = tokio::time::sleep(RESTART) => {}
                        why = next(&mut resets) => (reason, panic, crashes) = (why, None, 0),
                    }
                }
            }
        }
    }

    /// The board as it runs; while it restarts, waits for that. `None`: it was switched off.
    pub async fn up(&self) -> Option<Arc<Boot>> {
        let mut power = self.power.subscribe();
        let settled = power.wait_for(|power| !matches!(power, Power::Restarting)).await;
        match settled.map(|power| power.clone()) {
            Ok(Power::Up(boot)) => Some(boot),
            _ => None,
        }
    }

    /// Waits until `boot` is no longer what runs.
    pub async fn over(&self, boot: &Boot) {
        let mut power = self.power.subscribe();
        let is_other = |power: &Power| !matches!(power, Power::Up(now) if now.id == boot.id);
        let _ = power.wait_for(is_other).await; // an error means that the board is gone, and the boot with it
    }

    /// Restarts the board; returns at once.
    pub fn restart(&self, reason: ResetReason) {
        let _ = self.resets.send(reason); // fails only when the board is being dropped
    }

    /// The flash. It is not held across an await.
    pub fn flash(&self) -> MutexGuard<'_, Flash> {
        self.flash.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the emulator for good and lets go of the flash file, whatever the board does at the moment. Requests that
    /// are still being answered may keep the rest of the board for a while.
    pub fn switch_off(&self) {
        self.socket().off = true;
        self.power.send_replace(Power::Off);
        self.empty_socket();
        self.flash().close();
    }

    /// One boot, from its beginning to its end.
    async fn boot(
        self: &Arc<Self>,
        id: u32,
        reason: ResetReason,
        panic: Option<Panic>,
        crashes: u32,
        resets: &mut mpsc::UnboundedReceiver<ResetReason>,
    ) -> Ending {
        let loaded = match &panic {
            Some(panic) if crashes >= CRASHES => {
                Err(NoApp(format!("the application crashed {crashes} times in a row: {}", panic.reason)))
            }
            _ => self.load().await,
        };
        let app = match loaded {
            Err(no_app) => Err(no_app),
            Ok(loaded) => tokio::select! {
                biased;
                why = next(resets) => return Ending::Reset(why),
                booted = loaded.cpu.booted() => match booted {
                    Ok(firmware) => Ok(App::new(loaded, firmware)),
                    Err(end) => return Ending::Died(Death::new(id, &end, None, true)),
                },
            },
        };
        match &app {
            Ok(_) => self.confirm().await,
            Err(no_app) => self.log.push(format!("boot: no application runs: {no_app}")),
        }
        let boot = Arc::new(Boot::new(id, reason, app, panic));
        self.set_power(Power::Up(Arc::clone(&boot)));
        let dies = async {
            match &boot.app {
                Ok(app) => clock::follow_the_wall(&app.cpu).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            why = next(resets) => Ending::Reset(why),
            end = dies => Ending::Died(Death::new(id, &end, boot.app.as_ref().ok(), boot.runs().is_untouched())),
        }
    }

    /// Loads the chosen image into the CPU, unless the board is being dropped.
    async fn load(self: &Arc<Self>) -> Result<Loaded, NoApp> {
        let machine = Arc::clone(self);
        let load = move || {
            // Held until the CPU sits in it: whoever switches the board off finds either no CPU or this one.
            let mut socket = machine.socket();
            if socket.off {
                return Err(NoApp("the board was switched off".to_owned()));
            }
            let loaded = boot::load(&mut machine.flash(), &machine.qemu, &machine.log)?;
            socket.cpu = Some(Arc::clone(&loaded.cpu));
            Ok(loaded)
        };
        tokio::task::spawn_blocking(load).await.unwrap_or_else(|e| Err(NoApp(e.to_string())))
    }

    /// Notes in flash that the image came up.
    async fn confirm(self: &Arc<Self>) {
        let machine = Arc::clone(self);
        let confirm = move || boot::confirm(&mut machine.flash(), &machine.log);
        if let Err(e) = tokio::task::spawn_blocking(confirm).await {
            self.log.push(format!("boot: {e}"));
        }
    }

    /// Once off, always off.
    fn set_power(&self, now: Power) {
        self.power.send_if_modified(|power| {
            let is_on = !matches!(power, Power::Off);
            if is_on {
                *power = now;
            }
            is_on
        });
    }

    fn boot_id(&self, number: u32) -> u32 {
        // An odd step visits all numbers before it repeats one.
        self.boot_ids.wrapping_add(number.wrapping_mul(0x9E37_79B9)).max(1)
    }

    fn socket(&self) -> MutexGuard<'_, Socket> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn empty_socket(&self) {
        let cpu = self.socket().cpu.take();
        if let Some(cpu) = cpu {
            cpu.stop();
        }
    }
}

impl Death {
    fn new(boot_id: u32, end: &End, app: Option<&App>, was_untouched: bool) -> Self {
        let reason = match end {
            End::Panic(record) if record.is_watchdog() => ResetReason::Watchdog,
            End::Silent | End::NoBoot => ResetReason::Watchdog,
            _ => ResetReason::Panic,
        };
        Self { panic: boot::post_mortem(boot_id, end, app), reason, was_untouched }
    }
}

/// The next reset; none comes any more when the board is being dropped.
async fn next(resets: &mut mpsc::UnboundedReceiver<ResetReason>) -> ResetReason {
    match resets.recv().await {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}
