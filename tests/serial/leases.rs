//! Flashing by serial under leases, as people and scripts meet it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use k1_hil::board::lease::{Leasing, Locks, Owner};
use k1_hil::tools::process::Child;
use k1_hil::vboard::{Options, VirtualBoard};
use rstest::rstest;
use serde_json::Value;

use crate::images::images;
use crate::port::{MAC, info};

/// A board in an inventory, with locks of its own.
struct Bench {
    folder: tempfile::TempDir,
    board: VirtualBoard,
}

impl Bench {
    /// `more` stands in the board's entry.
    async fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serial_link = Some(folder.path().join("port"));
        let mac = MAC.parse::<k1_hil::board::Mac>().unwrap().bytes();
        let options = Options { serial_link, mac, ..Options::new(images().await.qemu.clone()) };
        let board = VirtualBoard::start(options).await.unwrap();
        let address = board.address();
        let inventory = format!(
            "format = 1\n[[board]]\nname = \"desk\"\nhost = \"{}\"\nhttp_port = {}\nota_port = {}\n{more}\n",
            address.host, address.http_port, address.ota_port
        );
        std::fs::write(folder.path().join("hil.boards.toml"), inventory).unwrap();
        let image = serde_json::to_vec(&images().await.other.image).unwrap();
        std::fs::write(folder.path().join("image.json"), image).unwrap();
        // What the inventory names is relative to its own folder.
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder, board }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_k1-hil"));
        for variable in ["HIL_BOARD", "HIL_BOARDS_FILE", "HIL_LEASE_TIMEOUT"] {
            command.env_remove(variable);
        }
        command
            .args(["--json", "deploy", "../image.json"])
            .args(arguments)
            .current_dir(self.path().join("work"));
        command.env("HIL_LOCKS", self.path().join("locks")).env("XDG_CONFIG_HOME", self.path());
        command.stdin(Stdio::null());
        command
    }

    async fn deploy(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    fn leasing(&self) -> Leasing {
        let owner = Owner::of_process("a test", "");
        Leasing { locks: Locks::at(self.path().join("locks")), owner, wait: Duration::ZERO }
    }
}

/// Everything that it said.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn entry(mac: &str) -> String {
    format!("mac = \"{mac}\"\nserial_port = \"port\"")
}

#[rstest]
#[case::of_the_inventory(&["--serial", "--board", "desk"], "probe")]
#[case::that_is_named(&["--port", "../port", "--board", "desk"], "probe")]
#[case::without_its_board(&["--port", "../port"], "log-names-image")]
#[tokio::test]
async fn a_board_is_flashed_at_the_port(#[case] arguments: &[&str], #[case] proof: &str) {
    let bench = Bench::with(&entry(MAC)).await;
    let output = bench.deploy(arguments).await;
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    let deployed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(deployed["mac"], MAC);
    assert!(deployed["proof"].to_string().contains(proof), "{deployed}");
    assert_eq!(info(&bench.board).await.image_sha256, Some(images().await.other.image.elf_sha256));
}

#[rstest]
#[case::by_its_name(&["--serial", "--board", "desk"])]
#[case::by_its_port(&["--port", "../port"])]
#[tokio::test]
async fn a_board_that_somebody_has_is_not_even_reset(#[case] arguments: &[&str]) {
    let bench = Bench::with(&entry(MAC)).await;
    let before = info(&bench.board).await.boot_id;
    let held = bench.leasing().take(MAC.parse().unwrap(), "desk", &k1_hil::event::ignore).await.unwrap();
    let output = bench.deploy(&[arguments, &["--lease-timeout", "0s"]].concat()).await;
    let text = said(&output);
    assert!(!output.status.success() && text.contains("desk is in use by a test"), "{text}");
    assert_eq!(info(&bench.board).await.boot_id, before);
    drop(held);
    assert!(bench.deploy(arguments).await.status.success());
}

#[tokio::test]
async fn another_board_at_the_port_than_the_inventory_says_is_named_and_not_written_to() {
    let bench = Bench::with("mac = \"A0:B7:65:00:00:01\"\nserial_port = \"port\"").await;
    let before = bench.board.flash();
    let output = bench.deploy(&["--serial", "--board", "desk"]).await;
    let text = said(&output);
    assert!(text.contains(&format!("is {MAC}, not A0:B7:65:00:00:01")), "{text}");
    assert!(!output.status.success() && bench.board.flash() == before);
}

#[tokio::test]
async fn a_board_without_a_port_is_told_with_the_remedy() {
    let bench = Bench::with(&format!("mac = \"{MAC}\"")).await;
    let output = bench.deploy(&["--serial", "--board", "desk"]).await;
    let text = said(&output);
    assert!(text.contains("desk has no `serial_port` in its entry") && text.contains("--port"), "{text}");
    assert!(!output.status.success());
}

#[tokio::test]
async fn the_lease_of_a_killed_flasher_is_free_at_once() {
    let bench = Bench::with(&entry(MAC)).await;
    let mac = MAC.parse().unwrap();
    let mut command = bench.command(&["--serial", "--board", "desk", "--always"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut flasher = Child::spawn(command, Duration::ZERO).unwrap();
    let is_taken = async {
        while bench.leasing().state(mac).unwrap().holder.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), is_taken).await.expect("it takes the lease");
    flasher.end().unwrap();
    bench.leasing().take(mac, "desk", &k1_hil::event::ignore).await.unwrap();
}
