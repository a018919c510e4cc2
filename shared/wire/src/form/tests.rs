#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use serde::Deserialize;

use super::{Form, FormError, NamedModel};

const CASES: &str = include_str!("../../cases/forms.json");

#[derive(Deserialize)]
struct Case {
    what: String,
    #[serde(default)]
    content_type: Option<String>,
    body: String,
    #[serde(default)]
    model: Option<String>,
    /// The name of the error.
    #[serde(default)]
    error: Option<String>,
}

fn read(kind: &str, pieces: &[&[u8]]) -> Result<Option<NamedModel>, FormError> {
    let mut form = Form::new(kind)?;
    for piece in pieces {
        form.push(piece)?;
        assert!(form.pending.len() <= 40 * 1024);
    }
    form.finish()?;
    Ok(form.model().cloned())
}

#[test]
fn every_case_whole_and_at_every_split() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() > 25, "the case file is read");
    for case in cases {
        let what = &case.what;
        let kind = case.content_type.as_deref();
        let kind = kind.unwrap_or("multipart/form-data; boundary=X-B");
        let bytes = case.body.as_bytes();
        let got = read(kind, &[bytes]);
        match (&got, &case.error) {
            (Ok(model), None) => {
                let name = model.as_ref().map(|model| model.name.clone());
                assert_eq!(name, case.model, "{what}");
                if let Some(model) = model {
                    let at = usize::try_from(model.at.start).unwrap()
                        ..usize::try_from(model.at.end).unwrap();
                    assert_eq!(&case.body[at], model.name, "{what}");
                }
            }
            (Err(error), Some(wanted)) => assert_eq!(&format!("{error:?}"), wanted, "{what}"),
            (got, wanted) => unreachable!("{what}: {got:?} and not {wanted:?}"),
        }
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(read(kind, &[a, b]), got, "{what}, cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(kind, &single), got, "{what}, byte by byte");
    }
}

#[test]
fn of_a_long_file_nothing_is_kept() {
    let mut form = Form::new("multipart/form-data; boundary=b").unwrap();
    form.push(b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n")
        .unwrap();
    let block = vec![b'\n'; 64 * 1024];
    for _ in 0..64 {
        form.push(&block).unwrap();
        assert!(form.pending.len() < 16);
    }
    form.push(b"\r\n--b\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b--\r\n")
        .unwrap();
    form.finish().unwrap();
    assert_eq!(form.model().unwrap().name, "m");
    assert!(form.model().unwrap().at.start > 64 * 64 * 1024);
}

#[test]
fn endless_heads_and_names_are_refused() {
    let form = || Form::new("multipart/form-data; boundary=b").unwrap();
    let mut head = form();
    head.push(b"--b\r\n").unwrap();
    assert_eq!(head.push(&[b'x'; 20_000]), Err(FormError::Head));
    let mut name = form();
    name.push(b"--b\r\nContent-Disposition: form-data; name=model\r\n\r\n")
        .unwrap();
    assert_eq!(name.push(&[b'x'; 2000]), Err(FormError::Model));
}

#[test]
fn a_model_can_be_put_in_before_all_other_parts() {
    for lead in ["", "\r\n"] {
        let body = format!(
            "{lead}--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nhi\r\n--b--\r\n"
        );
        let kind = "multipart/form-data; boundary=\"b\"";
        let mut form = Form::new(kind).unwrap();
        form.push(body.as_bytes()).unwrap();
        form.finish().unwrap();
        assert_eq!(form.model(), None);
        let at = usize::try_from(form.beginning()).unwrap();
        let mut with = body.into_bytes();
        with.splice(at..at, form.model_part("up/stream"));
        let read = read(kind, &[&with]).unwrap().unwrap();
        assert_eq!(read.name, "up/stream");
    }
}
