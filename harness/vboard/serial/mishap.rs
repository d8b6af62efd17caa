//! What can go wrong at the serial port, for tests of those who flash.
//!
//! Mishaps wait in a line, and each happens once. So a flasher that tries again meets the next one, or none.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that goes wrong while a board is flashed. Blocks are those of one stay in the loader, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SerialMishap {
    /// The stub hangs instead of taking a block, and says nothing more until the chip is reset.
    StuckStub { block: u32 },
    /// A block is written, and the answer to it is lost.
    LostAnswer { block: u32 },
    /// Of a block that was written a bit falls over in the flash.
    BitFlip { block: u32 },
    /// The supply breaks down at a block: the chip restarts, into its firmware.
    BrownOut { block: u32 },
    /// The chip has another MAC than its board: the cable leads somewhere else.
    OtherMac,
    /// The port vanishes when the chip leaves its loader, and is back only after its power was off.
    UsbDeath,
    /// The port vanishes when the chip leaves its loader, and has another name when it is back.
    Renumbered,
}

/// What is still to go wrong.
#[derive(Debug, Default)]
pub struct Mishaps(Mutex<VecDeque<SerialMishap>>);

impl Mishaps {
    /// Lets `mishap` happen after those that wait already.
    pub fn add(&self, mishap: SerialMishap) {
        self.line().push_back(mishap);
    }

    /// The next one, if this is its moment; it then waits no more.
    pub fn take(&self, is_due: impl FnOnce(SerialMishap) -> bool) -> Option<SerialMishap> {
        let mut line = self.line();
        let due = line.front().copied().filter(|&next| is_due(next));
        if due.is_some() {
            line.pop_front();
        }
        due
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<SerialMishap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SerialMishap {
    /// The block at which it happens, if it does at one.
    pub const fn block(self) -> Option<u32> {
        match self {
            Self::StuckStub { block }
            | Self::LostAnswer { block }
            | Self::BitFlip { block }
            | Self::BrownOut { block } => Some(block),
            Self::OtherMac | Self::UsbDeath | Self::Renumbered => None,
        }
    }
}
