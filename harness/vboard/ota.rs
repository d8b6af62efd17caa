//! The board's over-the-air receiver: the device side of espota.
//!
//! The sender invites by UDP (`<command> <port> <size> <md5>`), proves that it knows the password if there is one,
//! and offers the image on a TCP port of its own, to which the board connects. Each block is acknowledged by its
//! size in bare decimal; at the end the board says `OK` and restarts, or says what is wrong.
//!
//! Source: ArduinoOTA of the Arduino core 2.0.17 (library and `espota.py`). Unlike there, an invitation that comes
//! while another waits for its password replaces that one instead of being dropped.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use md5::{Digest as _, Md5};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::boot::{Boot, ResetReason};
use super::image_format::EspImage;
use super::machine::Machine;
use super::otadata;
use super::partitions::Slot;
use super::update::{Target, Update, UpdateError};
use crate::board::Password;

/// The board reads at most so many bytes at once.
const BLOCK: usize = 1460;
/// After this silence of the sender the board repeats its last acknowledgement.
const SILENCE: Duration = Duration::from_secs(1);
/// So often, then it gives up.
const REPEATS: u32 = 3;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

const COMMAND_APP: &str = "0";
const COMMAND_FILES: &str = "100";
/// With the blank that follows it.
const COMMAND_AUTH: &str = "200 ";

/// What an invitation says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Invitation {
    kind: Kind,
    /// TCP port of the sender.
    port: u16,
    size: usize,
    md5: [u8; 16],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    App,
    Files,
}

/// An invitation that still has to prove that it knows the password.
struct Waiting {
    invitation: Invitation,
    /// Of the inviter; the proof may come from another port.
    ip: IpAddr,
    nonce: String,
}

/// Receives updates until its future is dropped. `password` empty: nobody is asked for one.
pub async fn receive(machine: Arc<Machine>, socket: UdpSocket, password: Option<Password>) {
    let secret = password.filter(|it| !it.reveal().is_empty()).map(|it| md5_hex(it.reveal()));
    let mut waiting: Option<Waiting> = None;
    let mut datagram = [0; 512];
    loop {
        let Ok((length, sender)) = socket.recv_from(&mut datagram).await else {
            // A former answer did not arrive (connection refused): that is the sender's matter.
            continue;
        };
        let text = String::from_utf8_lossy(&datagram[..length]);
        let (accepted, ip) = match (parse_invitation(&text), &secret) {
            (Some(invitation), Some(_)) => {
                let nonce = new_nonce();
                say(&socket, sender, &format!("AUTH {nonce}")).await;
                waiting = Some(Waiting { invitation, ip: sender.ip(), nonce });
                continue;
            }
            (Some(invitation), None) => (invitation, sender.ip()),
            (None, Some(secret)) => match waiting.take_if(|_| text.starts_with(COMMAND_AUTH)) {
                Some(Waiting { invitation, ip, nonce }) => match check_proof(&text, secret, &nonce) {
                    Some(true) => (invitation, ip),
                    Some(false) => {
                        say(&socket, sender, "Authentication Failed").await;
                        machine.log.push("OTA Error[0]: Auth Failed");
                        continue;
                    }
                    None => continue,
                },
                None => continue,
            },
            (None, None) => continue,
        };
        let Some(boot) = machine.up().await else { return };
        say(&socket, sender, "OK").await;
        if update(&machine, &boot, accepted, ip).await {
            machine.restart(ResetReason::Software);
            machine.over(&boot).await;
            // A restart forgets what was asked before it.
            waiting = None;
            while socket.try_recv_from(&mut datagram).is_ok() {}
        }
    }
}

/// Runs one update; whatever goes wrong is said to the sender and logged. Whether it succeeded.
async fn update(machine: &Arc<Machine>, boot: &Boot, invitation: Invitation, ip: IpAddr) -> bool {
    let target = match invitation.kind {
        Kind::App => Target::App(next_slot(machine, boot)),
        Kind::Files => Target::Files,
    };
    // What does not fit is not asked for: no connection.
    let Ok(update) = Update::begin(target, invitation.size) else {
        machine.log.push("OTA Error[1]: Begin Failed");
        return false;
    };
    machine.log.push("OTA Update starting...");
    let connecting = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect((ip, invitation.port)));
    let Ok(Ok(mut stream)) = connecting.await else {
        machine.log.push("OTA Error[2]: Connect Failed");
        return false;
    };
    let transferred = tokio::select! {
        transferred = transfer(machine, &mut stream, update) => transferred,
        () = machine.over(boot) => return false, // restarted in mid-transfer: the connection is cut
    };
    let outcome = match transferred {
        Ok(Some(update)) => {
            let machine = Arc::clone(machine);
            let end = move || update.end(&mut machine.flash(), &invitation.md5);
            tokio::task::spawn_blocking(end).await.unwrap_or(Err(UpdateError::Aborted))
        }
        Ok(None) => {
            machine.log.push("OTA Error[3]: Receive Failed");
            return false;
        }
        Err(error) => Err(error),
    };
    let (answer, line) = match &outcome {
        Ok(()) => ("OK".to_owned(), "OTA Update complete!".to_owned()),
        Err(error) => (format!("{error}\r\n"), format!("OTA Error[4]: End Failed: {error}")),
    };
    machine.log.push(line);
    // The sender may be gone; what was written is written all the same.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    outcome.is_ok()
}

/// Receives the bytes of `update`. `None`: the sender fell silent.
async fn transfer(
    machine: &Machine,
    stream: &mut TcpStream,
    mut update: Update,
) -> Result<Option<Update>, UpdateError> {
    let cut = |_| UpdateError::Aborted;
    stream.set_nodelay(true).map_err(cut)?; // each acknowledgement is waited for
    let mut block = [0; BLOCK];
    let mut last = 0;
    let mut repeats = 0;
    while !update.is_complete() {
        let count = match tokio::time::timeout(SILENCE, stream.read(&mut block)).await {
            Ok(Ok(0)) => return Err(UpdateError::Aborted),
            Ok(Ok(count)) => {
                update.write(&mut machine.flash(), &block[..count])?;
                (last, repeats) = (count, 0);
                count
            }
            Ok(Err(e)) => return Err(cut(e)),
            Err(_) if last > 0 && repeats < REPEATS => {
                repeats += 1;
                0
            }
            Err(_) => return Ok(None),
        };
        stream.write_all(last.to_string().as_bytes()).await.map_err(cut)?;
        update.digest(&block[..count]); // while the sender prepares the next block
    }
    Ok(Some(update))
}

/// The slot that does not run. Where nothing runs, the one that would boot, unless it holds an image.
fn next_slot(machine: &Machine, boot: &Boot) -> Slot {
    if let Ok(app) = &boot.app {
        return app.slot.other();
    }
    let flash = machine.flash();
    let slot = otadata::boot_slot(&flash);
    if EspImage::parse(flash.read(slot.partition())).is_ok() { slot.other() } else { slot }
}

fn parse_invitation(text: &str) -> Option<Invitation> {
    let mut fields = text.trim_end().split(' ');
    let kind = match fields.next()? {
        COMMAND_APP => Kind::App,
        COMMAND_FILES => Kind::Files,
        _ => return None,
    };
    let port = fields.next()?.parse().ok().filter(|&port| port != 0)?;
    let size = fields.next()?.parse().ok()?;
    let md5 = parse_md5(fields.next()?)?;
    fields.next().is_none().then_some(Invitation { kind, port, size, md5 })
}

fn parse_md5(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect();
    if digits.len() == 32 { bytes.try_into().ok() } else { None }
}

/// Whether `200 <cnonce> <response>` proves knowledge of the password; none if it has another form.
fn check_proof(text: &str, secret: &str, nonce: &str) -> Option<bool> {
    let mut fields = text.trim_end().split(' ').skip(1);
    let (cnonce, response) = (fields.next()?, fields.next()?);
    let is_proof = cnonce.len() == 32 && response.len() == 32 && fields.next().is_none();
    is_proof.then(|| response == md5_hex(&format!("{secret}:{nonce}:{cnonce}")))
}

/// A number that was not used before and cannot be guessed.
fn new_nonce() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    md5_hex(&[(); 2].map(|()| RandomState::new().hash_one(std::time::Instant::now()).to_string()).concat())
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn say(socket: &UdpSocket, to: SocketAddr, text: &str) {
    let _ = socket.send_to(text.as_bytes(), to).await; // datagrams get lost; the sender asks again
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const MD5: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn an_invitation_is_read_with_and_without_its_line_end() {
        let expected = Invitation {
            kind: Kind::App,
            port: 4711,
            size: 1024,
            md5: [
                0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE,
                0xFF,
            ],
        };
        assert_eq!(parse_invitation(&format!("0 4711 1024 {MD5}\n")), Some(expected.clone()));
        assert_eq!(parse_invitation(&format!("0 4711 1024 {MD5}")), Some(expected.clone()));
        let files = Invitation { kind: Kind::Files, ..expected };
        assert_eq!(parse_invitation(&format!("100 4711 1024 {MD5}\n")), Some(files));
    }

    #[rstest]
    #[case("")]
    #[case("0 4711 1024")]
    #[case("1 4711 1024 00112233445566778899aabbccddeeff")]
    #[case("0 0 1024 00112233445566778899aabbccddeeff")]
    #[case("0 70000 1024 00112233445566778899aabbccddeeff")]
    #[case("0 4711 -5 00112233445566778899aabbccddeeff")]
    #[case("0 4711 1024 00112233445566778899aabbccddeef")]
    #[case("0 4711 1024 00112233445566778899aabbccddeeff00")]
    #[case("0 4711 1024 zz112233445566778899aabbccddeeff")]
    #[case("0 4711 1024 00112233445566778899aabbccddeeff more")]
    fn anything_else_is_met_with_silence(#[case] datagram: &str) {
        assert_eq!(parse_invitation(datagram), None);
    }

    #[test]
    fn only_the_right_response_proves_the_password() {
        let (secret, nonce, cnonce) = (md5_hex("secret"), "ab".repeat(16), "cd".repeat(16));
        let response = md5_hex(&format!("{secret}:{nonce}:{cnonce}"));
        let proof = |cnonce: &str, response: &str| {
            check_proof(&format!("200 {cnonce} {response}\n"), &secret, &nonce)
        };
        assert_eq!(proof(&cnonce, &response), Some(true));
        assert_eq!(proof(&cnonce, &"0".repeat(32)), Some(false));
        assert_eq!(proof(&cnonce[1..], &response), None);
        assert_eq!(proof(&cnonce, ""), None);
        assert_ne!(new_nonce(), new_nonce());
        assert_eq!(new_nonce().len(), 32);
    }

    proptest! {
        #[test]
        fn no_datagram_makes_the_parser_panic(text in "\\PC{0,80}") {
            let _ = (parse_invitation(&text), check_proof(&text, "", ""));
        }
    }
}
