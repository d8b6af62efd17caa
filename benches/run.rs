//! What `k1-hil run` costs beside the emulator: six patterns of 300 frames with the image in the cache, from reading
//! the graphs to the written report, on a virtual board that is started for it.
//!
//! `whole` is the time on the wall, `in QEMU` the processor time of the emulators of such runs; what lies between
//! the two is everything else. `cargo bench --bench run`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use k1_hil::board::Board;
use k1_hil::event::ignore;
use k1_hil::graph::{self, Graph};
use k1_hil::session::{self, Session};
use k1_hil::tools::Toolbox;
use k1_hil::vboard::{Options, VirtualBoard};
use nix::sys::resource::{UsageWho, getrusage};

fn patterns() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("patterns");
    let entries = std::fs::read_dir(folder).expect("the patterns are in the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths
}

async fn run(patterns: &[PathBuf], toolbox: &Toolbox, out: &Path) {
    let graphs: Vec<Graph> = patterns.iter().map(|path| graph::load(path).expect("a valid graph")).collect();
    let image = session::build(&graphs, toolbox, &ignore).await.expect("an image");
    let qemu = toolbox.qemu().expect("QEMU");
    let virtual_board = VirtualBoard::start(Options::new(qemu)).await.expect("a virtual board");
    let board = Board::connect(virtual_board.address()).await.expect("its probe");
    let findings = Session::default().run(&image, &board, "bench", "2026-01-01T00:00:00Z", &ignore).await;
    let findings = findings.expect("six captures");
    findings.report.write(&findings.captures, &findings.profiles, out).expect("a report");
}

/// Processor time of all programs that this process has started and that have ended.
fn programs_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system keeps account");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64))
        .sum()
}

fn whole_run(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("threads to run on");
    let toolbox = Toolbox::from_env().expect("a cache folder");
    let (patterns, out) = (patterns(), tempfile::tempdir().expect("a temporary folder"));
    let once = || runtime.block_on(run(&patterns, &toolbox, out.path()));
    once(); // brings the image into the cache

    let mut group = criterion.benchmark_group("run");
    group.sample_size(10).measurement_time(Duration::from_secs(15));
    group.bench_function("whole", |bencher| {
        bencher.iter_custom(|count| {
            let start = Instant::now();
            (0..count).for_each(|_| once());
            start.elapsed()
        });
    });
    group.bench_function("in QEMU", |bencher| {
        bencher.iter_custom(|count| {
            let before = programs_time();
            (0..count).for_each(|_| once());
            programs_time() - before
        });
    });
    group.finish();
}

criterion_group!(benches, whole_run);
criterion_main!(benches);
