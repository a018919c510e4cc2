//! The id of a request, in every log line and reply.

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

fn new() -> String {
    format!("req_{:032x}", fastrand::u128(..))
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
    fn new_ids_differ() {
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
