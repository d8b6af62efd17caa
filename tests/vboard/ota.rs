//! Over-the-air updates, with senders that keep to the protocol and senders that do not.

use k1_hil::vboard::VirtualBoard;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{
    Offer, board_with, info, md5_hex, next_boot, options, read_some, run, send, upload, within,
};
use crate::images::images;

const APP_SIZE: usize = 0x1E_0000;

#[tokio::test]
async fn a_cut_update_changes_nothing_and_the_next_one_works() {
    let images = images().await;
    let board = board_with(&images.all.bin).await;
    let address = board.address();
    let before = info(address).await;
    let new = &images.other.bin;
    for cut_after in [0, 1024, new.len() - 1] {
        let mut offer = Offer::new(address, new.len(), &md5_hex(new)).await;
        assert_eq!(offer.invite(None).await, "OK");
        let mut stream = offer.connection().await;
        stream.write_all(&new[..cut_after]).await.unwrap();
    }
    let after = info(address).await;
    assert_eq!((after.boot_id, after.image_sha256), (before.boot_id, before.image_sha256));
    assert_eq!(upload(address, new).await, "OK");
    assert_eq!(info(address).await.image_sha256, Some(images.other.image.elf_sha256));
}

#[tokio::test]
async fn blocks_are_acknowledged_by_their_size_and_the_end_by_ok() {
    let image = &images().await.other.bin;
    let board = VirtualBoard::start(options().await).await.unwrap();
    let before = info(board.address()).await.boot_id;
    let mut offer = Offer::new(board.address(), image.len(), &md5_hex(image)).await;
    assert_eq!(offer.invite(None).await, "OK");
    let mut stream = offer.connection().await;
    let (first, rest) = image.split_at(1000);
    stream.write_all(first).await.unwrap();
    assert_eq!(read_some(&mut stream).await, "1000");
    stream.write_all(rest).await.unwrap();
    let mut answers = String::new();
    within(stream.read_to_string(&mut answers)).await.unwrap();
    // Bare numbers without a separator: whoever reads them must count.
    assert!(answers.starts_with("1460") && answers.ends_with("OK"), "{answers}");
    assert!(answers[..answers.len() - 2].bytes().all(|byte| byte.is_ascii_digit()), "{answers}");
    assert_eq!(next_boot(board.address(), before).await.slot.as_deref(), Some("app0"));
}

#[tokio::test]
async fn wrong_updates_are_refused_in_the_words_of_the_arduino_core() {
    let image = &images().await.all.bin;
    let board = board_with(image).await;
    let address = board.address();
    let before = info(address).await;
    assert_eq!(
        send(address, image, &md5_hex(b"another"), None).await.as_deref(),
        Some("MD5 Check Failed\r\n")
    );
    let zeros = vec![0; 10_000];
    assert_eq!(send(address, &zeros, &md5_hex(&zeros), None).await.as_deref(), Some("Wrong Magic Byte\r\n"));
    let mut damaged = image.clone();
    damaged[3000] ^= 1;
    let said = send(address, &damaged, &md5_hex(&damaged), None).await;
    assert_eq!(said.as_deref(), Some("Could Not Activate The Firmware\r\n"));
    let after = info(address).await;
    assert_eq!((after.boot_id, after.image_sha256), (before.boot_id, before.image_sha256));
    assert_eq!(run(address, "glow", 3).await.records.len(), 3);
}

#[tokio::test]
async fn an_image_that_does_not_fit_is_not_asked_for() {
    let board = VirtualBoard::start(options().await).await.unwrap();
    let image = &images().await.other.bin;
    let mut too_big = Offer::new(board.address(), APP_SIZE + 1, &md5_hex(b"")).await;
    assert_eq!(too_big.invite(None).await, "OK");
    // The board deals with one after the other, so it has made up its mind about the first.
    let mut fits = Offer::new(board.address(), image.len(), &md5_hex(image)).await;
    assert_eq!(fits.invite(None).await, "OK");
    drop(fits.connection().await);
    assert!(!too_big.is_connected().await);
}

#[tokio::test]
async fn with_a_password_only_who_knows_it_may_update() {
    let image = &images().await.other.bin;
    let mut options = options().await;
    options.ota_password = Some("secret".into());
    let board = VirtualBoard::start(options).await.unwrap();
    let address = board.address();
    let mut wrong = Offer::new(address, image.len(), &md5_hex(image)).await;
    assert_eq!(wrong.invite(Some("guess")).await, "Authentication Failed");
    let before = info(address).await.boot_id;
    assert_eq!(send(address, image, &md5_hex(image), Some("secret")).await.as_deref(), Some("OK"));
    assert!(next_boot(address, before).await.image_sha256.is_some());
    assert!(!wrong.is_connected().await);
}

#[tokio::test]
async fn the_proof_may_come_from_another_socket_but_only_for_the_last_nonce() {
    let image = &images().await.other.bin;
    let mut options = options().await;
    options.ota_password = Some("secret".into());
    let board = VirtualBoard::start(options).await.unwrap();
    let offer = Offer::new(board.address(), image.len(), &md5_hex(image)).await;
    let other = Offer::new(board.address(), image.len(), &md5_hex(image)).await;
    let invitation = offer.invitation().to_owned();
    let nonce = |answer: String| answer.strip_prefix("AUTH ").unwrap().to_owned();
    let stale = nonce(offer.ask(&invitation).await);
    let fresh = nonce(offer.ask(&invitation).await);
    assert_ne!(stale, fresh);
    assert_eq!(other.ask(&proof("secret", &stale)).await, "Authentication Failed");
    let fresh = {
        let _ = fresh;
        nonce(offer.ask(&invitation).await)
    };
    assert_eq!(other.ask(&proof("secret", &fresh)).await, "OK");
    drop(offer.connection().await);
}

fn proof(password: &str, nonce: &str) -> String {
    let cnonce = md5_hex(b"anything");
    let secret = md5_hex(password.as_bytes());
    format!("200 {cnonce} {}\n", md5_hex(format!("{secret}:{nonce}:{cnonce}").as_bytes()))
}

#[tokio::test]
async fn garbage_is_met_with_silence() {
    let image = &images().await.other.bin;
    let board = VirtualBoard::start(options().await).await.unwrap();
    let mut offer = Offer::new(board.address(), image.len(), &md5_hex(image)).await;
    let huge = vec![b'0'; 60_000];
    for garbage in [&b""[..], b"\0\xFF\n", b"0 1 2 3\n", b"200 x y\n", b"OK", &huge] {
        offer.say(garbage).await;
    }
    // Were one of them answered, this would be that answer.
    assert_eq!(offer.invite(None).await, "OK");
    drop(offer.connection().await);
}

#[tokio::test]
async fn two_invitations_at_once_are_served_one_after_the_other() {
    let images = images().await;
    let board = VirtualBoard::start(options().await).await.unwrap();
    let address = board.address();
    let image = &images.other.bin;
    let mut first = Offer::new(address, image.len(), &md5_hex(image)).await;
    let second = Offer::new(address, image.len(), &md5_hex(image)).await;
    assert_eq!(first.invite(None).await, "OK");
    let mut stream = first.connection().await;
    second.say(second.invitation().as_bytes()).await;
    stream.write_all(&image[..1024]).await.unwrap();
    assert_eq!(read_some(&mut stream).await, "1024");
    assert!(!second.is_connected().await, "the first one has the board to itself");
    drop(stream);
    drop(second.connection().await);
    assert_eq!(upload(address, image).await, "OK");
}

#[tokio::test]
async fn a_sender_that_falls_silent_hears_the_last_acknowledgement_three_times_more() {
    let image = &images().await.all.bin;
    let board = board_with(image).await;
    let before = info(board.address()).await.boot_id;
    let mut offer = Offer::new(board.address(), image.len(), &md5_hex(image)).await;
    assert_eq!(offer.invite(None).await, "OK");
    let mut stream = offer.connection().await;
    stream.write_all(&image[..777]).await.unwrap();
    let mut heard = String::new();
    within(stream.read_to_string(&mut heard)).await.unwrap();
    assert_eq!(heard, "777".repeat(4));
    assert_eq!(info(board.address()).await.boot_id, before);
}

#[tokio::test]
async fn a_reset_in_mid_transfer_cuts_the_connection() {
    let image = &images().await.all.bin;
    let board = board_with(image).await;
    let mut offer = Offer::new(board.address(), image.len(), &md5_hex(image)).await;
    assert_eq!(offer.invite(None).await, "OK");
    let mut stream = offer.connection().await;
    stream.write_all(&image[..5000]).await.unwrap();
    board.reset().await;
    let mut heard = String::new();
    let _ = within(stream.read_to_string(&mut heard)).await; // a reset or an end, as the system likes
    assert!(!heard.contains("OK"), "{heard}");
    assert_eq!(info(board.address()).await.slot.as_deref(), Some("app0"));
}
