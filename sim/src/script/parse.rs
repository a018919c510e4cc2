//! Reading a [`Script`] from its text.

use std::str::FromStr;
use std::time::Duration;

use memchr::memmem;

use super::{Close, Cut, Empty, Hang, JobEnd, Script, ScriptError, Sse, Usage};

const OPEN: &[u8] = b"[[sim:";
const CLOSE: &[u8] = b"]]";

/// The last script text inside a request body, without its brackets.
pub(crate) fn find(body: &[u8]) -> Option<&str> {
    let start = memmem::rfind(body, OPEN)? + OPEN.len();
    let rest = body.get(start..)?;
    let end = memmem::find(rest, CLOSE)?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Script, ScriptError> {
        let mut script = Script::default();
        for word in text.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, "1"));
            set(&mut script, key, value).map_err(|reason| ScriptError {
                word: word.to_owned(),
                reason,
            })?;
        }
        Ok(script)
    }
}

fn set(script: &mut Script, key: &str, value: &str) -> Result<(), &'static str> {
    match key {
        "delay_ms" => script.delay = millis(value)?,
        "status" => script.status = Some(status(value)?),
        "code" => script.code = Some(text(value)),
        "type" => script.kind = Some(text(value)),
        "message" => script.message = Some(text(value)),
        "html" => script.html = switch(value)?,
        "retry_after" => script.retry_after = Some(text(value)),
        "header" => script.headers.push(header(value)?),
        "early" => script.early = Some(status(value)?),
        "drain" => script.drain = switch(value)?,
        "informational" => script.informational = number(value)?,
        "say" => script.say = Some(text(value)),
        "unicode" => script.unicode = switch(value)?,
        "chunks" => script.chunks = Some(number(value)?),
        "chunk_bytes" => script.chunk_bytes = Some(number(value)?),
        "reasoning" => script.reasoning = switch(value)?,
        "redacted" => script.redacted = switch(value)?,
        "unsupported" => script.unsupported = unsupported(value)?,
        "unknown" => script.unknown = switch(value)?,
        "finish" => script.finish = Some(text(value)),
        "agent" => script.agent = Some(text(value)),
        "written" => script.written = switch(value)?,
        "tools" => script.tools = Some(number(value)?),
        "tool_fragments" => script.tool_fragments = Some(number(value)?),
        "tool_args" => script.tool_args = Some(text(value)),
        "usage" => script.usage = usage(value)?,
        "empty" => script.empty = Some(empty(value)?),
        "echo" => script.echo = switch(value)?,
        "repeat" => script.repeat = Some(number(value)?),
        "first_ms" => script.first = millis(value)?,
        "gap_ms" => script.gap = millis(value)?,
        "burst" => script.burst = switch(value)?,
        "dribble" => script.dribble = Some(number(value)?),
        "dribble_ms" => script.dribble_gap = millis(value)?,
        "length" => script.length = switch(value)?,
        "chunked" => script.chunked = switch(value)?,
        "wrong" => script.wrong = switch(value)?,
        "bad_json" => script.bad_json = switch(value)?,
        "no_done" => script.no_done = switch(value)?,
        "no_finish" => script.no_finish = switch(value)?,
        "sse" => script.sse = sse(value)?,
        "error_after" => script.error_after = Some(number(value)?),
        "gate" => script.gate = Some(hang(value)?),
        "hang" => script.hang = Some(hang(value)?),
        "cut" => script.cut = Some(cut(value)?),
        "cut_after_chunks" => {
            script.cut.get_or_insert(Cut::Between);
            script.after = Some(number(value)?);
        }
        "cut_after" | "hang_after" | "gate_after" => script.after = Some(number(value)?),
        "rst" => script.rst = switch(value)?,
        "queue_polls" => script.queue_polls = Some(number(value)?),
        "progress_polls" => script.progress_polls = Some(number(value)?),
        "poll_errors" => script.poll_errors = Some(number(value)?),
        "job" => script.job = Some(job(value)?),
        "bare" => script.bare = switch(value)?,
        "uncollected" => script.uncollected = switch(value)?,
        "double_error" => script.double_error = switch(value)?,
        "close" => script.close = Some(close(value)?),
        _ => return Err("is not a directive"),
    }
    Ok(())
}

fn text(value: &str) -> String {
    value.replace('+', " ")
}

fn number(value: &str) -> Result<usize, &'static str> {
    value.parse().map_err(|_| "needs a whole number")
}

fn millis(value: &str) -> Result<Duration, &'static str> {
    let value: u64 = value
        .parse()
        .map_err(|_| "needs a whole number of milliseconds")?;
    Ok(Duration::from_millis(value))
}

fn status(value: &str) -> Result<u16, &'static str> {
    match value.parse() {
        Ok(status @ 200..=599) => Ok(status),
        _ => Err("needs a status from 200 to 599"),
    }
}

fn switch(value: &str) -> Result<bool, &'static str> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("needs 1 or 0"),
    }
}

fn header(value: &str) -> Result<(String, String), &'static str> {
    let (name, value) = value.split_once(':').ok_or("needs name:value")?;
    Ok((name.to_ascii_lowercase(), text(value)))
}

fn usage(value: &str) -> Result<Usage, &'static str> {
    Ok(match value {
        "vendor" => Usage::Vendor,
        "none" => Usage::None,
        "cached" => Usage::Cached,
        "finish" => Usage::Finish,
        "every" => Usage::Every,
        "zero" => Usage::Zero,
        "huge" => Usage::Huge,
        _ => return Err("needs vendor, none, cached, finish, every, zero or huge"),
    })
}

fn empty(value: &str) -> Result<Empty, &'static str> {
    Ok(match value {
        "content" | "1" => Empty::Content,
        "choices" => Empty::Choices,
        "body" => Empty::Body,
        _ => return Err("needs content, choices or body"),
    })
}

fn unsupported(value: &str) -> Result<Vec<String>, &'static str> {
    let known = |word: &str| match word {
        "tools" | "thinking" | "vision" => Ok(word.to_owned()),
        _ => Err("needs tools, thinking or vision"),
    };
    value.split(',').map(known).collect()
}

fn hang(value: &str) -> Result<Hang, &'static str> {
    Ok(match value {
        "header" => Hang::Header,
        "stream" => Hang::Stream,
        "done" => Hang::Done,
        _ => return Err("needs header, stream or done"),
    })
}

fn cut(value: &str) -> Result<Cut, &'static str> {
    Ok(match value {
        "status" => Cut::Status,
        "header" => Cut::Header,
        "chunk" => Cut::Chunk,
        "between" => Cut::Between,
        "done" => Cut::Done,
        "end" => Cut::End,
        _ => return Err("needs status, header, chunk, between, done or end"),
    })
}

fn job(value: &str) -> Result<JobEnd, &'static str> {
    Ok(match value {
        "completed" => JobEnd::Completed,
        "failed" => JobEnd::Failed,
        "cancelled" => JobEnd::Cancelled,
        "timed_out" => JobEnd::TimedOut,
        "lost" => JobEnd::Lost,
        _ => return Err("needs completed, failed, cancelled, timed_out or lost"),
    })
}

fn close(value: &str) -> Result<Close, &'static str> {
    Ok(match value {
        "after" => Close::After,
        "next" => Close::Next,
        _ => return Err("needs after or next"),
    })
}

fn sse(value: &str) -> Result<Sse, &'static str> {
    let mut sse = Sse::default();
    for word in value.split(',') {
        match word {
            "crlf" => sse.crlf = true,
            "comments" => sse.comments = true,
            "nospace" => sse.nospace = true,
            "split" => sse.split = true,
            "bom" => sse.bom = true,
            _ => return Err("needs crlf, comments, nospace, split or bom"),
        }
    }
    Ok(sse)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_last_script_in_the_body_counts() {
        let body = br#"{"a":"[[sim: status=500]]","b":"x [[sim: chunks=3 gap_ms=5]] y"}"#;
        let script: Script = find(body).unwrap().parse().unwrap();
        assert_eq!(script.chunks, Some(3));
        assert_eq!(script.gap, Duration::from_millis(5));
        assert_eq!(script.status, None);
    }

    #[test]
    fn a_body_without_a_script_has_none() {
        assert_eq!(find(b"{}"), None);
        assert_eq!(find(b"[[sim: status=500"), None);
    }

    #[test]
    fn unknown_words_and_bad_values_are_refused_by_name() {
        for (text, part) in [
            ("statu=500", "`statu=500` is not a directive"),
            ("status=99", "from 200 to 599"),
            ("chunks=many", "whole number"),
            ("sse=crlf,lf", "crlf, comments"),
            ("burst=yes", "1 or 0"),
        ] {
            let error = text.parse::<Script>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn cut_after_chunks_implies_a_cut_between_chunks() {
        let script: Script = "cut_after_chunks=5".parse().unwrap();
        assert_eq!((script.cut, script.after()), (Some(Cut::Between), 5));
        let script: Script = "cut=chunk cut_after_chunks=2".parse().unwrap();
        assert_eq!((script.cut, script.after()), (Some(Cut::Chunk), 2));
    }
}
