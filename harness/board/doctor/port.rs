//! What keeps a serial port from being used. It is not opened: that restarts some boards.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{AccessFlags, Gid, Group};

use super::{Finding, Topic, may};
use crate::board::ports;

pub(super) fn findings(path: &Path) -> Vec<Finding> {
    let name = path.display();
    let Ok(metadata) = path.metadata() else {
        let others: Vec<String> =
            ports::usb_ports().iter().map(|port| port.path.display().to_string()).collect();
        return vec![match others.as_slice() {
            [] => Finding::problem(
                Topic::SerialPort,
                format!("there is no {name}, nor any other USB serial port"),
                "plug it in with a cable that carries data (many only charge), directly into this machine",
            ),
            others => Finding::problem(
                Topic::SerialPort,
                format!("there is no {name}; there are {}", others.join(", ")),
                "the port got another name: enter its link in /dev/serial/by-id, which stays",
            ),
        }];
    };
    let mut findings = Vec::new();
    if may(path, AccessFlags::R_OK | AccessFlags::W_OK) {
        findings.push(Finding::fine(Topic::SerialPort, format!("{name} is there and may be used")));
    } else {
        let gid = metadata.gid();
        let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
        let group = group.map_or_else(|| gid.to_string(), |group| group.name);
        findings.push(Finding::problem(
            Topic::SerialPort,
            format!("this user may not use {name}, which belongs to the group {group}"),
            format!("sudo usermod -aG {group} $USER, then log out and in again"),
        ));
    }
    let is_by_number = path.parent() == Some(Path::new("/dev")) && !path.is_symlink();
    if is_by_number && Path::new("/dev/serial/by-id").is_dir() {
        findings.push(Finding::note(
            Topic::SerialPort,
            format!("{name} may be another board's after the next start"),
            "enter the port's link in /dev/serial/by-id, which stays",
        ));
    }
    findings
}
