//! One entry as a line, and back.

use std::cell::RefCell;
use std::io::Write as _;

use serde::Serialize;

use super::Spooled;

/// Begins every line: JSON never has it unescaped, so that a torn line before hides nothing.
const MARK: u8 = 0x1e;

/// Digits of the checksum.
const DIGITS: usize = 8;

thread_local! {
    /// Lines are made in the same room again and again.
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How lines are written and read.
pub(super) struct Line;

impl Line {
    /// Makes the line of `entry`, a call's record or its late times, and gives it to `take`.
    pub(super) fn with<T>(entry: &impl Serialize, take: impl FnOnce(&[u8]) -> T) -> T {
        ROOM.with_borrow_mut(|room| {
            room.clear();
            room.push(MARK);
            room.extend_from_slice(&[b'0'; DIGITS]);
            // An entry is made of texts and numbers: neither this nor a write into memory
            // can fail.
            let _ = serde_json::to_writer(&mut *room, entry);
            let sum = crc32fast::hash(&room[1 + DIGITS..]);
            let _ = write!(&mut room[1..=DIGITS], "{sum:08x}");
            room.push(b'\n');
            take(room)
        })
    }

    /// The entry of a line without its end; `None` for what is torn, and the JSON text of
    /// what is whole and makes no entry.
    pub(super) fn read(line: &[u8]) -> Result<Spooled, Option<String>> {
        let start = memchr::memrchr(MARK, line).ok_or(None)?;
        let line = &line[start + 1..];
        let (sum, json) = line.split_at_checked(DIGITS).ok_or(None)?;
        let sum = std::str::from_utf8(sum)
            .ok()
            .and_then(|sum| u32::from_str_radix(sum, 16).ok())
            .ok_or(None)?;
        if crc32fast::hash(json) != sum {
            return Err(None);
        }
        Spooled::read(json)
            .map_err(|error| Some(format!("{error}: {}", String::from_utf8_lossy(json))))
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Spooled};
    use crate::call::{CallKind, CallRecord, LateTimes};

    #[test]
    fn lines_read_back_and_torn_ones_do_not() {
        let record = CallRecord {
            virtual_model: "a\n\u{1e}b".to_owned(),
            ..CallRecord::begun(CallKind::Chat, "r".to_owned(), 7)
        };
        let line = Line::with(&record, <[u8]>::to_vec);
        let record = Spooled::Call(Box::new(record));
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let whole = &line[..line.len() - 1];
        assert_eq!(Line::read(whole), Ok(record.clone()));
        for cut in 0..whole.len() {
            assert_eq!(Line::read(&whole[..cut]), Err(None), "{cut}");
            let behind_a_torn_one = [&whole[..cut], whole].concat();
            assert_eq!(Line::read(&behind_a_torn_one), Ok(record.clone()), "{cut}");
        }
        let mut flipped = whole.to_vec();
        flipped[20] ^= 1;
        assert_eq!(Line::read(&flipped), Err(None));
        let times = LateTimes {
            request_id: "r".to_owned(),
            kind: CallKind::Chat,
            started_at: 7,
            queue_ms: None,
            execution_ms: Some(3),
        };
        let line = Line::with(&times, <[u8]>::to_vec);
        let read = Line::read(&line[..line.len() - 1]);
        assert_eq!(read, Ok(Spooled::Times(times)));
    }
}
