//! The address of a Conductor server.

use reqwest::Url;

/// `http://host:8080`, with or without `/api`, as the address that paths are added to.
pub(super) fn base(address: &str) -> Result<Url, String> {
    if !["http://", "https://"].iter().any(|scheme| address.starts_with(scheme)) {
        return Err("it should begin with http:// or https://".to_owned());
    }
    let mut url = Url::parse(address).map_err(|error| error.to_string())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a key is given apart from it".to_owned());
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let path = if path.ends_with("/api") { path.to_owned() } else { format!("{path}/api") };
    url.set_path(&path);
    Ok(url)
}

/// Whether the host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("127.0.0.1:8080", "it should begin with http:// or https://")]
    #[case("ftp://host", "it should begin with http:// or https://")]
    #[case("http://key:secret@host", "a key is given apart from it")]
    #[case("", "it should begin with http:// or https://")]
    #[case("http://", "empty host")]
    fn what_is_no_address_says_why(#[case] given: &str, #[case] reason: &str) {
        assert_eq!(base(given).unwrap_err(), reason);
    }

    #[rstest]
    #[case("localhost", true)]
    #[case("127.0.0.2", true)]
    #[case("[::1]", true)]
    #[case("10.0.0.1", false)]
    #[case("localhost.example", false)]
    fn this_machine_is_reached_without_a_proxy(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(is_loopback(host), expected);
    }
}
