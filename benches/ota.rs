//! How fast an image travels: the over-the-air client beside a raw copy over TCP with the same acknowledgements.
//!
//! All send 1.2 MB. The raw copy waits for the acknowledgement of each 1,024 bytes over blocking sockets and does
//! nothing else: no invitation, no checksum, no reading of the counts. The client sends once to the same minimal
//! receiver and once to the virtual board, which checks and stores the image; the board's restart is not counted.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use k1_hil::board::{Address, Board};
use k1_hil::deploy::espota::{self, Ending, Limits};
use k1_hil::event::ignore;
use k1_hil::vboard::{Options, VirtualBoard};

#[expect(dead_code, reason = "the virtual board's tests use more of it")]
#[path = "../tests/vboard/images.rs"]
mod images;

const SIZE: usize = 1_200_000;
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Takes an image of [`SIZE`] bytes as a board does.
fn receive(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 1460];
    let mut received = 0;
    while received < SIZE {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        received += count;
        stream.write_all(count.to_string().as_bytes())?;
    }
    stream.write_all(b"OK")
}

/// A receiver that waits for invitations; returns its UDP port.
fn receiver() -> std::io::Result<u16> {
    let socket = UdpSocket::bind((LOOPBACK, 0))?;
    let port = socket.local_addr()?.port();
    thread::spawn(move || -> std::io::Result<()> {
        let mut buffer = [0; 512];
        loop {
            let (length, host) = socket.recv_from(&mut buffer)?;
            let text = String::from_utf8_lossy(&buffer[..length]);
            let Some(port) = text.split(' ').nth(1).and_then(|port| port.parse::<u16>().ok()) else {
                continue;
            };
            socket.send_to(b"OK", host)?;
            receive(TcpStream::connect((LOOPBACK, port))?)?;
        }
    });
    Ok(port)
}

/// Sends `image` with nothing around it.
fn raw_copy(listener: &TcpListener, image: &[u8]) -> std::io::Result<()> {
    let port = listener.local_addr()?.port();
    let receiver = thread::spawn(move || receive(TcpStream::connect((LOOPBACK, port))?));
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 64];
    for chunk in image.chunks(1024) {
        stream.write_all(chunk)?;
        let mut unread = chunk.len().to_string().len();
        while unread > 0 {
            unread = unread.saturating_sub(stream.read(&mut buffer)?);
        }
    }
    while stream.read(&mut buffer)? > 0 {}
    receiver.join().expect("the receiver does not panic")
}

async fn send(address: &Address, image: &[u8]) {
    let sent = espota::send(address, image, "firmware.bin", None, &Limits::default(), &ignore).await;
    assert!(matches!(sent, Ok(Ending::Confirmed)), "{sent:?}");
}

/// A virtual board and an image for it that is as long as the others.
async fn virtual_board() -> (Vec<u8>, VirtualBoard, Board) {
    let images = images::images().await;
    let virtual_board =
        VirtualBoard::start(Options::new(images.qemu.clone())).await.expect("a virtual board");
    let board = Board::connect(virtual_board.address()).await.expect("its probe");
    let mut image = images.other.bin.clone();
    image.resize(SIZE, 0xFF);
    (image, virtual_board, board)
}

fn ota(criterion: &mut Criterion) {
    let image: Vec<u8> = (0..SIZE).map(|at| (at * 31 % 253) as u8).collect();
    let mut group = criterion.benchmark_group("ota");
    group.throughput(Throughput::Bytes(SIZE as u64)).sample_size(20);

    let listener = TcpListener::bind((LOOPBACK, 0)).expect("a free port");
    group.bench_function("raw TCP copy", |bencher| {
        bencher.iter(|| raw_copy(&listener, &image).expect("the loopback interface does not break"));
    });

    let ota_port = receiver().expect("a free port");
    let address = Address { host: LOOPBACK.to_string(), http_port: 80, ota_port };
    let runtime = tokio::runtime::Runtime::new().expect("threads to run on");
    group.bench_function("espota client", |bencher| {
        bencher.to_async(&runtime).iter(|| send(&address, &image));
    });

    let (image, virtual_board, board) = runtime.block_on(virtual_board());
    group.bench_function("espota client to the virtual board", |bencher| {
        bencher.to_async(&runtime).iter_custom(|count| {
            let (image, board) = (&image, &board);
            async move {
                let mut elapsed = Duration::ZERO;
                for _ in 0..count {
                    let before = board.info().await.expect("the board is up").boot_id;
                    let start = Instant::now();
                    send(&board.address, image).await;
                    elapsed += start.elapsed();
                    while board.info().await.expect("the board comes back").boot_id == before {}
                }
                elapsed
            }
        });
    });
    drop(virtual_board);
    group.finish();
}

criterion_group!(benches, ota);
criterion_main!(benches);
