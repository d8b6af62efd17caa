//! How fast an image travels: the over-the-air client beside a raw copy over TCP with the same acknowledgements.
//!
//! Both send 1.2 MB in chunks of 1,024 bytes to the same receiver, which reads as a board does. The raw copy is
//! what no client can beat: blocking sockets, no invitation, no checksum, no reading of the counts.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use k1_hil::board::Address;
use k1_hil::deploy::espota::{self, Ending, Limits};
use k1_hil::event::ignore;

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
        bencher.to_async(&runtime).iter(|| async {
            let limits = Limits::default();
            let sent = espota::send(&address, &image, "firmware.bin", None, &limits, &ignore).await;
            assert!(matches!(sent, Ok(Ending::Confirmed)), "{sent:?}");
        });
    });
    group.finish();
}

criterion_group!(benches, ota);
criterion_main!(benches);
