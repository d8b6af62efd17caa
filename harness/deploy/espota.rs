//! The client of the boards' over-the-air receiver (ArduinoOTA): invitation by UDP, the image by TCP.
//!
//! The host sends `0 <its TCP port> <size> <MD5>` to the board's UDP port; the board answers `OK`, or `AUTH` and
//! a nonce, and connects back. It acknowledges what it reads, and ends with `OK` or a refusal. Source of the protocol: `ArduinoOTA.cpp` of arduino-esp32 2.0.17 and its `espota.py`.
//!
//! Differs from `espota.py` on purpose: only the board's `OK` ends an upload well, never the mere end of the
//! connection; it sends some chunks ahead instead of waiting for each; a connection counts as the answer to an invitation whose `OK` was lost; and only the board itself
//! may connect. The password by PBKDF2-SHA256 (arduino-esp32 3.3.1 and later) is recognised but not spoken.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use md5::{Digest as _, Md5};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

use super::DeployError;
use super::transfer::{self, Stopped};
use crate::board::{Address, BoardError};
use crate::event::{Event, OnEvent};

/// Digits of the nonce of the older generation (MD5), arduino-esp32 up to 3.3.0.
const MD5_NONCE: usize = 32;
/// Digits of the nonce of the newer generation (PBKDF2-SHA256).
const SHA256_NONCE: usize = 64;

/// How long the parts of an upload may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Datagrams sent to the board before it counts as silent, at least 1.
    pub invitations: u32,
    /// For the answer to one of them.
    pub invitation: Duration,
    /// For the board to connect back after its `OK`.
    pub connection: Duration,
    /// For the acknowledgement of one chunk; a board may erase flash meanwhile.
    pub acknowledgement: Duration,
    /// For the `OK` after the last byte.
    pub result: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            invitations: 10,
            invitation: Duration::from_secs(1),
            connection: Duration::from_secs(10),
            acknowledgement: Duration::from_secs(10),
            result: Duration::from_secs(60),
        }
    }
}

/// How the board left a transfer whose last byte was sent.
#[derive(Debug)]
pub enum Ending {
    /// It said `OK`.
    Confirmed,
    /// It may or may not have taken the image: the link broke before its last word. Ask it which image it runs.
    Unconfirmed(io::Error),
}

/// Sends `image`, whose file name is `name`, to the receiver at `address`.
///
/// # Errors
///
/// [`DeployError::NoAnswer`], [`DeployError::Password`], [`DeployError::PasswordKind`],
/// [`DeployError::NoConnection`], [`DeployError::Link`], [`DeployError::Refused`]; or [`DeployError::Board`] if
/// the host name is not known or no route leads there.
pub async fn send(
    address: &Address,
    image: &[u8],
    name: &str,
    password: Option<&str>,
    limits: &Limits,
    on_event: OnEvent<'_>,
) -> Result<Ending, DeployError> {
    let door = Door::open(address).await.map_err(|source| unreachable(address, &source))?;
    let invitation = Invitation { image, name, password, md5: hex_md5(image) };
    let stream = door.invite(address, &invitation, limits).await?;
    transfer(address, stream, image, limits, on_event).await
}

/// The two sockets of this host that the board answers to.
struct Door {
    datagrams: UdpSocket,
    connections: TcpListener,
    board: IpAddr,
    port: u16,
}

struct Invitation<'a> {
    image: &'a [u8],
    name: &'a str,
    password: Option<&'a str>,
    md5: String,
}

enum Answer {
    Text(String),
    Connected(TcpStream),
}

impl Door {
    /// Opens them on the interface from which the board is reached.
    async fn open(address: &Address) -> io::Result<Self> {
        let remote = resolve(address).await?;
        let any: SocketAddr = if remote.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let datagrams = UdpSocket::bind(any).await?;
        datagrams.connect(remote).await?;
        let connections = TcpListener::bind((datagrams.local_addr()?.ip(), 0)).await?;
        let port = connections.local_addr()?.port();
        Ok(Self { datagrams, connections, board: remote.ip(), port })
    }

    /// Invites the board until it connects.
    async fn invite(
        &self,
        address: &Address,
        invitation: &Invitation<'_>,
        limits: &Limits,
    ) -> Result<TcpStream, DeployError> {
        let board = address.to_string();
        let opening = format!("0 {} {} {}\n", self.port, invitation.image.len(), invitation.md5);
        let mut message = opening.clone();
        for _ in 0..limits.invitations {
            // An error here is the port-unreachable notice of an earlier datagram: the board is not up yet.
            let _ = self.datagrams.send(message.as_bytes()).await;
            match timeout(limits.invitation, self.answer()).await {
                Ok(Ok(Answer::Connected(stream))) => return Ok(stream),
                Ok(Ok(Answer::Text(text))) => match text.as_str() {
                    "OK" => {
                        return match timeout(limits.connection, self.accept()).await {
                            Ok(Ok(stream)) => Ok(stream),
                            Ok(Err(source)) => Err(unreachable(address, &source)),
                            Err(_) => Err(DeployError::NoConnection { board, port: self.port }),
                        };
                    }
                    "Authentication Failed" => return Err(DeployError::Password { board, given: true }),
                    other => match other.strip_prefix("AUTH ") {
                        Some(nonce) => message = self.reply(board.clone(), nonce.trim(), invitation)?,
                        None => return Err(DeployError::Refused { board, reason: text }),
                    },
                },
                Ok(Err(source)) => return Err(unreachable(address, &source)),
                // A datagram was lost. After a lost password reply the board expects an invitation again.
                Err(_) => message.clone_from(&opening),
            }
        }
        Err(DeployError::NoAnswer { board, port: address.ota_port })
    }

    /// The next thing that comes from the board.
    async fn answer(&self) -> io::Result<Answer> {
        let mut buffer = [0; 512];
        loop {
            tokio::select! {
                stream = self.accept() => return Ok(Answer::Connected(stream?)),
                received = self.datagrams.recv(&mut buffer) => match received {
                    Ok(length) => {
                        let text = String::from_utf8_lossy(&buffer[..length]);
                        return Ok(Answer::Text(text.trim().to_owned()));
                    }
                    // Nobody listens there yet: a board that boots. The next invitation may find it.
                    Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(e) => return Err(e),
                }
            }
        }
    }

    /// The board's connection; anybody else's is closed.
    async fn accept(&self) -> io::Result<TcpStream> {
        loop {
            let (stream, peer) = self.connections.accept().await?;
            if peer.ip() == self.board {
                return Ok(stream);
            }
        }
    }

    /// The reply to `AUTH <nonce>`, of the generation that the nonce's length tells.
    fn reply(&self, board: String, nonce: &str, invitation: &Invitation<'_>) -> Result<String, DeployError> {
        let Some(password) = invitation.password else {
            return Err(DeployError::Password { board, given: false });
        };
        match nonce.len() {
            MD5_NONCE => {}
            SHA256_NONCE => return Err(DeployError::PasswordKind { board }),
            _ => {
                let reason = format!("it asks for a password with the unknown nonce {nonce:?}");
                return Err(DeployError::Refused { board, reason });
            }
        }
        let Invitation { image, name, md5, .. } = invitation;
        let own_nonce = hex_md5(format!("{name}{}{md5}{}", image.len(), self.board));
        let response = hex_md5(format!("{}:{nonce}:{own_nonce}", hex_md5(password)));
        Ok(format!("200 {own_nonce} {response}\n"))
    }
}

/// Sends the image from a task of its own and passes its progress on.
///
/// Of its own because the caller may be outside the runtime's threads (`#[tokio::main]`), where each round trip
/// would have to wake one thread more.
async fn transfer(
    address: &Address,
    stream: TcpStream,
    image: &[u8],
    limits: &Limits,
    on_event: OnEvent<'_>,
) -> Result<Ending, DeployError> {
    let (board, total) = (address.to_string(), image.len() as u64);
    let (progress, mut acknowledged) = tokio::sync::watch::channel(0);
    // Dropping the set, as this future is dropped, ends the task and cuts the connection.
    let mut task = tokio::task::JoinSet::new();
    task.spawn(transfer::transfer(stream, image.to_vec(), *limits, progress));
    on_event(&Event::Uploading { sent: 0, total });
    // Ends with the task, whose end of the channel is then gone.
    while acknowledged.changed().await.is_ok() {
        on_event(&Event::Uploading { sent: *acknowledged.borrow_and_update(), total });
    }
    let sent = *acknowledged.borrow();
    match task.join_next().await {
        Some(Ok(Ok(ending))) => Ok(ending),
        Some(Ok(Err(Stopped::Refused(reason)))) => Err(DeployError::Refused { board, reason }),
        Some(Ok(Err(Stopped::Broken { sent, source }))) => {
            Err(DeployError::Link { board, sent, total, source })
        }
        Some(Err(stopped)) => {
            Err(DeployError::Link { board, sent, total, source: io::Error::other(stopped) })
        }
        None => Err(DeployError::Link { board, sent, total, source: io::ErrorKind::Interrupted.into() }),
    }
}

async fn resolve(address: &Address) -> io::Result<SocketAddr> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.ota_port)).await?;
    // Boards speak IPv4; a name may stand for both.
    found.min_by_key(SocketAddr::is_ipv6).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn unreachable(address: &Address, source: &io::Error) -> DeployError {
    BoardError::Unreachable { board: address.to_string(), reason: source.to_string() }.into()
}

fn hex_md5(bytes: impl AsRef<[u8]>) -> String {
    Md5::digest(bytes.as_ref()).iter().map(|byte| format!("{byte:02x}")).collect()
}
