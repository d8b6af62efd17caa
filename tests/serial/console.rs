//! What the board says on its port while it runs, and the keys that it listens to.

use std::time::Duration;

use k1_hil::board::{AudioSource, Board, RunOrder, Stimulus};
use k1_hil::vboard::VirtualBoard;

use crate::images::images;
use crate::port::{Client, blank_board, info};

/// A board that runs the image with all patterns.
async fn board() -> VirtualBoard {
    let image = &images().await.all.image;
    let board = blank_board().await;
    let options = k1_hil::deploy::DeployOptions::default();
    let client = Board::connect(board.address()).await.unwrap();
    k1_hil::deploy::deploy(image, &client, &options, &k1_hil::event::ignore).await.unwrap();
    board
}

/// Whether `marks` stand in `text` in this order.
fn in_order(text: &str, marks: &[&str]) {
    let mut rest = text;
    for mark in marks {
        rest = rest.split_once(mark).unwrap_or_else(|| panic!("no {mark:?} in order in {text}")).1;
    }
}

#[tokio::test]
async fn a_boot_is_told_in_the_order_of_the_firmware() {
    let board = board().await;
    let client = Client::open(&board.serial_port());
    board.reset().await;
    let (_, text) = client.until("Control UI: http://k1-reinvented.local").await;
    in_order(
        &text,
        &[
            "ESP-ROM:esp32s3-20210327",
            "rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)",
            "k1-hil-core",
            "] INFO  [0] === K1.reinvented Starting ===\n",
            "Initializing LED driver...",
            "SPIFFS mounted successfully",
            "Beat events buffer initialized successfully",
            "Loaded 8 patterns",
            "Starting pattern: The glow",
            "Ready!",
            "Connected! IP: 127.0.0.1",
            "Web server started on port 80",
            "WebSocket server available at /ws",
        ],
    );
}

#[tokio::test]
async fn heartbeats_count_every_frame() {
    let board = board().await;
    let client = Client::open(&board.serial_port());
    board.reset().await;
    let (client, _) = client.until("Control UI").await;
    // A measured run goes ahead of the wall: the frames of many seconds at once.
    let rest = Board::connect(board.address()).await.unwrap();
    let order = RunOrder {
        pattern: "glow",
        seed: 1,
        warmup: 0,
        frames: 1000,
        stimulus: &Stimulus::Music,
        audio: AudioSource::Snapshot,
    };
    rest.run(&order).await.unwrap();
    let mut frames = 0;
    let mut client = client;
    while frames < 1000 {
        let (next, text) = client.until(" audio=+").await;
        client = next;
        frames += text
            .split_once("[X] [HEARTBEAT] frames=+")
            .unwrap()
            .1
            .split(' ')
            .next()
            .unwrap()
            .parse::<u32>()
            .unwrap();
    }
    let (_, rest_of_line) = client.until("\n").await;
    assert!(rest_of_line.contains(" pat=0 vu="), "{rest_of_line}");
}

#[tokio::test]
async fn keys_change_the_pattern_and_open_the_menu() {
    let board = board().await;
    let mut client = Client::open(&board.serial_port());
    client.press("  ");
    let (client, text) = client.until("Pattern changed via spacebar to: The dark\n").await;
    assert!(text.contains("PATTERN CHANGED: [1] The dark - For tests → é"), "{text}");
    let (client, _) = client.until("Pattern changed via spacebar to: The heavy\n").await;
    let (mut client, _) = client.until(" pat=2 ").await;
    client.press("dm3");
    let (_, text) = client.until("  0) Close menu").await;
    in_order(&text, &["Audio diagnostics: ON", "==== DEBUG MENU ====", "Audio debug: ON"]);
}

#[tokio::test]
async fn a_panic_is_told_with_its_registers_and_a_backtrace() {
    let board = board().await;
    let client = Client::open(&board.serial_port());
    let rest = Board::connect(board.address()).await.unwrap();
    let order = RunOrder {
        pattern: "crash",
        seed: 1,
        warmup: 0,
        frames: 10,
        stimulus: &Stimulus::Music,
        audio: AudioSource::Snapshot,
    };
    rest.run(&order).await.unwrap();
    let (client, before) = client.until("Rebooting...").await;
    let (_, after) = client.until("Control UI").await;
    let text = before + &after;
    let panic = info(&board).await.panic.unwrap();
    let elf = &images().await.all.image.elf_sha256.to_string()[..16];
    in_order(
        &text,
        &[
            "Guru Meditation Error: Core  1 panic'ed (LoadProhibited). Exception was unhandled.",
            "Core  1 register dump:",
            &format!("PC      : 0x{:08x}", panic.pc),
            "EXCVADDR: 0x90000000",
            &format!("Backtrace: 0x{:08x}:0x", panic.pc),
            &format!("ELF file SHA256: {elf}"),
            "Rebooting...",
            "rst:0xc (RTC_SW_CPU_RST)",
            "=== K1.reinvented Starting ===",
        ],
    );
}

#[tokio::test]
async fn a_touch_at_1200_baud_leads_into_the_loader_and_the_board_is_silent_there() {
    let board = board().await;
    let (client, _) = Client::open_at(&board.serial_port(), 1200).until("waiting for download").await;
    drop(client);
    // Whoever asks meanwhile is answered by the boot that follows.
    let (answer, ()) = tokio::join!(info(&board), board.reset());
    assert_eq!(answer.reset_reason, "power-on");
}

#[tokio::test]
async fn what_nobody_reads_is_old_after_a_while() {
    let board = board().await;
    board.reset().await;
    // Three heartbeats later the lines of the boot are gone.
    let log_is_old = async {
        let rest = Board::connect(board.address()).await.unwrap();
        while rest.info().await.unwrap().uptime_us < 4_000_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), log_is_old).await.unwrap();
    let (_, text) = Client::open(&board.serial_port()).until("[HEARTBEAT]").await;
    assert!(!text.contains("Starting"), "{text}");
}
