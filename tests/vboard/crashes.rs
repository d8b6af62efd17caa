//! Firmware that crashes, hangs or never comes up.

use k1_hil::board::RunState;
use rstest::rstest;
use serde_json::json;

use crate::client::{
    arm, board_with, get, info, md5_hex, next_boot, options, post, run, send, upload, within,
};
use crate::images::images;
use crate::slots::resealed;
use k1_hil::vboard::VirtualBoard;

#[tokio::test]
async fn a_crash_in_a_run_is_reported_with_its_frame_and_the_board_comes_back() {
    let board = board_with(&images().await.all.bin).await;
    let address = board.address();
    let before = info(address).await;
    arm(address, "crash", 10).await;
    let after = next_boot(address, before.boot_id).await;
    let panic = after.panic.expect("a panic");
    assert_eq!((panic.reason.as_str(), panic.pattern.as_str()), ("load access fault", "crash"));
    assert_eq!((panic.boot_id, panic.value), (before.boot_id, 0x9000_0000));
    assert!((0x8000_0000..0x80E0_0000).contains(&panic.pc), "{:#x}", panic.pc);
    assert_eq!((after.reset_reason.as_str(), after.run.state), ("panic", RunState::None));
    assert_eq!(after.image_sha256, before.image_sha256);
    let log = board.log();
    assert!(log.iter().any(|line| line.starts_with("panic: trap")), "{log:?}");
    board.reset().await;
    let reset = info(address).await;
    assert_eq!((reset.reset_reason.as_str(), reset.panic), ("power-on", None));
    assert_eq!(run(address, "glow", 5).await.records.len(), 5);
}

#[tokio::test]
async fn a_crash_happens_at_the_same_instruction_each_time() {
    let board = board_with(&images().await.all.bin).await;
    let address = board.address();
    let mut places = Vec::new();
    for _ in 0..2 {
        let before = info(address).await;
        arm(address, "crash", 10).await;
        let log_length = board.log().len();
        let panic = next_boot(address, before.boot_id).await.panic.expect("a panic");
        assert!(board.log().len() > log_length);
        places.push((panic.pc, panic.value));
    }
    assert_eq!(places[0], places[1]);
}

#[rstest]
#[case::behind_it("beyond", "store access fault: a write 12 bytes behind the end of leds")]
#[case::in_front_of_it("before", "memory guard: the frame wrote in front of leds")]
#[tokio::test]
async fn a_pattern_that_writes_outside_of_its_buffer_is_named(#[case] id: &str, #[case] reason: &str) {
    let board = board_with(&images().await.all.bin).await;
    let before = info(board.address()).await.boot_id;
    arm(board.address(), id, 10).await;
    let panic = next_boot(board.address(), before).await.panic.expect("a panic");
    assert_eq!((panic.reason.as_str(), panic.pattern.as_str()), (reason, id));
}

#[tokio::test]
async fn a_pattern_that_hangs_is_ended_by_the_watchdog() {
    let board = board_with(&images().await.all.bin).await;
    let before = info(board.address()).await.boot_id;
    arm(board.address(), "hang", 10).await;
    let after = next_boot(board.address(), before).await;
    let panic = after.panic.expect("a panic");
    assert_eq!(
        (panic.reason.as_str(), panic.pattern.as_str()),
        ("watchdog: a frame took longer than 1000 ms", "hang")
    );
    assert_eq!(after.reset_reason, "watchdog");
}

#[tokio::test]
async fn a_board_that_crashes_by_itself_stays_down_until_it_gets_better_firmware() {
    let images = images().await;
    let board = board_with(&images.doomed.bin).await;
    let address = board.address();
    let down = within(async {
        loop {
            let info = info(address).await;
            if info.image_sha256.is_none() {
                return info;
            }
        }
    })
    .await;
    assert_eq!(down.panic.as_ref().map(|panic| panic.pattern.as_str()), Some("crash"));
    let refused = post(address, "/api/hil/run", &json!({"pattern": "crash", "frames": 1})).await;
    let expected = "no application runs: the application crashed 3 times in a row: load access fault";
    assert_eq!((refused.status, &refused.json()["message"]), (503, &json!(expected)));
    assert_eq!(get(address, "/api/health").await.status, 200);
    assert_eq!(upload(address, &images.all.bin).await, "OK");
    let after = info(address).await;
    assert_eq!((after.image_sha256, after.panic), (Some(images.all.image.elf_sha256), None));
}

#[tokio::test]
async fn an_image_that_never_comes_up_gives_way_to_the_one_before() {
    let images = images().await;
    let board = board_with(&images.all.bin).await;
    let address = board.address();
    let before = info(address).await;
    let dead = dead_image(&images.other.bin);
    assert_eq!(send(address, &dead, &md5_hex(&dead), None).await.as_deref(), Some("OK"));
    let after = next_boot(address, before.boot_id).await;
    assert_eq!((after.image_sha256, after.slot), (before.image_sha256, before.slot));
    let panic = after.panic.expect("what became of the new image");
    assert!(panic.reason.starts_with("the emulator ended by itself"), "{}", panic.reason);
    assert!(board.log().iter().any(|line| line.contains("going back")), "{:?}", board.log());
}

#[tokio::test]
async fn an_emulator_that_does_not_work_leaves_its_words_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let images = images().await;
    let flash = folder.path().join("flash.bin");
    let mut options = options().await;
    options.flash = Some(flash.clone());
    drop({
        let board = VirtualBoard::start(options.clone()).await.unwrap();
        upload(board.address(), &images.other.bin).await;
        board
    });
    options.qemu = crate::life::script(folder.path(), "echo out of order >&2; exit 1");
    let board = VirtualBoard::start(options).await.unwrap();
    let info = info(board.address()).await;
    assert_eq!(info.image_sha256, None);
    assert!(info.panic.unwrap().reason.contains("exit status: 1"));
    assert!(board.log().contains(&"emulator: out of order".to_owned()), "{:?}", board.log());
}

/// `bin` with a program that switches the board off at once.
fn dead_image(bin: &[u8]) -> Vec<u8> {
    // lui t0, 0x100; lui t1, 5; addi t1, t1, 0x555; sw t1, 0(t0)
    let program: [u32; 4] = [0x0010_02B7, 0x0000_5337, 0x5553_0313, 0x0062_A023];
    let entry = u32::from_le_bytes(bin[4..8].try_into().unwrap());
    let mut bin = bin.to_vec();
    let mut at = 24;
    for _ in 0..bin[1] {
        let word = |at: usize| u32::from_le_bytes(bin[at..at + 4].try_into().unwrap());
        let (address, length) = (word(at), word(at + 4));
        if (address..address + length).contains(&entry) {
            let place = at + 8 + (entry - address) as usize;
            for (bytes, word) in bin[place..place + 16].chunks_exact_mut(4).zip(program) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            return resealed(bin);
        }
        at += 8 + length as usize;
    }
    panic!("the entry lies in no segment");
}
