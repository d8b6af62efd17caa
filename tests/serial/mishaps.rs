//! What goes wrong at a serial port, and what this library makes of it.

use std::time::Duration;

use k1_hil::Event;
use k1_hil::board::serial::PortGuard;
use k1_hil::deploy::DeployError;
use k1_hil::deploy::serial::{Proof, SerialDeployment, SerialOptions, deploy};
use k1_hil::event::ignore;
use k1_hil::image::Image;
use k1_hil::vboard::{Options, SerialMishap, VirtualBoard};
use rstest::rstest;

use crate::deploy::changed;
use crate::images::images;
use crate::port::{APP, MAC, blank_board, info, noise, port_of};

/// Nothing here takes so long, and what hangs is cut off sooner than for a user.
fn options() -> SerialOptions {
    SerialOptions { silence: Duration::from_secs(4), ..SerialOptions::default() }
}

/// An image of several blocks, whose file lies in `folder`.
async fn long_image(folder: &tempfile::TempDir) -> Image {
    let built = &images().await.all;
    changed(&built.image, &[built.bin.clone(), noise(200_000)].concat(), folder.path())
}

/// Flashes, proved by the probe; with the reasons of further attempts.
async fn flash(board: &VirtualBoard, image: &Image) -> (Result<SerialDeployment, DeployError>, Vec<String>) {
    let reasons = std::sync::Mutex::new(Vec::new());
    let on_event = |event: &Event| {
        if let Event::FlashRetry { reason, .. } = event {
            reasons.lock().unwrap().push(reason.clone());
        }
    };
    let port = port_of(board);
    let flashed = deploy(image, &port, Some(board.address()), &options(), &on_event).await;
    (flashed, reasons.into_inner().unwrap())
}

#[rstest]
#[case::stuck_at_the_first_block(SerialMishap::StuckStub { block: 0 })]
#[case::stuck_in_the_midst(SerialMishap::StuckStub { block: 3 })]
#[case::the_first_answer_is_lost(SerialMishap::LostAnswer { block: 0 })]
#[case::an_answer_is_lost(SerialMishap::LostAnswer { block: 3 })]
#[case::the_first_bit_falls_over(SerialMishap::BitFlip { block: 0 })]
#[case::a_bit_falls_over(SerialMishap::BitFlip { block: 3 })]
#[case::brown_out_at_the_first_block(SerialMishap::BrownOut { block: 0 })]
#[case::brown_out_in_the_midst(SerialMishap::BrownOut { block: 3 })]
#[tokio::test]
async fn one_mishap_costs_one_attempt(#[case] mishap: SerialMishap) {
    let (board, folder) = (blank_board().await, tempfile::tempdir().unwrap());
    let image = long_image(&folder).await;
    board.let_happen(mishap);
    let (flashed, reasons) = flash(&board, &image).await;
    let flashed = flashed.unwrap();
    assert!(flashed.deployment().is_some());
    assert_eq!((flashed.attempts, reasons.len()), (2, 1), "{reasons:?}");
    let bytes = std::fs::read(&image.bin).unwrap();
    assert!(board.flash()[APP..][..bytes.len()] == bytes);
    assert!(
        matches!(mishap, SerialMishap::BitFlip { .. } if flashed.written < bytes.len() as u64)
            || !matches!(mishap, SerialMishap::BitFlip { .. }),
        "only what differs is written again"
    );
}

#[tokio::test]
async fn what_goes_wrong_each_time_is_told_and_leaves_a_board_for_the_next_one() {
    let (board, folder) = (blank_board().await, tempfile::tempdir().unwrap());
    let image = long_image(&folder).await;
    let port = port_of(&board);
    for _ in 0..3 {
        board.let_happen(SerialMishap::BitFlip { block: 0 });
    }
    let (refused, reasons) = flash(&board, &image).await;
    let Err(DeployError::Serial { attempts, reason, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((attempts, reasons.len()), (3, 2));
    assert!(reason.contains("does not hold what was written"), "{reason}");
    drop(PortGuard::take(&port, "a test").await.unwrap());
    let (flashed, _) = flash(&board, &image).await;
    assert_eq!(flashed.unwrap().attempts, 1);
}

#[tokio::test]
async fn another_mac_than_the_board_s_is_noticed_before_anything_is_written() {
    let images = images().await;
    let board = blank_board().await;
    let (flashed, _) = flash(&board, &images.other.image).await;
    flashed.unwrap();
    let before = board.flash();
    board.let_happen(SerialMishap::OtherMac);
    let (refused, _) = flash(&board, &images.all.image).await;
    let Err(DeployError::WrongBoard { found, expected, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((found.as_str(), expected.as_str()), ("A0:B7:65:12:34:A9", MAC));
    assert_eq!(info(&board).await.image_sha256, Some(images.other.image.elf_sha256), "it goes on");
    assert!(board.flash() == before);
}

/// A board whose port has a link that stays.
async fn linked(folder: &tempfile::TempDir) -> VirtualBoard {
    let serial_link = Some(folder.path().join("port"));
    VirtualBoard::start(Options { serial_link, ..Options::new(images().await.qemu.clone()) }).await.unwrap()
}

#[tokio::test]
async fn a_port_that_does_not_come_back_leaves_the_probe_s_proof_or_none() {
    let images = images().await;
    let folder = tempfile::tempdir().unwrap();
    let board = linked(&folder).await;
    board.let_happen(SerialMishap::UsbDeath);
    let (flashed, _) = flash(&board, &images.all.image).await;
    assert!(flashed.unwrap().deployment().is_some(), "the network still works");

    let port = port_of(&board);
    let impatient = SerialOptions { restart: Duration::from_millis(500), ..options() };
    let refused = deploy(&images.other.image, &port, None, &impatient, &ignore).await;
    assert!(matches!(refused, Err(DeployError::Port(_))), "there is no port: {refused:?}");
    board.reset().await;
    board.let_happen(SerialMishap::UsbDeath);
    let refused = deploy(&images.other.image, &port, None, &impatient, &ignore).await;
    assert!(matches!(refused, Err(DeployError::Lost { .. })), "without a log there is no proof: {refused:?}");
    board.reset().await;
    let proved = deploy(&images.other.image, &port, None, &options(), &ignore).await.unwrap();
    assert_eq!(proved.written, 0, "it was there");
    assert!(matches!(proved.proof, Proof::LogNamesImage(_)));
}

#[tokio::test]
async fn a_port_that_gets_another_name_is_followed_by_its_link() {
    let images = images().await;
    let folder = tempfile::tempdir().unwrap();
    let board = linked(&folder).await;
    let device = std::fs::read_link(board.serial_port()).unwrap();
    board.let_happen(SerialMishap::Renumbered);
    let port = port_of(&board);
    let flashed = deploy(&images.all.image, &port, None, &options(), &ignore).await.unwrap();
    assert!(matches!(flashed.proof, Proof::LogNamesImage(_)), "{:?}", flashed.proof);
    assert_ne!(std::fs::read_link(board.serial_port()).unwrap(), device);
    let (flashed, _) = flash(&board, &images.other.image).await;
    assert_eq!(flashed.unwrap().attempts, 1);
}
