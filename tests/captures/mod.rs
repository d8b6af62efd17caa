//! Captures and images made by hand, for the tests of what comes after measuring.

use std::collections::BTreeMap;

use k1_hil::board::{Address, Cpu};
use k1_hil::capture::{AudioSource, BoardSeen, Capture, Frame, Plan, Stimulus};
use k1_hil::digest::Sha;
use k1_hil::image::{Image, Target, Usage};

/// 4 ns per tick, as on the virtual board.
pub const TICK_HZ: u32 = 250_000_000;

/// A whole run of `pattern` on an emulated CPU whose frames render in `render` ticks, one every 6 ms.
pub fn capture(pattern: &str, render: &[u32]) -> Capture {
    let frames = (0..).zip(render).map(|(index, render_ticks)| Frame {
        index,
        start_ns: u64::from(index) * 6_000_000,
        render_ticks: *render_ticks,
        quantize_ticks: 9_600,
        wait_ticks: 0,
        transmit_ticks: 1_200_000,
        audio_ticks: 0,
        heap_free: 180_000,
        stack_used: 0,
        audio_age_us: 8_000 + index % 5 * 1000,
        led_hash: index.wrapping_mul(0x9E37_79B9),
    });
    Capture {
        format: 1,
        plan: Plan {
            pattern: pattern.to_owned(),
            seed: 7,
            warmup: 30,
            frames: render.len() as u32,
            stimulus: Stimulus::Music,
            audio: AudioSource::Snapshot,
        },
        board: BoardSeen {
            mac: "02:4B:31:00:00:01".to_owned(),
            model: "k1-virtual".to_owned(),
            cpu: Cpu::Emulated,
            address: Address { host: "127.0.0.1".to_owned(), http_port: 8080, ota_port: 3232 },
        },
        elf_sha256: Sha::of("elf"),
        boot_id: 11,
        run_id: 1,
        tick_hz: TICK_HZ,
        frames: frames.collect(),
        rejected: Vec::new(),
        pictures: Vec::new(),
    }
}

/// 300 frames that breathe around 92,500 ticks.
pub fn breathing() -> Vec<u32> {
    (0..300).map(|i: u32| 90_100 + (i % 51) * 100).collect()
}

/// The image that [`capture`]'s frames came from.
pub fn image() -> Image {
    Image {
        format: 1,
        target: Target::Virtual,
        bin: "firmware.bin".into(),
        elf: "firmware.elf".into(),
        sha256: Sha::of("bin"),
        elf_sha256: Sha::of("elf"),
        program_sha256: Sha::of("program"),
        source_sha256: Sha::of("source"),
        origin: None,
        flash: Usage { used: 62_000, of: 1_900_544 },
        ram: Usage { used: 41_000, of: 327_680 },
        warnings: Vec::new(),
        patterns: vec!["slow_tide".to_owned(), "ember".to_owned()],
        tools: BTreeMap::from([
            ("platformio".to_owned(), "6.1.18".to_owned()),
            ("ziglang".to_owned(), "0.17.1".to_owned()),
        ]),
    }
}
