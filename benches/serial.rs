//! How fast an image of 1 MiB travels by serial: this project's flasher beside the library that it uses and beside
//! esptool, all at the same pseudo terminal of a virtual board.
//!
//! Each begins with a board that waits in the loader of its ROM and ends when the flash is verified; the stub is loaded
//! by each. `k1-hil` asks for the MAC, compares sectors and reads everything back on top of that. The image does not
//! compress to nothing: half of its bytes are noise, as in a real one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use espflash::connection::{Connection, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::Flasher;
use espflash::target::{Chip, DefaultProgressCallback};
use k1_hil::board::serial::{ResetBy, SerialPort, USUAL_BAUD};
use k1_hil::deploy::DeployError;
use k1_hil::deploy::serial::{SerialOptions, deploy};
use k1_hil::digest::Sha;
use k1_hil::event::ignore;
use k1_hil::image::Image;
use k1_hil::tools::Toolbox;
use k1_hil::vboard::{Options, VirtualBoard};
use tokio::runtime::Runtime;

#[expect(dead_code, reason = "the virtual board's tests use more of it")]
#[path = "../tests/vboard/images.rs"]
mod images;

const SIZE: usize = 1024 * 1024;
const APP: u32 = 0x1_0000;
const BAUD: u32 = 921_600;
/// Flashes of each. The images alternate, so that each flash has the other one to replace.
const ROUNDS: usize = 15;

/// Bytes of which half are noise; another seed gives other noise.
fn image(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let byte = |at: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if at.is_multiple_of(2) { (state >> 24) as u8 } else { (at >> 12) as u8 }
    };
    (0..SIZE).map(byte).collect()
}

/// The espflash library as its own command line uses it.
fn with_espflash(port: &Path, bytes: &[u8]) {
    let name = port.to_string_lossy();
    let serial = serialport::new(name, USUAL_BAUD).timeout(Duration::from_secs(3)).open_native();
    let usb =
        serialport::UsbPortInfo { vid: 0, pid: 0, serial_number: None, manufacturer: None, product: None };
    let connection = Connection::new(
        serial.expect("the port opens"),
        usb,
        ResetAfterOperation::NoResetNoStub,
        ResetBeforeOperation::NoReset,
        USUAL_BAUD,
    );
    let mut flasher = Flasher::connect(connection, true, true, false, Some(Chip::Esp32s3), Some(BAUD))
        .expect("the loader answers");
    flasher.write_bin_to_flash(APP, bytes, &mut DefaultProgressCallback).expect("it is written");
}

fn with_esptool(python: &Path, port: &Path, file: &Path) {
    let mut command = Command::new(python);
    command.args(["-m", "esptool", "--chip", "esp32s3", "--before", "no-reset", "--after", "no-reset-stub"]);
    command
        .args(["--baud", &BAUD.to_string(), "--port"])
        .arg(port)
        .args(["write-flash", "0x10000"])
        .arg(file);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("it starts").success());
}

/// This project's flasher. What it writes here is no application, so there is nothing to prove afterwards.
async fn with_k1_hil(port: &SerialPort, image: &Image) {
    let options = SerialOptions { restart: Duration::ZERO, ..SerialOptions::default() };
    let outcome = deploy(image, port, None, &options, &ignore).await;
    assert!(matches!(outcome, Err(DeployError::Lost { .. })), "{outcome:?}");
}

/// The time of one `flash`, of a board that waits in its loader and has another image than is written.
fn time(runtime: &Runtime, board: &VirtualBoard, flash: impl FnOnce()) -> Duration {
    runtime.block_on(board.reset_into_loader());
    let start = Instant::now();
    flash();
    start.elapsed()
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let images = runtime.block_on(images::images());
    let board =
        runtime.block_on(VirtualBoard::start(Options::new(images.qemu.clone()))).expect("a virtual board");
    let folder = tempfile::tempdir().expect("a folder");
    let built: Vec<(Vec<u8>, Image)> = [1, 2]
        .map(|seed| {
            let bytes = image(seed);
            let bin = folder.path().join(format!("{seed}.bin"));
            std::fs::write(&bin, &bytes).expect("it can be written");
            let sha256 = Sha::of(&bytes);
            (bytes, Image { bin, sha256, ..images.other.image.clone() })
        })
        .into();
    let python = Toolbox::from_env().and_then(|tools| tools.python()).expect("run `k1-hil setup` once");
    let port = board.serial_port();
    // In its loader already: it need not be touched.
    let waiting = SerialPort { reset: ResetBy::Hand, ..SerialPort::at(&port) };
    let mut times: [Vec<Duration>; 3] = Default::default();
    // They take turns, so that whatever else the machine does meets all of them.
    for round in 0..ROUNDS * 3 {
        let (bytes, image) = &built[round % 2];
        let spent = match round % 3 {
            0 => time(&runtime, &board, || with_espflash(&port, bytes)),
            1 => time(&runtime, &board, || runtime.block_on(with_k1_hil(&waiting, image))),
            _ => time(&runtime, &board, || with_esptool(&python, &port, &image.bin)),
        };
        times[round % 3].push(spent);
    }
    let medians = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    println!("serial flash of 1 MiB, median of {ROUNDS}");
    for (name, median) in ["espflash library alone", "k1-hil deploy", "esptool"].into_iter().zip(medians) {
        let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
        println!("{name:24} {:7.1} ms  {ratio:5.2}", median.as_secs_f64() * 1e3);
    }
}
