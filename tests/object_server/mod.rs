//! An S3 server of its own for one test: SeaweedFS, which checks signatures and conditions as S3 does.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use k1_hil::artifacts::Store;
use k1_hil::tools::{Toolbox, process, setup_object_server};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const KEY: &str = "k1-test-key";
pub const SECRET: &str = "k1-test-secret";
const BUCKET: &str = "k1-hil";

/// A running server; dropping it ends it.
pub struct ObjectServer {
    port: u16,
    running: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl ObjectServer {
    pub async fn start() -> Self {
        let weed = setup_object_server(&Toolbox::from_env().unwrap(), &k1_hil::event::ignore).await.unwrap();
        // Another program may take a port between looking and starting.
        for _ in 0..5 {
            if let Some(server) = Self::try_start(&weed).await {
                return server;
            }
        }
        panic!("the object server does not start");
    }

    async fn try_start(weed: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let identities = serde_json::json!({ "identities": [{
            "name": "k1",
            "credentials": [{ "accessKey": KEY, "secretKey": SECRET }],
            "actions": ["Admin", "Read", "Write", "List"],
        }]});
        let config = folder.path().join("s3.json");
        std::fs::write(&config, identities.to_string()).unwrap();
        let names = [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port",
            "s3.port.grpc",
        ];
        let held = names.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held.map(|listener| listener.local_addr().unwrap().port());
        let mut command = Command::new(weed);
        command
            .args([
                "-logtostderr",
                "server",
                "-s3",
                "-s3.port.iceberg=0",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
            ])
            .args(["-master.telemetry=false", "-volume.preStopSeconds=0", "-volume.max=100"])
            // It would refuse everything where less than a hundredth of the disk is free.
            .args(["-master.volumeSizeLimitMB=64", "-volume.minFreeSpace=1MiB"])
            .arg(format!("-dir={}", folder.path().display()))
            .arg(format!("-filer.localSocket={}", folder.path().join("filer.sock").display()))
            .arg(format!("-s3.config={}", config.display()))
            .args(names.iter().zip(ports).map(|(name, port)| format!("-{name}={port}")));
        let (said, mut lines) = mpsc::unbounded_channel();
        let running = tokio::spawn(async move {
            // Nobody listens any more once it is up.
            let mut on_line = |_, line: &str| drop(said.send(line.to_owned()));
            process::run(command, Duration::from_secs(600), &mut on_line).await.unwrap();
        });
        while let Some(line) = lines.recv().await {
            if line.contains("Start Seaweed S3 API Server") && line.contains("http") {
                return Some(Self { port: ports[6], running, _folder: folder });
            }
        }
        None
    }

    /// The store under `prefix`, reached with `secret`.
    pub fn store_with(&self, prefix: &str, secret: &str) -> Store {
        let settings = [
            ("aws_endpoint", format!("http://127.0.0.1:{}", self.port)),
            ("aws_allow_http", "true".to_owned()),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", KEY.to_owned()),
            ("aws_secret_access_key", secret.to_owned()),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value));
        Store::open(&format!("s3://{BUCKET}/{prefix}"), settings).unwrap()
    }

    pub fn store(&self, prefix: &str) -> Store {
        self.store_with(prefix, SECRET)
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}
