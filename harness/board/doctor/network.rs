//! Why a board is silent, as far as this host can tell.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;

use super::{Finding, Topic};
use crate::board::Address;

/// What is told of a board that did not answer at `address`, for `reason`.
pub(super) async fn silence(address: &Address, reason: &str) -> Finding {
    let host = &address.host;
    let found = match tokio::net::lookup_host((host.as_str(), address.http_port)).await {
        Ok(found) => found.map(|address: SocketAddr| address.ip()).collect::<Vec<_>>(),
        Err(error) => {
            let what = format!("the name {host} is not known: {error}");
            let remedy =
                "enter its IP address as `host`; names ending in .local need multicast DNS on this host";
            return Finding::problem(Topic::Network, what, remedy);
        }
    };
    let networks = networks();
    let (what, remedy) = match found.iter().find_map(v4) {
        Some(ip) if !is_in_any(ip, &networks) => {
            let own: Vec<String> = networks.iter().map(|(ip, bits)| format!("{ip}/{bits}")).collect();
            (
                format!("no answer, and {ip} is in none of this host's networks ({})", own.join(", ")),
                "join the board's network, or correct `host`; k1-hil boards scan NETWORK finds it".to_owned(),
            )
        }
        _ if reason.to_ascii_lowercase().contains("refused") => (
            format!("something is at {host}, but nothing listens on port {}", address.http_port),
            "correct `http_port`, or the firmware has not started: its web server waits for Wi-Fi".to_owned(),
        ),
        _ => (
            format!("no answer at {address}: {reason}"),
            "check that it has power and Wi-Fi; guest networks keep their clients apart; k1-hil boards scan \
             NETWORK finds it at another address"
                .to_owned(),
        ),
    };
    Finding::problem(Topic::Network, what, remedy)
}

fn v4(ip: &IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(*ip),
        IpAddr::V6(_) => None,
    }
}

/// The IPv4 addresses of this host, with the bits of their networks' prefixes.
fn networks() -> Vec<(Ipv4Addr, u32)> {
    let interfaces = getifaddrs().into_iter().flatten();
    let network = |interface: nix::ifaddrs::InterfaceAddress| {
        let of = |address: Option<nix::sys::socket::SockaddrStorage>| Some(address?.as_sockaddr_in()?.ip());
        Some((of(interface.address)?, of(interface.netmask)?.to_bits().leading_ones()))
    };
    interfaces.filter_map(network).collect()
}

fn is_in_any(ip: Ipv4Addr, networks: &[(Ipv4Addr, u32)]) -> bool {
    let prefix = |ip: Ipv4Addr, bits: u32| ip.to_bits() & u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    networks.iter().any(|(own, bits)| prefix(*own, *bits) == prefix(ip, *bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_told_by_its_prefix() {
        let networks = [(Ipv4Addr::new(10, 0, 3, 7), 22), (Ipv4Addr::LOCALHOST, 8)];
        assert!(is_in_any(Ipv4Addr::new(10, 0, 0, 200), &networks));
        assert!(!is_in_any(Ipv4Addr::new(10, 0, 4, 1), &networks));
        assert!(!is_in_any(Ipv4Addr::new(192, 168, 1, 104), &networks));
        assert!(is_in_any(Ipv4Addr::new(192, 168, 1, 104), &[(Ipv4Addr::new(1, 1, 1, 1), 0)]));
        assert!(super::networks().contains(&(Ipv4Addr::LOCALHOST, 8)));
    }
}
