//! Finding boards: virtual ones of this host, addresses and networks that are given, and USB serial ports.

use std::net::Ipv4Addr;
use std::str::FromStr;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use super::announce;
use super::http::Patience;
use super::inventory::Sighting;
use super::lease::Locks;
use super::ports::{self, UsbPort};
use super::{Address, Board, Mac};
use crate::event::{Event, OnEvent};
use crate::story;

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Address(Address),
    /// All hosts of an IPv4 network, on the usual ports.
    Network {
        base: Ipv4Addr,
        bits: u8,
    },
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scanned {
    /// Each board once, by MAC.
    pub boards: Vec<Sighting>,
    /// Ports that may be a board's, but do not say whose.
    pub unknown_ports: Vec<UsbPort>,
    /// Addresses that were given one by one and where no board answers, with the reason.
    pub silent: Vec<(String, String)>,
}

/// The largest network, in bits of its prefix: 4,096 hosts take about half a minute.
const LARGEST: u8 = 20;
/// Hosts that are asked at once. Each has 2 s to begin with, so a network of 254 takes little more than that.
const AT_ONCE: usize = 256;

impl FromStr for Target {
    type Err = String;

    /// Reads what an [`Address`] is, and `192.168.1.0/24`.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((base, bits)) = text.split_once('/') else { return text.parse().map(Self::Address) };
        let wrong = || format!("{text:?} is no IPv4 network; expected one like 192.168.1.0/24");
        let base: Ipv4Addr = base.parse().map_err(|_| wrong())?;
        let bits: u8 = bits.parse().ok().filter(|bits| *bits <= 32).ok_or_else(wrong)?;
        if bits < LARGEST {
            let hosts = 1_u64 << (32 - bits);
            return Err(format!(
                "{text} has {hosts} hosts; the largest network that is searched is a /{LARGEST}"
            ));
        }
        Ok(Self::Network { base, bits })
    }
}

impl Target {
    /// The hosts of a network, without its own address and that of all hosts, which small ones do not have.
    fn addresses(&self) -> Vec<Address> {
        match self {
            Self::Address(address) => vec![address.clone()],
            Self::Network { base, bits } => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                let (first, last) = (base.to_bits() & mask, base.to_bits() | !mask);
                let hosts = if *bits >= 31 { first..=last } else { first + 1..=last - 1 };
                let address =
                    |ip| Address { host: Ipv4Addr::from_bits(ip).to_string(), http_port: 80, ota_port: 3232 };
                hosts.map(address).collect()
            }
        }
    }
}

/// Looks for boards: the virtual ones that announce themselves beside `locks`, those on USB ports that say their MAC,
/// and those at `targets`. Boards are asked for their identity and nothing else; the one that somebody has leased too.
///
/// # Errors
///
/// Those of reading the folder of locks.
pub async fn scan(targets: &[Target], locks: &Locks, on_event: OnEvent<'_>) -> std::io::Result<Scanned> {
    let mut scanned = Scanned::default();
    for board in announce::announced(locks)? {
        let (mac, model, address) = (board.mac, Some(board.model), Some(board.address));
        let serial_port = Some(board.serial_port);
        scanned.add(Sighting { mac, model, address, serial_port, is_virtual: true });
    }
    for port in ports::usb_ports() {
        match port.serial.as_ref().and_then(|serial| serial.parse::<Mac>().ok()) {
            Some(mac) => {
                let serial_port = Some(port.path);
                scanned.add(Sighting { mac, model: None, address: None, serial_port, is_virtual: false });
            }
            None => scanned.unknown_ports.push(port),
        }
    }
    let hosts: Vec<(Address, bool)> = targets
        .iter()
        .flat_map(|target| {
            let is_named = matches!(target, Target::Address(_));
            target.addresses().into_iter().map(move |address| (address, is_named))
        })
        .collect();
    let (of, mut asked) = (hosts.len(), 0);
    let mut answers = stream::iter(hosts)
        .map(async |(address, is_named)| {
            (Board::identify_within(&address, Patience::ONE_LOOK).await, address, is_named)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((answer, address, is_named)) = answers.next().await {
        asked += 1;
        on_event(&Event::Scanned { asked, of });
        match answer {
            Ok(identity) => scanned.add(Sighting {
                mac: identity.mac,
                is_virtual: identity.model.as_deref() == Some("k1-virtual"),
                model: identity.model,
                address: Some(address),
                serial_port: None,
            }),
            Err(error) if is_named => scanned.silent.push((address.to_string(), story::one_line(&error))),
            Err(_) => {}
        }
    }
    scanned.boards.sort_by_key(|board| board.mac);
    scanned.silent.sort();
    Ok(scanned)
}

impl Scanned {
    /// A board that was seen before gets what is new about it.
    fn add(&mut self, seen: Sighting) {
        match self.boards.iter_mut().find(|board| board.mac == seen.mac) {
            None => self.boards.push(seen),
            Some(board) => {
                board.model = seen.model.or(board.model.take());
                board.address = seen.address.or(board.address.take());
                board.serial_port = seen.serial_port.or(board.serial_port.take());
                board.is_virtual |= seen.is_virtual;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<String> {
        text.parse::<Target>().unwrap().addresses().into_iter().map(|address| address.host).collect()
    }

    #[test]
    fn a_network_is_its_hosts() {
        let hosts_of_24 = hosts("192.168.1.77/24");
        assert_eq!(
            (hosts_of_24.len(), &*hosts_of_24[0], &*hosts_of_24[253]),
            (254, "192.168.1.1", "192.168.1.254")
        );
        assert_eq!(hosts("10.0.0.4/31"), ["10.0.0.4", "10.0.0.5"]);
        assert_eq!(hosts("10.0.0.4/32"), ["10.0.0.4"]);
        assert_eq!(hosts("255.255.255.0/24").len(), 254);
        assert_eq!(hosts("10.0.0.0/20").len(), 4094);
        assert_eq!(hosts("k1-reinvented.local"), ["k1-reinvented.local"]);
    }

    #[test]
    fn what_is_no_target_is_said() {
        let told = ["10.0.0.0/8", "10.0.0/24", "10.0.0.0/33", "host:0", ":80"]
            .map(|text| text.parse::<Target>().unwrap_err());
        insta::assert_snapshot!(told.join("\n"), @r#"
        10.0.0.0/8 has 16777216 hosts; the largest network that is searched is a /20
        "10.0.0/24" is no IPv4 network; expected one like 192.168.1.0/24
        "10.0.0.0/33" is no IPv4 network; expected one like 192.168.1.0/24
        "0" is not a port (1 to 65535)
        expected HOST, HOST:HTTP or HOST:HTTP:OTA
        "#);
    }
}
