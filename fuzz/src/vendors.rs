//! The laws of what vendors say beside answers: errors, lists of models, embeddings; and
//! of the addresses that they are called at.

use bytes::Bytes;
use wire::dialect::anthropic::{ErrorKind, error_body, error_event};
use wire::dialect::ollama::{read_embeddings, read_ps, read_show, same_model};
use wire::dialect::openai::UpstreamError;
use wire::dialect::runpod::Lane;
use wire::hub::StreamFault;
use wire::provider::{BaseUrl, Call, ProviderKind, UpstreamUrl};
use wire::redact::scrub;
use wire::usage::Usage;

use crate::json::{Members, must_be_object};

/// An error in any form.
pub fn check_error(data: &[u8]) {
    let error = UpstreamError::read(data);
    let UpstreamError {
        message,
        kind,
        param,
        code,
    } = &error;
    let bytes: usize = [message, kind, param, code]
        .into_iter()
        .flatten()
        .map(String::len)
        .sum();
    assert!(bytes <= 4 * data.len() + 64, "more words than came");
    let fault = StreamFault::Upstream(error.clone());
    let public = fault.public(&|text: &str| scrub(text, &["secret"]));
    must_be_object("an error", &public.to_json());
    let again = UpstreamError::read(&public.to_json());
    let text = public.message.trim_ascii_start();
    if !text.starts_with(['{', '[', '"']) {
        assert_eq!(again.message.as_deref(), Some(public.message.as_str()));
        assert_eq!(again.code, public.code);
    }
    let kind = ErrorKind::of_fault(&fault);
    let body = error_body(kind, &public.message, Some("request"));
    must_be_object("Anthropic's error", &body);
    let event = error_event(kind, &public.message, None);
    assert_eq!(event.iter().filter(|byte| **byte == b'\n').count(), 3);
    if let Ok(text) = std::str::from_utf8(data) {
        let scrubbed = scrub(text, &["secret", "key-value"]);
        assert!(!scrubbed.contains("key-value"));
        if let Some(usage) = Usage::read(text) {
            assert_eq!(usage.clamped(), usage, "a part exceeds its whole");
        }
    }
}

/// Ollama's answers that are no chats.
pub fn check_ollama(data: &[u8]) {
    let model = Bytes::from_static(b"\"virtual\"");
    for base64 in [false, true] {
        if let Ok(reply) = read_embeddings(data, &model, base64) {
            must_be_object("embeddings", &reply.body);
            let members = Members::read(&reply.body).expect("an object");
            assert_eq!(members.get("model"), Some("\"virtual\""));
            assert!(reply.body.len() <= 32 * data.len() + 4096);
        }
    }
    let _ = read_show(data);
    for loaded in read_ps(data) {
        assert!(same_model(&loaded.name, &loaded.name));
    }
}

/// Lists of models, and addresses as they are typed.
pub fn check_provider(data: &[u8]) {
    if let Ok(ids) = ProviderKind::ALL[0].provider().model_ids(data) {
        assert!(ids.is_sorted() && ids.windows(2).all(|two| two[0] != two[1]));
    }
    let Ok(typed) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(url) = UpstreamUrl::parse(typed) {
        check_url(&url);
    }
    let Ok(base) = BaseUrl::parse(typed) else {
        return;
    };
    assert!(!base.host().is_empty());
    for kind in ProviderKind::ALL {
        for call in Call::ALL {
            if let Some(way) = kind.provider().way(&base, call) {
                check_url(&way.url);
                // The address of a call means the same base.
                let pasted = BaseUrl::parse(&way.url.to_string()).expect("a URL");
                let again = kind.provider().way(&pasted, call).expect("the same call");
                assert_eq!(again.url, way.url, "{kind:?} {call:?} {typed}");
            }
        }
    }
    if let Lane::Jobs(jobs) = Lane::of(&base) {
        for url in [
            jobs.run(),
            jobs.runsync(),
            jobs.status(typed),
            jobs.health(),
        ] {
            check_url(&url);
        }
    }
}

/// It can be sent, and read again it is the same.
fn check_url(url: &UpstreamUrl) {
    let text = url.to_string();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert!(url.path().starts_with('/'), "{text}");
    assert_eq!(UpstreamUrl::parse(&text).as_ref(), Ok(url), "{text}");
}
