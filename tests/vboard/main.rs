//! The virtual board through its sockets, with the real emulator and real images.

#[path = "../sounds/mod.rs"]
mod sounds;

mod client;
mod images;

mod crashes;
mod http;
mod life;
mod ota;
mod runs;
mod slots;
