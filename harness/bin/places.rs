//! Where the files of a user and of the host are, from the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use k1_hil::board::inventory::Places;
use k1_hil::board::lease::Locks;
use k1_hil::board::ledger::Ledger;

/// The user's folder for configuration of this program: `k1-hil` in `XDG_CONFIG_HOME`, `~/.config` or
/// `~/Library/Application Support`.
fn config_folder() -> Option<PathBuf> {
    folder(&env, "XDG_CONFIG_HOME", ".config")
}

/// Where the boards' reliability is kept: in `k1-hil/boards` of `XDG_STATE_HOME`, `~/.local/state` or
/// `~/Library/Application Support`.
pub(crate) fn ledger() -> Option<Ledger> {
    folder(&env, "XDG_STATE_HOME", ".local/state").map(|folder| Ledger::at(folder.join("boards")))
}

/// Where artifacts are kept if nothing else is said: in `k1-hil/artifacts` of `XDG_DATA_HOME`, `~/.local/share` or
/// `~/Library/Application Support`.
pub(crate) fn artifacts() -> Option<PathBuf> {
    folder(&env, "XDG_DATA_HOME", ".local/share").map(|folder| folder.join("artifacts"))
}

/// The locks of this host, or those in `HIL_LOCKS`.
pub(crate) fn locks() -> Locks {
    env("HIL_LOCKS").map_or_else(Locks::of_host, Locks::at)
}

/// Where an inventory may be, beside the one that `flag` names.
pub(crate) fn inventories(flag: Option<&Path>) -> Places {
    Places {
        flag: flag.map(Path::to_owned),
        env: env("HIL_BOARDS_FILE").map(PathBuf::from),
        working_folder: std::env::current_dir().unwrap_or_default(),
        config_folder: config_folder(),
    }
}

/// The environment variable `name`, if it is text and not empty.
pub(crate) fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn folder(var: &dyn Fn(&str) -> Option<OsString>, xdg: &str, usual: &str) -> Option<PathBuf> {
    // The specification of these variables has a relative folder ignored.
    let named = var(xdg).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let usual = if cfg!(target_os = "macos") { "Library/Application Support" } else { usual };
    let home = || var("HOME").map(|home| Path::new(&home).join(usual));
    Some(named.or_else(home)?.join("k1-hil"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specified_folder_comes_before_the_home() {
        let of = |xdg: &str| {
            let var = |name: &str| Some(if name == "HOME" { "/home/ada" } else { xdg }.into());
            folder(&var, "XDG_STATE_HOME", ".local/state")
        };
        assert_eq!(of("/state"), Some("/state/k1-hil".into()));
        assert!(of("relative").is_some_and(|folder| folder.starts_with("/home/ada")));
        assert_eq!(folder(&|_| None, "XDG_STATE_HOME", ".local/state"), None);
    }
}
