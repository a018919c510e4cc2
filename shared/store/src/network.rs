//! Networks, and the address a call comes from.
//!
//! An IPv4 address written as IPv6 (`::ffff:a.b.c.d`) is that IPv4 address, wherever it
//! stands.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

/// A list of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads networks in CIDR notation and single addresses, joined by commas; `none` is
    /// none. Bits behind the prefix do not count. `None` when one of them is neither, or
    /// there is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim().eq_ignore_ascii_case("none") {
            return Some(Self::default());
        }
        let mut networks = Vec::new();
        for part in text.split(',').map(str::trim) {
            if !part.is_empty() {
                networks.push(network(part)?);
            }
        }
        (!networks.is_empty()).then_some(Self(networks))
    }

    /// Whether one of them has `address`.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// One network, or one address.
fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network.trunc(),
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    let IpNet::V6(six) = network else {
        return Some(network);
    };
    // The last 32 bits of such an address are one of IPv4.
    match (
        six.addr().to_ipv4_mapped(),
        six.prefix_len().checked_sub(96),
    ) {
        (Some(four), Some(prefix)) => Ipv4Net::new(four, prefix).ok().map(IpNet::V4),
        _ => Some(network),
    }
}

/// The address of the caller of a request that came from `peer`, with the entries of its
/// `X-Forwarded-For` fields in their order.
///
/// Only what a proxy among `proxies` says is believed: each appends the address it was
/// called from, so the entries are read from the right, up to the first that is no such
/// proxy. When all are proxies it is the left-most. `None` when that entry is no address:
/// such a caller is a stranger.
pub fn caller_address<'a>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
    proxies: &Networks,
) -> Option<IpAddr> {
    let mut address = peer.to_canonical();
    let entries = forwarded.flat_map(|field| field.split(','));
    for entry in entries
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .rev()
    {
        if !proxies.contain(address) {
            break;
        }
        address = entry_address(entry)?.to_canonical();
    }
    Some(address)
}

/// The address of an entry; some proxies add a port.
fn entry_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Some(address);
    }
    entry.parse::<SocketAddr>().ok().map(|socket| socket.ip())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::{Networks, caller_address};

    #[test]
    fn networks_and_addresses_are_read_and_nothing_else() {
        let networks = Networks::parse(" 10.1.2.3/8, 192.168.1.7 ,fd00::/8,").unwrap();
        for (address, expected) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("::ffff:10.9.9.9", true),
            ("fdff::1", true),
            ("fe80::1", false),
            ("::1", false),
        ] {
            assert_eq!(
                networks.contain(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
        let mapped = Networks::parse("::ffff:10.0.0.0/104").unwrap();
        assert!(mapped.contain("10.7.7.7".parse().unwrap()));
        assert!(!mapped.contain("11.7.7.7".parse().unwrap()));
        assert_eq!(Networks::parse("NONE").unwrap(), Networks::default());
        let all = Networks::parse("0.0.0.0/0,::/0").unwrap();
        assert!(all.contain("203.0.113.9".parse().unwrap()));
        for bad in [
            "",
            ",",
            "10.0.0.0/33",
            "localhost",
            "10.0.0.0/8 fd00::/8",
            "::/129",
            "10.0.0",
        ] {
            assert_eq!(Networks::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_proxies_are_believed_and_from_the_right() {
        let proxies = Networks::parse("127.0.0.1,10.0.0.0/8,::1").unwrap();
        for (peer, forwarded, expected) in [
            // Nobody says anything.
            ("203.0.113.5", &[][..], Some("203.0.113.5")),
            ("127.0.0.1", &[], Some("127.0.0.1")),
            ("::ffff:127.0.0.1", &[], Some("127.0.0.1")),
            // A stranger claims to be somebody.
            ("203.0.113.5", &["127.0.0.1"], Some("203.0.113.5")),
            ("203.0.113.5", &["nonsense"], Some("203.0.113.5")),
            // A proxy says who called it; what the caller put in front does not count.
            ("127.0.0.1", &["203.0.113.5"], Some("203.0.113.5")),
            (
                "127.0.0.1",
                &["127.0.0.1, 203.0.113.5"],
                Some("203.0.113.5"),
            ),
            (
                "127.0.0.1",
                &["127.0.0.1", "203.0.113.5"],
                Some("203.0.113.5"),
            ),
            ("127.0.0.1", &["nonsense, 203.0.113.5"], Some("203.0.113.5")),
            (
                "::ffff:127.0.0.1",
                &["::ffff:203.0.113.5"],
                Some("203.0.113.5"),
            ),
            // Two proxies, one behind the other.
            (
                "127.0.0.1",
                &["192.0.2.1, 203.0.113.5, 10.0.0.9"],
                Some("203.0.113.5"),
            ),
            // All of them are proxies.
            ("127.0.0.1", &["10.0.0.8, 10.0.0.9"], Some("10.0.0.8")),
            // With ports, brackets and blanks.
            ("::1", &["2001:db8::7"], Some("2001:db8::7")),
            ("::1", &["[2001:db8::7]:443"], Some("2001:db8::7")),
            ("::1", &["[2001:db8::7]"], Some("2001:db8::7")),
            ("::1", &[" 203.0.113.5:4711 ,"], Some("203.0.113.5")),
            ("::1", &["", " , "], Some("::1")),
            // A proxy that does not say.
            ("127.0.0.1", &["203.0.113.5, unknown"], None),
            ("127.0.0.1", &["unknown, 10.0.0.9"], None),
        ] {
            let found = caller_address(peer.parse().unwrap(), forwarded.iter().copied(), &proxies);
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(found, expected, "{peer} {forwarded:?}");
        }
    }
}
