//! The virtual board: a server that stands in for a board, with an emulated CPU that runs the deployed image.
//!
//! It is reached like a real board, by HTTP and over-the-air updates on the loopback interface, and by a serial port
//! that carries its log and the loader of its ROM. The one thing that it has beside those is what a hand does at a real
//! board: the two buttons, and a look at its log.
//!
//! Its time is virtual: frame times are instruction counts and do not depend on the host or its load.
//! It has no Wi-Fi and no second core, so requests never disturb the frames being measured; a pattern that is bound
//! by memory or contention on the chip looks better here.
//!
//! [`trace`] is apart from that: it has no sockets, and watches the emulated CPU execute one run.
//!
//! A board that never got an application answers all the same, where a real one would stay silent: without that it
//! could get its first one only by serial. While it is in its loader it does not answer.

mod partitions;
mod flash;
mod otadata;
mod image_format;
mod emulator;
mod monitor;
mod mailbox;
mod uart;
mod log;
mod cpu;
mod boot;
mod clock;
mod machine;
mod run_records;
mod recordings;
mod runs;
mod params;
mod json;
mod frame_metrics;
mod http;
mod k1_routes;
mod probe_routes;
mod update;
mod ota;
mod serial;
mod trace;

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::serve::ListenerExt as _;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use self::boot::ResetReason;
use self::flash::Flash;
use self::machine::{Machine, Order};
use self::serial::{Place, Pty};
use crate::blame::Blame;
use crate::board::{Address, Password};

pub use probe_routes::MODEL;
pub use serial::SerialMishap;
pub use trace::{Block, Instruction, Kind, TraceError, Traced, trace};

/// How a virtual board is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The QEMU program, `qemu-system-riscv32`.
    pub qemu: PathBuf,
    /// TCP port of the HTTP server; 0: any free one.
    pub http_port: u16,
    /// UDP port of the over-the-air receiver; 0: any free one.
    pub ota_port: u16,
    /// Password of the over-the-air receiver (MD5 authentication); none: no authentication, as on K1.
    pub ota_password: Option<Password>,
    /// Where the 4 MiB of flash are kept between starts; none: in memory only.
    pub flash: Option<PathBuf>,
    /// A link to the serial port, which leads to it as long as the board runs, whatever the kernel calls the port.
    pub serial_link: Option<PathBuf>,
    pub mac: [u8; 6],
}

impl Options {
    /// A board on free ports, without a password, whose flash is forgotten.
    pub fn new(qemu: impl Into<PathBuf>) -> Self {
        Self {
            qemu: qemu.into(),
            http_port: 0,
            ota_port: 0,
            ota_password: None,
            flash: None,
            serial_link: None,
            // Locally administered, so that it is nobody's.
            mac: [0x02, 0x4b, 0x31, 0x00, 0x00, 0x01],
        }
    }
}

/// A running virtual board; dropping it ends it, its emulator included.
#[derive(Debug)]
pub struct VirtualBoard {
    address: Address,
    machine: Arc<Machine>,
    serial: Arc<Place>,
    /// The board's life, its HTTP server, its over-the-air receiver and its serial port.
    tasks: JoinSet<()>,
}

/// Why a virtual board did not start or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VirtualBoardError {
    #[error("cannot open {kind} port {port} for the virtual board")]
    Port { kind: &'static str, port: u16, source: std::io::Error },
    #[error("cannot make a serial port for the virtual board")]
    Serial(#[source] std::io::Error),
    #[error("cannot start the emulator {program}")]
    Emulator { program: PathBuf, source: std::io::Error },
    #[error("cannot use the flash file {path}: {reason}")]
    Flash { path: PathBuf, reason: String },
}

impl VirtualBoardError {
    /// Whose concern this error is.
    pub fn blame(&self) -> Blame {
        Blame::Configuration
    }
}

impl VirtualBoard {
    /// Starts a virtual board on the loopback interface and waits until it is up.
    ///
    /// # Errors
    ///
    /// See [`VirtualBoardError`]. That the board has no application, or one that crashes, is no error: the board
    /// says so itself.
    pub async fn start(options: Options) -> Result<Self, VirtualBoardError> {
        let Options { qemu, http_port, ota_port, ota_password, flash, serial_link, mac } = options;
        check_program(&qemu)?;
        let ip = Ipv4Addr::LOCALHOST;
        let port_error = |kind, port| move |source| VirtualBoardError::Port { kind, port, source };
        let listener = TcpListener::bind((ip, http_port)).await.map_err(port_error("TCP", http_port))?;
        let socket = UdpSocket::bind((ip, ota_port)).await.map_err(port_error("UDP", ota_port))?;
        let address = Address {
            host: ip.to_string(),
            http_port: listener.local_addr().map_err(port_error("TCP", http_port))?.port(),
            ota_port: socket.local_addr().map_err(port_error("UDP", ota_port))?.port(),
        };
        let flash = match flash {
            Some(path) => Flash::open(&path)?,
            None => Flash::blank(),
        };
        let (machine, orders) = Machine::new(qemu, mac, flash);
        let pty = Pty::open().map_err(VirtualBoardError::Serial)?;
        let serial = Arc::new(Place::new(pty.path(), serial_link).map_err(VirtualBoardError::Serial)?);
        let (place, ip) = (Arc::clone(&serial), address.host.clone());
        let console = serial::Console::new(pty, place, Arc::clone(&machine), ip);
        let mut tasks = JoinSet::new();
        tasks.spawn(console.map_err(VirtualBoardError::Serial)?.run());
        tasks.spawn(Arc::clone(&machine).live(orders));
        tasks.spawn(ota::receive(Arc::clone(&machine), socket, ota_password));
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true); // an answer is quicker with it, but comes without it too
        });
        let server = axum::serve(listener, http::router(Arc::clone(&machine), address.host.clone()));
        tasks.spawn(async move {
            let _ = server.await; // it ends only by being dropped
        });
        let board = Self { address, machine, serial, tasks };
        board.machine.up().await;
        Ok(board)
    }

    /// Where it is reached.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The path of its serial port, a pseudo terminal: the link, if one was wanted. It has no lines DTR and RTS; setting it
    /// to 1200 baud restarts the board into the loader of its ROM.
    pub fn serial_port(&self) -> PathBuf {
        self.serial.path()
    }

    /// The 4 MiB of its flash as they are now: what a clip on the chip would read.
    pub fn flash(&self) -> Vec<u8> {
        self.machine.flash().read(partitions::WHOLE).to_vec()
    }

    /// Presses the reset button and waits until the board is up again.
    pub async fn reset(&self) {
        tokio::select! {
            Some(before) = self.machine.up() => {
                self.machine.restart(ResetReason::PowerOn);
                self.machine.over(&before).await;
            }
            Some(stay) = self.machine.in_loader() => {
                self.machine.restart(ResetReason::PowerOn);
                self.machine.left_loader(stay).await;
            }
            else => {}
        }
        self.machine.up().await;
    }

    /// Presses the reset button while the boot button is held down, and waits until the loader of the ROM waits for
    /// clients on the serial port.
    pub async fn reset_into_loader(&self) {
        self.machine.order(Order::Loader);
        self.machine.in_loader().await;
    }

    /// Lets something go wrong at the serial port, after what waits to go wrong already.
    pub fn let_happen(&self, mishap: SerialMishap) {
        self.machine.mishaps.add(mishap);
    }

    /// The last 1000 lines that the board said, oldest first: its firmware's log, and what the board itself did.
    pub fn log(&self) -> Vec<String> {
        self.machine.log.lines()
    }
}

impl Drop for VirtualBoard {
    fn drop(&mut self) {
        self.tasks.abort_all();
        self.machine.switch_off();
    }
}

/// Finds a missing emulator at the start and not at the first boot. A bare name is left to the search path.
fn check_program(qemu: &Path) -> Result<(), VirtualBoardError> {
    let is_bare = qemu.components().count() == 1;
    let missing = |source| VirtualBoardError::Emulator { program: qemu.to_owned(), source };
    let metadata = match qemu.metadata() {
        Err(_) if is_bare => return Ok(()),
        metadata => metadata.map_err(missing)?,
    };
    if metadata.is_file() { Ok(()) } else { Err(missing(io::ErrorKind::NotFound.into())) }
}
