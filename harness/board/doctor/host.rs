//! What concerns the host: its files, its firewall, its programs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::unistd::AccessFlags;

use super::{Finding, Practice, Topic, may};
use crate::board::Address;
use crate::board::inventory::{Entry, Secret};

/// What is wrong with the host, or fine.
pub(super) fn findings(practice: Practice<'_>) -> Vec<Finding> {
    vec![inventory(practice), locks(practice.leasing.locks.folder())]
}

fn inventory(practice: Practice<'_>) -> Finding {
    match &practice.inventory.path {
        Some(path) => {
            let count = practice.inventory.entries.len();
            Finding::fine(Topic::Inventory, format!("{} has {count} board(s)", path.display()))
        }
        None => Finding::problem(
            Topic::Inventory,
            "there is no inventory",
            "k1-hil boards scan, with the boards' network or addresses, writes hil.boards.toml",
        ),
    }
}

fn locks(folder: &Path) -> Finding {
    let name = folder.display();
    let Ok(metadata) = folder.metadata() else {
        return Finding::fine(Topic::Locks, format!("leases will be kept in {name}"));
    };
    let remedy = format!("sudo chmod 1777 {name}");
    if !metadata.is_dir() {
        return Finding::problem(Topic::Locks, format!("{name} is no folder"), format!("sudo rm {name}"));
    }
    if !may(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        return Finding::problem(Topic::Locks, format!("leases cannot be kept in {name}"), remedy);
    }
    if metadata.permissions().mode() & 0o1777 != 0o1777 {
        let what = format!("other users of this host cannot keep their leases in {name}");
        return Finding::note(Topic::Locks, what, remedy);
    }
    Finding::fine(Topic::Locks, format!("leases are kept in {name}"))
}

/// The firewalls that are known to be on, from files that everybody may read.
pub(super) fn firewall(address: &Address) -> Option<Finding> {
    if matches!(address.host.as_str(), "127.0.0.1" | "localhost") {
        return None;
    }
    let ufw = std::fs::read_to_string("/etc/ufw/ufw.conf").unwrap_or_default();
    let (program, remedy) = if is_on(&ufw) {
        ("ufw", format!("sudo ufw allow proto tcp from {}", address.host))
    } else if Path::new("/run/firewalld.pid").exists() {
        ("firewalld", format!("sudo firewall-cmd --zone=trusted --add-source={}", address.host))
    } else {
        return None;
    };
    let what =
        format!("{program} is on, and for an update over the air the board connects back to this host");
    Some(Finding::note(Topic::Firewall, what, remedy))
}

fn is_on(ufw_conf: &str) -> bool {
    ufw_conf.lines().any(|line| line.trim().eq_ignore_ascii_case("enabled=yes"))
}

pub(super) fn password(entry: &Entry, env: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = entry.password(env) {
        let remedy = match &entry.ota_password {
            Some(Secret::Env(name)) => format!("set {name} to the board's password"),
            _ => "write the board's password into that file".to_owned(),
        };
        findings.push(Finding::problem(Topic::Password, error.to_string(), remedy));
    }
    if let Some(Secret::File(path)) = &entry.ota_password
        && path.metadata().is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    {
        let what = format!("others may read its password in {}", path.display());
        findings.push(Finding::note(Topic::Password, what, format!("chmod 600 {}", path.display())));
    }
    findings
}

pub(super) fn power(entry: &Entry, env: &dyn Fn(&str) -> Option<String>) -> Option<Finding> {
    let program = Path::new(entry.power.as_ref()?.cycle.first()?);
    let is_bare = program.components().count() == 1;
    let path = env("PATH").unwrap_or_default();
    let found = if is_bare {
        std::env::split_paths(&path).any(|folder| may(&folder.join(program), AccessFlags::X_OK))
    } else {
        may(program, AccessFlags::X_OK)
    };
    let name = program.display();
    (!found).then(|| {
        let remedy = format!("install {name}, or correct `power` in its entry");
        Finding::problem(Topic::Power, format!("its power control {name} is not there"), remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ufw_is_on_if_its_file_says_so() {
        assert!(is_on("# comment\nENABLED=yes\nLOGLEVEL=low\n"));
        assert!(!is_on("# ENABLED=yes\nENABLED=no\n") && !is_on(""));
    }
}
