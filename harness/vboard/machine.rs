//! The life of the board: boot, run, die or be reset, boot again.
//!
//! A board that crashes comes back after a second, as a real one does. One that crashes again and again with nobody
//! asking anything of it stays down with its last panic on record, so that it does not keep the host busy; a reset
//! or an update brings it back. In its serial loader it waits, without a CPU, until a reset takes it out.

use std::hash::{BuildHasher as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::boot::{self, App, Boot, Loaded, NoApp, ResetReason};
use super::clock;
use super::cpu::{Cpu, End};
use super::flash::Flash;
use super::log::{Log, Said};
use super::serial::Mishaps;
use crate::board::Panic;
use crate::digest::Sha;

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
    orders: mpsc::UnboundedSender<Order>,
    socket: Mutex<Socket>,
    boot_ids: u32,
    pub mishaps: Mishaps,
}

#[derive(Clone, Debug)]
enum Power {
    Restarting,
    Up(Arc<Boot>),
    /// In the serial loader, for the n-th time.
    Loader(u32),
    Off,
}

/// What ends a boot from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Restart(ResetReason),
    /// Restart into the serial loader, as with the boot button held down.
    Loader,
}

/// Where the CPU sits. It is never filled once the board is off.
#[derive(Debug, Default)]
struct Socket {
    off: bool,
    cpu: Option<Arc<Cpu>>,
}

/// How a boot ended.
enum Ending {
    Ordered(Order),
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
    /// A board that is switched off, and the orders that [`Machine::live`] waits for.
    pub fn new(qemu: PathBuf, mac: [u8; 6], flash: Flash) -> (Arc<Self>, mpsc::UnboundedReceiver<Order>) {
        let (orders, inbox) = mpsc::unbounded_channel();
        let machine = Self {
            qemu,
            mac,
            flash: Mutex::new(flash),
            log: Arc::default(),
            power: watch::Sender::new(Power::Restarting),
            orders,
            socket: Mutex::default(),
            mishaps: Mishaps::default(),
            boot_ids: std::hash::RandomState::new().build_hasher().finish() as u32,
        };
        (Arc::new(machine), inbox)
    }

    /// Lives until its future is dropped.
    pub async fn live(self: Arc<Self>, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut reason = ResetReason::PowerOn;
        let mut panic = None;
        let (mut crashes, mut stays) = (0, 0);
        for number in 0.. {
            let id = self.boot_id(number);
            self.log.tell(Said::Reset(reason));
            let boot = self.boot(id, reason, panic.take(), crashes, &mut orders).await;
            self.set_power(Power::Restarting);
            self.empty_socket();
            let order = match boot {
                Ending::Ordered(order) => Some(order),
                Ending::Died(death) => {
                    self.log.push(format!("board: {}", death.panic.reason));
                    reason = death.reason;
                    panic = Some(death.panic);
                    crashes = if death.was_untouched { crashes + 1 } else { 0 };
                    tokio::select! {
                        () = tokio::time::sleep(RESTART) => None,
                        order = next(&mut orders) => Some(order),
                    }
                }
            };
            if let Some(order) = order {
                (reason, panic, crashes) = (self.obey(order, &mut orders, &mut stays).await, None, 0);
            }
        }
    }

    /// Does what `order` says until the board boots again; the reason for that. `stays`: in the loader, so far.
    async fn obey(
        &self,
        mut order: Order,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        stays: &mut u32,
    ) -> ResetReason {
        loop {
            match order {
                Order::Restart(reason) => return reason,
                Order::Loader => {
                    *stays += 1;
                    self.set_power(Power::Loader(*stays));
                }
            }
            order = next(orders).await;
            self.set_power(Power::Restarting);
        }
    }

    /// The board as it runs; while it restarts or is in its serial loader, waits for that. `None`: it was switched off.
    pub async fn up(&self) -> Option<Arc<Boot>> {
        let mut power = self.power.subscribe();
        let settled = power.wait_for(|power| matches!(power, Power::Up(_) | Power::Off)).await;
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
        self.order(Order::Restart(reason));
    }

    /// Ends what the board does; returns at once.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order); // fails only when the board is being dropped
    }

    /// Waits until the board is in its serial loader; which stay there it is. `None`: it was switched off.
    pub async fn in_loader(&self) -> Option<u32> {
        let mut power = self.power.subscribe();
        let settled = power.wait_for(|power| matches!(power, Power::Loader(_) | Power::Off)).await;
        match settled.map(|power| power.clone()) {
            Ok(Power::Loader(stay)) => Some(stay),
            _ => None,
        }
    }

    /// Whether the board still is in that stay in its loader.
    pub fn is_in_loader(&self, stay: u32) -> bool {
        matches!(*self.power.borrow(), Power::Loader(now) if now == stay)
    }

    /// Waits until that stay is over.
    pub async fn left_loader(&self, stay: u32) {
        let mut power = self.power.subscribe();
        // An error means that the board is gone, and its loader with it.
        let _ = power.wait_for(|power| !matches!(power, Power::Loader(now) if *now == stay)).await;
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
        orders: &mut mpsc::UnboundedReceiver<Order>,
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
                order = next(orders) => return Ending::Ordered(order),
                booted = loaded.cpu.booted() => match booted {
                    Ok(firmware) => Ok(App::new(loaded, firmware)),
                    Err(end) => {
                        self.tell_end(&end, Some(loaded.elf_sha256));
                        return Ending::Died(Death::new(id, &end, None, true));
                    }
                },
            },
        };
        match &app {
            Ok(_) => self.confirm().await,
            Err(no_app) => self.log.push(format!("boot: no application runs: {no_app}")),
        }
        let boot = Arc::new(Boot::new(id, reason, app, panic));
        self.log.tell(Said::Up(Arc::clone(&boot)));
        self.set_power(Power::Up(Arc::clone(&boot)));
        let dies = async {
            match &boot.app {
                Ok(app) => clock::follow_the_wall(&app.cpu).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            order = next(orders) => Ending::Ordered(order),
            end = dies => {
                let app = boot.app.as_ref().ok();
                self.tell_end(&end, app.map(|app| app.elf_sha256));
                Ending::Died(Death::new(id, &end, app, boot.runs().is_untouched()))
            }
        }
    }

    /// A real board says on its serial port how its firmware ended.
    fn tell_end(&self, end: &End, elf_sha256: Option<Sha>) {
        if let End::Panic(record) = end {
            self.log.tell(Said::Panic(record.clone(), elf_sha256));
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

/// The next order; none comes any more when the board is being dropped.
async fn next(orders: &mut mpsc::UnboundedReceiver<Order>) -> Order {
    match orders.recv().await {
        Some(order) => order,
        None => std::future::pending().await,
    }
}
