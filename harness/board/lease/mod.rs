//! Who may use a board: one holder at a time among all threads, processes and users of a host.
//!
//! * The identity is the MAC. A board that gets another address, or is reached by another name, is the same board.
//! * A lease is a lock of the kernel ([`Locks`]) and dies with its process: nothing has to be cleaned up after a
//!   kill or a crash of the host. The record beside it, with a heartbeat, is for people.
//! * The expiry in a record is a promise and no axe. While the lock is held, nobody else gets the board, even if the
//!   holder has been silent for long: a stopped holder goes on where it was, and two at once would flash over each
//!   other. Who waits is told that the holder is silent, and its process; to end that is a person's decision. A holder
//!   that was silent and goes on simply renews its promise.
//! * A reservation ([`Leasing::reserve`]) is the other way round: it has no process, so it ends at its expiry.
//! * Those who wait form a line of one: whoever is next holds a second lock until it has the first. So a program that
//!   takes the same board again and again cannot overtake the one that waits for it. Who becomes the next is chance.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Mac;
use crate::blame::Blame;
use crate::event::{Event, OnEvent};
use crate::tools::lock::FileLock;

mod locks;
pub(super) mod record;
mod reserve;

pub use locks::Locks;
pub use record::{Holder, Owner, Reservation};
pub use reserve::{LONGEST, State};

/// Where leases are taken, by whom, and with how much patience.
#[derive(Clone, Debug)]
pub struct Leasing {
    pub locks: Locks,
    pub owner: Owner,
    /// How long to wait for a board that somebody else has; zero: not at all.
    pub wait: Duration,
}

/// A board that is one's own until this is dropped.
#[derive(Debug)]
pub struct Lease {
    pub mac: Mac,
    /// Who had the board before and ended without returning it, if that is known.
    pub orphan_of: Option<Holder>,
    held: Arc<Mutex<Option<Held>>>,
    heartbeat: tokio::task::JoinHandle<()>,
}

/// Why a board is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Somebody else has it; `holder` says who, if the record could be read.
    #[error("{board} is in use by {holder}{}", after(*waited))]
    Held { board: String, holder: String, waited: Duration },
    /// A person keeps it.
    #[error("{board} is reserved for {reservation}{}", after(*waited))]
    Reserved { board: String, reservation: Box<Reservation>, waited: Duration },
    /// Fewer than `wanted` boards of several became free.
    #[error("of {} not {wanted} are free: {busy}{}", names.join(", "), after(*waited))]
    NoneFree { wanted: usize, names: Vec<String>, busy: String, waited: Duration },
    /// The board at the address is another one than the inventory says.
    #[error("the board at {address} is {found}, not {board} ({expected})")]
    WrongMac { board: String, address: String, expected: Mac, found: Mac },
    /// The board did not get well by any means there are.
    #[error("{board} is sick: {reason}{}", if tried.is_empty() { String::new() } else { format!("; tried {}", tried.join(", ")) })]
    Sick { board: String, reason: String, tried: Vec<String> },
    /// Nothing says where the board is.
    #[error("{board} has no address: it has neither `host` nor `virtual` in its entry")]
    NoAddress { board: String },
    /// Nothing says at which serial port the board is.
    #[error("{board} has no `serial_port` in its entry")]
    NoPort { board: String },
    /// Too many of the boards that could be chosen were marked sick before.
    #[error("only {well} of {wanted} boards that match {asked:?} are not sick: {sick}")]
    TooSick { asked: String, wanted: usize, well: usize, sick: String },
    /// Somebody removed the file of the lock.
    #[error("the lease of {mac} is lost: {path} was removed, so others cannot see it")]
    Lost { mac: Mac, path: PathBuf },
    /// Only its owner ends a reservation, unless forced.
    #[error("{board} is reserved for {reservation}, not for user {user}")]
    NotYours { board: String, reservation: Box<Reservation>, user: String },
    #[error("cannot use the lock of {board} in {folder}")]
    Lock { board: String, folder: PathBuf, source: io::Error },
}

impl LeaseError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::WrongMac { .. }
            | Self::NoAddress { .. }
            | Self::NoPort { .. }
            | Self::NotYours { .. }
            | Self::Lock { .. } => Blame::Configuration,
            _ => Blame::Infrastructure,
        }
    }

    /// Whether another board might do: this one is taken or does not work.
    pub fn is_of_this_board(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Reserved { .. } | Self::Sick { .. } | Self::WrongMac { .. })
    }
}

/// A promise to be heard of again lasts so long …
const TERM: Duration = Duration::from_secs(60);
/// … and is renewed so often.
const BEAT: Duration = Duration::from_secs(15);
/// How often a reservation, which ends at a time and without a sign, is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How often several boards at once are tried again; they are taken all or none.
const TRY_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Held {
    file: FileLock,
    name: String,
    locks: Locks,
    record: Holder,
}

impl Leasing {
    /// Leases in the folder of this host.
    pub fn of_host(program: &str, purpose: &str, wait: Duration) -> Self {
        Self { locks: Locks::of_host(), owner: Owner::of_process(program, purpose), wait }
    }

    /// Takes the board `mac`, which messages call `board`. It is not looked at: whether it works is
    /// [`super::recovery`]'s concern.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Held`], [`LeaseError::Reserved`], [`LeaseError::Lock`].
    pub async fn take(&self, mac: Mac, board: &str, on_event: OnEvent<'_>) -> Result<Lease, LeaseError> {
        let (start, mut told) = (Instant::now(), false);
        let deadline = start + self.wait;
        let mut tell = |by: String| {
            if !std::mem::replace(&mut told, true) {
                on_event(&Event::LeaseWaits { board: board.to_owned(), holder: by });
            }
        };
        loop {
            if let Some(reservation) = self.in_the_way(mac, board)? {
                if Instant::now() >= deadline {
                    let waited = self.wait;
                    return Err(LeaseError::Reserved { board: board.to_owned(), reservation, waited });
                }
                tell(format!("reserved for {reservation}"));
                tokio::time::sleep_until(deadline.min(Instant::now() + LOOK_AGAIN)).await;
                continue;
            }
            let now = Instant::now();
            let file = match self.line_up(mac, now).await.map_err(self.at_lock(board))? {
                Some(file) => Some(file),
                None if now >= deadline => None,
                None => {
                    tell(self.holder_of(mac));
                    self.line_up(mac, deadline).await.map_err(self.at_lock(board))?
                }
            };
            let Some(file) = file else {
                let holder = self.holder_of(mac);
                return Err(LeaseError::Held { board: board.to_owned(), holder, waited: self.wait });
            };
            // Between the first look and the lock a person may have reserved it.
            if self.in_the_way(mac, board)?.is_none() {
                return self.held(mac, file).map_err(self.at_lock(board));
            }
        }
    }

    /// Takes `count` of `boards` (MAC and name), all at once or none, so that two who want several do not wait for
    /// each other for ever. The places in `boards` come with the leases.
    ///
    /// # Errors
    ///
    /// [`LeaseError::NoneFree`], [`LeaseError::Lock`].
    pub async fn take_any(
        &self,
        boards: &[(Mac, &str)],
        count: usize,
        on_event: OnEvent<'_>,
    ) -> Result<Vec<(usize, Lease)>, LeaseError> {
        let start = Instant::now();
        let at_once = Self { wait: Duration::ZERO, ..self.clone() };
        let mut told = false;
        loop {
            let (mut taken, mut busy) = (Vec::new(), BTreeSet::new());
            for (place, (mac, name)) in boards.iter().enumerate() {
                if taken.len() == count {
                    break;
                }
                match at_once.take(*mac, name, &crate::event::ignore).await {
                    Ok(lease) => taken.push((place, lease)),
                    Err(LeaseError::Held { board, holder, .. }) => {
                        busy.insert(format!("{board} is in use by {holder}"));
                    }
                    Err(LeaseError::Reserved { board, reservation, .. }) => {
                        busy.insert(format!("{board} is reserved for {reservation}"));
                    }
                    Err(other) => return Err(other),
                }
            }
            if taken.len() == count {
                return Ok(taken);
            }
            drop(taken);
            let busy = busy.into_iter().collect::<Vec<_>>().join("; ");
            let names = || boards.iter().map(|(_, name)| (*name).to_owned()).collect::<Vec<_>>();
            if start.elapsed() >= self.wait {
                let waited = self.wait;
                return Err(LeaseError::NoneFree { wanted: count, names: names(), busy, waited });
            }
            if !std::mem::replace(&mut told, true) {
                on_event(&Event::LeaseWaits { board: names().join(", "), holder: busy });
            }
            tokio::time::sleep(TRY_AGAIN.min(self.wait.saturating_sub(start.elapsed()))).await;
        }
    }

    /// The lock of the board; none if it was not to be had before `deadline`.
    async fn line_up(&self, mac: Mac, deadline: Instant) -> io::Result<Option<FileLock>> {
        let Some(next) = self.locks.lock_until(&next_name(mac), deadline).await? else { return Ok(None) };
        let taken = self.locks.lock_until(&lease_name(mac), deadline).await;
        drop(next);
        taken
    }

    fn held(&self, mac: Mac, file: FileLock) -> io::Result<Lease> {
        // Its holder would have cleared it.
        let orphan_of = record::read(&file)?;
        let since = Timestamp::now();
        let record = Holder { owner: self.owner.clone(), since, heartbeat: since, expires: since };
        let mut held = Held { file, name: lease_name(mac), locks: self.locks.clone(), record };
        held.promise()?;
        let held = Arc::new(Mutex::new(Some(held)));
        let beating = Arc::clone(&held);
        let heartbeat = tokio::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                // A record that cannot be written shows the holder as silent, which costs nobody the board.
                let _ = of(&beating).as_mut().map(Held::promise);
            }
        });
        Ok(Lease { mac, orphan_of, held, heartbeat })
    }

    /// Who holds the board, for a message.
    fn holder_of(&self, mac: Mac) -> String {
        match self.state(mac) {
            Ok(State { holder: Some(holder), .. }) => holder.to_string(),
            Ok(_) | Err(_) => "another program, which has not said its name yet".to_owned(),
        }
    }

    fn at_lock(&self, board: &str) -> impl Fn(io::Error) -> LeaseError {
        let (board, folder) = (board.to_owned(), self.locks.folder().to_owned());
        move |source| LeaseError::Lock { board: board.clone(), folder: folder.clone(), source }
    }
}

impl Lease {
    /// Renews the promise at once, and makes sure that others still see the lease.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] if somebody removed the lock's file: another program may have the board too.
    pub fn renew(&self) -> Result<(), LeaseError> {
        match of(&self.held).as_mut() {
            Some(held) if held.locks.is_still(&held.file, &held.name) => {
                let _ = held.promise(); // as in the heartbeat
                Ok(())
            }
            Some(held) => Err(LeaseError::Lost { mac: self.mac, path: held.locks.folder().join(&held.name) }),
            None => Ok(()), // it is being dropped
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heartbeat.abort();
        if let Some(held) = of(&self.held).take() {
            let _ = record::clear(&held.file); // a record without a lock is nobody's
        }
    }
}

impl Held {
    fn promise(&mut self) -> io::Result<()> {
        let now = Timestamp::now();
        self.record.heartbeat = now;
        self.record.expires =
            now.checked_add(SignedDuration::try_from(TERM).unwrap_or_default()).unwrap_or(now);
        record::write(&self.file, &self.record)
    }
}

fn after(waited: Duration) -> String {
    if waited.is_zero() { String::new() } else { format!("; waited {:.1} s", waited.as_secs_f64()) }
}

fn of(held: &Mutex<Option<Held>>) -> MutexGuard<'_, Option<Held>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lease_name(mac: Mac) -> String {
    format!("{}.lease", mac.file_name())
}

/// The lock of the one who is next.
fn next_name(mac: Mac) -> String {
    format!("{}.next", mac.file_name())
}
