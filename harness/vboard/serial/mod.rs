//! The board's serial port: a pseudo terminal that carries the firmware's log and keys, and the loader of the ROM.
//!
//! Which of the two is at the port is decided by how the chip was reset. A pseudo terminal has no lines DTR and RTS, by
//! which clients hold the boot button down, so setting the port to 1200 baud does that here, whatever the chip does at
//! the moment: the convention of boards whose serial port is the chip's own USB. The port goes back to its usual speed
//! and says `waiting for download` when that is done.
//!
//! The way not taken: carrying the lines over a second channel, which unmodified clients would need a preloaded library
//! for.

mod console;
mod fault;
mod k1_log;
mod keys;
mod loader;
mod mishap;
mod output;
mod periodic;
mod place;
mod pty;
mod ram;
mod registers;
mod request;
mod rom_text;
mod session;
mod slip;
mod writing;

pub use console::Console;
pub use mishap::{Mishaps, SerialMishap};
pub use place::Place;
pub use pty::Pty;

/// The speed that stands for a reset into the loader, baud.
const TOUCH_SPEED: u32 = 1200;
