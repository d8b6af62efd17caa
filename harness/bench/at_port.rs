//! A board at its serial port, leased to be flashed.
//!
//! Unlike the boards of a bench it is not looked at: it may hold no firmware at all, which is what serial ports are for.

use std::path::Path;

use super::Stock;
use crate::board::inventory::{DtrRts, Entry, Reach, Selected};
use crate::board::lease::{Lease, LeaseError};
use crate::board::serial::{ResetBy, SerialPort};
use crate::board::{Address, Board, Mac, announce, ports};
use crate::deploy::DeployError;
use crate::error::Error;
use crate::event::OnEvent;
use crate::vboard::VirtualBoard;

/// A board that is nobody else's. Dropping it returns the board.
#[derive(Debug)]
pub struct AtPort {
    pub port: SerialPort,
    /// Where the board that was asked for answers when its firmware runs.
    pub address: Option<Address>,
    /// Which board it must be; none if nothing but the chip itself can say.
    pub mac: Option<Mac>,
    // In the order in which they are dropped.
    _virtual_board: Option<VirtualBoard>,
    lease: Option<Lease>,
}

/// Which board, by what is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sought<'a> {
    /// From the inventory, or an address.
    pub selected: Option<&'a Selected>,
    /// Instead of the port in the inventory.
    pub port: Option<&'a Path>,
    pub mac: Option<Mac>,
}

impl AtPort {
    /// Leases the board that is `sought`: the first that is free, where any that fits will do.
    ///
    /// Where neither inventory, USB, address nor `mac` says which board it is, there is nothing to lease before it is
    /// asked; then only the lock of the port keeps others out.
    ///
    /// # Errors
    ///
    /// [`LeaseError`], with [`LeaseError::NoPort`]; [`DeployError::WrongBoard`] if the inventory has another MAC for the
    /// board; those of starting a virtual board.
    pub async fn lease(sought: Sought<'_>, stock: Stock<'_>, on_event: OnEvent<'_>) -> Result<Self, Error> {
        let candidates = match sought.selected {
            Some(selected) => selected.candidates.clone(),
            None => sought.port.and_then(|port| stock.entry_at(port)).into_iter().collect(),
        };
        let has_port =
            |entry: &&Entry| sought.port.is_some() || port_of(entry).is_some() || is_started(entry);
        let at_ports: Vec<&Entry> = candidates.iter().filter(has_port).collect();
        if let (Some(entry), true) = (candidates.first(), at_ports.is_empty()) {
            return Err(LeaseError::NoPort { board: entry.name.clone() }.into());
        }
        let (entry, mac, lease) = match at_ports.as_slice() {
            [] => stock.lease_unlisted(sought, on_event).await?,
            [entry] => stock.lease_listed(entry, sought, on_event).await?,
            several => stock.lease_any(several, on_event).await?,
        };
        let virtual_board = match entry {
            Some(entry) if is_started(entry) => stock.start(entry, mac, entry.password(stock.env)?).await?,
            _ => None,
        };
        let own = virtual_board.as_ref().map(VirtualBoard::serial_port);
        let Some(path) = sought.port.or(own.as_deref()).or(entry.and_then(port_of)) else {
            let board = entry.map_or_else(String::new, |entry| entry.name.clone());
            return Err(LeaseError::NoPort { board }.into());
        };
        let port = stock.port(path, entry);
        let started = virtual_board.as_ref().map(VirtualBoard::address);
        let asked = entry.filter(|_| sought.selected.is_some()).and_then(Entry::address);
        let address = started.or(asked).cloned();
        Ok(Self { port, address, mac, _virtual_board: virtual_board, lease })
    }

    /// Makes sure that the lease is still seen by others.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`].
    pub fn still_held(&self) -> Result<(), LeaseError> {
        self.lease.iter().try_for_each(Lease::renew)
    }
}

/// The port at which the board of `entry` can be restarted; none if only a person's hand can do that.
pub(super) fn restarts_at(entry: &Entry, stock: &Stock<'_>) -> Option<SerialPort> {
    let port = stock.port(port_of(entry)?, Some(entry));
    (port.reset != ResetBy::Hand).then_some(port)
}

/// What was chosen: its entry if it has one, which board it is, and the lease of that.
type Chosen<'a> = (Option<&'a Entry>, Option<Mac>, Option<Lease>);

impl Stock<'_> {
    /// The port at `path`, reset as the entry of its board allows.
    fn port(&self, path: &Path, entry: Option<&Entry>) -> SerialPort {
        let port = SerialPort { locks: self.leasing.locks.clone(), ..SerialPort::at(path) };
        match (entry.map(|entry| entry.dtr_rts), port.reset) {
            (Some(DtrRts::Leave), ResetBy::Bridge | ResetBy::Usb) => {
                SerialPort { reset: ResetBy::Hand, ..port }
            }
            _ => port,
        }
    }

    /// A board that no inventory knows, at the port that was given.
    async fn lease_unlisted<'a>(
        &self,
        sought: Sought<'_>,
        on_event: OnEvent<'_>,
    ) -> Result<Chosen<'a>, Error> {
        let Some(mac) = sought.mac.or_else(|| sought.port.and_then(|port| self.mac_at(port))) else {
            return Ok((None, None, None));
        };
        let lease = self.leasing.take(mac, &mac.to_string(), on_event).await?;
        Ok((None, Some(mac), Some(lease)))
    }

    async fn lease_listed<'a>(
        &self,
        entry: &'a Entry,
        sought: Sought<'_>,
        on_event: OnEvent<'_>,
    ) -> Result<Chosen<'a>, Error> {
        if let (Some(found), Some(expected)) = (entry.mac, sought.mac)
            && found != expected
        {
            let (place, found, expected) = (entry.name.clone(), found.to_string(), expected.to_string());
            return Err(DeployError::WrongBoard { place, found, expected }.into());
        }
        let mut mac = entry.mac.or(sought.mac);
        if mac.is_none()
            && let Some(address) = entry.address()
        {
            // It may be off the network, or without firmware.
            mac = Board::identify(address).await.ok().map(|identity| identity.mac);
        }
        let mac = mac.or_else(|| sought.port.or(port_of(entry)).and_then(|port| self.mac_at(port)));
        let Some(mac) = mac else { return Ok((Some(entry), None, None)) };
        let lease = self.leasing.take(mac, &entry.name, on_event).await?;
        Ok((Some(entry), Some(mac), Some(lease)))
    }

    async fn lease_any<'a>(&self, entries: &[&'a Entry], on_event: OnEvent<'_>) -> Result<Chosen<'a>, Error> {
        let known: Vec<(Mac, &'a Entry)> =
            entries.iter().filter_map(|&entry| Some((entry.mac?, entry))).collect();
        let names: Vec<(Mac, &str)> = known.iter().map(|(mac, entry)| (*mac, entry.name.as_str())).collect();
        let mut leases = self.leasing.take_any(&names, 1, on_event).await?;
        let Some((place, lease)) = leases.pop() else { return Ok((None, None, None)) };
        let (mac, entry) = known[place];
        Ok((Some(entry), Some(mac), Some(lease)))
    }

    /// The entry of the board at the port: by the port, or by what its USB says.
    fn entry_at(&self, port: &Path) -> Option<Entry> {
        let is_at = |entry: &&Entry| port_of(entry).is_some_and(|known| is_same(known, port));
        let by_port = self.inventory.entries.iter().find(is_at);
        by_port.or_else(|| self.inventory.of_mac(self.mac_at(port)?)).cloned()
    }

    /// The MAC of the board at the port, from its USB device or the virtual board that it belongs to.
    fn mac_at(&self, port: &Path) -> Option<Mac> {
        let usb = ports::usb_ports().into_iter().find(|usb| is_same(&usb.path, port));
        if let Some(usb) = usb {
            return usb.serial?.parse().ok();
        }
        let announced = announce::announced(&self.leasing.locks).unwrap_or_default();
        announced.into_iter().find(|board| is_same(&board.serial_port, port)).map(|board| board.mac)
    }
}

fn port_of(entry: &Entry) -> Option<&Path> {
    entry.serial_port.as_deref()
}

fn is_started(entry: &Entry) -> bool {
    matches!(entry.reach, Reach::StartedVirtual { .. })
}

/// Links to one port are the same port.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
