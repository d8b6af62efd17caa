//! Deploying by serial, on virtual boards.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k1_hil::Event;
use k1_hil::board::serial::{PortError, PortGuard, SerialPort};
use k1_hil::deploy::DeployError;
use k1_hil::deploy::serial::{Proof, SerialDeployment, SerialOptions, Slot, deploy};
use k1_hil::event::ignore;
use k1_hil::image::Image;
use k1_hil::tools::process::Child;
use k1_hil::vboard::{Options, VirtualBoard};
use rstest::rstest;

use crate::images::images;
use crate::port::{APP, MAC, blank_board, info, locks_of, noise, port_of};

/// By the probe of that very board.
async fn flash(
    board: &VirtualBoard,
    image: &Image,
    options: &SerialOptions,
) -> Result<SerialDeployment, DeployError> {
    deploy(image, &port_of(board), Some(board.address()), options, &ignore).await
}

/// `image` with other bytes, which lie in `folder`.
pub fn changed(image: &Image, bytes: &[u8], folder: &Path) -> Image {
    let bin = folder.join("changed.bin");
    std::fs::write(&bin, bytes).unwrap();
    Image { bin, sha256: k1_hil::digest::Sha::of(bytes), ..image.clone() }
}

#[tokio::test]
async fn an_image_runs_and_its_board_says_so() {
    let images = images().await;
    let board = blank_board().await;
    let image = &images.all.image;
    let deployed = flash(&board, image, &SerialOptions::default()).await.unwrap();
    let deployment = deployed.deployment().expect("the probe's proof");
    assert_eq!((deployment.elf_sha256, deployment.mac.as_str()), (image.elf_sha256, MAC));
    assert_eq!((deployment.slot.as_str(), deployment.skipped, deployed.attempts), ("app0", false, 1));
    assert!(board.flash()[APP..][..images.all.bin.len()] == images.all.bin);
    assert_eq!(info(&board).await.boot_id, deployment.boot_id);

    let again = flash(&board, image, &SerialOptions::default()).await.unwrap();
    assert!(again.deployment().unwrap().skipped);
    assert_eq!((again.attempts, again.written), (0, 0));
    let always = SerialOptions { always: true, ..SerialOptions::default() };
    let again = flash(&board, image, &always).await.unwrap();
    assert_eq!((again.attempts, again.written), (1, images.all.bin.len() as u64));
}

#[tokio::test]
async fn without_an_address_the_log_names_the_image_and_only_changed_sectors_are_written() {
    let images = images().await;
    let board = blank_board().await;
    let port = port_of(&board);
    let options = SerialOptions::default();
    let first = deploy(&images.all.image, &port, None, &options, &ignore).await.unwrap();
    assert_eq!((first.written, first.mac.to_string().as_str()), (images.all.bin.len() as u64, MAC));
    let Proof::LogNamesImage(line) = &first.proof else { panic!("{:?}", first.proof) };
    assert!(line.contains(&images.all.image.elf_sha256.to_string()[..16]), "{line}");
    assert_eq!(first.deployment(), None, "a log is not enough for a capture");

    let same = deploy(&images.all.image, &port, None, &options, &ignore).await.unwrap();
    assert_eq!((same.written, same.unchanged), (0, images.all.bin.len() as u64));
    assert!(matches!(same.proof, Proof::LogNamesImage(_)));
    // A sector that was damaged.
    board.reset_into_loader().await;
    let mut bytes = images.all.bin.clone();
    bytes[9000] ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let damaged = changed(&images.all.image, &bytes, folder.path());
    let impatient = SerialOptions { restart: Duration::ZERO, ..options.clone() };
    let refused = deploy(&damaged, &port, None, &impatient, &ignore).await;
    assert!(matches!(refused, Err(DeployError::Lost { .. })), "it does not boot: {refused:?}");
    let mended = deploy(&images.all.image, &port, None, &options, &ignore).await.unwrap();
    assert_eq!(mended.written, 4096);
}

#[tokio::test]
async fn the_wrong_board_is_not_written_to_and_goes_on() {
    let images = images().await;
    let board = blank_board().await;
    flash(&board, &images.all.image, &SerialOptions::default()).await.unwrap();
    let before = board.flash();
    let options =
        SerialOptions { mac: Some("a0:b7:65:00:00:01".parse().unwrap()), ..SerialOptions::default() };
    let port = port_of(&board);
    let refused = deploy(&images.other.image, &port, None, &options, &ignore).await.unwrap_err();
    let expected = format!("the board at {} is {MAC}, not A0:B7:65:00:00:01", board.serial_port().display());
    assert_eq!(refused.to_string(), expected);
    assert_eq!(info(&board).await.image_sha256, Some(images.all.image.elf_sha256));

    // The address is another board's than the port.
    let other = VirtualBoard::start(Options::new(images.qemu.clone())).await.unwrap();
    let options = SerialOptions::default();
    let refused = deploy(&images.other.image, &port, Some(other.address()), &options, &ignore).await;
    let Err(DeployError::WrongBoard { found, expected, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((found.as_str(), expected.as_str()), (MAC, "02:4B:31:00:00:01"));
    info(&board).await;
    assert!(board.flash()[APP..] == before[APP..]);
}

#[tokio::test]
async fn the_other_slot_is_chosen_and_boots() {
    let images = images().await;
    let board = blank_board().await;
    flash(&board, &images.all.image, &SerialOptions::default()).await.unwrap();
    let second = SerialOptions { slot: Slot::App1, ..SerialOptions::default() };
    let deployed = flash(&board, &images.other.image, &second).await.unwrap();
    assert_eq!(deployed.deployment().unwrap().slot, "app1");
    let back = flash(&board, &images.all.image, &SerialOptions::default()).await.unwrap();
    assert_eq!((back.written, back.deployment().unwrap().slot.as_str()), (32, "app0"), "only the choice");
}

#[tokio::test]
async fn an_erased_flash_needs_its_table() {
    let images = images().await;
    let board = blank_board().await;
    let table = board.flash()[0x8000..0x8C00].to_vec();
    let port = port_of(&board);
    let empty = vec![0xFF; 0xC00];
    let options = SerialOptions { partition_table: Some(empty), ..SerialOptions::default() };
    let refused = deploy(&images.all.image, &port, None, &options, &ignore).await.unwrap_err();
    assert!(refused.to_string().contains("has no slot app0"), "{refused}");
    let bootloader = Some(b"\xE9 a boot loader".to_vec());
    let options = SerialOptions { partition_table: Some(table), bootloader, ..SerialOptions::default() };
    let deployed = flash(&board, &images.all.image, &options).await.unwrap();
    assert!(deployed.deployment().is_some());
    assert!(board.flash().starts_with(b"\xE9 a boot loader\xFF\xFF"));
}

#[tokio::test]
async fn one_session_at_a_time_has_the_port() {
    let images = images().await;
    let board = blank_board().await;
    let port = port_of(&board);
    let held = PortGuard::take(&port, "a test").await.unwrap();
    let refused = deploy(&images.all.image, &port, None, &SerialOptions::default(), &ignore).await;
    let Err(DeployError::Port(PortError::Busy { holder, .. })) = refused else { panic!("{refused:?}") };
    assert!(holder.ends_with(" (a test)"), "{holder}");
    drop(held);
    let missing = SerialPort::at("/dev/no-such-port");
    let refused = deploy(&images.all.image, &missing, None, &SerialOptions::default(), &ignore).await;
    assert!(matches!(refused, Err(DeployError::Port(PortError::Open { .. }))), "{refused:?}");
}

/// What happens to a board in the midst of a transfer.
#[derive(Clone, Copy)]
enum Accident {
    /// It restarts, into its loader again: the stub is gone.
    Restart,
    /// It restarts into its firmware, which talks and talks.
    Boot,
}

#[rstest]
#[case::the_stub_is_gone(Accident::Restart)]
#[case::the_firmware_runs(Accident::Boot)]
#[tokio::test]
async fn a_flash_that_breaks_off_begins_anew(#[case] accident: Accident) {
    let images = images().await;
    let board = Arc::new(blank_board().await);
    // In the other slot, so that there is firmware to boot.
    let second = SerialOptions { slot: Slot::App1, ..SerialOptions::default() };
    flash(&board, &images.other.image, &second).await.unwrap();
    let (first_bytes, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let happening = tokio::spawn({
        let board = Arc::clone(&board);
        async move {
            sent.recv().await;
            match accident {
                Accident::Restart => board.reset_into_loader().await,
                Accident::Boot => board.reset().await,
            }
        }
    });
    let retries = std::sync::Mutex::new(Vec::new());
    let on_event = |event: &Event| match event {
        Event::Uploading { .. } => drop(first_bytes.send(())),
        Event::FlashRetry { attempt, .. } => retries.lock().unwrap().push(*attempt),
        _ => {}
    };
    // Long enough that it happens in the midst of it.
    let folder = tempfile::tempdir().unwrap();
    let image = changed(&images.all.image, &[images.all.bin.clone(), noise(500_000)].concat(), folder.path());
    let (port, address) = (port_of(&board), Some(board.address()));
    let options = SerialOptions { silence: Duration::from_secs(4), ..SerialOptions::default() };
    let deployed = deploy(&image, &port, address, &options, &on_event).await.unwrap();
    happening.await.unwrap();
    assert!(deployed.deployment().is_some());
    assert_eq!((deployed.attempts, retries.into_inner().unwrap()), (2, vec![2]));
}

/// Moments within `span`, seeded, so that a failure can be repeated.
fn moments(count: usize, seed: u32, span: Duration) -> impl Iterator<Item = Duration> {
    let mut state = seed;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        span.mul_f64(f64::from(state) / f64::from(u32::MAX))
    })
}

#[rstest]
#[case(0x9E37_79B9)]
#[case(0x2545_F491)]
#[tokio::test]
async fn a_flasher_killed_at_any_of_50_moments_leaves_a_board_that_the_next_one_flashes(#[case] seed: u32) {
    let images = images().await;
    let board = blank_board().await;
    let port = port_of(&board);
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, image) in [("all.json", &images.all.image), ("other.json", &images.other.image)] {
        let path = folder.path().join(name);
        std::fs::write(&path, serde_json::to_vec(image).unwrap()).unwrap();
        files.push((path, image));
    }
    let flasher = |file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_k1-hil"));
        command.args(["--quiet", "deploy", "--always", "--port"]).arg(board.serial_port()).arg(file);
        command
            .env("HIL_LOCKS", locks_of(&board))
            .env_remove("HIL_BOARD")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Child::spawn(command, Duration::ZERO).unwrap()
    };
    // How long one takes that is not killed, on this machine at this time.
    let begun = Instant::now();
    let mut whole = flasher(&files[0].0);
    let status = tokio::task::spawn_blocking(move || whole.wait().unwrap()).await.unwrap();
    assert!(status.success());
    for (number, moment) in moments(50, seed, begun.elapsed()).enumerate() {
        let (file, image) = &files[number % 2];
        let before = board.flash();
        let mut flasher = flasher(file);
        match number % 5 {
            // As soon as something was written, so that the midst of a transfer is among them on any machine.
            0 => {
                while board.flash() == before && flasher.try_wait().unwrap().is_none() {
                    tokio::task::yield_now().await;
                }
            }
            _ => tokio::time::sleep(moment).await,
        }
        flasher.end().unwrap();
        drop(PortGuard::take(&port, "a test").await.expect("nothing is left locked"));
        let bytes = std::fs::read(&image.bin).unwrap();
        let deployed = deploy(image, &port, None, &SerialOptions::default(), &ignore).await;
        let deployed = deployed.unwrap_or_else(|e| panic!("kill {number} at {moment:?}: {e}"));
        assert!(matches!(deployed.proof, Proof::LogNamesImage(_)), "{:?}", deployed.proof);
        assert!(board.flash()[APP..][..bytes.len()] == bytes, "kill {number} at {moment:?}");
    }
}
