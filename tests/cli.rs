//! The command line, as a person or a CI script meets it.

mod sounds;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rstest::rstest;

fn k1_hil(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k1-hil"));
    command.current_dir(folder).env_remove("HIL_BOARD").env_remove("HIL_SEED").env("NO_COLOR", "1");
    command.env("HIL_LOCKS", folder.join("locks")).env("XDG_STATE_HOME", folder.join("state"));
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    k1_hil(folder).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("the command ended by itself")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

fn all_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// A spectrum that fades through `nodes` + 1 persistent buffers.
fn chain(folder: &Path, nodes: usize) -> PathBuf {
    let mut list = vec![
        serde_json::json!({"id": "spectrum", "type": "AudioSpectrum"}),
        serde_json::json!({"id": "shape", "type": "BandShape", "inputs": {"src": "spectrum"}}),
        serde_json::json!({"id": "n0", "type": "BufferPersist", "inputs": {"src": "shape"}}),
    ];
    for node in 1..=nodes {
        list.push(serde_json::json!({
            "id": format!("n{node}"), "type": "BufferPersist", "inputs": {"src": format!("n{}", node - 1)}
        }));
    }
    list.push(serde_json::json!({"id": "colour", "type": "ColorizeBuffer", "inputs": {"index_buf": format!("n{nodes}")}}));
    list.push(serde_json::json!({"id": "out", "type": "LedOutput", "inputs": {"color": "colour"}}));
    let graph = serde_json::json!({"name": "chain", "version": "v1.0", "nodes": list});
    let path = folder.join(format!("chain{nodes}.json"));
    std::fs::write(&path, graph.to_string()).unwrap();
    path
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[rstest]
#[case("")]
#[case("demo")]
#[case("run")]
#[case("diff")]
#[case("bisect")]
#[case("history")]
#[case("profile")]
#[case("generate")]
#[case("compile")]
#[case("deploy")]
#[case("capture")]
#[case("judge")]
#[case("report")]
#[case("monitor")]
#[case("artifacts")]
#[case("webhook")]
#[case("vboard")]
#[case("audio")]
#[case("conductor")]
#[case("conductor up")]
#[case("conductor work")]
#[case("conductor install")]
#[case("conductor definitions")]
#[case("conductor start")]
#[case("conductor watch")]
#[case("conductor approve")]
#[case("conductor export")]
#[case("conductor import")]
#[case("doctor")]
#[case("setup")]
#[case("clean")]
fn help_is_what_people_read(#[case] command: &str) {
    let folder = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    let output = run(folder.path(), &arguments);
    assert_eq!(code(&output), 0);
    insta::assert_snapshot!(format!("help_{}", command.replace(' ', "_")), text(&output.stdout));
}

#[test]
fn a_slower_pattern_is_regressed_and_a_faster_one_improved() {
    let folder = tempfile::tempdir().unwrap();
    let (light, heavy) = (chain(folder.path(), 1), chain(folder.path(), 2));
    let (light, heavy) = (light.to_str().unwrap(), heavy.to_str().unwrap());

    let first = run(folder.path(), &["run", light, "--save-baseline"]);
    assert_eq!(code(&first), 0, "{}", all_of(&first));
    assert!(folder.path().join("baselines/k1-virtual/chain.json").exists());

    let same = run(folder.path(), &["run", light]);
    assert_eq!(code(&same), 0, "{}", all_of(&same));

    let slower = run(folder.path(), &["run", heavy]);
    assert_eq!(code(&slower), 3, "{}", all_of(&slower));
    assert!(text(&slower.stdout).contains("REGRESSED"), "{}", all_of(&slower));
    assert!(text(&slower.stdout).contains("instructions"), "{}", all_of(&slower));

    let accepted = run(folder.path(), &["run", heavy, "--save-baseline"]);
    assert_eq!(code(&accepted), 0, "{}", all_of(&accepted));
    let faster = run(folder.path(), &["run", light]);
    assert_eq!(code(&faster), 0, "{}", all_of(&faster));
    assert!(text(&faster.stdout).contains("IMPROVED"), "{}", all_of(&faster));
}

#[test]
fn a_sound_file_is_a_stimulus_and_another_one_does_not_fit_the_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let graph = chain(folder.path(), 1);
    let graph = graph.to_str().unwrap();
    sounds::wav(folder.path(), "drums.wav", &[&sounds::drums(110.0, 2.0, 16_000)], 16_000);
    sounds::wav(folder.path(), "tone.wav", &[&sounds::tone(330.0, 0.4, 1.0, 16_000)], 16_000);

    let first = run(folder.path(), &["run", graph, "--stimulus", "drums.wav", "--save-baseline"]);
    assert_eq!(code(&first), 0, "{}", all_of(&first));
    assert!(text(&first.stderr).contains("stimulus drums.wav ("), "{}", all_of(&first));
    std::fs::rename(folder.path().join("drums.wav"), folder.path().join("moved.wav")).unwrap();
    let moved = run(folder.path(), &["run", graph, "--stimulus", "moved.wav", "--json"]);
    assert_eq!(code(&moved), 0, "{}", all_of(&moved));
    assert_eq!(json(&moved)["results"][0]["verdict"]["picture"], "same", "{}", all_of(&moved));

    let other = run(folder.path(), &["run", graph, "--stimulus", "tone.wav"]);
    assert_eq!(code(&other), 5, "{}", all_of(&other));
    assert!(text(&other.stdout).contains("stimulus tone.wav ("), "{}", all_of(&other));
    assert!(text(&other.stdout).contains("instead of drums.wav ("), "{}", all_of(&other));
}

#[test]
fn what_is_no_stimulus_is_told_before_anything_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let graph = chain(folder.path(), 1);
    std::fs::write(folder.path().join("text.wav"), "no sound").unwrap();
    sounds::wav(folder.path(), "silent.wav", &[&[0.0; 1600]], 16_000);
    sounds::write(folder.path(), "long.wav", &sounds::riff(1, 8, 1, 1000, &vec![100; 121 * 1000]));
    for (stimulus, said) in [
        ("opera", "opera is no stimulus (silence, tone, beat, noise, music), and there is no such file"),
        ("text.wav", "text.wav is no sound that can be read (WAV, FLAC, MP3, Ogg Vorbis)"),
        ("silent.wav", "silent.wav is silent"),
        ("long.wav", "long.wav lasts 121.0 s; a stimulus may last 120 s"),
    ] {
        let output = run(folder.path(), &["run", graph.to_str().unwrap(), "--stimulus", stimulus]);
        assert_eq!(code(&output), 2, "{}", all_of(&output));
        assert!(text(&output.stderr).starts_with(&format!("error: {said}")), "{}", all_of(&output));
        assert!(!text(&output.stderr).contains("generated"), "{}", all_of(&output));
    }
    let advice = run(folder.path(), &["run", graph.to_str().unwrap(), "--stimulus", "long.wav"]);
    assert!(text(&advice.stderr).contains("`k1-hil audio FILE --from SECONDS"), "{}", all_of(&advice));
}

#[test]
fn a_part_of_a_sound_becomes_a_stimulus_and_its_features_a_table() {
    let folder = tempfile::tempdir().unwrap();
    sounds::wav(folder.path(), "drums.wav", &[&sounds::drums(120.0, 6.0, 16_000)], 16_000);
    let arguments =
        ["audio", "drums.wav", "--from", "1", "--seconds", "4", "--output", "part.k1s", "--csv", "part.csv"];
    let output = run(folder.path(), &arguments);
    assert_eq!(code(&output), 0, "{}", all_of(&output));
    insta::assert_snapshot!("audio", text(&output.stdout));
    let recording = k1_hil::audio::Recording::load(&folder.path().join("part.k1s")).unwrap();
    assert_eq!(recording.seconds(), 4.0);
    assert!(
        std::fs::read_to_string(folder.path().join("part.csv")).unwrap().starts_with("feature,at,value\n")
    );

    let output = run(folder.path(), &["audio", "drums.wav", "--seconds", "4", "--json"]);
    assert_eq!(json(&output)["tempo"]["bpm"].as_f64().map(f64::round), Some(120.0));
    let output = run(folder.path(), &["audio", "drums.wav", "--fft-size", "1000"]);
    assert_eq!(code(&output), 2);
}

#[test]
fn every_fault_of_a_graph_is_told_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.json");
    std::fs::write(
        &path,
        r#"{"name": "bad", "version": "v1.0", "nodes": [
  {"id": "tint", "type": "Hvs"},
  {"id": "out", "type": "LedOutput", "inputs": {"color": "tnit"}}
]}"#,
    )
    .unwrap();
    let output = run(folder.path(), &["run", "bad.json"]);
    assert_eq!(code(&output), 2);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("bad.json:2:") && stderr.contains("E1001") && stderr.contains("Hsv"), "{stderr}");
    assert!(stderr.contains("bad.json:3:") && stderr.contains("E1010"), "{stderr}");
    assert_eq!(entries(folder.path()), ["bad.json"]);

    let output = run(folder.path(), &["run", "bad.json", "--json"]);
    assert_eq!(code(&output), 2);
    let codes: Vec<_> =
        json(&output)["error"]["faults"].as_array().unwrap().iter().map(|f| f["code"].clone()).collect();
    assert!(codes.contains(&"E1001".into()) && codes.contains(&"E1010".into()), "{codes:?}");
}

#[test]
fn artifacts_are_put_labelled_and_got_again() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = |arguments: &[&str]| {
        let mut command = k1_hil(folder.path());
        command.arg("artifacts").args(arguments).env("K1_HIL_STORE", "store");
        command.output().unwrap()
    };
    std::fs::write(folder.path().join("firmware.bin"), "one").unwrap();
    let put = artifacts(&["put", "firmware/k1@1", "firmware.bin", "--meta", "commit=6c241c7"]);
    assert_eq!(text(&put.stdout), "firmware/k1@1 put: 3 B in 1 files\n", "{}", all_of(&put));
    let again = artifacts(&["put", "firmware/k1@1", "firmware.bin"]);
    assert_eq!(text(&again.stdout), "firmware/k1@1 was there already: 3 B in 1 files\n");
    std::fs::write(folder.path().join("firmware.bin"), "two").unwrap();
    let refused = artifacts(&["put", "firmware/k1@1", "firmware.bin"]);
    assert_eq!(code(&refused), 2);
    assert!(text(&refused.stderr).contains("replace it with --replace"), "{}", all_of(&refused));

    let unverified = artifacts(&["label", "firmware/k1@1", "last-good:bench-3"]);
    assert_eq!(code(&unverified), 2);
    assert!(text(&unverified.stderr).contains("--verified"), "{}", all_of(&unverified));
    let good = artifacts(&["label", "firmware/k1@1", "last-good:bench-3", "--verified", "run 7"]);
    assert_eq!(code(&good), 0, "{}", all_of(&good));
    let got = artifacts(&["get", "firmware/k1@last-good:bench-3", "--into", "out"]);
    assert_eq!(text(&got.stdout), "out/firmware.bin\n", "{}", all_of(&got));
    assert_eq!(std::fs::read(folder.path().join("out/firmware.bin")).unwrap(), b"one");

    let listed = json(&artifacts(&["list", "--json"]));
    assert_eq!(listed[0]["labels"], serde_json::json!(["last-good:bench-3"]));
    assert_eq!(listed[0]["metadata"]["commit"], "6c241c7");
    let would = artifacts(&["gc"]);
    assert!(text(&would.stdout).ends_with("do it with --apply\n"), "{}", all_of(&would));
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["run", "nowhere.json"]);
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains("nowhere.json"), "{}", all_of(&output));
}

#[test]
fn a_missing_tool_is_named_with_the_command_that_brings_it() {
    let folder = tempfile::tempdir().unwrap();
    let ember = chain(folder.path(), 1);
    let output = run(folder.path(), &["--cache", "empty", "compile", ember.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains("k1-hil setup"), "{}", all_of(&output));
    assert_eq!(code(&run(folder.path(), &["--cache", "empty", "doctor"])), 2);
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(folder.path(), &["vboard", "--http-port", &port, "--ota-port", "0"]);
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains(&port), "{}", all_of(&output));
}

#[test]
fn a_board_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let board = format!("127.0.0.1:{free}");
    let path = chain(folder.path(), 1);
    let output = run(folder.path(), &["run", path.to_str().unwrap(), "--board", &board]);
    assert_eq!(code(&output), 4);
    assert!(text(&output.stderr).contains(&board), "{}", all_of(&output));
}

/// A virtual board in a process of its own.
struct Board {
    process: std::process::Child,
    address: String,
}

impl Board {
    fn start(folder: &Path) -> Self {
        use std::io::Read as _;
        let mut process = k1_hil(folder)
            .args(["--json", "vboard", "--http-port", "0", "--ota-port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = process.stdout.take().unwrap();
        let mut printed = Vec::new();
        let address: serde_json::Value = loop {
            let mut byte = [0];
            assert_eq!(stdout.read(&mut byte).unwrap(), 1, "the board ended: {}", text(&printed));
            printed.push(byte[0]);
            if let Ok(address) = serde_json::from_slice(&printed) {
                break address;
            }
        };
        let address =
            format!("{}:{}:{}", address["host"].as_str().unwrap(), address["http_port"], address["ota_port"]);
        Self { process, address }
    }

    fn interrupt(&mut self) -> i32 {
        interrupt(&self.process);
        self.process.wait().unwrap().code().expect("the command ended by itself")
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn interrupt(process: &std::process::Child) {
    let pid = nix::unistd::Pid::from_raw(process.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
}

#[test]
fn each_step_is_a_command_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let graph = chain(folder, 1);
    let graph = graph.to_str().unwrap();
    let mut board = Board::start(folder);
    let ok = |output: Output| {
        assert_eq!(code(&output), 0, "{}", all_of(&output));
        output
    };

    ok(run(folder, &["generate", graph, "-o", "cpp"]));
    assert_eq!(entries(&folder.join("cpp")), ["chain.hpp", "registry.cpp"]);
    let image = ok(run(folder, &["compile", graph, "--json"]));
    std::fs::write(folder.join("image.json"), &image.stdout).unwrap();
    let deployment = ok(run(folder, &["deploy", "image.json", "--board", &board.address, "--json"]));
    assert_eq!(json(&deployment)["skipped"], false);
    assert_eq!(json(&deployment)["elf_sha256"], json(&image)["elf_sha256"]);
    ok(run(
        folder,
        &[
            "capture",
            "image.json",
            "chain",
            "--board",
            &board.address,
            "--frames",
            "50",
            "-o",
            "chain.capture.json",
        ],
    ));
    let verdict = ok(run(folder, &["judge", "chain.capture.json", "--image", "image.json"]));
    assert!(
        text(&verdict.stdout).contains("PASS") && text(&verdict.stdout).contains("emulated"),
        "{}",
        all_of(&verdict)
    );
    ok(run(folder, &["report", "chain.capture.json", "--image", "image.json", "-o", "report"]));
    assert!(entries(&folder.join("report")).contains(&"report.html".to_owned()));

    assert_eq!(board.interrupt(), 130);
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let graph = chain(folder.path(), 1);
    let mut process = k1_hil(folder.path())
        .args(["run", graph.to_str().unwrap(), "--frames", "2048", "--warmup", "65536"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The board runs the image: what follows is a long warm-up.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(process.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("runs the image")));
    // All but the guard, which ends when its input does: a moment after the command.
    let is_guard = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains("k1-hil-guard")
    };
    let emulators: Vec<u32> = descendants(process.id()).into_iter().filter(|pid| !is_guard(pid)).collect();
    assert!(!emulators.is_empty(), "an emulator runs");
    interrupt(&process);
    assert_eq!(process.wait().unwrap().code(), Some(130));
    for pid in emulators {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} outlived the command");
    }
    assert_eq!(entries(folder.path()), ["chain1.json"]);
}

/// The processes whose parent is `pid`, and theirs.
fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(child) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // pid (name) state parent …
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)).map(str::to_owned);
        if parent.as_deref() == Some(&pid.to_string()) {
            found.push(child);
            found.extend(descendants(child));
        }
    }
    found
}

#[test]
fn the_demo_gives_the_same_counts_twice() {
    let folder = tempfile::tempdir().unwrap();
    let frames = |out: &str| {
        let output = run(folder.path(), &["demo", "--out", out, "--json"]);
        assert_eq!(code(&output), 0, "{}", all_of(&output));
        let captures = folder.path().join(out).join("captures");
        let names = entries(&captures);
        assert_eq!(names.len(), 6);
        names
            .iter()
            .map(|name| {
                let capture: serde_json::Value =
                    serde_json::from_slice(&std::fs::read(captures.join(name)).unwrap()).unwrap();
                (name.clone(), capture["frames"].clone())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(frames("first"), frames("second"));
}
