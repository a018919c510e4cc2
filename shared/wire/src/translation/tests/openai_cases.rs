//! Conformance cases of OpenAI-family streams that need more than their file.

use super::cases::one;
use super::*;
use crate::dialect::openai::UpstreamError;

fn told(case: &Case, stream: &[u8]) -> String {
    tell(&collected(case.reader(), stream))
}

fn text_case() -> (Case, String) {
    let case = one("openai-stream/openai-text");
    let stream = String::from_utf8(case.stream.to_vec()).unwrap();
    (case, stream)
}

#[test]
fn b02_other_line_ends_and_a_byte_order_mark_change_nothing() {
    let (case, stream) = text_case();
    for form in [
        stream.replace('\n', "\r\n"),
        stream.replace('\n', "\r"),
        format!("\u{feff}{stream}"),
        stream.replace("data: ", "data:"),
    ] {
        assert_eq!(told(&case, form.as_bytes()), case.expected.unwrap());
        for cut in 0..=form.len() {
            let (a, b) = form.as_bytes().split_at(cut);
            let (whole, _, _) = translate(&case, chat(), &[form.as_bytes()]);
            let (split, _, _) = translate(&case, chat(), &[a, b]);
            assert_eq!(split, whole, "cut at {cut}");
        }
    }
}

#[test]
fn b03_done_without_its_blank_line_is_a_success() {
    let (case, stream) = text_case();
    for end in ["\n\n", "\n"] {
        let cut = stream.strip_suffix(end).unwrap();
        assert_eq!(told(&case, cut.as_bytes()), case.expected.unwrap());
    }
}

#[test]
fn b04_a_cut_before_the_finish_is_a_fault() {
    let (case, stream) = text_case();
    let finish = stream.find(r#""finish_reason":"stop""#).unwrap();
    for cut in 0..=finish {
        for cleanly in [true, false] {
            let mut translation = Translation::new(case.reader(), chat(), ToolNames::default());
            let mut out = BytesMut::new();
            translation.push(&stream.as_bytes()[..cut], &mut out);
            let end = translation.finish(cleanly, &mut out);
            assert_eq!(end, End::Fault(StreamFault::Truncated), "cut at {cut}");
            let out = String::from_utf8(out.to_vec()).unwrap();
            assert!(
                !out.contains("[DONE]") && !out.contains("\"stop\""),
                "{out}"
            );
        }
    }
}

#[test]
fn b05_a_cut_after_the_finish_is_a_success_without_usage() {
    let (case, stream) = text_case();
    let finish = stream.find(r#""finish_reason":"stop""#).unwrap();
    let from = finish + stream[finish..].find("\n\n").unwrap() + 2;
    let usage = stream.find(r#""choices":[],"usage""#).unwrap();
    for cut in from..usage {
        let (out, end, translation) = translate(&case, chat(), &[&stream.as_bytes()[..cut]]);
        assert_eq!(end, End::Complete, "cut at {cut}");
        assert_eq!(translation.usage(), None, "a zero would look measured");
        assert!(out.contains(r#""finish_reason":"stop""#), "{out}");
        assert!(!out.contains("prompt_tokens"), "{out}");
    }
}

#[test]
fn b07_every_way_to_tell_calls_apart_gives_the_same_calls() {
    let calls = |name: &str| {
        let case = one(&format!("openai-stream/{name}"));
        collected(case.reader(), case.stream).choices[0]
            .calls
            .clone()
    };
    let expected = calls("tools-whole-in-one-chunk");
    assert_eq!(expected.len(), 2);
    for name in [
        "tools-without-index",
        "tools-same-index-other-ids",
        "tools-interleaved-from-one",
    ] {
        assert_eq!(calls(name), expected, "{name}");
    }
}

#[test]
fn b08_a_call_without_arguments_leaves_with_an_empty_object() {
    let case = one("openai-stream/tools-empty-arguments");
    let (out, _, _) = translate(&case, chat(), &[case.stream]);
    let pieces = out.matches(r#""function":{"arguments":"{}"}"#).count();
    assert_eq!(pieces, 4, "one for each call: {out}");
}

#[test]
fn b09_b10_usage_is_counted_once_wherever_it_comes() {
    for (name, total) in [
        ("vllm-running-usage", Some(10)),
        ("openai-text", Some(10)),
        ("deepseek-reasoning", Some(20)),
        ("openrouter-repeated-finish", Some(7)),
        ("ollama-completions-zeros", Some(5)),
        ("openai-no-usage-no-done", None),
    ] {
        let case = one(&format!("openai-stream/{name}"));
        let (out, _, translation) = translate(&case, chat(), &[case.stream]);
        let usage = translation.usage();
        assert_eq!(usage.map(|usage| usage.total_tokens), total, "{name}");
        let written = out.matches("\"total_tokens\"").count();
        assert_eq!(written, usize::from(total.is_some()), "{name}");
    }
}

#[test]
fn usage_that_the_caller_did_not_ask_for_stays_inside() {
    let case = one("openai-stream/openai-text");
    let quiet = || WriterOptions {
        include_usage: false,
        ..options()
    };
    for to in [
        StreamTo::Chat(ChatWriter::new(quiet())),
        StreamTo::Completion(CompletionWriter::new(quiet(), CompletionPart::only(None))),
    ] {
        let (out, _, translation) = translate(&case, to, &[case.stream]);
        assert!(!out.contains("usage"), "{out}");
        assert!(translation.usage().is_some());
    }
}

#[test]
fn b11_azures_first_chunk_names_nothing() {
    let case = one("openai-stream/azure-filter-chunks");
    let answer = collected(case.reader(), case.stream);
    assert_eq!(answer.id, "chatcmpl-Z1");
    assert_eq!(answer.model, "gpt-4o-2024-11-20");
    assert_eq!(answer.created, Some(1_759_436_803));
}

#[test]
fn b12_repeated_reasons_give_one_finish() {
    let case = one("openai-stream/openrouter-repeated-finish");
    let (out, _, _) = translate(&case, chat(), &[case.stream]);
    assert_eq!(out.matches(r#""finish_reason":""#).count(), 1, "{out}");
    assert!(
        out.contains(r#""finish_reason":"length""#),
        "the first: {out}"
    );
}

#[test]
fn b13_an_error_event_keeps_the_upstreams_code() {
    let case = one("openai-stream/groq-error-event");
    let (out, end, _) = translate(&case, chat(), &[case.stream]);
    assert!(
        !out.contains("[DONE]"),
        "the caller of the translation ends it: {out}"
    );
    let End::Fault(fault) = end else {
        unreachable!("an error event")
    };
    let StreamFault::Upstream(UpstreamError { code, .. }) = &fault else {
        unreachable!("{fault:?}")
    };
    assert_eq!(code.as_deref(), Some("tool_use_failed"));
    let public = fault.public(&str::to_owned);
    assert_eq!(public.code.as_deref(), Some("tool_use_failed"));
    assert_eq!(public.message, "Failed to call a function");
}

#[test]
fn b14_a_sign_of_life_is_a_comment() {
    for to in [chat, completion] {
        let case = one("openai-stream/openrouter-repeated-finish");
        let mut translation = Translation::new(case.reader(), to(), ToolNames::default());
        let mut out = BytesMut::new();
        translation.push(b": OPENROUTER PROCESSING\n\nevent: ping\n\n", &mut out);
        assert_eq!(out, b": keep-alive\n\n"[..]);
        assert_eq!(translation.answer_bytes(), 0);
    }
}

#[test]
fn b15_a_filtered_answer_without_content() {
    let case = one("openai-stream/openai-filtered-without-text");
    let answer = collected(case.reader(), case.stream);
    let reply = openai::write_chat_reply(&answer, &ToolNames::default(), &options());
    let reply: serde_json::Value = serde_json::from_slice(&reply).unwrap();
    let choice = &reply["choices"][0];
    assert_eq!(choice["finish_reason"], "content_filter");
    assert_eq!(choice["message"]["content"], "");
}

#[test]
fn b24_tool_names_are_restored() {
    let case = one("openai-stream/openai-one-tool");
    let mut names = ToolNames::default();
    let upstream = names.upstream("geo/get.country", 64);
    let stream = String::from_utf8(case.stream.to_vec()).unwrap();
    let stream = stream.replace("get_country", &upstream);
    let mut out = BytesMut::new();
    let mut translation = Translation::new(case.reader(), chat(), names.clone());
    translation.push(stream.as_bytes(), &mut out);
    let out = String::from_utf8(out.to_vec()).unwrap();
    assert!(out.contains(r#""name":"geo/get.country""#), "{out}");

    let answer = collected(case.reader(), stream.as_bytes());
    let reply = openai::write_chat_reply(&answer, &names, &options());
    let reply = String::from_utf8(reply.to_vec()).unwrap();
    assert!(reply.contains(r#""name":"geo/get.country""#), "{reply}");
}

#[test]
fn an_endless_event_is_a_fault_and_frees_its_memory() {
    let mut translation = Translation::new(
        one("openai-stream/nothing").reader(),
        chat(),
        ToolNames::default(),
    );
    let mut out = BytesMut::new();
    let block = vec![b'x'; 1024 * 1024];
    translation.push(b"data: {\"x\":\"", &mut out);
    for _ in 0..20 {
        translation.push(&block, &mut out);
    }
    assert_eq!(translation.end(), Some(&End::Fault(StreamFault::TooLong)));
    assert!(out.is_empty());
}
