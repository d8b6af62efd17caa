//! The unmodified library `espflash` at the virtual board's port, as its own command line uses it.

use std::path::Path;
use std::time::Duration;

use espflash::connection::{Connection, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::{FlashSize, Flasher};
use espflash::target::{Chip, DefaultProgressCallback};
use k1_hil::vboard::{SerialMishap, VirtualBoard};
use rstest::rstest;

use crate::port::{APP, blank_board, holds_only, noise};

fn connect(port: &Path, use_stub: bool, baud: Option<u32>) -> Flasher {
    let name = port.to_string_lossy();
    let serial = serialport::new(name, 115_200).timeout(Duration::from_secs(3)).open_native().unwrap();
    let usb =
        serialport::UsbPortInfo { vid: 0, pid: 0, serial_number: None, manufacturer: None, product: None };
    let (after, before) = (ResetAfterOperation::NoReset, ResetBeforeOperation::NoReset);
    let connection = Connection::new(serial, usb, after, before, 115_200);
    Flasher::connect(connection, use_stub, true, false, Some(Chip::Esp32s3), baud).unwrap()
}

/// Does `work` with the library on a thread, while the board lives on.
async fn with<T: Send + 'static>(
    board: &VirtualBoard,
    use_stub: bool,
    baud: Option<u32>,
    work: impl FnOnce(&mut Flasher) -> T + Send + 'static,
) -> T {
    board.reset_into_loader().await;
    let port = board.serial_port();
    tokio::task::spawn_blocking(move || work(&mut connect(&port, use_stub, baud))).await.unwrap()
}

#[rstest]
#[case::rom(false)]
#[case::stub(true)]
#[tokio::test]
async fn it_finds_the_chip_its_mac_and_its_flash(#[case] use_stub: bool) {
    let board = blank_board().await;
    let info = with(&board, use_stub, None, |flasher| flasher.device_info().unwrap()).await;
    assert_eq!((info.chip, info.flash_size), (Chip::Esp32s3, FlashSize::_4Mb));
    assert_eq!(info.mac_address.as_deref(), Some("a0:b7:65:12:34:56"));
}

/// Bytes that compress to nearly nothing, so that they travel deflated.
fn soft(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at >> 10) as u8).collect()
}

/// Bytes that do not compress, so that they travel as they are.
fn hard(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(next).collect()
}

#[rstest]
#[case::rom(false, None, noise(70_001))]
#[case::stub(true, None, noise(200_001))]
#[case::stub_at_another_speed(true, Some(921_600), noise(70_001))]
#[case::stub_deflated(true, None, soft(200_001))]
#[case::stub_plain(true, None, hard(70_001))]
#[tokio::test]
async fn what_it_writes_is_what_the_flash_holds(
    #[case] use_stub: bool,
    #[case] baud: Option<u32>,
    #[case] contents: Vec<u8>,
) {
    let board = blank_board().await;
    let before = board.flash();
    let sent = contents.clone();
    let write = move |flasher: &mut Flasher| {
        flasher.write_bin_to_flash(APP as u32, &sent, &mut DefaultProgressCallback).unwrap();
    };
    with(&board, use_stub, baud, write).await;
    holds_only(&board.flash(), &contents, &before);
}

#[tokio::test]
async fn it_reads_and_erases() {
    let board = blank_board().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.bin");
    let file = copy.clone();
    let read = move |flasher: &mut Flasher| flasher.read_flash(0x8000, 0x2345, 0x1000, 64, file).unwrap();
    with(&board, true, None, read).await;
    assert!(std::fs::read(copy).unwrap() == board.flash()[0x8000..][..0x2345]);
    with(&board, true, None, |flasher| flasher.erase_region(0x8000, 0x1000).unwrap()).await;
    assert!(board.flash()[0x8000..0x9000].iter().all(|&byte| byte == 0xFF));
}

#[rstest]
#[case::rom(false)]
#[case::stub(true)]
#[tokio::test]
async fn it_notices_a_bit_that_fell_over(#[case] use_stub: bool) {
    let board = blank_board().await;
    board.let_happen(SerialMishap::BitFlip { block: 1 });
    let write = |flasher: &mut Flasher| {
        flasher.write_bin_to_flash(APP as u32, &noise(70_000), &mut DefaultProgressCallback)
    };
    let refused = with(&board, use_stub, None, write).await.unwrap_err();
    assert!(matches!(refused, espflash::Error::VerifyFailed), "{refused}");
}
