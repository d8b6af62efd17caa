//! Following a board's log.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use k1_hil::board::serial::{PortError, SerialPort, USUAL_BAUD};
use k1_hil::board::{AudioSource, Board, RunOrder, Stimulus};
use k1_hil::deploy::serial::{SerialOptions, deploy};
use k1_hil::event::ignore;
use k1_hil::monitor::{Heard, Line, Monitor, MonitorError};
use k1_hil::tools::process::Child;
use k1_hil::vboard::VirtualBoard;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::images::images;
use crate::port::{blank_board, locks_of, port_at, port_of};

async fn board() -> VirtualBoard {
    let board = blank_board().await;
    let port = port_of(&board);
    deploy(&images().await.all.image, &port, None, &SerialOptions::default(), &ignore).await.unwrap();
    board
}

/// The next line for which `wanted` is true.
async fn line(monitor: &mut Monitor, wanted: impl Fn(&Line) -> bool) -> Line {
    let reading = async {
        loop {
            if let Some(Heard::Line(line)) = monitor.next().await
                && wanted(&line)
            {
                return line;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("the line comes")
}

#[tokio::test]
async fn lines_have_times_and_a_panic_has_functions_and_lines() {
    let board = board().await;
    let image = &images().await.all.image;
    let port = port_of(&board);
    let mut monitor = Monitor::start(&port, USUAL_BAUD, Some(&image.elf)).await.unwrap();
    let busy = Monitor::start(&port, USUAL_BAUD, None).await.unwrap_err();
    assert!(matches!(busy, MonitorError::Port(PortError::Busy { .. })), "{busy}");
    let beat = line(&mut monitor, |line| line.text.contains("[HEARTBEAT]")).await;
    let log = beat.log.expect("a line of the logger");
    assert_eq!((log.level.as_str(), log.tag), ("INFO", 'X'));
    assert!(log.message.starts_with("[HEARTBEAT] frames=+") && log.uptime_ms >= 1000, "{log:?}");
    let later = line(&mut monitor, |line| line.text.contains("[HEARTBEAT]")).await;
    assert!(later.stamp.monotonic_us > beat.stamp.monotonic_us && later.stamp.wall > beat.stamp.wall);

    let order = RunOrder {
        pattern: "crash",
        seed: 1,
        warmup: 0,
        frames: 10,
        stimulus: &Stimulus::Music,
        audio: AudioSource::Snapshot,
    };
    Board::connect(board.address()).await.unwrap().run(&order).await.unwrap();
    let backtrace = line(&mut monitor, |line| line.text.starts_with("Backtrace: ")).await;
    let functions: Vec<&str> =
        backtrace.places.iter().flat_map(|place| &place.functions).map(|f| f.name.as_str()).collect();
    assert!(functions[0].starts_with("draw_crash("), "{functions:?}");
    assert!(functions.iter().any(|name| name.starts_with("renderer::draw(")), "{functions:?}");
    let crash = &backtrace.places[0].functions[0];
    assert!(crash.file.ends_with("registry.cpp") && crash.line > 0, "{crash:?}");
    line(&mut monitor, |line| line.text == "Rebooting...").await;
}

#[tokio::test]
async fn a_port_that_vanishes_is_followed_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("port");
    let board = blank_board().await;
    symlink(board.serial_port(), &link).unwrap();
    let port = port_at(&board, &link);
    let mut monitor = Monitor::start(&port, USUAL_BAUD, None).await.unwrap();
    board.reset().await;
    line(&mut monitor, |line| line.text.starts_with("rst:0x1 ")).await;
    std::fs::remove_file(&link).unwrap();
    drop(board);
    let gone = async { while !matches!(monitor.next().await, Some(Heard::Gone(_))) {} };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    // Another port under the same name, as after a re-enumeration.
    let again = blank_board().await;
    symlink(again.serial_port(), &link).unwrap();
    assert!(matches!(monitor.next().await, Some(Heard::Back(_))));
    again.reset().await;
    line(&mut monitor, |line| line.text.starts_with("rst:0x1 ")).await;
}

#[tokio::test]
async fn the_command_prints_json_lines_and_ends_when_interrupted() {
    let board = board().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_k1-hil"));
    command.args(["--json", "monitor"]).arg(board.serial_port()).env("HIL_LOCKS", locks_of(&board));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut command = Child::spawn(command, Duration::ZERO).unwrap();
    let lines = BufReader::new(command.take_stdout().unwrap()).lines();
    let status = tokio::task::spawn_blocking(move || {
        let heartbeat = lines
            .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap())
            .find(|heard| heard["log"]["message"].as_str().is_some_and(|text| text.contains("[HEARTBEAT]")))
            .unwrap();
        assert_eq!(
            (heartbeat["event"].as_str(), heartbeat["log"]["tag"].as_str()),
            (Some("line"), Some("X"))
        );
        assert!(heartbeat["monotonic_us"].as_u64().is_some() && heartbeat["wall"].as_str().is_some());
        kill(Pid::from_raw(command.id().cast_signed()), Signal::SIGINT).unwrap();
        command.wait().unwrap()
    });
    assert_eq!(status.await.unwrap().code(), Some(130));
}

#[tokio::test]
async fn a_file_without_debug_information_is_named() {
    let board = blank_board().await;
    let port = port_of(&board);
    let text = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let refused = Monitor::start(&port, USUAL_BAUD, Some(&text)).await.unwrap_err();
    assert!(refused.to_string().starts_with("cannot read the debug information in "), "{refused}");
    let missing = Monitor::start(&SerialPort::at("/dev/no-such-port"), USUAL_BAUD, None).await.unwrap_err();
    assert!(matches!(missing, MonitorError::Port(PortError::Open { .. })), "{missing}");
}
