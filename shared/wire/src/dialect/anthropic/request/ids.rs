//! Ids of tool calls: letters, digits, `_` and `-`, and no two alike in a conversation.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// Ids that begin so are encoded ones, and a caller's id that does is encoded too, so
/// that no two ids ever become one.
const ENCODED: &str = "id-x_";

/// The ids of one conversation.
#[derive(Default)]
pub(super) struct Ids {
    taken: HashSet<String>,
    /// How often an id came again, by the id and its turn.
    again: HashMap<String, u32>,
}

impl Ids {
    /// The upstream's id for the caller's id of a call in the assistant's turn number
    /// `turn`. The same conversation always gets the same ids, however it goes on.
    pub(super) fn call(&mut self, id: &str, turn: usize) -> String {
        let plain = encoded(id);
        if self.taken.insert(plain.clone()) {
            return plain;
        }
        let in_turn = format!("{plain}_t{turn}");
        let again = self.again.entry(in_turn.clone()).or_default();
        loop {
            *again += 1;
            let chosen = match *again {
                1 => in_turn.clone(),
                more => format!("{in_turn}_{more}"),
            };
            if self.taken.insert(chosen.clone()) {
                return chosen;
            }
        }
    }
}

fn encoded(id: &str) -> String {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    if !id.is_empty()
        && !id.starts_with(ENCODED)
        && id.bytes().all(|byte| is_plain(byte) || byte == b'_')
    {
        return id.to_owned();
    }
    let mut text = ENCODED.to_owned();
    for byte in id.bytes() {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "_{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_ids_stay_different_and_good_ones_stay() {
        let all = [
            "toolu_01",
            "functions.search:0",
            "functions_search_0",
            "functions.search.0",
            "",
            "id-x_",
            "id-x_a",
            "a_2e",
            "a.",
            "call 1",
            "é",
        ];
        let there: HashSet<String> = all.iter().map(|id| encoded(id)).collect();
        assert_eq!(there.len(), all.len(), "{there:?}");
        for id in &there {
            assert!(!id.is_empty());
            assert!(
                id.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            );
        }
        assert_eq!(encoded("toolu_01"), "toolu_01");
    }

    #[test]
    fn an_id_that_comes_again_gets_its_turn() {
        let mut ids = Ids::default();
        let got: Vec<String> = [("c", 0), ("c", 0), ("c", 1), ("c", 1), ("c_t1", 2)]
            .into_iter()
            .map(|(id, turn)| ids.call(id, turn))
            .collect();
        assert_eq!(got, ["c", "c_t0", "c_t1", "c_t1_2", "c_t1_t2"]);
    }
}
