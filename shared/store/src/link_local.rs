//! Addresses that no endpoint should have: link-local ones, where clouds answer every
//! program on a machine with the machine's own credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names that lead there.
const NAMES: [&str; 5] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
];

/// What a refused field is told.
pub(crate) const REFUSAL: &str = "leads to a link-local or metadata address, where clouds answer \
    with credentials; set ALLOW_LINK_LOCAL_ENDPOINTS=true if that is what you want";

/// Whether `address` is link-local, or one under which a cloud tells its secrets.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => is_v4(four),
        IpAddr::V6(six) => {
            let [first, .., seventh, eighth] = six.segments();
            let translated = [0x64, 0xff9b, 0, 0, 0, 0];
            let is_translated = six.segments().starts_with(&translated) || first == 0x2002;
            let embedded = if first == 0x2002 {
                let [_, high, low, ..] = six.segments();
                four_of(high, low)
            } else {
                four_of(seventh, eighth)
            };
            six.is_unicast_link_local()
                || six == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
                || six == Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)
                || (is_translated && is_v4(embedded))
        }
    }
}

/// Whether a host of a URL, an address in brackets or not or a name, is or leads to such an
/// address, as far as it says itself.
#[must_use]
pub fn names_link_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return is_link_local(address);
    }
    let name = bare.trim_end_matches('.');
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn is_v4(four: Ipv4Addr) -> bool {
    four.is_link_local()
        || four == Ipv4Addr::new(100, 100, 100, 200)
        || four == Ipv4Addr::new(168, 63, 129, 16)
}

fn four_of(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::names_link_local;

    #[test]
    fn every_form_of_such_an_address_is_known() {
        for (host, is) in [
            ("169.254.169.254", true),
            ("169.254.0.1", true),
            ("[::ffff:169.254.169.254]", true),
            ("[::ffff:a9fe:a9fe]", true),
            ("[64:ff9b::a9fe:a9fe]", true),
            ("[2002:a9fe:a9fe::1]", true),
            ("[fe80::1]", true),
            ("[fd00:ec2::254]", true),
            ("100.100.100.200", true),
            ("metadata.google.internal", true),
            ("METADATA.google.internal.", true),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("[::1]", false),
            ("[fd00::1]", false),
            ("api.example.com", false),
            ("metadata.example.com", false),
        ] {
            assert_eq!(names_link_local(host), is, "{host}");
        }
    }
}
