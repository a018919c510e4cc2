#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use crate::hub::Answer;

const OUTPUTS: &str = include_str!("../../../../cases/runpod/outputs.txt");

struct Case<'c> {
    name: &'c str,
    max_tokens: Option<u64>,
    texts: Vec<String>,
    finishes: Vec<&'c str>,
    usage: &'c str,
    end: &'c str,
    chunks: Vec<&'c str>,
}

fn cases() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    for block in OUTPUTS.split("\n== ").skip(1) {
        let mut lines = block.lines().filter(|line| !line.is_empty());
        let head: Vec<&str> = lines.next().unwrap().splitn(6, " | ").collect();
        let [name, max_tokens, texts, finishes, usage, end] = head[..] else {
            unreachable!("six fields: {head:?}");
        };
        let list = |field: &'static str, separator| match field {
            "-" => Vec::new(),
            _ => field.split(separator).collect(),
        };
        cases.push(Case {
            name,
            max_tokens: max_tokens.parse().ok(),
            texts: list(texts, '/')
                .into_iter()
                .map(|text| text.replace("\\n", "\n"))
                .collect(),
            finishes: list(finishes, ','),
            usage,
            end,
            chunks: lines.collect(),
        });
    }
    cases
}

fn check(case: &Case<'_>, answer: &Answer, how: &str) {
    let name = case.name;
    let texts: Vec<&str> = answer.choices.iter().map(|c| c.text.as_str()).collect();
    assert_eq!(texts, case.texts, "{name}, {how}");
    let finishes: Vec<String> = answer
        .choices
        .iter()
        .filter_map(|choice| choice.finish.map(|finish| format!("{finish:?}")))
        .collect();
    assert_eq!(finishes, case.finishes, "{name}, {how}");
    let usage = answer.usage.map_or("-".to_owned(), |usage| {
        format!("{},{}", usage.prompt_tokens, usage.completion_tokens)
    });
    assert_eq!(usage, case.usage, "{name}, {how}");
    let end = match answer.end.as_ref().unwrap() {
        Ok(()) => "ok".to_owned(),
        Err(StreamFault::Truncated) => "Truncated".to_owned(),
        Err(StreamFault::TooLong) => "TooLong".to_owned(),
        Err(StreamFault::BadEvent(why)) => format!("BadEvent|{why}"),
        Err(StreamFault::Upstream(error)) => {
            format!("Upstream|{}", error.message.as_deref().unwrap_or("-"))
        }
    };
    assert!(end.starts_with(case.end), "{name}, {how}: {end}");
}

/// The answer, and that it has one terminal event, its last.
fn folded(tell: impl FnOnce(&mut dyn FnMut(Event<'_>))) -> Answer {
    let mut answer = Answer::default();
    let mut terminals = 0;
    tell(&mut |event| {
        assert_eq!(terminals, 0, "nothing follows the end: {event:?}");
        terminals += u32::from(matches!(event, Event::End | Event::Fault(_)));
        answer.add(&event);
    });
    assert_eq!(terminals, 1);
    answer
}

fn streamed(case: &Case<'_>, chunks: &[&str]) -> Answer {
    folded(|each| {
        let mut reader = OutputReader::new(case.max_tokens);
        for chunk in chunks {
            reader.push(chunk, each);
        }
        reader.finish(true, each);
        reader.push(r#""more""#, each);
        reader.finish(false, each);
    })
}

#[test]
fn every_output_is_its_answer() {
    let cases = cases();
    assert!(cases.len() > 25, "the case file is read");
    for case in &cases {
        check(case, &streamed(case, &case.chunks), "in chunks");
    }
}

/// What the platform collects of a generator, and a single output by itself.
#[test]
fn the_collected_output_is_the_same_answer() {
    for case in &cases() {
        let whole = format!("[{}]", case.chunks.join(", "));
        let answer = folded(|each| read_output(&whole, case.max_tokens, each));
        check(case, &answer, "collected");
        if let [only] = case.chunks[..] {
            let answer = folded(|each| read_output(only, case.max_tokens, each));
            check(case, &answer, "by itself");
        }
    }
}

#[test]
fn b28_strings_cut_anywhere_are_the_same_answer() {
    for case in &cases() {
        let texts: Option<Vec<_>> = case.chunks.iter().map(|chunk| string(chunk)).collect();
        let Some(texts) = texts.filter(|texts| texts[0].starts_with(['d', ':'])) else {
            continue;
        };
        let text = texts.concat();
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        for (cut, _) in text.char_indices() {
            let (a, b) = text.split_at(cut);
            let answer = streamed(case, &[&quoted(a), &quoted(b)]);
            check(case, &answer, &format!("cut at {cut}"));
        }
        let single: Vec<String> = text.chars().map(|c| quoted(&c.to_string())).collect();
        let single: Vec<&str> = single.iter().map(String::as_str).collect();
        check(case, &streamed(case, &single), "character by character");
    }
}

#[test]
fn a_job_that_did_not_complete_has_no_complete_answer() {
    for chunks in [
        vec![],
        vec![r#""Hel""#],
        vec![r#""dat""#],
        vec![r#"{"choices":[{"tokens":["Hel"]}],"usage":{"input":1,"output":1}}"#],
        vec![r#""data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n""#],
    ] {
        let answer = folded(|each| {
            let mut reader = OutputReader::new(None);
            chunks.iter().for_each(|chunk| reader.push(chunk, each));
            reader.finish(false, each);
        });
        assert_eq!(answer.end, Some(Err(StreamFault::Truncated)), "{chunks:?}");
    }
}

#[test]
fn calls_come_through() {
    let output = r#"[{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{\"b\":1,\"a\":2}"}}]},"finish_reason":"tool_calls"}]}]"#;
    let answer = folded(|each| read_output(output, None, each));
    let call = &answer.choices[0].calls[0];
    assert_eq!(
        (call.name.as_str(), call.arguments.as_str()),
        ("f", r#"{"b":1,"a":2}"#)
    );
}

#[test]
fn nested_lists_end_somewhere() {
    for deep in [
        "[".repeat(100_000),
        format!("{}{}", "[".repeat(90), "]".repeat(90)),
    ] {
        let answer = folded(|each| read_output(&deep, None, each));
        let end = answer.end.unwrap();
        assert!(matches!(end, Err(StreamFault::BadEvent(_))), "{end:?}");
    }
}

/// No input panics, and each answer ends once.
#[test]
fn outputs_that_are_cut_end_somehow() {
    for case in &cases() {
        for chunk in &case.chunks {
            for (cut, _) in chunk.char_indices() {
                let pieces = [&chunk[..cut], &chunk[cut..], r#""\ud800""#];
                assert!(streamed(case, &pieces[..1]).end.is_some());
                assert!(streamed(case, &pieces).end.is_some());
                let _ = output_error(&chunk[cut..]);
                let _ = read_embeddings_output(&chunk[..cut]);
            }
        }
    }
}

#[test]
fn embeddings_are_handed_on_as_they_are() {
    let list = r#"{"object":"list", "data":[{"embedding":[0.1]}],"model":"m"}"#;
    let quoted = serde_json::to_string(list).unwrap();
    for output in [list.to_owned(), format!("[ {list} ]"), quoted] {
        let got = read_embeddings_output(&output);
        assert_eq!(got.as_deref(), Some(list.as_bytes()), "{output}");
    }
    for output in [
        "null",
        "{}",
        r#"{"data":1}"#,
        r#"{"error":"x"}"#,
        "[0.1]",
        "[[0.1],[0.2]]",
        "\"text\"",
        "{",
    ] {
        assert_eq!(read_embeddings_output(output), None, "{output}");
    }
}

/// Five thousand are open at once.
#[test]
fn an_idle_reader_is_small() {
    assert!(
        size_of::<OutputReader>() < 200,
        "{}",
        size_of::<OutputReader>()
    );
}
