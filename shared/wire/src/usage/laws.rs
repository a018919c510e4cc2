//! What holds of usage whatever a vendor says, over all case files.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::Bytes;

use super::Usage;
use super::cases::{Case, Form, all, edited_stream};
use crate::dialect::{anthropic, openai};
use crate::hub::{Answer, AnsweredChoice, Finish, ToolNames};
use crate::translation::{WholeFrom, whole};

#[track_caller]
fn assert_fits(usage: &Usage, what: &str) {
    let fits = |parts: &[u64], whole: u64| {
        let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
        assert!(sum <= u128::from(whole), "{what}: {usage:?}");
    };
    let Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens,
        cached_tokens,
        cache_write_tokens,
        cache_write_1h_tokens,
        reasoning_tokens,
        cached_completion_tokens,
        audio_prompt_tokens,
        audio_completion_tokens,
        image_prompt_tokens,
        image_completion_tokens,
        seconds: _,
        search_units: _,
        cost: _,
    } = *usage;
    fits(&[cached_tokens, cache_write_tokens], prompt_tokens);
    fits(&[cache_write_1h_tokens], cache_write_tokens);
    fits(&[audio_prompt_tokens, image_prompt_tokens], prompt_tokens);
    fits(&[reasoning_tokens], completion_tokens);
    fits(&[cached_completion_tokens], completion_tokens);
    let parts = [audio_completion_tokens, image_completion_tokens];
    fits(&parts, completion_tokens);
    assert!(
        total_tokens >= prompt_tokens.saturating_add(completion_tokens),
        "{what}: {usage:?}"
    );
    let prompt = usage.uncached_prompt_tokens() + cached_tokens + cache_write_tokens;
    assert_eq!(prompt, prompt_tokens, "{what}: {usage:?}");
    let written = usage.cache_write_short_tokens() + cache_write_1h_tokens;
    assert_eq!(written, cache_write_tokens, "{what}: {usage:?}");
}

/// Numbers that look arbitrary and are the same in each run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        let high = self.0 >> 33;
        match high % 8 {
            0 => 0,
            1 => u64::MAX,
            2 => u64::MAX / 2,
            _ => high % 1000,
        }
    }

    fn usage(&mut self) -> Usage {
        Usage {
            prompt_tokens: self.next(),
            completion_tokens: self.next(),
            total_tokens: self.next(),
            cached_tokens: self.next(),
            cache_write_tokens: self.next(),
            cache_write_1h_tokens: self.next(),
            reasoning_tokens: self.next(),
            cached_completion_tokens: self.next(),
            audio_prompt_tokens: self.next(),
            audio_completion_tokens: self.next(),
            image_prompt_tokens: self.next(),
            image_completion_tokens: self.next(),
            seconds: self.next(),
            search_units: self.next(),
            cost: Some(self.next()),
        }
    }
}

#[test]
fn parts_never_exceed_the_whole() {
    for case in all() {
        for (reader, told) in case.told() {
            for usage in &told {
                assert_fits(usage, &format!("{}, {reader}", case.name));
                assert_eq!(usage.clamped(), *usage, "{}", case.name);
            }
        }
    }
    let mut draw = Draw(7);
    for _ in 0..20_000 {
        let (one, other) = (draw.usage().clamped(), draw.usage().clamped());
        assert_fits(&one, "clamped");
        assert_eq!(one.clamped(), one);
        assert_fits(&one.plus(other), "the sum");
        assert_eq!(one.plus(other), other.plus(one));
    }
}

#[test]
fn arbitrary_declarations_fit_too() {
    const NAMES: [&str; 13] = [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "prompt_tokens_details",
        "completion_tokens_details",
        "cost",
    ];
    let mut draw = Draw(11);
    for _ in 0..20_000 {
        let mut members = Vec::new();
        for name in NAMES {
            if draw.next().is_multiple_of(2) {
                continue;
            }
            let [a, b, c, d] = [draw.next(), draw.next(), draw.next(), draw.next()];
            members.push(match name {
                "cache_creation" => format!(
                    r#""{name}":{{"ephemeral_5m_input_tokens":{a},"ephemeral_1h_input_tokens":{b}}}"#
                ),
                "prompt_tokens_details" | "completion_tokens_details" => format!(
                    r#""{name}":{{"cached_tokens":{a},"audio_tokens":{b},"image_tokens":{c},"reasoning_tokens":{d}}}"#
                ),
                _ => format!(r#""{name}":{a}"#),
            });
        }
        let json = format!("{{{}}}", members.join(","));
        if let Some(usage) = Usage::read(&json) {
            assert_fits(&usage, &json);
        }
    }
}

#[test]
fn any_split_of_a_stream_gives_the_same_usage() {
    for case in all() {
        match case.form {
            Form::OpenAiStream | Form::AnthropicStream | Form::OllamaStream => {
                let bytes = case.bytes();
                let singles: Vec<&[u8]> = bytes.chunks(1).collect();
                check_split(&case, &singles);
                for cut in 0..=bytes.len() {
                    let (one, other) = bytes.split_at(cut);
                    check_split(&case, &[one, other]);
                }
            }
            Form::JobPages => check_job(&case),
            Form::Object
            | Form::OpenAiReply
            | Form::OpenAiEmbeddings
            | Form::AnthropicReply
            | Form::OllamaReply
            | Form::OllamaEmbeddings
            | Form::JobStatus => {}
        }
    }
}

fn check_split(case: &Case, pieces: &[&[u8]]) {
    let last = case.streamed(pieces).last().copied();
    assert_eq!(last, case.usage, "{}", case.name);
    if case.form == Form::OpenAiStream {
        assert_eq!(edited_stream(pieces, false), case.usage, "{}", case.name);
    }
}

/// A worker cuts the text that it hands on wherever its network does.
fn check_job(case: &Case) {
    let texts: Result<Vec<String>, _> = case
        .outputs()
        .into_iter()
        .map(serde_json::from_str::<String>)
        .collect();
    let Ok(texts) = texts else { return };
    let text = texts.concat();
    for (cut, _) in text.char_indices() {
        let (one, other) = text.split_at(cut);
        let pieces = [one, other].map(|piece| serde_json::to_vec(piece).unwrap());
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let last = case.streamed(&pieces).last().copied();
        assert_eq!(last, case.usage, "{} cut at {cut}", case.name);
    }
}

#[test]
fn the_last_word_wins() {
    const OPENAI: &str = r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":900000,"completion_tokens":800000,"total_tokens":1700000,"cached_tokens":70000,"reasoning_tokens":6000,"cost":5,"prompt_tokens_details":{"audio_tokens":3}}}"#;
    const ANTHROPIC: &str =
        r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":800000}}"#;
    const OLLAMA: &str = r#"{"model":"m","created_at":"2026-08-21T10:00:00Z","message":{"role":"assistant","content":""},"done":false,"prompt_eval_count":900000,"eval_count":800000}"#;
    let mut seen = 0;
    for case in all().into_iter().filter(|case| case.usage.is_some()) {
        let (earlier, at) = match case.form {
            Form::OpenAiStream => (OPENAI, 0),
            Form::AnthropicStream => (ANTHROPIC, 1),
            Form::OllamaStream => (OLLAMA, 0),
            Form::Object
            | Form::OpenAiReply
            | Form::OpenAiEmbeddings
            | Form::AnthropicReply
            | Form::OllamaReply
            | Form::OllamaEmbeddings
            | Form::JobPages
            | Form::JobStatus => continue,
        };
        let mut lines = case.lines.clone();
        lines.insert(at, earlier);
        let bytes = case.framed(&lines);
        check_split(&case, &[&bytes]);
        seen += 1;
    }
    assert!(seen > 20, "most vendors have streams");
}

#[test]
fn what_names_nothing_erases_nothing() {
    const OPENAI: [&str; 3] = [
        r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":null}"#,
        r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{}}"#,
        r#"{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"cost":0}}"#,
    ];
    const ANTHROPIC: [&str; 3] = [
        r#"{"type":"message_delta","delta":{},"usage":null}"#,
        r#"{"type":"message_delta","delta":{},"usage":{}}"#,
        r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":null,"output_tokens":null,"cache_read_input_tokens":null,"cache_creation":null}}"#,
    ];
    for case in all() {
        let empty = match case.form {
            Form::OpenAiStream => OPENAI,
            Form::AnthropicStream => ANTHROPIC,
            Form::Object
            | Form::OpenAiReply
            | Form::OpenAiEmbeddings
            | Form::AnthropicReply
            | Form::OllamaStream
            | Form::OllamaReply
            | Form::OllamaEmbeddings
            | Form::JobPages
            | Form::JobStatus => continue,
        };
        for line in empty {
            let mut lines = case.lines.clone();
            lines.insert(lines.len() - 1, line);
            let bytes = case.framed(&lines);
            check_split(&case, &[&bytes]);
        }
    }
}

/// What a caller is told, read back as if it were an upstream's.
#[test]
fn a_caller_is_told_what_its_dialect_can_say() {
    for case in all() {
        let Some(usage) = case.usage else { continue };
        let answer = Answer {
            choices: vec![AnsweredChoice {
                text: "x".to_owned(),
                finish: Some(Finish::Stop),
                ..AnsweredChoice::default()
            }],
            usage: Some(usage),
            end: Some(Ok(())),
            ..Answer::default()
        };
        let names = ToolNames::default();
        let model = Bytes::from_static(b"\"virtual\"");
        let writer = openai::WriterOptions {
            model: model.clone(),
            include_usage: true,
            id: "id".to_owned(),
            created: 1,
            origin: None,
        };
        let body = openai::write_chat_reply(&answer, &names, &writer);
        let expected = Usage {
            cache_write_1h_tokens: 0,
            cost: None,
            ..usage
        };
        let told = whole(WholeFrom::OpenAi, &body).usage;
        assert_eq!(told, Some(expected), "{}", case.name);

        let options = anthropic::WriterOptions {
            model,
            id: "id".to_owned(),
            input_tokens: 0,
        };
        let body = anthropic::write_reply(&answer, &names, &options);
        let expected = Usage {
            total_tokens: 0,
            cached_completion_tokens: 0,
            audio_prompt_tokens: 0,
            audio_completion_tokens: 0,
            image_prompt_tokens: 0,
            image_completion_tokens: 0,
            cost: None,
            ..usage
        };
        let told = whole(WholeFrom::Anthropic, &body).usage;
        assert_eq!(told, Some(expected.clamped()), "{}", case.name);
    }
}
