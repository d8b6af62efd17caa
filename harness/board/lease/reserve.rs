//! Reservations, which outlive the command that made them, and the state of a board's lease.

use std::io;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::Instant;

use super::record::{self, Holder, Reservation};
use super::{Lease, LeaseError, Leasing, lease_name};
use crate::board::Mac;
use crate::event::OnEvent;
use crate::tools::lock::is_locked;

/// Whose a board is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// Whether a process has it.
    pub held: bool,
    /// Which one, if its record could be read.
    pub holder: Option<Holder>,
    /// Whether nobody has it because its last holder ended without returning it.
    pub orphaned: bool,
    pub reservation: Option<Reservation>,
}

/// The longest reservation: who needs a board for longer takes it out of the inventory.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 31);

impl Leasing {
    /// Keeps the board `mac` for this user until `term` from now, also after this process has ended. It must be free,
    /// or become free while this waits.
    ///
    /// # Errors
    ///
    /// As [`Self::take`]; `term` is cut to [`LONGEST`].
    pub async fn reserve(
        &self,
        mac: Mac,
        board: &str,
        term: SignedDuration,
        on_event: OnEvent<'_>,
    ) -> Result<Reservation, LeaseError> {
        // Whoever uses the board goes on to its end.
        let lease: Lease = self.take(mac, board, on_event).await?;
        let since = Timestamp::now();
        let expires = since.checked_add(term.min(LONGEST)).unwrap_or(since);
        let reservation = Reservation { owner: self.owner.clone(), since, expires };
        self.edit(mac, |file| record::write(file, &reservation)).await.map_err(self.at_lock(board))?;
        drop(lease);
        Ok(reservation)
    }

    /// Ends the reservation of the board `mac` and returns it; none if there was none. One of another user only if
    /// `force` is set.
    ///
    /// # Errors
    ///
    /// [`LeaseError::NotYours`], [`LeaseError::Lock`].
    pub async fn release(
        &self,
        mac: Mac,
        board: &str,
        force: bool,
    ) -> Result<Option<Reservation>, LeaseError> {
        let mut refused = None;
        let mut released = None;
        let edit = |file: &std::fs::File| match current(file)? {
            Some(reservation) if !force && reservation.owner.uid != self.owner.uid => {
                refused = Some(reservation);
                Ok(())
            }
            reservation => {
                released = reservation;
                record::clear(file)
            }
        };
        self.edit(mac, edit).await.map_err(self.at_lock(board))?;
        match refused {
            None => Ok(released),
            Some(reservation) => Err(LeaseError::NotYours {
                board: board.to_owned(),
                reservation: Box::new(reservation),
                user: self.owner.user.clone(),
            }),
        }
    }

    /// Whose the board `mac` is at this moment.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn state(&self, mac: Mac) -> io::Result<State> {
        let mut state = State { reservation: self.reservation(mac)?, ..State::default() };
        if let Some(file) = self.locks.open_if_there(&lease_name(mac))? {
            state.held = is_locked(&file)?;
            let holder = record::read(&file)?;
            state.orphaned = !state.held && holder.is_some();
            state.holder = holder.filter(|_| state.held);
        }
        Ok(state)
    }

    /// The reservation that keeps this user from the board.
    pub(super) fn in_the_way(&self, mac: Mac, board: &str) -> Result<Option<Box<Reservation>>, LeaseError> {
        let reservation = self.reservation(mac).map_err(self.at_lock(board))?;
        Ok(reservation.filter(|reservation| reservation.owner.uid != self.owner.uid).map(Box::new))
    }

    fn reservation(&self, mac: Mac) -> io::Result<Option<Reservation>> {
        match self.locks.open_if_there(&reservation_name(mac))? {
            Some(file) => current(&file),
            None => Ok(None),
        }
    }

    /// Changes the reservation's file while nobody else does.
    async fn edit(&self, mac: Mac, edit: impl FnOnce(&std::fs::File) -> io::Result<()>) -> io::Result<()> {
        let deadline = Instant::now() + std::time::Duration::from_secs(2);
        match self.locks.lock_until(&reservation_name(mac), deadline).await? {
            Some(file) => edit(&file),
            None => Err(io::Error::new(io::ErrorKind::WouldBlock, "another program keeps changing it")),
        }
    }
}

/// The reservation in `file`, unless its time is over.
fn current(file: &std::fs::File) -> io::Result<Option<Reservation>> {
    let reservation: Option<Reservation> = record::read(file)?;
    Ok(reservation.filter(|reservation| reservation.expires > Timestamp::now()))
}

fn reservation_name(mac: Mac) -> String {
    format!("{}.reserved", mac.file_name())
}
