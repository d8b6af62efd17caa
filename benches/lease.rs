//! What it costs to have a board to oneself: the kernel's lock alone, a lease, and a lease of a virtual board that is
//! asked whether it is well, with its history written down. Each is taken and returned.

use std::fs::File;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use k1_hil::bench::{Bench, Stock};
use k1_hil::board::Mac;
use k1_hil::board::inventory::Inventory;
use k1_hil::board::lease::{Leasing, Locks, Owner};
use k1_hil::board::ledger::Ledger;
use k1_hil::board::recovery::Limits;
use k1_hil::event::ignore;
use k1_hil::tools::Toolbox;
use k1_hil::vboard::{Options, VirtualBoard};

fn lease(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("lease");

    let bare = path.join("bare");
    File::create(&bare).expect("a file");
    group.bench_function("flock alone", |b| {
        b.iter(|| {
            let file = File::options().write(true).open(&bare).expect("it is there");
            file.try_lock().expect("nobody else has it");
        });
    });

    let owner = Owner::of_process("benches/lease", "");
    let leasing = Leasing { locks: Locks::at(path.join("locks")), owner, wait: Duration::ZERO };
    let mac = Mac::from_bytes([0x02, 0x4B, 0x31, 0, 0, 1]);
    group.bench_function("a lease", |b| {
        b.to_async(&runtime).iter(async || leasing.take(mac, "soft", &ignore).await.expect("it is free"));
    });

    let toolbox = Toolbox::from_env().expect("a cache folder");
    let options = Options::new(toolbox.qemu().expect("run `k1-hil setup` once"));
    let board = runtime.block_on(VirtualBoard::start(options)).expect("a virtual board starts");
    let (host, port) = (&board.address().host, board.address().http_port);
    let text =
        format!("[[board]]\nname = \"soft\"\nmac = \"{mac}\"\nhost = \"{host}\"\nhttp_port = {port}\n");
    let inventory = Inventory::parse(&text, path).expect("it is an inventory");
    let selected = inventory.select("soft").expect("it is in it");
    let ledger = Ledger::at(path.join("history"));
    let stock = Stock {
        inventory: &inventory,
        leasing: &leasing,
        ledger: Some(&ledger),
        limits: Limits::default(),
        toolbox: &toolbox,
        env: &|_| None,
    };
    group.bench_function("a lease of a board that is well", |b| {
        b.to_async(&runtime).iter(async || {
            Bench::lease(&selected, std::num::NonZeroUsize::MIN, stock, &ignore).await.expect("it is free")
        });
    });
    group.finish();
}

criterion_group!(benches, lease);
criterion_main!(benches);
