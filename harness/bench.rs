//! The boards that a session works on: leased ones of an inventory, or virtual ones of this process.
//!
//! The one place that knows both real and virtual boards: a virtual one of an inventory is started here when it is
//! leased, and ends with its lease.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::board::inventory::{Entry, Inventory, Reach, Selected};
use crate::board::lease::{Lease, LeaseError, Leasing};
use crate::board::ledger::Ledger;
use crate::board::recovery::{self, Act, Limits, Rung, Step};
use crate::board::serial::SerialPort;
use crate::board::{Address, Board, Mac, Password};
use crate::deploy::serial;
use crate::error::Error;
use crate::event::{Event, OnEvent};
use crate::story;
use crate::tools::Toolbox;
use crate::vboard::{Options, VirtualBoard};

mod at_port;

pub use at_port::{AtPort, Sought};

/// More emulated CPUs than that at once cost more memory than they gain.
const MOST: usize = 8;

/// Boards that answered. Dropping it returns those that are leased and ends the virtual ones of this process.
#[derive(Debug)]
pub struct Bench {
    /// At least one.
    pub boards: Vec<Board>,
    // In the order in which they are dropped: a board that ends with its lease ends before it.
    virtual_boards: Vec<VirtualBoard>,
    leases: Vec<Lease>,
}

/// What leasing boards of an inventory needs.
#[derive(Clone, Copy)]
pub struct Stock<'a> {
    pub inventory: &'a Inventory,
    pub leasing: &'a Leasing,
    /// Where the boards' reliability is kept; none: it is forgotten.
    pub ledger: Option<&'a Ledger>,
    /// How long it is tried to make a board well.
    pub limits: Limits,
    pub toolbox: &'a Toolbox,
    /// Looks up environment variables, where passwords may stand.
    pub env: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl std::fmt::Debug for Stock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stock").field("inventory", &self.inventory).finish_non_exhaustive()
    }
}

/// A leased board that is well.
struct Seat {
    board: Board,
    virtual_board: Option<VirtualBoard>,
    lease: Lease,
}

impl Bench {
    /// `count` virtual boards, but at least one and not more than there are cores, each of which keeps one busy. They
    /// are this process's own, so nobody leases them.
    ///
    /// # Errors
    ///
    /// A missing emulator, and those of [`VirtualBoard::start`].
    pub async fn of_virtual_boards(count: usize, toolbox: &Toolbox) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut bench = Self::empty();
        for _ in 0..count.min(cores).clamp(1, MOST) {
            let started = VirtualBoard::start(Options::new(toolbox.qemu()?)).await?;
            bench.boards.push(Board::connect(started.address()).await?);
            bench.virtual_boards.push(started);
        }
        Ok(bench)
    }

    /// Leases `count` of the boards that were selected, finds them well or makes them so, and holds them until it is
    /// dropped. Of boards that do not get well the next ones are taken, as long as there are any; boards that are
    /// marked sick are tried only if they were meant by name.
    ///
    /// # Errors
    ///
    /// [`crate::board::inventory::InventoryError::TooFew`], a board's password that is not to be had, [`LeaseError`], those of starting a
    /// virtual board, and [`crate::board::BoardError::NoProbe`].
    pub async fn lease(
        selected: &Selected,
        count: NonZeroUsize,
        stock: Stock<'_>,
        on_event: OnEvent<'_>,
    ) -> Result<Self, Error> {
        let count = count.get();
        selected.enough_for(count)?;
        let mut known = Vec::new();
        for (place, entry) in selected.candidates.iter().enumerate() {
            match stock.known(entry).await {
                Ok(found) => known.push(found),
                // Another one may do.
                Err(_) if known.len() + selected.candidates.len() - place > count => {}
                Err(error) => return Err(error),
            }
        }
        if !selected.is_certain {
            let (sick, well) = known.into_iter().partition::<Vec<_>, _>(|(mac, _)| stock.is_sick(*mac));
            known = well;
            if known.len() < count {
                let sick: Vec<String> = sick.into_iter().map(|(_, entry)| entry.name).collect();
                let (asked, well, sick) = (selected.asked.clone(), known.len(), sick.join(", "));
                return Err(LeaseError::TooSick { asked, wanted: count, well, sick }.into());
            }
        }
        let mut bench = Self::empty();
        while bench.boards.len() < count {
            let wanted = count - bench.boards.len();
            let boards: Vec<(Mac, &str)> =
                known.iter().map(|(mac, entry)| (*mac, entry.name.as_str())).collect();
            let leases = match boards.as_slice() {
                [(mac, name)] => vec![(0, stock.leasing.take(*mac, name, on_event).await?)],
                several => stock.leasing.take_any(several, wanted, on_event).await?,
            };
            let mut spare = known.len() - leases.len();
            let mut gone = Vec::new();
            for (place, lease) in leases {
                gone.push(place);
                match stock.seat(&known[place].1, lease, on_event).await {
                    Ok(seat) => bench.add(seat),
                    // Another one may do.
                    Err(Error::Lease(error)) if error.is_of_this_board() && spare > 0 => spare -= 1,
                    Err(error) => return Err(error),
                }
            }
            gone.sort_unstable();
            gone.into_iter().rev().for_each(|place| drop(known.remove(place)));
        }
        Ok(bench)
    }

    /// Makes sure that the leases are still seen by others. Boards that were never leased are of no concern.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`].
    pub fn still_held(&self) -> Result<(), LeaseError> {
        self.leases.iter().try_for_each(Lease::renew)
    }

    /// Its first board.
    pub fn board(&self) -> &Board {
        self.boards.first().expect("both ways to make a bench put at least one board on it")
    }

    fn empty() -> Self {
        Self { boards: Vec::new(), virtual_boards: Vec::new(), leases: Vec::new() }
    }

    fn add(&mut self, seat: Seat) {
        self.boards.push(seat.board);
        self.virtual_boards.extend(seat.virtual_board);
        self.leases.push(seat.lease);
    }
}

impl Stock<'_> {
    /// The entry with its MAC. A board of which only the address is known is asked who it is, and is then what the
    /// inventory says of it.
    async fn known(&self, entry: &Entry) -> Result<(Mac, Entry), Error> {
        if let Some(mac) = entry.mac {
            return Ok((mac, entry.clone()));
        }
        let no_address = || LeaseError::NoAddress { board: entry.name.clone() };
        let address = entry.address().ok_or_else(no_address)?;
        // A board that is silent cannot be told from another one, so there is no ladder to climb.
        let mac = Board::identify(address).await?.mac;
        let known = self.inventory.of_mac(mac).cloned();
        let entry = match known {
            Some(known) => Entry { reach: entry.reach.clone(), ..known },
            None => Entry { mac: Some(mac), ..entry.clone() },
        };
        Ok((mac, entry))
    }

    /// A ledger that cannot be read knows nothing of a sickness.
    fn is_sick(&self, mac: Mac) -> bool {
        self.ledger.and_then(|ledger| ledger.read(mac).ok()).is_some_and(|past| past.sick.is_some())
    }

    async fn seat(&self, entry: &Entry, lease: Lease, on_event: OnEvent<'_>) -> Result<Seat, Error> {
        if let Some(holder) = &lease.orphan_of {
            on_event(&Event::HolderDied { board: entry.name.clone(), holder: holder.to_string() });
        }
        let password = entry.password(self.env)?;
        let virtual_board = self.start(entry, Some(lease.mac), password.clone()).await?;
        let address: &Address = virtual_board
            .as_ref()
            .map(VirtualBoard::address)
            .or(entry.address())
            .ok_or_else(|| LeaseError::NoAddress { board: entry.name.clone() })?;
        let mut steps = recovery::ladder(entry, address, &self.limits);
        if let Some(started) = &virtual_board {
            let press = async move || {
                started.reset().await;
                Ok(())
            };
            steps.push(Step {
                rung: Rung::ResetButton,
                limit: self.limits.reboot,
                act: Box::new(move || Box::pin(press())),
            });
        }
        if let Some(port) = at_port::restarts_at(entry, self) {
            let step = serial_step(port, lease.mac, self.limits.reboot);
            // The power is switched last.
            let place = steps.partition_point(|before| before.rung < step.rung);
            steps.insert(place, step);
        }
        let found = recovery::recover(&entry.name, lease.mac, address, &steps, self.ledger, on_event).await?;
        drop(steps);
        let mut board = found?;
        board.ota_password = password;
        Ok(Seat { board, virtual_board, lease })
    }

    /// Starts the board of `entry` if it is a virtual one that runs only while it is wanted.
    async fn start(
        &self,
        entry: &Entry,
        mac: Option<Mac>,
        ota_password: Option<Password>,
    ) -> Result<Option<VirtualBoard>, Error> {
        let Reach::StartedVirtual { flash } = &entry.reach else { return Ok(None) };
        let mut options =
            Options { flash: flash.clone(), ota_password, ..Options::new(self.toolbox.qemu()?) };
        if let Some(mac) = mac {
            options.mac = mac.bytes();
        }
        Ok(Some(VirtualBoard::start(options).await?))
    }
}

/// Restarts the board `mac` at its serial port.
fn serial_step<'a>(port: SerialPort, mac: Mac, limit: Duration) -> Step<'a> {
    let act: Act<'a> = Box::new(move || {
        let port = port.clone();
        Box::pin(async move { serial::restart(&port, mac).await.map_err(|error| story::one_line(&error)) })
    });
    Step { rung: Rung::SerialReset, limit, act }
}
