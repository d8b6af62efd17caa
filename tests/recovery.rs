//! Boards that are had are well: the look at a leased board, the ladder of remedies, and what is remembered of it.

mod stand_in;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k1_hil::bench::{Bench, Stock};
use k1_hil::board::inventory::Inventory;
use k1_hil::board::lease::{LeaseError, Leasing, Locks, Owner};
use k1_hil::board::ledger::Ledger;
use k1_hil::board::recovery::Limits;
use k1_hil::board::{Board, Mac, RunState};
use k1_hil::tools::Toolbox;
use k1_hil::vboard::{Options, VirtualBoard};
use k1_hil::{Error, Event};
use serde_json::json;
use stand_in::{Asked, Reply, StandIn, device_info, probe_info};

const MAC: Mac = Mac::from_bytes([0xA0, 0xB7, 0x65, 0x12, 0x34, 0x56]);

/// A lab of boards whose inventory, locks and history are in a folder.
struct Lab {
    folder: tempfile::TempDir,
    inventory: Inventory,
    leasing: Leasing,
    ledger: Ledger,
    events: Mutex<Vec<Event>>,
}

impl Lab {
    fn new(inventory: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::parse(inventory, &folder.path().join("hil.boards.toml")).unwrap();
        let owner = Owner::of_process("a test", "nightly");
        let leasing = Leasing { locks: Locks::at(folder.path().join("locks")), owner, wait: Duration::ZERO };
        let ledger = Ledger::at(folder.path().join("history"));
        Self { folder, inventory, leasing, ledger, events: Mutex::default() }
    }

    async fn lease(&self, asked: &str, count: usize) -> Result<Bench, Error> {
        let toolbox = Toolbox::from_env().unwrap();
        let stock = Stock {
            inventory: &self.inventory,
            leasing: &self.leasing,
            ledger: Some(&self.ledger),
            limits: Limits {
                ask_again: Duration::from_millis(200),
                reboot: Duration::from_secs(10),
                power_up: Duration::from_secs(10),
            },
            toolbox: &toolbox,
            env: &|_| None,
        };
        let on_event = |event: &Event| self.events.lock().unwrap().push(event.clone());
        Bench::lease(&self.inventory.select(asked)?, count.try_into().unwrap(), stock, &on_event).await
    }

    /// The rungs that were climbed.
    fn rungs(&self) -> Vec<&'static str> {
        let events = self.events.lock().unwrap();
        let rung = |event: &Event| match event {
            Event::Recovering { rung, .. } => Some(*rung),
            _ => None,
        };
        events.iter().filter_map(rung).collect()
    }
}

fn entry(name: &str, mac: Mac, board: &StandIn, rest: &str) -> String {
    let (host, port) = (&board.address.host, board.address.http_port);
    format!("[[board]]\nname = \"{name}\"\nmac = \"{mac}\"\nhost = \"{host}\"\nhttp_port = {port}\n{rest}\n")
}

fn healthy(asked: &Asked) -> Reply {
    match asked.request.as_str() {
        "GET /api/hil/info" => Reply::Json(probe_info(1, None)),
        "GET /api/device/info" => Reply::Json(device_info()),
        _ => Reply::Error(404, "", ""),
    }
}

#[tokio::test]
async fn a_leased_board_is_looked_at_and_its_history_kept() {
    let board = StandIn::start(healthy).await;
    let lab = Lab::new(&entry("desk", MAC, &board, "labels = [\"psram\"]"));
    for asked in ["desk", "A0:B7:65:12:34:56", "psram"] {
        let bench = lab.lease(asked, 1).await.unwrap();
        assert_eq!(bench.board().mac, MAC.to_string());
        assert!(lab.leasing.state(MAC).unwrap().held);
        bench.still_held().unwrap();
        assert!(matches!(lab.lease(asked, 1).await, Err(Error::Lease(LeaseError::Held { .. }))), "{asked}");
    }
    let past = lab.ledger.read(MAC).unwrap();
    assert_eq!((past.leases, past.well_at_once, past.sick), (3, 3, None));
    assert!(!lab.leasing.state(MAC).unwrap().held);
}

#[tokio::test]
async fn an_address_is_leased_by_the_mac_that_the_board_says() {
    let board = StandIn::start(healthy).await;
    let lab = Lab::new("");
    let bench = lab.lease(&board.address.to_string(), 1).await.unwrap();
    assert!(lab.leasing.state(MAC).unwrap().held);
    let told = lab.lease(&format!("localhost:{}", board.address.http_port), 1).await.unwrap_err().to_string();
    assert!(told.starts_with("127.0.0.1:") || told.contains("is in use by a test of user"), "{told}");
    drop(bench);
}

#[tokio::test]
async fn another_board_at_the_address_is_named_and_left_alone() {
    let board = StandIn::start(healthy).await;
    let meant = "A0:B7:65:00:00:01".parse().unwrap();
    let lab = Lab::new(&entry("desk", meant, &board, "power = { cycle = [\"false\"] }"));
    let told = lab.lease("desk", 1).await.unwrap_err().to_string();
    let expected = format!("the board at {} is A0:B7:65:12:34:56, not desk ({meant})", board.address);
    assert_eq!(told, expected);
    assert_eq!(lab.rungs(), [""; 0]);
    assert_eq!(lab.ledger.read(meant).unwrap().leases, 0);
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_is_ended_by_a_restart() {
    let restarted = Arc::new(AtomicU32::new(0));
    let restarts = Arc::clone(&restarted);
    let board = StandIn::start(move |asked| match asked.request.as_str() {
        "GET /api/hil/info" => {
            let boots = restarts.load(Ordering::SeqCst);
            let mut info = probe_info(1 + boots, None);
            info["slot"] = json!("app1");
            info["run"]["state"] = json!(if boots == 0 { RunState::Running } else { RunState::None });
            Reply::Json(info)
        }
        "POST /api/hil/slot" => {
            assert_eq!(asked.body, r#"{"slot":"app1"}"#);
            restarts.fetch_add(1, Ordering::SeqCst);
            Reply::Json(json!({ "slot": "app1" }))
        }
        _ => healthy(asked),
    })
    .await;
    let lab = Lab::new(&entry("desk", MAC, &board, ""));
    lab.lease("desk", 1).await.unwrap();
    assert_eq!(lab.rungs(), ["asking again", "a restart over HTTP"]);
    assert_eq!(restarted.load(Ordering::SeqCst), 1);
    let past = lab.ledger.read(MAC).unwrap();
    assert_eq!((past.leases, past.well_at_once, past.fell), (1, 0, 0));
    insta::assert_json_snapshot!(past.rungs, @r#"
    {
      "ask-again": {
        "tried": 1,
        "helped": 0
      },
      "reboot": {
        "tried": 1,
        "helped": 1
      }
    }
    "#);
}

#[tokio::test]
async fn the_inventorys_power_control_brings_a_silent_board_back() {
    let folder = tempfile::tempdir().unwrap();
    let on = folder.path().join("on");
    let switched = on.clone();
    let board =
        StandIn::start(move |asked| if switched.exists() { healthy(asked) } else { Reply::Cut }).await;
    let power = format!("power = {{ cycle = [\"touch\", \"{}\"], timeout_s = 20 }}", on.display());
    let lab = Lab::new(&entry("desk", MAC, &board, &power));
    lab.lease("desk", 1).await.unwrap();
    assert_eq!(lab.rungs(), ["asking again", "a restart over HTTP", "a power cycle"]);
}

#[tokio::test]
async fn a_board_that_nothing_helps_is_sick_until_it_is_found_well() {
    let folder = tempfile::tempdir().unwrap();
    let on = folder.path().join("on");
    let switched = on.clone();
    let board =
        StandIn::start(move |asked| if switched.exists() { healthy(asked) } else { Reply::Cut }).await;
    let well = StandIn::start(|asked| match asked.request.as_str() {
        "GET /api/device/info" => Reply::Json(json!({ "mac": "A0:B7:65:00:00:02" })),
        _ => healthy(asked),
    })
    .await;
    let other = "A0:B7:65:00:00:02".parse().unwrap();
    let power = "labels = [\"psram\"]\npower = { cycle = [\"false\"] }";
    let lab =
        Lab::new(&(entry("desk", MAC, &board, power) + &entry("rack", other, &well, "labels = [\"psram\"]")));
    // Either will do: of the two the one that is well is had.
    let bench = lab.lease("psram", 1).await.unwrap();
    assert_eq!(bench.board().mac, other.to_string());
    assert!(lab.events.lock().unwrap().iter().any(|event| matches!(event, Event::MarkedSick { .. })));
    let past = lab.ledger.read(MAC).unwrap();
    assert_eq!((past.fell, past.sick.is_some()), (1, true));
    drop(bench);
    // A sick board is not tried again for somebody who wants any.
    lab.events.lock().unwrap().clear();
    lab.lease("psram", 1).await.unwrap();
    assert_eq!(lab.rungs(), [""; 0]);
    let told = lab.lease("psram", 2).await.unwrap_err().to_string();
    assert!(told.starts_with("only 1 of 2 boards"), "{told}");
    let told = lab.lease("desk", 1).await.unwrap_err().to_string();
    // How a connection that is cut looks is the kernel's choice.
    assert!(
        told.starts_with(&format!("desk is sick: no answer from the board at {}: ", board.address)),
        "{told}"
    );
    let tried = "; tried asking again, a restart over HTTP (it does not answer), a power cycle (false ended with exit \
                 status: 1)";
    assert!(told.ends_with(tried), "{told}");
    std::fs::write(&on, "").unwrap();
    lab.lease("desk", 1).await.unwrap();
    assert_eq!(lab.ledger.read(MAC).unwrap().sick, None);
}

#[tokio::test]
async fn a_virtual_board_of_the_inventory_starts_with_its_lease_and_ends_with_it() {
    let lab = Lab::new(
        "[[board]]\nname = \"soft\"\nmac = \"02:4B:31:00:00:07\"\nvirtual = true\nflash = \"soft.flash\"\n",
    );
    let bench = lab.lease("virtual", 1).await.unwrap();
    assert_eq!(bench.board().mac, "02:4B:31:00:00:07");
    assert!(lab.folder.path().join("soft.flash").exists());
    let address = bench.board().address.clone();
    assert!(matches!(lab.lease("soft", 1).await, Err(Error::Lease(LeaseError::Held { .. }))));
    drop(bench);
    assert!(Board::connect(&address).await.is_err());
    lab.lease("soft", 1).await.unwrap();
}

#[tokio::test]
async fn a_board_that_a_flasher_left_in_its_loader_is_reset_by_serial() {
    let toolbox = Toolbox::from_env().unwrap();
    k1_hil::tools::setup(&toolbox, &k1_hil::event::ignore).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let serial_link = Some(folder.path().join("port"));
    let options = Options { serial_link, mac: MAC.bytes(), ..Options::new(toolbox.qemu().unwrap()) };
    let board = VirtualBoard::start(options).await.unwrap();
    board.reset_into_loader().await;
    let address = board.address();
    let entry = |port: &str| {
        format!(
            "format = 1\n[[board]]\nname = \"desk\"\nmac = \"{MAC}\"\nhost = \"{}\"\nhttp_port = {}\n{port}\n",
            address.host, address.http_port
        )
    };
    let without = Lab::new(&entry(""));
    assert!(matches!(without.lease("desk", 1).await, Err(Error::Lease(LeaseError::Sick { .. }))));
    let lab = Lab::new(&entry(&format!("serial_port = {:?}", folder.path().join("port"))));
    let bench = lab.lease("desk", 1).await.unwrap();
    assert_eq!(lab.rungs().last(), Some(&"a reset by serial"));
    assert_eq!(bench.board().mac, MAC.to_string());
}
