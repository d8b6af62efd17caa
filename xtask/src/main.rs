//! `cargo xtask test` and `cargo xtask demo`: the two commands of the README. They only call cargo.

use std::process::{Command, ExitCode};
use std::time::Instant;

/// A step of `cargo xtask test`: its heading, cargo's arguments, and variables for its environment.
type Step = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const TEST: [Step; 6] = [
    ("set-up", &["run", "--quiet", "--bin", "k1-hil", "--", "setup", "--all"], &[]),
    ("formatting", &["fmt", "--all", "--check"], &[]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[]),
    ("documentation", &["doc", "--workspace", "--no-deps", "--quiet"], &[("RUSTDOCFLAGS", "-D warnings")]),
    ("tests", &["test", "--workspace"], &[]),
    (
        "a user's project",
        &["test", "--manifest-path", "fixtures/user-project/Cargo.toml", "--target-dir", "target"],
        &[],
    ),
];

const USAGE: &str = "\
usage: cargo xtask test               install what is missing, then run every check and test
       cargo xtask test --backend sqlite|postgres|redis
                                      the tests of Conductor on that data base, which has to be installed
       cargo xtask demo [ARGUMENT…]   install what is missing, then go from pattern graphs to a report";

#[expect(clippy::print_stderr, reason = "this is a shell")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((task, [])) if task == "test" => test(),
        Some((task, [option, backend])) if task == "test" && option == "--backend" => test_on(backend),
        Some((task, rest)) if task == "demo" => {
            let command = ["run", "--quiet", "--bin", "k1-hil", "--", "demo"];
            cargo(command.into_iter().chain(rest.iter().map(String::as_str)), &[])
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Runs the steps in order and stops at the first that fails, with its exit code.
#[expect(clippy::print_stderr, reason = "this is a shell")]
fn test() -> ExitCode {
    let begun = Instant::now();
    for (heading, arguments, variables) in TEST {
        eprintln!("── {heading}: cargo {}", arguments.join(" "));
        let step = Instant::now();
        let code = cargo(arguments.iter().copied(), variables);
        let seconds = step.elapsed().as_secs_f64();
        if code != ExitCode::SUCCESS {
            eprintln!("── {heading} failed after {seconds:.1} s");
            return code;
        }
        eprintln!("── {heading}: {seconds:.1} s\n");
    }
    eprintln!("── everything passed in {:.1} s", begun.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

/// Runs the tests of Conductor on a server that keeps its data in `backend`.
#[expect(clippy::print_stderr, reason = "this is a shell")]
fn test_on(backend: &str) -> ExitCode {
    if !["sqlite", "postgres", "redis"].contains(&backend) {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let (_, setup, _) = TEST[0];
    let code = cargo(setup.iter().copied(), &[]);
    if code != ExitCode::SUCCESS {
        return code;
    }
    cargo(["test", "--test", "conductor"].into_iter(), &[("K1_HIL_TEST_BACKEND", backend)])
}

/// Runs the cargo that runs this, in the root of the workspace, and returns its exit code.
#[expect(clippy::print_stderr, reason = "this is a shell")]
fn cargo<'a>(arguments: impl Iterator<Item = &'a str>, variables: &[(&str, &str)]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let status =
        Command::new(cargo).args(arguments).envs(variables.iter().copied()).current_dir(root).status();
    match status {
        // A signal leaves no code; 130 is what an interrupted program returns.
        Ok(status) => ExitCode::from(status.code().map_or(130, |code| u8::try_from(code).unwrap_or(1))),
        Err(error) => {
            eprintln!("cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
