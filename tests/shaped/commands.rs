//! The command line on checkouts, with real builds.

use std::process::{Command, Output};

use k1_hil::tools::Toolbox;

use super::Checkout;

/// A cache that knows no image and no number, with this machine's tools and objects.
pub struct Bench {
    cache: tempfile::TempDir,
    pub out: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let tools = Toolbox::from_env().unwrap();
        let setup = Command::new(env!("CARGO_BIN_EXE_k1-hil")).arg("setup").output().unwrap();
        assert!(setup.status.success(), "{}", all_of(&setup));
        let cache = tempfile::tempdir().unwrap();
        for shared in ["python", "zig", "checkouts"] {
            std::fs::create_dir_all(tools.cache().join(shared)).unwrap();
            std::os::unix::fs::symlink(tools.cache().join(shared), cache.path().join(shared)).unwrap();
        }
        Self { cache, out: tempfile::tempdir().unwrap() }
    }

    /// Runs the command on the checkout.
    pub fn run(&self, arguments: &[&str], checkout: &Checkout) -> Output {
        Command::new(env!("CARGO_BIN_EXE_k1-hil"))
            .args(arguments)
            .arg("--checkout")
            .arg(checkout.path())
            .current_dir(self.out.path())
            .env("K1_HIL_CACHE", self.cache.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }
}

pub fn code(output: &Output) -> i32 {
    output.status.code().expect("the command ended by itself")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn all_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

pub fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", all_of(output)))
}
