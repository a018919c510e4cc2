//! Records that need not be read from their lines.

use std::collections::HashMap;

use crate::call::CallRecord;

/// Most records that are held; beyond, lines are read.
const MOST: usize = 8 * 1024;

/// A record that is in the spool, as it was written: whoever has it hands it to the
/// [`SpoolReader`](super::SpoolReader), which then need not read its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Written {
    /// The checksum of its line.
    pub(super) sum: u32,
}

/// What was handed over and stands in lines that have not come up yet.
#[derive(Debug, Default)]
pub(super) struct Handed(HashMap<u32, Box<CallRecord>>);

impl Handed {
    pub(super) fn add(&mut self, written: Written, call: Box<CallRecord>) {
        // Of lines that were faster than their records nobody takes these any more.
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(written.sum, call);
    }

    /// The record of the line with this text and checksum.
    pub(super) fn take(&mut self, json: &[u8], sum: u32) -> Option<Box<CallRecord>> {
        let call = self.0.remove(&sum)?;
        begins_with(json, &call).then_some(call)
    }
}

/// Whether a line's text begins as that of this record: with the same request id.
fn begins_with(json: &[u8], call: &CallRecord) -> bool {
    let parts = [
        "{\"kind\":\"",
        call.kind.as_str(),
        "\",\"request_id\":\"",
        &call.request_id,
        "\",",
    ];
    let mut rest = json;
    parts.iter().all(|part| {
        let behind = rest.strip_prefix(part.as_bytes());
        rest = behind.unwrap_or_default();
        behind.is_some()
    })
}
