//! Slots, flash and what boots.

use k1_hil::vboard::VirtualBoard;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::client::{board_with, info, next_boot, options, post, upload};
use crate::images::images;

const APP0: usize = 0x1_0000;
const APP1: usize = 0x1F_0000;

/// An image with checksum and hash put right.
pub fn resealed(mut bin: Vec<u8>) -> Vec<u8> {
    let mut at = 24;
    let mut checksum = 0xEF;
    for _ in 0..bin[1] {
        let length = u32::from_le_bytes(bin[at + 4..at + 8].try_into().unwrap()) as usize;
        checksum = bin[at + 8..at + 8 + length].iter().fold(checksum, |sum, byte| sum ^ byte);
        at += 8 + length;
    }
    let end = at / 16 * 16 + 16;
    bin[end - 1] = checksum;
    let hash = Sha256::digest(&bin[..end]);
    bin[end..end + 32].copy_from_slice(&hash);
    bin
}

#[tokio::test]
async fn updates_go_to_the_slots_in_turn_and_a_request_switches_back() {
    let images = images().await;
    let board = board_with(&images.all.bin).await;
    let address = board.address();
    let first = info(address).await;
    assert_eq!((first.slot.as_deref(), first.reset_reason.as_str()), (Some("app0"), "software"));
    assert_eq!(first.image_sha256, Some(images.all.image.elf_sha256));
    upload(address, &images.other.bin).await;
    let second = info(address).await;
    assert_eq!(second.slot.as_deref(), Some("app1"));
    assert_eq!(second.image_sha256, Some(images.other.image.elf_sha256));

    let answer = post(address, "/api/hil/slot", &json!({"slot": "app0"})).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"slot":"app0"}"#));
    let back = next_boot(address, second.boot_id).await;
    assert_eq!((back.image_sha256, back.slot), (first.image_sha256, first.slot));
    board.reset().await;
    assert_eq!(info(address).await.slot.as_deref(), Some("app0"), "the choice lasts");
}

#[tokio::test]
async fn a_slot_without_an_image_cannot_be_chosen() {
    let board = board_with(&images().await.other.bin).await;
    for (slot, status, code) in [("app1", 409, "no_image"), ("factory", 400, "invalid_value")] {
        let answer = post(board.address(), "/api/hil/slot", &json!({ "slot": slot })).await;
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(code)), "{}", answer.text());
    }
    let answer = post(board.address(), "/api/hil/slot", &json!({})).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("missing_field")));
}

#[tokio::test]
async fn the_flash_file_keeps_image_and_choice_between_starts() {
    let images = images().await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = options().await;
    options.flash = Some(folder.path().join("flash.bin"));
    let board = VirtualBoard::start(options.clone()).await.unwrap();
    upload(board.address(), &images.all.bin).await;
    upload(board.address(), &images.other.bin).await;
    let before = info(board.address()).await;
    drop(board);

    let board = VirtualBoard::start(options.clone()).await.unwrap();
    let after = info(board.address()).await;
    assert_eq!((after.image_sha256, after.slot.as_deref()), (before.image_sha256, Some("app1")));
    assert_eq!(after.reset_reason, "power-on");
    assert_ne!(after.boot_id, before.boot_id);
    drop(board);

    let mut bytes = std::fs::read(options.flash.as_ref().unwrap()).unwrap();
    assert_eq!(bytes[APP0..APP0 + images.all.bin.len()], images.all.bin);
    bytes[APP1 + 5000] ^= 0xFF;
    std::fs::write(options.flash.as_ref().unwrap(), &bytes).unwrap();
    let board = VirtualBoard::start(options).await.unwrap();
    let fallen_back = info(board.address()).await;
    assert_eq!(fallen_back.slot.as_deref(), Some("app0"), "a corrupt image does not boot");
    assert_eq!(fallen_back.image_sha256, Some(images.all.image.elf_sha256));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1, "no debris");
}
