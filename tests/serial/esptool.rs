//! The unmodified esptool at the virtual board's port, with the ROM's loader and with its stub.

use std::process::Command;
use std::time::Duration;

use k1_hil::tools::Toolbox;
use k1_hil::tools::process;
use k1_hil::vboard::{SerialMishap, VirtualBoard};
use rstest::rstest;

use crate::images::images;
use crate::port::{APP, Client, blank_board, holds_only, info, noise};

/// Runs esptool on the board, which is in its loader; what it wrote.
async fn esptool(board: &VirtualBoard, arguments: &[&str]) -> String {
    let (output, succeeded) = try_esptool(board, arguments).await;
    assert!(succeeded, "esptool {arguments:?}: {output}");
    output
}

async fn try_esptool(board: &VirtualBoard, arguments: &[&str]) -> (String, bool) {
    let mut command = Command::new(Toolbox::from_env().unwrap().python().unwrap());
    command
        .args(["-m", "esptool", "--before", "no-reset", "--port"])
        .arg(board.serial_port())
        .args(arguments);
    let mut output = String::new();
    let mut on_line = |_, line: &str| {
        output.push_str(line);
        output.push('\n');
    };
    let finished = process::run(command, Duration::from_secs(120), &mut on_line).await.unwrap();
    (output, finished.status.success())
}

#[rstest]
#[case::rom("--no-stub")]
#[case::stub("")]
#[tokio::test]
async fn it_finds_the_chip_its_mac_and_its_flash(#[case] loader: &str) {
    let board = blank_board().await;
    board.reset_into_loader().await;
    let no_reset = ["--after", "no-reset", loader];
    let common: Vec<&str> = no_reset.into_iter().filter(|argument| !argument.is_empty()).collect();
    let mac = esptool(&board, &[common.as_slice(), &["read-mac"]].concat()).await;
    assert!(mac.contains("ESP32-S3") && mac.contains("a0:b7:65:12:34:56"), "{mac}");
    let flash = esptool(&board, &[common.as_slice(), &["flash-id"]].concat()).await;
    assert!(flash.contains("Detected flash size: 4MB"), "{flash}");
}

#[rstest]
#[case::rom(&["--no-stub"], &[])]
#[case::rom_compressed(&["--no-stub"], &["--compress"])]
#[case::stub(&[], &[])]
#[case::stub_plain(&[], &["--no-compress"])]
#[case::stub_at_another_speed(&["--baud", "921600"], &[])]
#[tokio::test]
async fn what_it_writes_is_what_the_flash_holds(#[case] loader: &[&str], #[case] mode: &[&str]) {
    let board = blank_board().await;
    board.reset_into_loader().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.bin");
    let contents = noise(70_001);
    std::fs::write(&file, &contents).unwrap();
    let before = board.flash();
    let write = ["write-flash", "0x10000", file.to_str().unwrap()];
    let common = [loader, &["--chip", "esp32s3", "--after", "no-reset"]].concat();
    let output = esptool(&board, &[common.as_slice(), &write[..1], mode, &write[1..]].concat()).await;
    assert!(output.contains("Hash of data verified."), "{output}");
    holds_only(&board.flash(), &contents, &before);

    // The ROM reads 64 bytes at a time.
    let length = if loader.contains(&"--no-stub") { 3000 } else { 70_001 };
    let copy = folder.path().join("copy.bin");
    let read = ["read-flash", "0x10000", &length.to_string(), copy.to_str().unwrap()];
    esptool(&board, &[common.as_slice(), &read].concat()).await;
    assert!(std::fs::read(&copy).unwrap() == contents[..length]);
}

#[tokio::test]
async fn it_notices_a_bit_that_fell_over() {
    let image = &images().await.other.image;
    let board = blank_board().await;
    board.reset_into_loader().await;
    board.let_happen(SerialMishap::BitFlip { block: 0 });
    let write = ["--after", "no-reset", "write-flash", "0x10000", image.bin.to_str().unwrap()];
    let (output, succeeded) = try_esptool(&board, &write).await;
    assert!(!succeeded && output.contains("MD5 of file does not match"), "{output}");
    esptool(&board, &write).await;
}

#[tokio::test]
async fn an_image_that_it_wrote_boots_and_proves_itself() {
    let image = &images().await.other.image;
    let board = blank_board().await;
    assert_eq!(info(&board).await.image_sha256, None);
    board.reset_into_loader().await;
    let file = image.bin.to_str().unwrap();
    esptool(&board, &["--after", "watchdog-reset", "write-flash", "0x10000", file]).await;
    let booted = info(&board).await;
    assert_eq!(
        (booted.image_sha256, booted.slot.as_deref(), booted.reset_reason.as_str()),
        (Some(image.elf_sha256), Some("app0"), "watchdog")
    );
}

#[tokio::test]
async fn what_it_erases_is_gone_and_can_be_written_again() {
    let image = &images().await.other.image;
    let board = blank_board().await;
    let table = board.flash()[0x8000..0x8C00].to_vec();
    board.reset_into_loader().await;
    let file = image.bin.to_str().unwrap();
    esptool(&board, &["--after", "no-reset", "write-flash", "0x10000", file]).await;
    esptool(&board, &["--after", "no-reset", "erase-region", "0x10000", "0x1000"]).await;
    let flash = board.flash();
    assert!(flash[APP..][..4096].iter().all(|&byte| byte == 0xFF));
    assert_ne!(flash[APP + 4096], 0xFF, "the next sector is still there");
    esptool(&board, &["--after", "watchdog-reset", "erase-flash"]).await;
    assert!(board.flash().iter().all(|&byte| byte == 0xFF));
    assert_eq!(info(&board).await.image_sha256, None);
    assert!(board.log().iter().any(|line| line.contains("partition table")), "{:?}", board.log());

    let folder = tempfile::tempdir().unwrap();
    let table_file = folder.path().join("partitions.bin");
    std::fs::write(&table_file, table).unwrap();
    board.reset_into_loader().await;
    let table_file = table_file.to_str().unwrap();
    let write = ["--after", "watchdog-reset", "write-flash", "0x8000", table_file, "0x10000", file];
    esptool(&board, &write).await;
    assert_eq!(info(&board).await.image_sha256, Some(image.elf_sha256));
}

#[tokio::test]
async fn a_board_that_runs_its_firmware_does_not_answer_the_loader_s_commands() {
    let board = blank_board().await;
    let (output, succeeded) = try_esptool(&board, &["--connect-attempts", "1", "read-mac"]).await;
    assert!(!succeeded && output.contains("Failed to connect"), "{output}");
}

#[tokio::test]
async fn the_flash_file_has_what_was_written_by_serial() {
    let image = &images().await.other.image;
    let folder = tempfile::tempdir().unwrap();
    let options = || async {
        k1_hil::vboard::Options {
            flash: Some(folder.path().join("flash.bin")),
            ..k1_hil::vboard::Options::new(images().await.qemu.clone())
        }
    };
    let board = VirtualBoard::start(options().await).await.unwrap();
    board.reset_into_loader().await;
    let file = image.bin.to_str().unwrap();
    esptool(&board, &["--after", "watchdog-reset", "write-flash", "0x10000", file]).await;
    info(&board).await;
    drop(board);
    let again = VirtualBoard::start(options().await).await.unwrap();
    assert_eq!(info(&again).await.image_sha256, Some(image.elf_sha256));
}

#[tokio::test]
async fn the_reset_button_takes_a_board_out_of_its_loader_and_out_of_a_stub() {
    let board = blank_board().await;
    board.reset_into_loader().await;
    let (client, _) = Client::open(&board.serial_port()).until("waiting for download").await;
    drop(client);
    // Without an after-reset to the ROM: the stub stays.
    esptool(&board, &["--after", "no-reset-stub", "read-mac"]).await;
    board.reset().await;
    assert_eq!(info(&board).await.reset_reason, "power-on");
}
