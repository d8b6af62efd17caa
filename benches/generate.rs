//! How many different graphs a second are read and turned into C++, on one core.
//!
//! `cargo bench --bench generate`; the target is 10,000 a second, 100 µs each.

use std::hint::black_box;
use std::slice::from_ref;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use k1_hil::graph::{Graph, parse};
use k1_hil::source::generate;

const GRAPHS: usize = 1_000;

/// The pattern under another name, with other numbers and node ids.
fn variants(pattern: &str) -> Vec<String> {
    let number = |n: usize| format!("0.{:04}", 1_000 + n);
    (0..GRAPHS)
        .map(|n| {
            pattern
                .replace("\"name\": \"two_voices\"", &format!("\"name\": \"voices_{n}\""))
                .replace("bass_", &format!("low{n}_"))
                .replace("0.22", &number(n))
                .replace("1.5", &number(n + GRAPHS))
        })
        .collect()
}

fn graphs(criterion: &mut Criterion) {
    let texts = variants(include_str!("../patterns/two_voices.json"));
    let read = |text: &String| parse(text, "voices.json").expect("the variants are valid");
    let graphs: Vec<Graph> = texts.iter().map(read).collect();
    let mut group = criterion.benchmark_group("graph");
    group.throughput(Throughput::Elements(1));

    let mut turn = (0..GRAPHS).cycle();
    let mut next = move || turn.next().unwrap_or_default();
    group.bench_function("read", |b| b.iter(|| read(black_box(&texts[next()]))));
    group.bench_function("generate", |b| b.iter(|| generate(from_ref(black_box(&graphs[next()])))));
    group.bench_function("read and generate", |b| {
        b.iter(|| generate(from_ref(&read(black_box(&texts[next()])))));
    });
    group.finish();
}

criterion_group!(benches, graphs);
criterion_main!(benches);
