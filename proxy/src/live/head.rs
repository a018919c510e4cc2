//! What requests begin with.

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use pingora::http::RequestHeader;
use wire::provider::UpstreamUrl;

/// The header that carries the request id.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The part of a request's head that is the same for every call: everything but
/// length and request id.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// With all headers, for an upstream behind TLS.
    pub(crate) full: RequestHeader,
    /// Method and path alone, for a plain upstream.
    pub(crate) lean: RequestHeader,
    /// The headers that `lean` lacks, as they go over the wire, each with its CRLF.
    pub(crate) lines: Bytes,
}

impl Head {
    /// The header of one request with a body of `length` bytes, made anew, and the
    /// headers in wire form that come on top of it: over TLS none.
    ///
    /// # Errors
    /// Never: the values are checked.
    pub(crate) fn for_body(
        &self,
        tls: bool,
        length: usize,
        id: &HeaderValue,
    ) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        let (template, lines) = if tls {
            (&self.full, Bytes::new())
        } else {
            (&self.lean, self.lines.clone())
        };
        let mut header = Box::new(template.clone());
        if length > 0 {
            header.insert_header(http::header::CONTENT_LENGTH, length)?;
        }
        header.insert_header(REQUEST_ID, id.clone())?;
        Ok((header, lines))
    }

    /// A request to `url` with these headers.
    ///
    /// # Errors
    /// When the address cannot stand in a request.
    pub(super) fn of(
        headers: &RequestHeader,
        method: &str,
        url: &UpstreamUrl,
    ) -> pingora::Result<Self> {
        let count = headers.headers.len() + 3;
        let mut full = RequestHeader::build_no_case(method, url.path().as_bytes(), Some(count))?;
        full.insert_header("host", url.authority())?;
        for (name, value) in &headers.headers {
            full.insert_header(name.clone(), value.clone())?;
        }
        Self::new(full)
    }

    fn new(full: RequestHeader) -> pingora::Result<Self> {
        let mut lines = BytesMut::new();
        // The call's own id stands in the place of a custom one, as it does in `full`.
        let constant = full.headers.iter().filter(|(name, _)| *name != REQUEST_ID);
        for (name, value) in constant {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value.as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        let path = full.raw_path();
        Ok(Self {
            lean: RequestHeader::build_no_case(full.method.clone(), path, Some(2))?,
            full,
            lines: lines.freeze(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn the_lines_hold_every_header_but_the_calls_own() {
        let mut full = RequestHeader::build_no_case("POST", b"/v1/x", None).unwrap();
        for (name, value) in [("host", "a:1"), (REQUEST_ID, "custom"), ("x-b", "c")] {
            full.insert_header(name, value).unwrap();
        }
        let head = Head::new(full).unwrap();
        assert_eq!(head.lines, "host: a:1\r\nx-b: c\r\n");
        assert_eq!(head.lean.uri.path(), "/v1/x");
        assert!(head.lean.headers.is_empty());
    }
}
