//! `k1-hil boards`, and commands that take boards from an inventory, as people and scripts meet them.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rstest::rstest;
use serde_json::Value;

/// A user's files: the working folder, the locks, the history.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn with(inventory: &str) -> Self {
        let home = Self::new();
        std::fs::write(home.path().join("hil.boards.toml"), inventory).unwrap();
        home
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn k1_hil(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_k1-hil"));
        for variable in ["HIL_BOARD", "HIL_BOARDS_FILE", "HIL_LEASE_TIMEOUT", "HIL_OTA_PASSWORD"] {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .current_dir(self.path())
            .env("HIL_LOCKS", self.path().join("locks"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("NO_COLOR", "1");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.k1_hil(arguments).output().unwrap()
    }

    /// Standard output of a command that must end with `code`.
    fn out(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}{err}");
        out
    }

    fn json(&self, code: i32, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.out(code, &[arguments, &["--json"]].concat())).unwrap()
    }

    /// Standard error of a command that must end with `code`.
    fn err(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}{err}");
        err
    }

    /// A command that goes on until it is killed, when it has printed its JSON.
    fn start(&self, arguments: &[&str]) -> (Running, Value) {
        use std::io::Read as _;
        let mut process = self
            .k1_hil(&[&["--json"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = process.stdout.take().unwrap();
        let process = Running(process);
        let mut printed = Vec::new();
        loop {
            let mut byte = [0];
            assert_eq!(stdout.read(&mut byte).unwrap(), 1, "it ended: {}", text(&printed));
            printed.push(byte[0]);
            if let Ok(value) = serde_json::from_slice(&printed) {
                return (process, value);
            }
        }
    }

    fn vboard(&self) -> (Running, Value) {
        self.start(&["vboard", "--http-port", "0", "--ota-port", "0"])
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const DESK: &str = "[[board]]\nname = \"desk\"\nmac = \"A0:B7:65:12:34:56\"\nmodel = \"k1-s3\"\n";

#[rstest]
#[case("")]
#[case("scan")]
#[case("list")]
#[case("doctor")]
#[case("lock")]
#[case("unlock")]
fn help_is_what_people_read(#[case] command: &str) {
    let arguments: Vec<&str> = ["boards", command, "--help"].into_iter().filter(|a| !a.is_empty()).collect();
    insta::assert_snapshot!(format!("help_{command}"), Home::new().out(0, &arguments));
}

#[test]
fn virtual_boards_are_found_entered_and_used_by_their_names() {
    let home = Home::new();
    home.out(6, &["boards", "scan"]);
    let (first, printed) = home.vboard();
    let (_second, _) = home.vboard();
    let found = home.json(0, &["boards", "scan", "--dry-run"]);
    assert_eq!(found["written"], false);
    assert!(!home.path().join("hil.boards.toml").exists());
    let found = home.json(0, &["boards", "scan"]);
    assert_eq!(found["added"], serde_json::json!(["k1-virtual-000001", "k1-virtual-000002"]));
    assert_eq!(found["boards"][0]["address"]["http_port"], printed["http_port"]);
    drop(first);
    // The second one is started again in the first one's place.
    let (_third, printed) = home.vboard();
    assert_eq!(printed["mac"], "02:4B:31:00:00:01");
    let found = home.json(0, &["boards", "scan"]);
    assert_eq!(found["added"], serde_json::json!([]));
    assert_eq!(found["changed"][0]["to"], printed["http_port"].to_string());
    assert!(home.out(0, &["boards", "doctor", "k1-virtual-000001"]).contains("ok it answers at 127.0.0.1:"));
    let list = home.json(0, &["boards", "list", "model == k1-virtual and not flaky"]);
    assert_eq!(list["boards"].as_array().unwrap().len(), 2);
}

#[test]
fn a_board_that_is_given_by_address_is_found_by_a_scan_and_a_network_is_searched() {
    let home = Home::new();
    let other = Home::new();
    let (_board, printed) = other.vboard();
    let address = format!("127.0.0.1:{}:{}", printed["http_port"], printed["ota_port"]);
    let found = home.json(0, &["boards", "scan", &address, "127.0.0.1:1", "127.0.0.0/30"]);
    assert_eq!(found["added"], serde_json::json!(["k1-virtual-000001"]));
    assert_eq!(found["silent"][0][0], "127.0.0.1:1");
}

#[test]
fn the_list_says_who_has_a_board_and_locks_end_as_they_should() {
    let home = Home::with(DESK);
    let hide = |text: &str| {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
        let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
        let mut text =
            text.replace(&format!("user {user}"), "user ada").replace(&format!(" on {host}"), " on bench-2");
        while let Some(at) =
            text.find("20").filter(|at| text[*at..].len() > 19 && &text[at + 4..at + 5] == "-")
        {
            text.replace_range(at..at + 20, "<time>");
        }
        text
    };
    let mut told = home.out(0, &["boards", "list"]);
    told += &home.out(0, &["boards", "lock", "desk", "--for", "2h", "--why", "new strip"]);
    told += &home.out(0, &["boards", "list"]);
    told += &home.out(0, &["boards", "unlock", "desk"]);
    told += &home.out(0, &["boards", "unlock", "desk"]);
    let (holder, _) = home.start(&["boards", "lock", "desk", "--why", "a look"]);
    let id = format!("process {}", holder.0.id());
    told += &home.out(0, &["boards", "list"]).replace(&id, "process 4711");
    told += &home.err(4, &["boards", "unlock", "desk"]).replace(&id, "process 4711");
    told += &home.err(4, &["boards", "lock", "desk", "--lease-timeout", "0s"]).replace(&id, "process 4711");
    drop(holder);
    told += &home.out(0, &["boards", "list"]);
    insta::assert_snapshot!(hide(&told));
}

#[test]
fn what_is_not_in_the_inventory_ends_with_6_and_says_what_is() {
    let home = Home::with(DESK);
    let pattern = pattern(&home);
    for arguments in [
        &["boards", "list", "rack"][..],
        &["boards", "lock", "rack"],
        &["boards", "doctor", "rack"],
        // Before anything is compiled: there are no tools in that folder.
        &["--cache", "empty", "run", &pattern, "--board", "rack"],
    ] {
        let told = home.err(6, arguments);
        assert!(told.contains("no board matches \"rack\": in ") && told.contains("desk (k1-s3)"), "{told}");
    }
    let told = home.err(2, &["boards", "list", "model = k1-s3"]);
    assert!(told.contains("`==` expected at column 7"), "{told}");
    let told = home.err(2, &["boards", "list", "--boards-file", "nowhere.toml"]);
    assert!(told.contains("nowhere.toml") && told.contains("given on the command line"), "{told}");
    std::fs::write(home.path().join("hil.boards.toml"), DESK.replace("model", "modle")).unwrap();
    let told = home.err(2, &["boards", "list"]);
    assert!(told.contains("hil.boards.toml:4: `modle`: unknown field"), "{told}");
}

#[test]
fn explain_says_where_everything_comes_from() {
    let home = Home::with(DESK);
    let told = home.json(0, &["boards", "list", "--explain"]);
    let used: Vec<&Value> = told["sources"]["inventories"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|place| place["used"] == true)
        .collect();
    assert!(matches!(used[..], [place] if place["origin"] == "local"), "{told}");
    assert_eq!(told["sources"]["locks"], home.path().join("locks").to_str().unwrap());
    assert!(home.out(0, &["boards", "list", "--explain"]).contains("-> "));
}

#[test]
fn the_doctor_names_each_mistake_with_its_remedy() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (host, other) = (Home::new(), "A0:B7:65:00:00:02");
    let (_board, printed) = host.vboard();
    let inventory = format!(
        r#"{DESK}host = "127.0.0.1"
http_port = {free}
serial_port = "no-such-port"
ota_password = {{ env = "NO_SUCH_VARIABLE" }}
power = {{ cycle = ["no-such-program", "off"] }}

[[board]]
name = "swapped"
mac = "{other}"
host = "127.0.0.1"
http_port = {}
ota_password = {{ file = "secret" }}
enabled = false

[[board]]
name = "away"
mac = "A0:B7:65:00:00:03"
host = "no-such-host.invalid"

[[board]]
name = "bare"
mac = "A0:B7:65:00:00:04"

[[board]]
name = "soft"
mac = "A0:B7:65:00:00:05"
virtual = true
"#,
        printed["http_port"]
    );
    let home = Home::with(&inventory);
    std::fs::write(home.path().join("secret"), "sesame").unwrap();
    home.out(0, &["boards", "lock", "bare", "--for", "1h", "--why", "new strip"]);
    let checkups = home.json(4, &["boards", "doctor"]);
    let told = |board: &str| -> Vec<String> {
        let of = checkups.as_array().unwrap().iter().find(|checkup| checkup["board"] == board).unwrap();
        let findings = of["findings"].as_array().unwrap().iter().filter(|finding| finding["grade"] != "fine");
        findings
            .map(|finding| {
                assert!(finding["remedy"].is_string(), "{finding}");
                format!("{} {}", finding["topic"].as_str().unwrap(), finding["what"].as_str().unwrap())
            })
            .collect()
    };
    let has = |board: &str, wanted: &[&str]| {
        let told = told(board);
        assert_eq!(told.len(), wanted.len(), "{told:#?}");
        for (found, wanted) in told.iter().zip(wanted) {
            assert!(found.starts_with(wanted), "{found} / {wanted}");
        }
    };
    let no_port = format!("serial-port there is no {}", home.path().join("no-such-port").display());
    let closed = format!("network something is at 127.0.0.1, but nothing listens on port {free}");
    has(
        "desk",
        &[
            &closed,
            "password the update password of desk is not to be had: the environment variable NO_SUCH_VARIABLE",
            "power its power control no-such-program is not there",
            &no_port,
        ],
    );
    has(
        "swapped",
        &["disabled", "identity the board at 127.0.0.1:", "password others may read its password in "],
    );
    has("away", &["network the name no-such-host.invalid is not known"]);
    has("bare", &["reservation it is reserved for", "network it has no address"]);
    has("soft", &[]);
    assert_eq!(Home::new().json(6, &["boards", "doctor"])[0]["findings"][0]["grade"], "problem");
}

/// A pattern, compiled by who needs it.
fn pattern(home: &Home) -> String {
    let path = home.path().join("glow.json");
    let graph = serde_json::json!({"name": "glow", "version": "v1.0", "nodes": [
        {"id": "spectrum", "type": "AudioSpectrum"},
        {"id": "shape", "type": "BandShape", "inputs": {"src": "spectrum"}},
        {"id": "colour", "type": "ColorizeBuffer", "inputs": {"index_buf": "shape"}},
        {"id": "out", "type": "LedOutput", "inputs": {"color": "colour"}},
    ]});
    std::fs::write(&path, graph.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_run_killed_in_the_middle_leaves_a_board_that_the_next_run_can_use() {
    use std::io::{BufRead as _, BufReader};
    let home = Home::new();
    let pattern = pattern(&home);
    let (_board, _) = home.vboard();
    home.out(0, &["boards", "scan"]);
    let mut run = home
        .k1_hil(&["run", &pattern, "--board", "virtual", "--frames", "2048", "--warmup", "65536"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map(Running)
        .unwrap();
    let mut lines = BufReader::new(run.0.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("runs the image")));
    let list = home.json(0, &["boards", "list"]);
    assert_eq!(list["boards"][0]["state"]["holder"]["program"], "k1-hil run");
    let told = home.err(4, &["run", &pattern, "--board", "virtual", "--lease-timeout", "0s"]);
    assert!(told.contains("k1-virtual-000001 is in use by k1-hil run of user"), "{told}");
    drop(run);
    let output = home.run(&["run", &pattern, "--board", "virtual"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("the last holder of k1-virtual-000001 was killed"), "{told}");
    let list = home.json(0, &["boards", "list"]);
    assert_eq!(list["boards"][0]["state"]["held"], false);
    assert_eq!(list["boards"][0]["reliability"]["leases"], 2);
}

#[test]
fn several_boards_of_the_inventory_share_the_patterns() {
    let boards = "[[board]]\nname = \"one\"\nmac = \"02:4B:31:00:00:01\"\nvirtual = true\nlabels = [\"soft\"]\n\
                  [[board]]\nname = \"two\"\nmac = \"02:4B:31:00:00:02\"\nvirtual = true\nlabels = [\"soft\"]\n";
    let home = Home::with(boards);
    let pattern = pattern(&home);
    home.out(0, &["run", &pattern, "--board", "soft", "--boards", "2"]);
    let told = home.err(6, &["run", &pattern, "--board", "soft", "--boards", "3"]);
    assert!(told.contains("3 boards are wanted, but \"soft\" matches 2: one, two"), "{told}");
    let list = home.json(0, &["boards", "list"]);
    for board in 0..2 {
        assert_eq!(list["boards"][board]["reliability"]["well_at_once"], 1);
    }
}
