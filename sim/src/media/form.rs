//! Forms (`multipart/form-data`), taken apart at once.

use bytes::Bytes;
use memchr::memmem;

use crate::vendor::refusal::Refusal;

/// One part.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    pub(super) value: Bytes,
}

/// The parts of a form, in order.
pub(super) fn parts(kind: &str, body: &[u8]) -> Result<Vec<Part>, Refusal> {
    let wrong = |why: &str| Refusal::new(400, format!("Could not parse multipart form: {why}"));
    let boundary = kind
        .strip_prefix("multipart/form-data")
        .and_then(|rest| rest.split_once("boundary="))
        .map(|(_, boundary)| boundary.trim_matches('"'))
        .ok_or_else(|| wrong("no boundary in the content type"))?;
    let first = format!("--{boundary}\r\n");
    let between = format!("\r\n--{boundary}\r\n");
    let last = format!("\r\n--{boundary}--");
    let mut rest = body
        .strip_prefix(first.as_bytes())
        .ok_or_else(|| wrong("no boundary at the beginning"))?;
    let mut parts = Vec::new();
    loop {
        let next = memmem::find(rest, between.as_bytes());
        let (part, more) = match next {
            Some(at) => (&rest[..at], Some(&rest[at + between.len()..])),
            None => {
                let at = memmem::find(rest, last.as_bytes());
                let at = at.ok_or_else(|| wrong("no boundary at the end"))?;
                if !matches!(&rest[at + last.len()..], b"" | b"\r\n") {
                    return Err(wrong("something follows the last boundary"));
                }
                (&rest[..at], None)
            }
        };
        let head = memmem::find(part, b"\r\n\r\n").ok_or_else(|| wrong("a part without a head"))?;
        let (head, value) = (&part[..head], &part[head + 4..]);
        let head = std::str::from_utf8(head).map_err(|_| wrong("a head that is no text"))?;
        let says = |name: &str| {
            let line = head.lines().find(|line| {
                line.to_ascii_lowercase()
                    .starts_with("content-disposition:")
            })?;
            let (_, after) = line.split_once(&format!("; {name}=\""))?;
            Some(after.split_once('"')?.0.to_owned())
        };
        parts.push(Part {
            name: says("name").ok_or_else(|| wrong("a part without a name"))?,
            file_name: says("filename"),
            value: Bytes::copy_from_slice(value),
        });
        match more {
            Some(more) => rest = more,
            None => return Ok(parts),
        }
    }
}
