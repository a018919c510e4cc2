//! One entry as a line, and back.

use std::cell::RefCell;
use std::io::Write as _;

use serde::Serialize;

use super::{Handed, Spooled};

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
    /// Makes the line of `entry`, a call's record or its late times, and gives it to `take`,
    /// with its checksum.
    pub(super) fn with<T>(entry: &impl Serialize, take: impl FnOnce(&[u8], u32) -> T) -> T {
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
            take(room, sum)
        })
    }

    /// The entry of a line without its end, of those that were handed over or read from it;
    /// `None` for what is torn, and the JSON text of what is whole and makes no entry.
    pub(super) fn read(line: &[u8], handed: &mut Handed) -> Result<Spooled, Option<String>> {
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
        if let Some(call) = handed.take(json, sum) {
            return Ok(Spooled::Call(call));
        }
        Spooled::read(json)
            .map_err(|error| Some(format!("{error}: {}", String::from_utf8_lossy(json))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Written;
    use super::{Handed, Line, Spooled};
    use crate::call::{CallKind, CallRecord, LateTimes};

    #[test]
    fn lines_read_back_and_torn_ones_do_not() {
        let record = CallRecord {
            virtual_model: "a\n\u{1e}b".to_owned(),
            ..CallRecord::begun(CallKind::Chat, "r".to_owned(), 7)
        };
        let read = |line: &[u8]| Line::read(line, &mut Handed::default());
        let line = Line::with(&record, |line, _| line.to_vec());
        let record = Spooled::Call(Box::new(record));
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let whole = &line[..line.len() - 1];
        assert_eq!(read(whole), Ok(record.clone()));
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), Err(None), "{cut}");
            let behind_a_torn_one = [&whole[..cut], whole].concat();
            assert_eq!(read(&behind_a_torn_one), Ok(record.clone()), "{cut}");
        }
        let mut flipped = whole.to_vec();
        flipped[20] ^= 1;
        assert_eq!(read(&flipped), Err(None));
        let times = LateTimes {
            request_id: "r".to_owned(),
            kind: CallKind::Chat,
            started_at: 7,
            queue_ms: None,
            execution_ms: Some(3),
        };
        let line = Line::with(&times, |line, _| line.to_vec());
        let told = read(&line[..line.len() - 1]);
        assert_eq!(told, Ok(Spooled::Times(times)));
    }

    #[test]
    fn a_record_that_was_handed_over_stands_for_its_own_line_alone() {
        let record = |id: &str, latency_ms| CallRecord {
            latency_ms,
            ..CallRecord::begun(CallKind::Chat, id.to_owned(), 7)
        };
        let written = |record: &CallRecord| {
            Line::with(record, |line, sum| {
                (line[..line.len() - 1].to_vec(), Written { sum })
            })
        };
        let (line, place) = written(&record("a", 1));
        let mut handed = Handed::default();
        // Told by what only the record in memory says.
        handed.add(place, Box::new(record("a", 2)));
        let told = |handed: &mut Handed| Line::read(&line, handed);
        assert_eq!(told(&mut handed), Ok(record("a", 2).into()));
        assert_eq!(told(&mut handed), Ok(record("a", 1).into()), "taken once");
        handed.add(place, Box::new(record("another", 2)));
        assert_eq!(told(&mut handed), Ok(record("a", 1).into()), "not its own");
        let (_, other) = written(&record("b", 1));
        handed.add(other, Box::new(record("b", 1)));
        assert_eq!(told(&mut handed), Ok(record("a", 1).into()));
    }
}
