//! The serial port: the virtual board's, with clients that nobody here wrote, and what this library does at one.

#[expect(dead_code, reason = "the tests of the virtual board's sockets use more of it")]
#[path = "../vboard/images.rs"]
mod images;
mod port;

mod console;
mod deploy;
mod espflash;
mod esptool;
mod leases;
mod mishaps;
mod monitor;
