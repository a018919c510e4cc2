//! The case files: a stream, what it amounts to, and where there is one the whole
//! reply of the same answer.

use std::fmt::Write as _;
use std::iter;

use super::*;

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) stream: &'static [u8],
    pub(super) whole: Option<&'static [u8]>,
    /// [`tell`] of the stream's answer; of other dialects their own tests know it.
    pub(super) expected: Option<&'static str>,
    from: fn() -> StreamFrom,
    pub(super) whole_from: WholeFrom,
}

impl Case {
    pub(super) fn reader(&self) -> StreamFrom {
        (self.from)()
    }

    pub(super) fn is_complete(&self) -> bool {
        collected(self.reader(), self.stream).end == Some(Ok(()))
    }
}

/// The files of one folder: those with a whole reply beside the stream, and those
/// without.
macro_rules! folder {
    (
        $folder:literal, $extension:literal, $from:expr, $whole_from:expr,
        with_reply: [$($both:literal,)*], without: [$($alone:literal,)*]
    ) => {
        vec![
            $(folder!(
                $folder, $extension, $from, $whole_from, $both,
                Some(include_bytes!(concat!("../../../cases/", $folder, "/", $both, ".json")))
            ),)*
            $(folder!($folder, $extension, $from, $whole_from, $alone, None),)*
        ]
    };
    ($folder:literal, $extension:literal, $from:expr, $whole_from:expr, $name:literal, $whole:expr) => {
        Case {
            name: concat!($folder, "/", $name),
            stream: include_bytes!(concat!("../../../cases/", $folder, "/", $name, ".", $extension)),
            whole: $whole,
            expected: Some(include_str!(concat!("../../../cases/", $folder, "/", $name, ".answer"))),
            from: $from,
            whole_from: $whole_from,
        }
    };
}

/// Every case of every dialect.
pub(super) fn all() -> Vec<Case> {
    let mut all = openai();
    all.extend(anthropic());
    all.extend(ollama());
    all
}

/// Files of sections: `=== stream`, and in some the whole reply.
macro_rules! sections {
    ($folder:literal, $($name:literal)*) => {
        [$((
            concat!($folder, "/", $name),
            include_str!(concat!("../../../cases/", $folder, "/", $name, ".txt")),
        )),*]
    };
}

fn section(text: &'static str, title: &str) -> Option<&'static [u8]> {
    let (_, rest) = text.split_once(&format!("=== {title}\n"))?;
    let section = rest
        .split_once("\n=== ")
        .map_or(rest, |(section, _)| section);
    Some(section.as_bytes())
}

fn anthropic() -> Vec<Case> {
    let files = sections!("anthropic",
        "another-servers" "answer-tool" "cached-usage" "context-full"
        "cut-before-anything" "cut-off" "error-midway"
        "error-openai-form" "error-unnamed" "last-event-missing"
        "max-tokens" "not-json" "parallel-tools"
        "redacted-thinking" "refusal-unexplained" "refusal-without-blocks"
        "server-tools" "thinking-text-tool"
    );
    let case = |(name, text)| Case {
        name,
        stream: section(text, "stream")
            .or_else(|| section(text, "unfinished"))
            .unwrap_or_default(),
        whole: section(text, "reply"),
        expected: None,
        from: || StreamFrom::Anthropic(anthropic::StreamReader::default()),
        whole_from: WholeFrom::Anthropic,
    };
    files.into_iter().map(case).collect()
}

fn ollama() -> Vec<Case> {
    let files = sections!("ollama/answers",
        "calls-on-several-lines" "cut-line" "empty" "error-alone" "error-line" "generate"
        "length-after-call" "list" "load" "nameless-call" "no-done" "nulls" "page"
        "streamed-though-not-asked" "text" "thinking-and-tool"
    );
    let case = |(name, text)| Case {
        name,
        stream: section(text, "stream").unwrap_or_default(),
        whole: section(text, "whole"),
        expected: None,
        from: || StreamFrom::Ollama(ollama::StreamReader::default()),
        whole_from: WholeFrom::Ollama,
    };
    files.into_iter().map(case).collect()
}

pub(super) fn openai() -> Vec<Case> {
    folder!(
        "openai-stream",
        "sse",
        || StreamFrom::OpenAi(openai::EventReader::default()),
        WholeFrom::OpenAi,
        with_reply: [
            "azure-filter-chunks",
            "broken-characters",
            "choice-out-of-range",
            "completions-clone-last-delta",
            "completions-text",
            "completions-two-prompts",
            "deepseek-out-of-resources",
            "deepseek-reasoning",
            "done-without-reason",
            "fastapi-detail",
            "gemini-calls-without-index-or-id",
            "groq-error-event",
            "groq-reasoning-and-whole-call",
            "mistral-call-in-finish-chunk",
            "mistral-context-full",
            "mistral-empty-names-later",
            "mistral-thinking-parts",
            "not-json",
            "odd-values",
            "ollama-completions-zeros",
            "openai-done-without-blank-line",
            "openai-filtered-without-text",
            "openai-forced-tool-says-stop",
            "openai-function-call",
            "openai-no-usage-no-done",
            "openai-one-tool",
            "openai-parallel-tools",
            "openai-refusal",
            "openai-text",
            "openai-two-choices",
            "openrouter-choice-error",
            "openrouter-error-inside",
            "openrouter-reasoning-summary",
            "openrouter-repeated-finish",
            "openrouter-signed-reasoning",
            "openwebui-sources-first",
            "sglang-abort",
            "together-text-twice",
            "tools-arguments-as-object",
            "tools-broken-arguments",
            "tools-empty-arguments",
            "tools-interleaved-from-one",
            "tools-name-after-id",
            "tools-never-named",
            "tools-new-id-with-every-piece",
            "tools-one-id-for-all",
            "tools-one-id-without-index",
            "tools-reason-without-call",
            "tools-repeated-id-and-name",
            "tools-same-index-no-ids",
            "tools-same-index-other-ids",
            "tools-whole-in-one-chunk",
            "tools-without-index",
            "vllm-error-inside",
            "vllm-flat-error",
            "vllm-running-usage",
            "vllm-text-in-finish-chunk",
        ],
        without: [
            "error-event-that-is-text",
            "groq-stopped-early",
            "groq-usage-of-its-own",
            "nothing",
            "only-done",
            "openai-cut-before-finish",
            "openai-one-choice-unfinished",
            "two-choices-one-given-up",
        ]
    )
}

/// One case by its file name.
pub(super) fn one(name: &str) -> Case {
    let found = all().into_iter().find(|case| case.name == name);
    found.unwrap()
}

/// An answer as text, one thing a line.
pub(super) fn tell(answer: &Answer) -> String {
    let mut out = String::new();
    if !answer.id.is_empty() || !answer.model.is_empty() || answer.created.is_some() {
        let Answer { id, model, .. } = answer;
        let created = answer.created.map_or("-".to_owned(), |t| t.to_string());
        writeln!(out, "start id={id} model={model} created={created}").unwrap();
    }
    for (number, choice) in answer.choices.iter().enumerate() {
        for block in &choice.reasoning {
            match block {
                Thinking::Plain {
                    text,
                    signature: None,
                } => writeln!(out, "{number} thinking {text:?}"),
                Thinking::Plain {
                    text,
                    signature: Some(signature),
                } => writeln!(out, "{number} thinking {text:?} signed {signature}"),
                Thinking::Redacted { data } => writeln!(out, "{number} redacted {data}"),
            }
            .unwrap();
        }
        for (what, text) in [("text", &choice.text), ("refusal", &choice.refusal)] {
            if !text.is_empty() {
                writeln!(out, "{number} {what} {text:?}").unwrap();
            }
        }
        for call in &choice.calls {
            let (id, name, arguments) = (&call.id, &call.name, &call.arguments);
            writeln!(out, "{number} call id={id} {name} {arguments}").unwrap();
        }
        if let Some(reason) = choice.finish {
            writeln!(out, "{number} finish {reason:?}").unwrap();
        }
    }
    if let Some(usage) = answer.usage {
        let Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cached_tokens,
            cache_write_tokens,
            reasoning_tokens,
            // The cases of usage have these.
            cache_write_1h_tokens: _,
            cached_completion_tokens: _,
            audio_prompt_tokens: _,
            audio_completion_tokens: _,
            image_prompt_tokens: _,
            image_completion_tokens: _,
            // No chat has these.
            seconds: _,
            search_units: _,
            cost: _,
        } = usage;
        writeln!(out, "usage prompt={prompt_tokens} completion={completion_tokens} total={total_tokens} cached={cached_tokens} written={cache_write_tokens} reasoning={reasoning_tokens}").unwrap();
    }
    match &answer.end {
        None => writeln!(out, "open"),
        Some(Ok(())) => writeln!(out, "end"),
        Some(Err(StreamFault::Upstream(error))) => writeln!(
            out,
            "fault upstream message={} kind={} code={}",
            error.message.as_deref().unwrap_or("-"),
            error.kind.as_deref().unwrap_or("-"),
            error.code.as_deref().unwrap_or("-")
        ),
        Some(Err(StreamFault::BadEvent(_))) => writeln!(out, "fault bad event"),
        Some(Err(StreamFault::Truncated)) => writeln!(out, "fault truncated"),
        Some(Err(StreamFault::TooLong)) => writeln!(out, "fault too long"),
    }
    .unwrap();
    out
}

/// The order of one answer's events.
#[derive(Default)]
pub(super) struct Order {
    /// Anything but signs of life has come.
    has_begun: bool,
    /// Calls begun and choices finished.
    calls: Vec<u32>,
    finished: Vec<u32>,
    wrong: Vec<String>,
    ends: u32,
}

impl Order {
    pub(super) fn add(&mut self, event: &Event<'_>) {
        if self.ends > 0 {
            self.wrong.push(format!("{event:?} after the end"));
        }
        let told = self.has_begun;
        self.has_begun |= !matches!(event, Event::KeepAlive);
        let mut of_choice = |choice: u32, text: &str| {
            if self.finished.contains(&choice) {
                self.wrong.push(format!("{event:?} after its finish"));
            }
            if text.is_empty() {
                self.wrong.push(format!("{event:?} is empty"));
            }
        };
        match event {
            Event::Start { .. } => {
                if told {
                    self.wrong.push("a start that is not first".to_owned());
                }
            }
            Event::Text { choice, text }
            | Event::Reasoning { choice, text }
            | Event::Refusal { choice, text }
            | Event::Signature {
                choice,
                signature: text,
            }
            | Event::Redacted { choice, data: text } => of_choice(*choice, text),
            Event::Call {
                choice, call, name, ..
            } => {
                of_choice(*choice, name);
                let at = *choice as usize;
                let missing = (at + 1).saturating_sub(self.calls.len());
                self.calls.extend(iter::repeat_n(0, missing));
                if self.calls[at] != *call {
                    self.wrong.push(format!("{event:?} is not the next"));
                }
                self.calls[at] += 1;
            }
            Event::Arguments { choice, call, text } => {
                of_choice(*choice, text);
                if self.calls.get(*choice as usize).is_none_or(|n| n <= call) {
                    self.wrong.push(format!("{event:?} before its call"));
                }
            }
            Event::Finish { choice, .. } => {
                of_choice(*choice, "-");
                self.finished.push(*choice);
            }
            Event::Usage(_) | Event::KeepAlive => {}
            Event::End | Event::Fault(_) => self.ends += 1,
        }
    }

    pub(super) fn check(&self, what: &str) {
        assert_eq!(self.wrong, Vec::<String>::new(), "{what}");
        assert_eq!(self.ends, 1, "{what}: terminal events");
    }
}
