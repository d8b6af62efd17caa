//! `hil.boards.toml`: what is read, what is refused, which file counts, what a scan writes into it.

use std::path::{Path, PathBuf};

use k1_hil::Blame;
use k1_hil::board::inventory::{
    self, DtrRts, Inventory, InventoryError, Origin, Places, Reach, Secret, Sighting,
};

const LAB: &str = r#"# The lab.
format = 1

[[board]]           # the one on the desk
name = "desk"
mac = "a0:b7:65:12:34:56"
model = "k1-s3"
labels = ["psram", "quiet"]
host = "192.168.1.104"   # by DHCP
serial_port = "/dev/serial/by-id/usb-Espressif-if00"
ota_password = { env = "DESK_PASSWORD" }
power = { cycle = ["uhubctl", "-a", "cycle", "-l", "1-1"], timeout_s = 20 }
dtr_rts = "reset"
notes = "left strip is short by two LEDs"

[[board]]
name = "rack-1"
usb_serial = "A0:B7:65:00:00:07"
model = "k1-s3"
labels = ["psram", "flaky"]
host = "rack-1.local"
http_port = 8080
ota_password = { file = "rack.password" }

[[board]]
name = "old"
mac = "A0-B7-65-00-00-08"
model = "k1-s3"
labels = ["psram"]
host = "192.168.1.9"
enabled = false

[[board]]
name = "soft"
mac = "02:4B:31:00:00:09"
virtual = true
flash = "soft.flash"
"#;

fn lab() -> Inventory {
    Inventory::parse(LAB, Path::new("/lab/hil.boards.toml")).unwrap()
}

fn refused(text: &str) -> String {
    let error = Inventory::parse(text, Path::new("hil.boards.toml")).unwrap_err();
    assert_eq!(error.blame(), Blame::Configuration);
    error.to_string()
}

#[test]
fn every_key_is_read() {
    let lab = lab();
    let [desk, rack, old, soft] = lab.entries.as_slice() else { panic!("{lab:?}") };
    assert_eq!(desk.mac, Some("A0:B7:65:12:34:56".parse().unwrap()));
    assert_eq!(desk.address().unwrap().to_string(), "192.168.1.104:80");
    assert_eq!(desk.ota_password, Some(Secret::Env("DESK_PASSWORD".to_owned())));
    assert_eq!(desk.power.as_ref().unwrap().limit.as_secs(), 20);
    assert_eq!((desk.dtr_rts, desk.line), (DtrRts::Reset, 5));
    assert_eq!(rack.mac, Some("A0:B7:65:00:00:07".parse().unwrap()), "its USB serial number is its MAC");
    assert_eq!((rack.address().unwrap().http_port, rack.address().unwrap().ota_port), (8080, 3232));
    assert_eq!(rack.ota_password, Some(Secret::File("/lab/rack.password".into())));
    assert_eq!((rack.dtr_rts, old.enabled), (DtrRts::Leave, false));
    assert_eq!(soft.reach, Reach::StartedVirtual { flash: Some("/lab/soft.flash".into()) });
}

#[test]
fn the_inventory_in_the_documents_is_one() {
    let page = include_str!("../docs/boards.md");
    let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let inventory = Inventory::parse(text, Path::new("hil.boards.toml")).unwrap();
    for asked in ["psram", "virtual", "model == k1-s3 and psram and not flaky"] {
        assert_eq!(inventory.select(asked).unwrap().candidates.len(), 1, "{asked}");
    }
}

#[test]
fn what_is_wrong_is_named_with_file_line_and_key() {
    let board = |rest: &str| format!("[[board]]\nname = \"desk\"\nmac = \"A0:B7:65:12:34:56\"\n{rest}\n");
    let twice = board("") + "\n[[board]]\nname = \"other\"\nmac = \"a0b765123456\"\n";
    let cases = [
        ("an unknown key", board("modle = \"k1-s3\"")),
        ("an unknown choice", board("dtr_rts = \"sometimes\"")),
        ("a value of another kind", board("http_port = \"80\"")),
        ("a port out of range", board("host = \"h\"\nhttp_port = 70000")),
        ("port 0", board("host = \"h\"\nota_port = 0")),
        ("a port without a host", board("http_port = 8080")),
        ("an empty host", board("host = \" \"")),
        ("no MAC", "[[board]]\nname = \"desk\"\nmac = \"A0:B7\"\n".to_owned()),
        ("no identity", "[[board]]\nname = \"desk\"\nhost = \"192.168.1.104\"\n".to_owned()),
        ("a virtual board without MAC", "[[board]]\nname = \"v\"\nvirtual = true\n".to_owned()),
        ("no name", "[[board]]\nmac = \"A0:B7:65:12:34:56\"\n".to_owned()),
        ("a name that is none", "[[board]]\nname = \"../desk\"\nmac = \"A0:B7:65:12:34:56\"\n".to_owned()),
        ("a board twice", twice),
        ("a name twice", board("") + "[[board]]\nname = \"desk\"\nmac = \"A0:B7:65:12:34:57\"\n"),
        ("a label that is none", board("labels = [\"psram\", \"not\"]")),
        ("a power control without a program", board("power = { cycle = [] }")),
        ("a power control that may take for ever", board("power = { cycle = [\"x\"], timeout_s = 0 }")),
        ("a password of two places", board("ota_password = { env = \"A\", file = \"b\" }")),
        ("a flash of a real board", board("flash = \"x\"")),
        ("another format", "format = 2\n".to_owned()),
        ("no TOML", "[[board]]\nname = desk\n".to_owned()),
    ];
    let told: Vec<String> = cases.iter().map(|(what, text)| format!("{what}\n  {}", refused(text))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_password_in_the_file_is_refused_and_not_repeated() {
    for secret in ["\"hunter2\"", "{ env = \"A\", hunter2 = 1 }", "{ hunter2 = \"x\" }"] {
        let text =
            format!("[[board]]\nname = \"desk\"\nmac = \"A0:B7:65:12:34:56\"\nota_password = {secret}\n");
        let told = refused(&text);
        assert!(told.starts_with("hil.boards.toml:4: `ota_password`: "), "{told}");
        assert!(!told.contains("hunter2") || secret.starts_with('{'), "{told}");
    }
}

#[test]
fn a_password_comes_from_where_the_entry_says() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Inventory::parse(LAB, &folder.path().join("hil.boards.toml")).unwrap();
    let (desk, rack, old) = (&lab.entries[0], &lab.entries[1], &lab.entries[2]);
    let env = |name: &str| (name == "DESK_PASSWORD").then(|| "open".to_owned());
    assert_eq!(desk.password(env).unwrap().unwrap().reveal(), "open");
    assert_eq!(old.password(env).unwrap(), None);
    let told = desk.password(|_| None).unwrap_err().to_string();
    assert_eq!(
        told,
        "the update password of desk is not to be had: the environment variable DESK_PASSWORD is not set"
    );
    assert!(rack.password(env).unwrap_err().to_string().contains("rack.password"));
    std::fs::write(folder.path().join("rack.password"), "sesame\n").unwrap();
    assert_eq!(rack.password(env).unwrap().unwrap().reveal(), "sesame");
}

#[test]
fn a_board_is_meant_by_name_mac_serial_number_address_or_labels() {
    let lab = lab();
    let names = |asked: &str| {
        let selected = lab.select(asked).unwrap_or_else(|error| panic!("{asked}: {error}"));
        let names: Vec<String> = selected.candidates.into_iter().map(|entry| entry.name).collect();
        (names.join(" "), selected.is_certain)
    };
    for (asked, meant, is_certain) in [
        ("desk", "desk", true),
        (" desk ", "desk", true),
        ("A0:B7:65:12:34:56", "desk", true),
        ("a0b765000007", "rack-1", true),
        ("psram", "desk rack-1", false),
        ("virtual", "soft", false),
        ("model == k1-s3 and psram and not flaky", "desk", false),
        ("name == rack-1 or virtual", "rack-1 soft", false),
        ("host == rack-1.local", "rack-1", false),
        ("mac == a0-b7-65-12-34-56", "desk", false),
        ("192.168.1.200", "192.168.1.200:80", true),
        ("lab7:8080:3300", "lab7:8080", true),
    ] {
        assert_eq!(names(asked), (meant.to_owned(), is_certain), "{asked}");
    }
}

#[test]
fn what_matches_nothing_is_told_with_what_there_is() {
    let lab = lab();
    let none = Inventory::default();
    let told: Vec<String> = [
        (&lab, "dsek"),
        (&lab, "model == k1-s4"),
        (&lab, "old"),
        (&lab, "00:00:00:00:00:01"),
        (&lab, "host:port"),
        (&lab, "psram and"),
        (&none, "desk"),
    ]
    .into_iter()
    .map(|(inventory, asked)| inventory.select(asked).unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// Folders with an inventory in each place that is searched.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new(files: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("project/firmware")).unwrap();
        std::fs::create_dir_all(folder.path().join("config")).unwrap();
        for file in files {
            let text =
                format!("[[board]]\nname = \"of-{}\"\nmac = \"A0:B7:65:12:34:56\"\n", file.replace('/', "-"));
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        Self { folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The name of the board of the inventory that counts, and why it does.
    fn found(&self, flag: Option<&str>, env: Option<&str>) -> Option<(String, Origin)> {
        let places = Places {
            flag: flag.map(|file| self.path(file)),
            env: env.map(|file| self.path(file)),
            working_folder: self.path("project/firmware"),
            config_folder: Some(self.path("config")),
        };
        let (inventory, looked) = inventory::find(&places).unwrap();
        let used = looked.into_iter().find(|place| place.used);
        assert_eq!(used.as_ref().map(|used| &used.path), inventory.path.as_ref());
        Some((inventory.entries.first()?.name.clone(), used?.origin))
    }
}

#[test]
fn flag_environment_local_and_global_files_come_in_this_order() {
    let (local, above) = ("project/firmware/hil.boards.toml", "project/hil.boards.toml");
    let all = Home::new(&["flag.toml", "env.toml", local, above, "config/hil.boards.toml"]);
    let found = |name: &str, origin| Some((format!("of-{name}"), origin));
    assert_eq!(all.found(Some("flag.toml"), Some("env.toml")), found("flag.toml", Origin::Flag));
    assert_eq!(all.found(None, Some("env.toml")), found("env.toml", Origin::Env));
    assert_eq!(all.found(None, None), found("project-firmware-hil.boards.toml", Origin::Local));
    let above = Home::new(&[above, "config/hil.boards.toml"]);
    assert_eq!(above.found(None, None), found("project-hil.boards.toml", Origin::Local));
    let global = Home::new(&["config/hil.boards.toml"]);
    assert_eq!(global.found(None, None), found("config-hil.boards.toml", Origin::Global));
    assert_eq!(Home::new(&[]).found(None, None), None);
}

#[test]
fn a_file_that_was_named_must_be_there_and_the_error_says_who_named_it() {
    let home = Home::new(&["config/hil.boards.toml"]);
    let places = Places { env: Some("/nowhere/boards.toml".into()), ..Places::default() };
    let error = inventory::find(&places).unwrap_err();
    assert!(matches!(error, InventoryError::Unreadable { origin: Origin::Env, .. }));
    assert_eq!(
        error.to_string(),
        "cannot read the inventory /nowhere/boards.toml (given by HIL_BOARDS_FILE)"
    );
    // To be written it need not be there.
    let places = Places { flag: Some(home.path("new.toml")), ..Places::default() };
    assert_eq!(inventory::find_or_new(&places).unwrap().0.path, Some(home.path("new.toml")));
}

fn sighting(mac: &str, address: Option<&str>) -> Sighting {
    Sighting {
        mac: mac.parse().unwrap(),
        model: Some("k1-s3".to_owned()),
        address: address.map(|address| address.parse().unwrap()),
        serial_port: None,
        is_virtual: false,
    }
}

#[test]
fn a_scan_changes_what_it_saw_and_keeps_everything_else() {
    let path = Path::new("/lab/hil.boards.toml");
    let seen = [
        sighting("A0:B7:65:12:34:56", Some("192.168.1.120")),
        sighting("A0:B7:65:00:00:07", Some("rack-1.local:8080")),
        sighting("02:4B:31:00:00:09", Some("127.0.0.1:8032:3233")),
        sighting("A0:B7:65:AB:CD:EF", Some("192.168.1.121:80:3300")),
        Sighting { serial_port: Some("/dev/ttyACM0".into()), ..sighting("A0:B7:65:00:00:99", None) },
    ];
    let (text, changes) = inventory::record(LAB, path, &seen).unwrap();
    assert_eq!(changes.added, ["k1-s3-abcdef", "k1-s3-000099"]);
    let changed: Vec<_> =
        changes.changed.iter().map(|change| (&*change.board, &*change.key, &*change.to)).collect();
    assert_eq!(changed, [("desk", "host", "\"192.168.1.120\"")]);
    let expected = LAB.replace("\"192.168.1.104\"   # by DHCP", "\"192.168.1.120\"   # by DHCP");
    let added = text.strip_prefix(&expected).unwrap_or_else(|| panic!("{text}"));
    insta::assert_snapshot!(added, @r#"

    [[board]]
    name = "k1-s3-abcdef"
    mac = "A0:B7:65:AB:CD:EF"
    model = "k1-s3"
    host = "192.168.1.121"
    ota_port = 3300

    [[board]]
    name = "k1-s3-000099"
    mac = "A0:B7:65:00:00:99"
    model = "k1-s3"
    serial_port = "/dev/ttyACM0"
    "#);
    let (again, changes) = inventory::record(&text, path, &seen).unwrap();
    assert!(changes.is_empty() && again == text);
}

#[test]
fn a_new_inventory_can_be_read_and_names_are_never_given_twice() {
    let path = Path::new("hil.boards.toml");
    let seen =
        [sighting("A0:B7:65:00:00:07", Some("10.0.0.1")), sighting("A0:B7:66:00:00:07", Some("10.0.0.2"))];
    let hostile = Sighting { model: Some("../k1\"\n".to_owned()), ..sighting("A0:B7:67:00:00:07", None) };
    let (text, changes) = inventory::record("", path, &[seen.as_slice(), &[hostile]].concat()).unwrap();
    assert_eq!(changes.added, ["k1-s3-000007", "k1-s3-000007-2", "board-000007"]);
    let read = Inventory::parse(&text, path).unwrap();
    assert_eq!(read.entries[2].model.as_deref(), Some("../k1\"\n"));
}
