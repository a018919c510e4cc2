//! The laws of what watches bytes that pass: forms, and what answers say of their usage.

use wire::form::{Form, FormError, NamedModel};
use wire::usage::{Usage, Watch};

use crate::draw::each_split;

/// The boundary that forms are read with.
const KIND: &str = "multipart/form-data; boundary=X-B";

fn form(pieces: &[&[u8]]) -> Result<Option<NamedModel>, FormError> {
    let mut form = Form::new(KIND).expect("a boundary");
    for piece in pieces {
        form.push(piece)?;
    }
    form.finish()?;
    Ok(form.model().cloned())
}

/// A form, and the bytes themselves as a content type.
pub fn check_form(data: &[u8]) {
    if let Ok(kind) = std::str::from_utf8(data) {
        let _ = Form::new(kind).map(|form| form.model_part("m"));
    }
    let whole = form(&[data]);
    each_split(data, &mut |pieces| assert_eq!(form(pieces), whole));
    let Ok(Some(model)) = whole else { return };
    let start = usize::try_from(model.at.start).expect("a place in the form");
    let end = usize::try_from(model.at.end).expect("a place in the form");
    assert_eq!(&data[start..end], model.name.as_bytes());
    // With another name in its place it is a form with that name.
    let other = [&data[..start], b"other/name", &data[end..]].concat();
    let renamed = form(&[&other]).expect("a form").expect("a model");
    assert_eq!(renamed.name, "other/name");
}

fn watched(kind: &str, pieces: &[&[u8]]) -> Option<Usage> {
    let mut watch = Watch::of(kind);
    for piece in pieces {
        watch.push(piece);
    }
    watch.usage()
}

/// An answer that passes, whole and as events.
pub fn check_watch(data: &[u8]) {
    for kind in ["application/json", "text/event-stream"] {
        let whole = watched(kind, &[data]);
        each_split(data, &mut |pieces| assert_eq!(watched(kind, pieces), whole));
    }
}
