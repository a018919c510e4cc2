//! Conformance cases of Anthropic's streams towards an OpenAI caller.

use super::cases::one;
use super::*;
use crate::hub::Origin;
use crate::outbound::{AnswerForm, Dialect};

/// The chunk of one delta.
fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"msg_01\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"virtual\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}],\"usage\":null}}\n\n"
    )
}

#[test]
fn b01_b14_thinking_text_and_a_tool_without_arguments() {
    let case = one("anthropic/thinking-text-tool");
    let (out, end, mut translation) = translate(&case, chat(), &[case.stream]);
    let expected = [
        chunk(r#"{"role":"assistant","content":"","refusal":null}"#, "null"),
        ": keep-alive\n\n".to_owned(),
        chunk(r#"{"reasoning_content":"User wants the country."}"#, "null"),
        chunk(r#"{"reasoning_details":[{"type":"reasoning.text","signature":"EpADCok=","format":"anthropic-claude-v1","index":0}]}"#, "null"),
        chunk(r#"{"content":"Let me check."}"#, "null"),
        chunk(r#"{"tool_calls":[{"index":0,"id":"toolu_01","type":"function","function":{"name":"get_country","arguments":""}}]}"#, "null"),
        chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#, "null"),
        chunk("{}", "\"tool_calls\""),
        "data: {\"id\":\"msg_01\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"virtual\",\"choices\":[],\"usage\":{\"prompt_tokens\":61,\"completion_tokens\":57,\"total_tokens\":118,\"prompt_tokens_details\":{\"cached_tokens\":0,\"cache_write_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n".to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ];
    assert_eq!(out, expected.concat());
    assert_eq!(end, End::Complete);
    let block = Thinking::Plain {
        text: "User wants the country.".to_owned(),
        signature: Some("EpADCok=".to_owned()),
    };
    let kept = [("toolu_01".to_owned(), vec![block])];
    assert_eq!(translation.take_thinking(), kept);
    assert_eq!(translation.take_thinking(), [], "taken");
}

/// The call's number among the calls, not its block's among the blocks.
#[test]
fn b06_parallel_calls_are_numbered_from_zero() {
    let case = one("anthropic/parallel-tools");
    let (out, _, _) = translate(&case, chat(), &[case.stream]);
    let calls = collected(case.reader(), case.stream).choices[0].calls.len();
    assert!(calls > 1);
    for call in 0..calls {
        let head = format!("\"tool_calls\":[{{\"index\":{call},\"id\":");
        assert_eq!(out.matches(&head).count(), 1, "{out}");
    }
}

#[test]
fn b15_a_refusal_without_blocks_is_a_filtered_answer() {
    let case = one("anthropic/refusal-without-blocks");
    let (out, end, translation) = translate(&case, chat(), &[case.stream]);
    assert_eq!(end, End::Complete);
    assert!(
        out.contains("\"finish_reason\":\"content_filter\""),
        "{out}"
    );
    assert!(!out.contains("\"delta\":{\"content\""), "{out}");
    assert!(translation.says_why());
}

#[test]
fn reasoning_is_kept_for_anthropic_only() {
    let case = one("openai-stream/openrouter-signed-reasoning");
    let (_, _, mut translation) = translate(&case, chat(), &[case.stream]);
    assert_eq!(translation.take_thinking(), []);
}

/// The tool that was made up for the answer's form reaches nobody, at any split.
#[test]
fn an_answer_demanded_as_arguments_is_text() {
    let case = one("anthropic/answer-tool");
    let mut names = ToolNames::default();
    names.demand_answer("answer_as_json");
    let expected = r#"start id=msg_1 model=virtual created=1700000000
0 text "{\"city\":\"Zürich\",\"n\":12345678901234567890}"
0 finish Stop
usage prompt=10 completion=30 total=40 cached=0 written=0 reasoning=0
end
"#;
    let read = |out: &[u8]| {
        let reader = StreamFrom::OpenAi(openai::EventReader::default());
        tell(&collected(reader, out))
    };
    for cut in 0..case.stream.len() {
        let mut translation = Translation::new(case.reader(), chat(), names.clone());
        let mut out = BytesMut::new();
        let (one, two) = case.stream.split_at(cut);
        translation.push(one, &mut out);
        translation.push(two, &mut out);
        assert_eq!(translation.finish(true, &mut out), End::Complete);
        assert_eq!(read(&out), expected, "{cut}");
    }
    for (body, is_stream) in [(case.whole.unwrap(), false), (case.stream, true)] {
        let form = AnswerForm::Chat(Dialect::Anthropic);
        let replies = [(Bytes::from_static(body), is_stream)];
        let done = form.completed(&replies, &options().into(), &names, None);
        let answer = whole(WholeFrom::OpenAi, &done.unwrap().unwrap().body);
        assert_eq!(tell(&answer), expected, "{is_stream}");
    }
}

/// Signed and unreadable blocks come with an id that says whose they are, and only to a
/// writer that knows it.
#[test]
fn b16_proofs_say_whose_they_are() {
    let case = one("anthropic/redacted-thinking");
    let origin = Origin::of(1, "https://api.anthropic.com", "claude-sonnet-4-5");
    let options = || WriterOptions {
        origin: Some(origin),
        ..options()
    };
    let writer = StreamTo::Chat(ChatWriter::new(options()));
    let (stream, _, _) = translate(&case, writer, &[case.stream]);
    let form = AnswerForm::Chat(Dialect::Anthropic);
    let replies = [(Bytes::from_static(case.whole.unwrap()), false)];
    let names = ToolNames::default();
    let done = form.completed(&replies, &options().into(), &names, None);
    let reply = String::from_utf8(done.unwrap().unwrap().body.to_vec()).unwrap();
    let answer = collected(case.reader(), case.stream);
    let mut proofs = 0;
    for block in &answer.choices[0].reasoning {
        let proof = match block {
            Thinking::Plain { signature, .. } => signature.as_deref(),
            Thinking::Redacted { data } => Some(data.as_str()),
        };
        let Some(proof) = proof else { continue };
        proofs += 1;
        let id = format!("\"id\":\"{}\"", origin.id(proof));
        assert_eq!(Origin::read(&origin.id(proof)), Some(origin));
        assert_eq!(stream.matches(&id).count(), 1, "{id} in {stream}");
        assert_eq!(reply.matches(&id).count(), 1, "{id} in {reply}");
    }
    assert!(proofs > 1);
    let (stream, _, _) = translate(&case, chat(), &[case.stream]);
    assert!(!stream.contains("\"by_"), "{stream}");
}
