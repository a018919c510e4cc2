//! The id of a request, in every log line and reply.

use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;

/// Longest id that is taken over from a caller.
const MAX: usize = 128;

/// The caller's `x-request-id` when it is sane, a new id otherwise.
pub(crate) fn of(headers: &HeaderMap) -> String {
    headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_sane(id))
        .map_or_else(new, str::to_owned)
}

/// Short enough, and nothing that could break a log line or a header.
fn is_sane(id: &str) -> bool {
    let sane = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    !id.is_empty() && id.len() <= MAX && id.bytes().all(sane)
}

/// The second, then 96 random bits: whoever looks for a call by its id knows when it began
/// (`store`, where calls are looked up).
fn new() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let second = since.map_or(0, |since| since.as_secs());
    let (high, low) = (fastrand::u32(..), fastrand::u64(..));
    format!("req_{second:08x}{high:08x}{low:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_sane_id_is_kept_and_another_replaced() {
        for (sent, kept) in [
            ("req-1_a.b:c", true),
            (&"x".repeat(128), true),
            (&"x".repeat(129), false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
        ] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(sent) {
                headers.insert("x-request-id", value);
            }
            let id = of(&headers);
            assert_eq!(id == sent, kept, "{sent:?}");
            assert!(is_sane(&id));
        }
    }

    #[test]
    fn new_ids_differ_and_tell_their_second() {
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs())
        };
        let before = now();
        let ids = [(); 2].map(|()| of(&HeaderMap::new()));
        let after = now();
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            assert_eq!(id.len(), 36, "{id}");
            let second = u64::from_str_radix(&id[4..12], 16);
            assert!(
                second.is_ok_and(|second| (before..=after).contains(&second)),
                "{id}"
            );
        }
    }
}
