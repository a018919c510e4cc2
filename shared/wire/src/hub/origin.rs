//! Whose signature stands under a piece of thinking.

use std::fmt::Write as _;

/// A model at an endpoint, as the maker of proofs that only itself takes back.
///
/// A vendor refuses a request with thinking that another vendor or model has signed. A
/// caller gets the proofs of its answers with an id that says whose they are
/// ([`Origin::id`]) and sends them back with it; without one nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(u64);

/// What the ids begin with.
const MARK: &str = "by_";
/// Hexadecimal digits of an origin in an id.
const DIGITS: usize = 16;

impl Origin {
    /// That `model` at the endpoint of this number and address. The same in every
    /// process, because callers keep conversations for longer than a process lives.
    #[must_use]
    pub fn of(endpoint: i64, url: &str, model: &str) -> Self {
        let begun = fnv(&endpoint.to_le_bytes(), 0xcbf2_9ce4_8422_2325);
        // No address and no model's name has a byte 0xff, so parts cannot change places.
        let addressed = fnv(&[0xff], fnv(url.as_bytes(), begun));
        Self(fnv(model.as_bytes(), addressed))
    }

    /// The id of one `proof` of this origin, letters, digits and `_`: of another proof it
    /// is another, because some clients take two details with one id for the same.
    pub(crate) fn id(self, proof: &str) -> String {
        let mut id = String::with_capacity(MARK.len() + 2 * DIGITS + 1);
        let own = fnv(proof.as_bytes(), self.0);
        // Writing into a text cannot fail.
        let _ = write!(id, "{MARK}{:016x}_{own:016x}", self.0);
        id
    }

    /// The origin that an id of [`Origin::id`] names.
    pub(crate) fn read(id: &str) -> Option<Self> {
        let rest = id.strip_prefix(MARK)?;
        let (origin, own) = rest.split_once('_')?;
        let is_whole = [origin, own]
            .iter()
            .all(|part| part.len() == DIGITS && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let origin = u64::from_str_radix(origin, 16).ok().filter(|_| is_whole);
        origin.map(Self)
    }
}

/// FNV-1a, 64 bits.
fn fnv(bytes: &[u8], start: u64) -> u64 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_origin() {
        let one = Origin::of(1, "https://a.example/v1", "claude-sonnet-4-5");
        let id = one.id("proof");
        assert_eq!(Origin::read(&id), Some(one));
        assert_ne!(id, one.id("another"));
        assert_eq!(
            id, "by_8b78ee7148a7701c_a26611e54be6916a",
            "in every process"
        );
    }

    #[test]
    fn another_endpoint_address_or_model_is_another_origin() {
        let one = Origin::of(1, "https://a.example", "model");
        for other in [
            Origin::of(2, "https://a.example", "model"),
            Origin::of(1, "https://b.example", "model"),
            Origin::of(1, "https://a.example", "model-2"),
            Origin::of(1, "https://a.examplem", "odel"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn other_ids_tell_nothing() {
        let id = Origin(7).id("proof");
        for id in [
            "",
            "by_",
            "rs_0000000000000007_0000000000000007",
            "by_000000000000000g_0000000000000007",
            "by_0000000000000007",
            "by_+000000000000007_0000000000000007",
            &id[1..],
            &id[..id.len() - 1],
            &format!("{id}0"),
        ] {
            assert_eq!(Origin::read(id), None, "{id}");
        }
    }
}
