//! A relay between a worker and its server that tells which requests pass, and can lose an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use k1_hil::conductor::Client;

pub struct Relay {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<String>,
    loses_next_update: Arc<AtomicBool>,
}

impl Relay {
    /// A relay to the server of `client`.
    pub async fn to(client: &Client) -> Self {
        let server = client.address().strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, requests) = mpsc::unbounded_channel();
        let loses_next_update = Arc::new(AtomicBool::new(false));
        let loses = loses_next_update.clone();
        tokio::spawn(async move {
            while let Ok((worker, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(pass(worker, server, seen.clone(), loses.clone()));
            }
        });
        Self { address, requests, loses_next_update }
    }

    /// A client that goes through it.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address), None).unwrap()
    }

    /// The next result is delivered, and the connection breaks before the worker has the answer.
    pub fn lose_next_update(&self) {
        self.loses_next_update.store(true, Ordering::SeqCst);
    }

    /// Waits until a request passes whose first line holds `text`.
    pub async fn request(&mut self, text: &str) {
        let passed = async { while !self.requests.recv().await.unwrap().contains(text) {} };
        super::shared::soon(passed).await;
    }
}

async fn pass(
    worker: TcpStream,
    server: TcpStream,
    seen: mpsc::UnboundedSender<String>,
    loses: Arc<AtomicBool>,
) {
    let (mut from_worker, mut to_worker) = worker.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let lost = Arc::new(AtomicBool::new(false));
    let is_lost = lost.clone();
    let up = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_worker.read(&mut buffer).await {
            // The client sends a request's head, and a short body with it, in one piece.
            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
            if text.contains("\"COMPLETED\"") && loses.swap(false, Ordering::SeqCst) {
                lost.store(true, Ordering::SeqCst);
            }
            to_server.write_all(&buffer[..count]).await.unwrap();
            let _ = seen.send(text.lines().next().unwrap_or_default().to_owned());
        }
    };
    let down = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            if is_lost.load(Ordering::SeqCst) || to_worker.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}
