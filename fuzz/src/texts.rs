//! The laws of small texts that come from outside: addresses, dates, names, places in lists.

use std::net::{IpAddr, Ipv4Addr};

use store::route::{below_prefix, dialect_at};
use store::{
    CallCursor, Networks, Zone, caller_address, client_name, is_secret_name, masked_url,
    names_link_local, suggestions,
};

/// A text in every place where one may be.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some((_, rest)) = below_prefix(text) {
        assert!(text.ends_with(rest));
    }
    let _ = dialect_at(text);
    if let Some(cursor) = CallCursor::from_text(text) {
        let written = cursor.to_text();
        assert_eq!(CallCursor::from_text(&written), Some(cursor), "{written}");
    }
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if let Some(networks) = Networks::parse(text) {
        let _ = networks.contain(peer);
        let _ = caller_address(peer, std::iter::once(text), &networks);
    }
    let everyone = Networks::parse("0.0.0.0/0").expect("a network");
    let _ = caller_address(peer, text.split('\n'), &everyone);
    let zone = Zone::of(None).expect("the usual zone");
    for end_of_day in [false, true] {
        if let Ok(moment) = zone.moment(text, end_of_day) {
            assert!(!zone.stamp(moment).is_empty() && !zone.date(moment).is_empty());
            assert!(zone.day(moment) <= moment && moment < zone.next_day(moment));
            assert!(zone.month(moment) <= moment && moment < zone.next_month(moment));
        }
    }
    let _ = Zone::of(Some(text));
    let _ = masked_url(text);
    let _ = is_secret_name(text);
    let _ = names_link_local(text);
    let _ = suggestions(text);
    assert!(client_name(text).is_none_or(|name| !name.is_empty()));
}
