//! Starting and ending: what is left of a board when it is dropped, and what keeps one from starting.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use k1_hil::vboard::{VirtualBoard, VirtualBoardError};
use rstest::rstest;

use crate::client::{arm, get, info, options, upload};
use crate::images::images;

/// A program that does `line`.
pub fn script(folder: &Path, line: &str) -> PathBuf {
    let path = folder.join("emulator.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[derive(Clone, Copy, PartialEq)]
enum Doing {
    Nothing,
    Running,
    Hanging,
    Restarting,
}

#[rstest]
#[case(Doing::Nothing)]
#[case(Doing::Running)]
#[case(Doing::Hanging)]
#[case(Doing::Restarting)]
#[tokio::test]
async fn a_dropped_board_leaves_no_emulator_behind(#[case] doing: Doing) {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let mut options = options().await;
    let line = format!("echo $$ >> '{}'; exec '{}' \"$@\"", pids.display(), options.qemu.display());
    options.qemu = script(folder.path(), &line);
    let board = VirtualBoard::start(options).await.unwrap();
    upload(board.address(), &images().await.all.bin).await;
    match doing {
        Doing::Nothing => {}
        Doing::Running => drop(arm(board.address(), "heavy", 2048).await),
        Doing::Hanging => drop(arm(board.address(), "hang", 1).await),
        Doing::Restarting => {
            upload(board.address(), &images().await.doomed.bin).await;
        }
    }
    let ids: Vec<u32> =
        std::fs::read_to_string(&pids).unwrap().lines().map(|id| id.parse().unwrap()).collect();
    assert!(!ids.is_empty());
    if doing != Doing::Restarting {
        assert!(is_alive(*ids.last().unwrap()), "the test would prove nothing");
    }
    drop(board);
    let ids = std::fs::read_to_string(&pids).unwrap();
    assert!(ids.lines().all(|id| !is_alive(id.parse().unwrap())), "{ids}");
}

/// Whether the process `id` exists, be it as a zombie.
fn is_alive(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

#[tokio::test]
async fn a_dropped_board_frees_its_ports_and_can_be_started_again() {
    let mut options = options().await;
    let first = VirtualBoard::start(options.clone()).await.unwrap();
    options.http_port = first.address().http_port;
    options.ota_port = first.address().ota_port;
    for (http, ota) in [(options.http_port, 0), (0, options.ota_port)] {
        let taken = k1_hil::vboard::Options { http_port: http, ota_port: ota, ..options.clone() };
        let error = VirtualBoard::start(taken).await.unwrap_err();
        let (kind, port) = if http == 0 { ("UDP", ota) } else { ("TCP", http) };
        assert_eq!(error.to_string(), format!("cannot open {kind} port {port} for the virtual board"));
    }
    drop(first);
    // The server's task is gone when the runtime has run it once more.
    let again = loop {
        match VirtualBoard::start(options.clone()).await {
            Ok(board) => break board,
            Err(VirtualBoardError::Port { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(get(again.address(), "/api/health").await.status, 200);
}

#[tokio::test]
async fn a_missing_emulator_is_found_at_the_start() {
    let mut options = options().await;
    options.qemu = PathBuf::from("/nowhere/qemu-system-riscv32");
    let error = VirtualBoard::start(options).await.unwrap_err();
    assert!(matches!(&error, VirtualBoardError::Emulator { .. }));
    assert_eq!(error.to_string(), "cannot start the emulator /nowhere/qemu-system-riscv32");
}

#[tokio::test]
async fn a_board_without_an_application_says_so() {
    let board = VirtualBoard::start(options().await).await.unwrap();
    let info = info(board.address()).await;
    assert_eq!((info.image_sha256, info.version, info.slot, info.panic), (None, None, None, None));
    assert_eq!((info.reset_reason.as_str(), info.led_count, info.tick_hz), ("power-on", 160, 250_000_000));
    let refused = get(board.address(), "/api/hil/frames").await;
    assert_eq!(refused.status, 503);
    let message = refused.json()["message"].to_string();
    assert_eq!(message, r#""no application runs: app0: there is nothing; app1: there is nothing""#);
}

#[tokio::test]
async fn each_boot_has_an_id_of_its_own() {
    let board = VirtualBoard::start(options().await).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(info(board.address()).await.boot_id);
        board.reset().await;
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
