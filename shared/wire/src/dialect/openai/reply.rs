//! A whole reply on its way from an OpenAI-family upstream to an OpenAI caller. What is
//! changed and what is no answer is as in a stream ([`super::StreamEditor`]).

use bytes::Bytes;
use thiserror::Error;

use super::error::UpstreamError;
use super::finish;
use super::repair::read_mended;
use super::stream::{Chunk, NativeCalls, Says, word};
use crate::edit::{Edits, Segments, span_of};
use crate::normaliser::was_done;
use crate::usage::Usage;

/// A reply with the virtual model's name in it, and what was read on the way.
#[derive(Debug)]
pub struct Reply {
    /// What the caller gets.
    pub body: Segments,
    /// Usage as declared.
    pub usage: Option<Usage>,
    /// Bytes of text, reasoning and tool arguments in the answer.
    pub answer_bytes: u64,
    /// A choice ended for a reason that explains an answer without content.
    pub says_why: bool,
    /// The vectors in it, of embeddings.
    pub vectors: usize,
}

/// Why a reply with a success status is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReplyFault {
    /// The body is not a JSON object.
    #[error("the upstream's reply is not a JSON object: {0}")]
    NotJson(String),
    /// The body carries an error in place of an answer.
    #[error("the upstream answered with an error under a success status")]
    Error(UpstreamError),
}

impl Reply {
    /// Reads `body` and puts `model` (a JSON string) in the place of its model.
    /// Blank lines before the JSON, which some servers send to keep the connection
    /// alive, are dropped.
    ///
    /// # Errors
    /// When the body is not a JSON object or carries an error.
    pub fn read(body: &Bytes, model: &Bytes) -> Result<Self, ReplyFault> {
        Self::mended(body, model, None)
    }

    /// The same with the tool calls mended, where `native` says how.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn mended(
        body: &Bytes,
        model: &Bytes,
        native: Option<&mut NativeCalls>,
    ) -> Result<Self, ReplyFault> {
        let body = body.slice_ref(body.trim_ascii());
        let mut mended = Vec::new();
        let (text, chunk) = read_mended::<Chunk<'_>>(&body, &mut mended);
        let chunk = match chunk {
            Ok(Some(chunk)) => chunk,
            // Google wraps its errors in a list.
            Ok(None) => {
                return Err(match UpstreamError::read(text) {
                    error if error == UpstreamError::default() => {
                        ReplyFault::NotJson("it is JSON of another kind".to_owned())
                    }
                    error => ReplyFault::Error(error),
                });
            }
            Err(err) => return Err(ReplyFault::NotJson(err.to_string())),
        };
        if let Some(error) = chunk.error(text) {
            return Err(ReplyFault::Error(error));
        }
        let mut edits = Edits::default();
        let mut says_why = false;
        let mut ended = Vec::new();
        for end in &chunk.choices.ends {
            let raw = match end.says {
                Says::Error(raw) => {
                    let error = UpstreamError::read(raw.get().as_bytes());
                    return Err(ReplyFault::Error(error));
                }
                Says::OutOfRange(index) => {
                    return Err(ReplyFault::NotJson(format!("choice index {index}")));
                }
                Says::Reason(raw) => raw,
            };
            let word = word(raw);
            let reason = finish::read(&word).map_err(ReplyFault::Error)?;
            says_why |= reason.explains_emptiness();
            ended.push((end.bit.trailing_zeros(), was_done(reason)));
            if !finish::is_openais(&word) {
                edits.replace(span_of(text, raw), finish::json(reason));
            }
        }
        if let Some(native) = native {
            for (span, text) in native.reply(text, &ended) {
                edits.replace(span, text);
            }
        }
        if let Some(raw) = chunk.model {
            edits.replace(span_of(text, raw), model.clone());
        }
        let usage = chunk.declared().and_then(|raw| Usage::read(raw.get()));
        let answer_bytes = chunk.choices.answer_bytes;
        let vectors = chunk.data.map_or(0, |data| data.0.len());
        let body = if mended.is_empty() {
            edits.apply(&body)
        } else {
            edits.apply(&mended.into())
        };
        Ok(Self {
            // Zeros are what some servers write before they have counted.
            usage: usage.filter(|usage| !usage.is_nothing()),
            answer_bytes,
            says_why,
            vectors,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn read(body: &'static str) -> Result<Reply, ReplyFault> {
        Reply::read(
            &Bytes::from_static(body.as_bytes()),
            &Bytes::from_static(b"\"virtual\""),
        )
    }

    #[test]
    fn only_the_model_changes() {
        let body = "\n\n{ \"id\":\"1\",\"model\" : \"m-2026\",\"x\":{\"model\":\"inner\"},\"choices\":[{\"index\":0,\"message\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n";
        let reply = read(body).unwrap();
        assert_eq!(
            reply.body.to_bytes(),
            body.trim().replace("\"m-2026\"", "\"virtual\"").as_bytes()
        );
        assert_eq!(reply.usage.unwrap().completion_tokens, 2);
        assert_eq!(reply.answer_bytes, 5);
    }

    #[test]
    fn vectors_are_counted() {
        for (body, vectors) in [
            (
                r#"{"data":[{"embedding":[1]},{"embedding":"AACAPw=="}]}"#,
                2,
            ),
            (r#"{"data":[],"model":"m"}"#, 0),
            (r#"{"data":{},"model":"m"}"#, 0),
            (r#"{"model":"m"}"#, 0),
        ] {
            assert_eq!(read(body).unwrap().vectors, vectors, "{body}");
        }
    }

    #[test]
    fn choices_of_another_shape_hide_nothing_else() {
        let reply = read(r#"{"choices":[5],"model":"m","usage":{"prompt_tokens":4}}"#).unwrap();
        let body = reply.body.to_bytes();
        assert!(body.ends_with(br#""model":"virtual","usage":{"prompt_tokens":4}}"#));
        assert_eq!(reply.usage.unwrap().prompt_tokens, 4);
        let error = read(r#"{"choices":5,"error":{"message":"queue full"}}"#);
        assert!(matches!(error, Err(ReplyFault::Error(_))));
    }

    #[test]
    fn foreign_words_of_an_end_become_openais() {
        for (word, openais) in [
            (r#""eos""#, r#""stop""#),
            (r#""model_length""#, r#""length""#),
            (r#""something new""#, r#""stop""#),
            (r#""function_call""#, r#""function_call""#),
            ("null", "null"),
            (r#""""#, r#""stop""#),
        ] {
            let body = format!(r#"{{"choices":[{{"text":"a","finish_reason":{word}}}],"m":1}}"#);
            let model = Bytes::from_static(b"\"virtual\"");
            let reply = Reply::read(&body.clone().into(), &model).unwrap();
            let expected = body.replace(&format!(":{word}}}"), &format!(":{openais}}}"));
            assert_eq!(reply.body.to_bytes(), expected.as_bytes(), "{word}");
        }
    }

    #[test]
    fn embeddings_need_no_choices() {
        let reply = read(r#"{"object":"list","model":"m","data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#).unwrap();
        assert_eq!(reply.usage.unwrap().prompt_tokens, 4);
    }

    #[test]
    fn faults_are_told_apart() {
        for body in ["", "<html>", "{\"a\":", "null", "[]", "5", "{}x"] {
            assert!(matches!(read(body), Err(ReplyFault::NotJson(_))), "{body}");
        }
        let Err(ReplyFault::Error(error)) = read(r#"{"error":{"message":"queue full"}}"#) else {
            unreachable!("an error inside a success");
        };
        assert_eq!(error.message.as_deref(), Some("queue full"));
        let flat = read(r#"{"object":"error","message":"no such model","code":404}"#);
        assert!(matches!(flat, Err(ReplyFault::Error(_))));
        for nothing in ["null", "false", "\"\"", "{}", "[]"] {
            let body = format!(r#"{{"error":{nothing},"choices":[]}}"#);
            let reply = Reply::read(&body.into(), &Bytes::from_static(b"\"virtual\""));
            assert!(reply.is_ok(), "{nothing}");
        }
    }

    #[test]
    fn an_answer_that_was_given_up_is_an_error() {
        for reason in ["error", "abort", "insufficient_system_resource"] {
            let body = format!(
                r#"{{"choices":[{{"message":{{"content":"half"}},"finish_reason":"{reason}"}}]}}"#
            );
            let reply = Reply::read(&body.into(), &Bytes::from_static(b"\"virtual\""));
            let Err(ReplyFault::Error(error)) = reply else {
                unreachable!("{reason}: {reply:?}");
            };
            assert_eq!(error.code.as_deref(), Some(reason));
        }
    }

    #[test]
    fn an_answer_without_text_is_not_empty() {
        for (message, bytes) in [
            (
                r#"{"role":"assistant","content":null,"audio":{"id":"a","data":"AAAA","expires_at":1}}"#,
                1,
            ),
            (
                r#"{"role":"assistant","content":"","images":[{"type":"image_url","image_url":{"url":"data:"}}]}"#,
                1,
            ),
            (
                r#"{"role":"assistant","content":null,"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}"#,
                1,
            ),
            (
                r#"{"role":"assistant","content":"text","images":[{"type":"image_url"}]}"#,
                4,
            ),
            (
                r#"{"role":"assistant","content":"","audio":null,"annotations":[],"refusal":null}"#,
                0,
            ),
            ("null", 0),
        ] {
            let body = format!(r#"{{"choices":[{{"message":{message},"finish_reason":"stop"}}]}}"#);
            let reply = Reply::read(&body.into(), &Bytes::from_static(b"\"virtual\"")).unwrap();
            assert_eq!(reply.answer_bytes, bytes, "{message}");
        }
    }
}
