//! The background side: from spool files into the store.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::line::Line;
use super::segment::Segment;
use super::{ENDING, Handed, Spool, Spooled, Written};
use crate::call::CallRecord;
use crate::error::StoreError;
use crate::store::Store;

/// Bytes that are read at a time: some hundreds of records.
const ROOM: usize = 1 << 20;

/// Bytes after which a file is followed by a new one.
const LONGEST: u64 = 8 << 20;

/// Holds the records that the store has refused for what is in them.
const REFUSED: &str = "refused.jsonl";

/// What one step has done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records that are in the store now.
    pub records: u64,
    /// Records that the store, or this version, does not take; they are kept in the file
    /// `refused.jsonl` of the folder.
    pub refused: u64,
    /// Lines that were torn, of replies that were not sent.
    pub torn: u64,
    /// Whether there is more to take over at once.
    pub more: bool,
}

/// Takes the spool files over. Only one thread does.
#[derive(Debug)]
pub struct SpoolReader {
    spool: Arc<Spool>,
    /// The oldest first; the last is the one that is written.
    files: Vec<Reading>,
    room: Vec<u8>,
    handed: Handed,
}

#[derive(Debug)]
struct Reading {
    segment: Arc<Segment>,
    /// Up to here it has been taken over; `None` before the store was asked.
    taken: Option<u64>,
    /// Whether nobody writes into it any more.
    ended: bool,
    /// How many of its bytes count no longer among those that this program's files hold;
    /// `None` for a file of another program, which never did.
    released: Option<u64>,
}

impl SpoolReader {
    pub(super) fn new(spool: Arc<Spool>, first: Arc<Segment>) -> Self {
        let own = Reading {
            segment: first,
            taken: Some(0),
            ended: false,
            released: Some(0),
        };
        Self {
            spool,
            files: vec![own],
            room: vec![0; ROOM],
            handed: Handed::default(),
        }
    }

    /// Takes a record that was written into the spool a moment ago, so that its line need not
    /// be read.
    pub fn hand(&mut self, written: Written, record: Box<CallRecord>) {
        self.handed.add(written, record);
    }

    /// Looks for files that a program has left which has ended; how many there are.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn adopt(&mut self) -> io::Result<usize> {
        let mut found = 0;
        for entry in fs::read_dir(&self.spool.folder)? {
            let path = entry?.path();
            let is_one = path.extension().is_some_and(|ending| ending == ENDING);
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            if !is_one || self.files.iter().any(|file| file.segment.name == name) {
                continue;
            }
            if let Some(segment) = Segment::adopt(&path)? {
                found += 1;
                let left = Reading {
                    segment: Arc::new(segment),
                    taken: None,
                    ended: true,
                    released: None,
                };
                self.files.insert(0, left);
            }
        }
        Ok(found)
    }

    /// Takes over what is there, up to some hundreds of records of each file.
    ///
    /// # Errors
    /// When the store does not take them for now; nothing is lost then.
    pub fn drain(&mut self, store: &Store) -> Result<Drained, StoreError> {
        let mut done = Drained::default();
        self.follow_on();
        let mut at = 0;
        while at < self.files.len() {
            let over = self.take(at, store, &mut done)?;
            let file = &self.files[at];
            // A writer may still hold a file that has been followed by another.
            let is_free = file.ended && Arc::strong_count(&file.segment) == 1;
            if over && is_free && self.is_empty(at) && file.segment.remove().is_ok() {
                self.files.remove(at);
                continue;
            }
            // Late times may stand in the file behind that of their record.
            if !over {
                break;
            }
            at += 1;
        }
        Ok(done)
    }

    /// Takes over everything and removes the files, at the end of the program. What the
    /// store does not take stays in its file for the next start.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn finish(mut self, store: &Store) -> Result<Drained, StoreError> {
        let mut done = Drained::default();
        loop {
            let step = self.drain(store)?;
            done.records += step.records;
            done.refused += step.refused;
            done.torn += step.torn;
            if !step.more {
                break;
            }
        }
        for at in 0..self.files.len() {
            if self.is_empty(at) {
                let _ = self.files[at].segment.remove();
            }
        }
        self.forget_gone(store)?;
        Ok(done)
    }

    /// Forgets in the store the files that are gone.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn forget_gone(&self, store: &Store) -> Result<(), StoreError> {
        store.forget_spools(|| self.names())
    }

    /// Every spool file that there is.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.spool.folder)? {
            let path = entry?.path();
            let is_one = path.extension().is_some_and(|ending| ending == ENDING);
            let name = path.file_stem().and_then(|name| name.to_str());
            names.extend(name.filter(|_| is_one).map(str::to_owned));
        }
        Ok(names)
    }

    /// Whether all of a file has been taken over.
    fn is_empty(&self, at: usize) -> bool {
        let file = &self.files[at];
        file.segment
            .length()
            .is_ok_and(|length| Some(length) == file.taken)
    }

    /// Begins a new file once the last is long.
    fn follow_on(&mut self) {
        let Some(last) = self.files.last_mut() else {
            return;
        };
        if last.taken.unwrap_or(0) < LONGEST {
            return;
        }
        // Without room for a new file the old one goes on.
        let Ok(next) = Segment::create(&self.spool.folder) else {
            return;
        };
        let next = Arc::new(next);
        last.ended = true;
        drop(self.spool.current.swap(Arc::clone(&next)));
        self.files.push(Reading {
            segment: next,
            taken: Some(0),
            ended: false,
            released: Some(0),
        });
    }

    /// Takes over some of a file; whether all of what is there.
    fn take(&mut self, at: usize, store: &Store, done: &mut Drained) -> Result<bool, StoreError> {
        let outcome = self.take_some(at, store, done);
        let file = &mut self.files[at];
        if outcome.is_err() {
            // The store knows how far it went.
            file.taken = None;
        } else if let (Some(taken), Some(released)) = (file.taken, &mut file.released) {
            let more = taken.saturating_sub(*released);
            self.spool.held.fetch_sub(more, Ordering::Relaxed);
            *released = taken;
        }
        outcome
    }

    fn take_some(
        &mut self,
        at: usize,
        store: &Store,
        done: &mut Drained,
    ) -> Result<bool, StoreError> {
        let file = &mut self.files[at];
        let name = &file.segment.name;
        let taken = match file.taken {
            Some(taken) => taken,
            None => *file.taken.insert(store.spool_taken(name)?),
        };
        let failed = |error: io::Error| StoreError::Spool {
            reason: error.to_string(),
        };
        let got = file.segment.read(taken, &mut self.room).map_err(failed)?;
        let bytes = &self.room[..got];
        let end = match memchr::memrchr(b'\n', bytes) {
            Some(last) => last + 1,
            // The end of a file that nobody writes any more, torn.
            None if file.ended && got < ROOM => got,
            None => 0,
        };
        if end == 0 {
            return Ok(true);
        }
        let batch = Batch::of(&bytes[..end], &mut self.handed);
        let to = taken + end as u64;
        // Before the store goes past them.
        Batch::put_aside(&self.spool, &batch.unknown, done).map_err(failed)?;
        done.torn += batch.torn;
        match store.take_spool(name, taken, to, &batch.entries) {
            Ok(()) => done.records += batch.calls(),
            Err(StoreError::Sqlite { .. }) => {
                for (from, end, entry) in batch.one_by_one(taken) {
                    match store.take_spool(name, from, end, std::slice::from_ref(entry)) {
                        Ok(()) => done.records += u64::from(entry.is_call()),
                        Err(StoreError::Sqlite { .. }) => {
                            Batch::put_aside(&self.spool, &[entry.text()], done).map_err(failed)?;
                            store.take_spool(name, from, end, &[])?;
                        }
                        Err(other) => return Err(other),
                    }
                }
                store.take_spool(name, taken + batch.last() as u64, to, &[])?;
            }
            Err(other) => return Err(other),
        }
        file.taken = Some(to);
        let whole = got < ROOM;
        done.more |= !whole;
        Ok(whole)
    }
}

/// The entries of some lines.
struct Batch {
    entries: Vec<Spooled>,
    /// The place behind the line of each.
    ends: Vec<usize>,
    /// What is whole and makes no entry.
    unknown: Vec<String>,
    torn: u64,
}

impl Batch {
    fn of(bytes: &[u8], handed: &mut Handed) -> Self {
        let mut batch = Self {
            entries: Vec::new(),
            ends: Vec::new(),
            unknown: Vec::new(),
            torn: 0,
        };
        let mut at = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            match Line::read(line, handed) {
                Ok(entry) => {
                    batch.entries.push(entry);
                    batch.ends.push(at);
                }
                Err(Some(unknown)) => batch.unknown.push(unknown),
                Err(None) => batch.torn += 1,
            }
        }
        batch
    }

    fn calls(&self) -> u64 {
        let calls = self.entries.iter().filter(|entry| entry.is_call());
        calls.count() as u64
    }

    /// The place behind the last entry.
    fn last(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Each entry with the places where its line begins and ends in the file, so that one
    /// the store refuses for what is in it does not hold up the others.
    fn one_by_one(&self, taken: u64) -> impl Iterator<Item = (u64, u64, &Spooled)> {
        let mut from = taken;
        self.ends
            .iter()
            .zip(&self.entries)
            .map(move |(end, entry)| {
                let (begin, end) = (from, taken + *end as u64);
                from = end;
                (begin, end, entry)
            })
    }

    /// Writes what cannot be taken over where an operator finds it.
    fn put_aside(spool: &Spool, lines: &[String], done: &mut Drained) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        done.refused += lines.len() as u64;
        let mut text = lines.join("\n");
        text.push('\n');
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(spool.folder.join(REFUSED))?;
        file.write_all(text.as_bytes())
    }
}
