//! The two steps that touch a board, on virtual boards with the real emulator and real images.

#[expect(dead_code, reason = "the virtual board's own tests use more of it")]
#[path = "vboard/images.rs"]
mod images;

use std::sync::Mutex;

use images::images;
use k1_hil::board::{Board, Stimulus};
use k1_hil::capture::{AudioSource, Capture, CaptureError, Plan, capture};
use k1_hil::deploy::{DeployError, DeployOptions, Deployment, confirm, deploy};
use k1_hil::event::{Event, ignore};
use k1_hil::vboard::{Options, VirtualBoard};
use rstest::rstest;

async fn board(password: Option<&str>) -> (VirtualBoard, Board) {
    let mut options = Options::new(images().await.qemu.clone());
    options.ota_password = password.map(Into::into);
    let virtual_board = VirtualBoard::start(options).await.unwrap();
    let board = Board::connect(virtual_board.address()).await.unwrap();
    (virtual_board, board)
}

/// A board that runs the image with all test patterns.
async fn deployed() -> (VirtualBoard, Board, Deployment) {
    let (virtual_board, board) = board(None).await;
    let image = &images().await.all.image;
    let deployment = deploy(image, &board, &DeployOptions::default(), &ignore).await.unwrap();
    (virtual_board, board, deployment)
}

fn plan(pattern: &str, frames: u32) -> Plan {
    Plan { seed: 7, warmup: 8, frames, ..Plan::of(pattern) }
}

#[tokio::test]
async fn an_image_is_sent_once_and_to_the_other_slot_each_time() {
    let (_virtual_board, board) = board(None).await;
    let (all, other) = (&images().await.all.image, &images().await.other.image);
    let options = DeployOptions::default();
    let events = Mutex::new(Vec::new());
    let on_event = |event: &Event| events.lock().unwrap().push(event.clone());

    let first = deploy(all, &board, &options, &on_event).await.unwrap();
    assert!(!first.skipped);
    let total = images().await.all.bin.len() as u64;
    assert!(events.lock().unwrap().contains(&Event::Uploading { sent: total, total }));

    let again = deploy(all, &board, &options, &ignore).await.unwrap();
    assert_eq!((again.skipped, again.boot_id, &again.slot), (true, first.boot_id, &first.slot));

    let second = deploy(other, &board, &options, &ignore).await.unwrap();
    assert!(second.slot != first.slot && second.boot_id != first.boot_id, "{first:?} {second:?}");
    assert_eq!(confirm(other, &board).await.unwrap().boot_id, second.boot_id);
    assert!(matches!(confirm(all, &board).await, Err(DeployError::WrongImage { .. })));
}

#[rstest]
#[case::right(Some("secret"), None)]
#[case::wrong(Some("secrets"), Some(true))]
#[case::missing(None, Some(false))]
#[tokio::test]
async fn a_board_with_a_password_takes_images_from_who_knows_it(
    #[case] password: Option<&str>,
    #[case] refused: Option<bool>,
) {
    let (_virtual_board, board) = board(Some("secret")).await;
    let options = DeployOptions { password: password.map(Into::into), ..DeployOptions::default() };
    match (deploy(&images().await.other.image, &board, &options, &ignore).await, refused) {
        (Ok(_), None) => {}
        (Err(DeployError::Password { given, .. }), Some(expected)) => assert_eq!(given, expected),
        (other, _) => panic!("{other:?}"),
    }
}

/// What must be the same whenever the same run is measured.
fn counts(capture: &Capture) -> impl PartialEq + std::fmt::Debug {
    (capture.frames.clone(), capture.pictures.clone())
}

#[rstest]
#[case::one(1)]
#[case::some(300)]
#[case::the_whole_ring(2048)]
#[tokio::test]
async fn a_run_is_whole_and_the_same_on_every_board(#[case] frames: u32) {
    let plan = plan("glow", frames);
    let (_first, board, deployment) = deployed().await;
    let first = capture(&deployment, &board, &plan, &ignore).await.unwrap();
    assert_eq!(first.rejected, []);
    assert_eq!(first.frames.len(), frames as usize);
    assert!(first.frames.iter().all(|frame| frame.render_ticks > 0 && frame.transmit_ticks > 0));
    assert_eq!(first.pictures.len(), (frames as usize).div_ceil((frames as usize).div_ceil(64)));

    let again = capture(&deployment, &board, &plan, &ignore).await.unwrap();
    assert_eq!(counts(&first), counts(&again));

    let (_second, board, deployment) = deployed().await;
    let other = capture(&deployment, &board, &plan, &ignore).await.unwrap();
    assert_eq!(counts(&first), counts(&other));
}

#[rstest]
#[case::crash("crash", "fault")]
#[case::hang("hang", "watchdog")]
#[tokio::test]
async fn a_death_names_its_frame_and_a_new_deployment_goes_on(#[case] pattern: &str, #[case] reason: &str) {
    let (_virtual_board, board, deployment) = deployed().await;
    match capture(&deployment, &board, &plan(pattern, 50), &ignore).await.unwrap_err() {
        CaptureError::Died { panic, .. } => {
            assert_eq!((panic.pattern.as_str(), panic.boot_id), (pattern, deployment.boot_id));
            assert!(panic.reason.contains(reason), "{}", panic.reason);
        }
        other => panic!("{other}"),
    }
    // The proof was of the boot that is over now.
    let error = capture(&deployment, &board, &plan("glow", 10), &ignore).await.unwrap_err();
    assert!(matches!(error, CaptureError::Changed { .. }), "{error}");
    let deployment =
        deploy(&images().await.all.image, &board, &DeployOptions::default(), &ignore).await.unwrap();
    assert!(deployment.skipped);
    assert_eq!(capture(&deployment, &board, &plan("glow", 10), &ignore).await.unwrap().frames.len(), 10);
}

#[tokio::test]
async fn a_reset_voids_a_deployment() {
    let (virtual_board, board, deployment) = deployed().await;
    virtual_board.reset().await;
    let error = capture(&deployment, &board, &plan("glow", 10), &ignore).await.unwrap_err();
    assert!(matches!(error, CaptureError::Changed { .. }), "{error}");
}

#[tokio::test]
async fn an_unknown_pattern_is_the_plans_fault() {
    let (_virtual_board, board, deployment) = deployed().await;
    match capture(&deployment, &board, &plan("glwo", 10), &ignore).await.unwrap_err() {
        CaptureError::NoPattern { known, .. } => {
            assert_eq!(known, "glow, dark, heavy, crash, hang, beyond, before, count");
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_capture_waits_for_a_run_that_somebody_left() {
    let (_virtual_board, board, deployment) = deployed().await;
    let order = k1_hil::board::RunOrder {
        pattern: "heavy",
        seed: 1,
        warmup: 0,
        frames: 2048,
        stimulus: &Stimulus::Silence,
        audio: AudioSource::default(),
    };
    let left = board.run(&order).await.unwrap();
    let capture = capture(&deployment, &board, &plan("glow", 10), &ignore).await.unwrap();
    assert!(capture.run_id > left.run_id, "{} after {}", capture.run_id, left.run_id);
    assert_eq!((capture.frames.len(), capture.rejected), (10, vec![]));
}
