//! What of a caller's request an upstream of the same dialect gets otherwise, in words:
//! the changes of [`Request::upstream_body`].

use bytes::Bytes;

use super::{Request, Sent, StreamOptions, Target, calls};
use crate::hub::Note;
use crate::outbound::CUT;

const DEFAULT: &str = "the caller does not set it: the virtual model's default is sent";

impl Request {
    /// The fields of `body` that [`Self::upstream_body`] changes for `target`, in no
    /// order that means anything.
    #[must_use]
    pub fn notes(&self, body: &Bytes, target: &Target<'_>) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut adapted = |field: &str, why| notes.push(Note::adapted(field, why));
        let named = self.model_at.as_ref().and_then(|at| body.get(at.clone()));
        if named != Some(target.model) {
            adapted("model", "the endpoint has its own name for the model");
        }
        if target.stream.is_some_and(|wanted| wanted != self.stream) {
            adapted("stream", "the endpoint is asked for a whole answer");
        }
        let usage = "usage is asked for, so that it can be counted";
        match target.stream_options {
            StreamOptions::AskUsage if !self.wants_usage => adapted("stream_options", usage),
            StreamOptions::Remove if self.options_at.is_some() => {
                let why = "the endpoint is not asked for a stream";
                notes.push(Note::dropped("stream_options", why));
            }
            StreamOptions::AskUsage | StreamOptions::Keep | StreamOptions::Remove => {}
        }
        self.note_limits(target, &mut notes);
        for cut in self.cuts(body, target) {
            if notes.iter().all(|known| known.field != cut.field) {
                notes.push(cut);
            }
        }
        let mut adapted = |field: &str, why| notes.push(Note::adapted(field, why));
        if self.chat && target.defaults.system_prompt.is_some() {
            adapted("messages", "the virtual model's system prompt leads");
        } else if !calls::edits(body, self.call_form(target)).is_empty() {
            adapted(
                "messages",
                "tool calls get the form that the endpoint takes",
            );
        } else if !self.foreign_roles(body, target).is_empty() {
            adapted(
                "messages",
                "the endpoint knows no role 'developer': it is sent as 'system'",
            );
        }
        if target.float_embeddings_only && self.base64_at.is_some() {
            let why = "the endpoint refuses base64: its numbers are turned into it here";
            adapted("encoding_format", why);
        }
        notes
    }

    /// What the caller is told of, because its answer may be another one for it.
    #[must_use]
    pub fn cuts(&self, body: &Bytes, target: &Target<'_>) -> Vec<Note> {
        let mut notes = Vec::new();
        if target.only_named && self.alone.is_some() {
            let field = if self.offered.tools.is_some() {
                "tools"
            } else {
                "functions"
            };
            notes.push(Note::adapted(
                field,
                "the one tool that is to be called is offered alone",
            ));
        }
        if !self.cut_stops(body, target.stops).is_empty() {
            notes.push(Note::adapted(
                "stop",
                "the endpoint does not take all of them: the answer is cut here",
            ));
        }
        if target.most.is_some() {
            let limits = [
                ("max_completion_tokens", &self.max_completion),
                ("max_tokens", &self.max_tokens),
            ];
            let set = limits.into_iter();
            let mut set: Vec<_> = set
                .filter(|(_, sent)| matches!(sent, Sent::Value(_)))
                .map(|(field, _)| field)
                .collect();
            if set.is_empty() && target.defaults.max_tokens.is_some() {
                let is_newer = self.refuses_sampling(target);
                set.push(if is_newer {
                    "max_completion_tokens"
                } else {
                    "max_tokens"
                });
            }
            notes.extend(set.into_iter().map(|field| Note::adapted(field, CUT)));
        }
        notes
    }

    fn note_limits(&self, target: &Target<'_>, notes: &mut Vec<Note>) {
        let defaults = target.defaults;
        let renamed = "the endpoint knows the limit by this name alone";
        let (limit, sent) = match (&self.max_completion, &self.max_tokens) {
            (Sent::Value(_), Sent::Nothing) if target.only_max_tokens => {
                notes.push(Note::adapted("max_tokens", renamed));
                let why = "it is sent as max_tokens, the only name that the endpoint knows";
                notes.push(Note::dropped("max_completion_tokens", why));
                ("max_tokens", None)
            }
            (Sent::Value(_), Sent::Null(_)) if target.only_max_tokens => {
                notes.push(Note::adapted("max_tokens", renamed));
                ("max_tokens", None)
            }
            (Sent::Value(_), _) => ("max_tokens", None),
            (sent, Sent::Nothing | Sent::Null(_)) if self.refuses_sampling(target) => {
                ("max_completion_tokens", Some(sent))
            }
            (Sent::Nothing | Sent::Null(_), sent) => ("max_tokens", Some(sent)),
        };
        let temperature = Some(&self.temperature);
        for (field, sent, default) in [
            (limit, sent, &defaults.max_tokens),
            ("temperature", temperature, &defaults.temperature),
            ("top_p", Some(&self.top_p), &defaults.top_p),
        ] {
            let is_unset = matches!(sent, Some(Sent::Nothing | Sent::Null(_)));
            if !is_unset || default.is_none() {
            } else if field != limit && self.refuses_sampling(target) {
                let why = "the model refuses it: the virtual model's default is left away";
                notes.push(Note::dropped(field, why));
            } else {
                notes.push(Note::adapted(field, DEFAULT));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::value::RawValue;

    use super::super::{CallForm, Defaults, Stops};
    use super::*;
    use crate::provider::Call;

    const BODIES: [(Call, &str); 12] = [
        (
            Call::Chat,
            r#"{"messages":[{"role":"user","content":"x"}],"stop":["a","b","c","d","e"]}"#,
        ),
        (
            Call::Chat,
            r#"{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}],"tool_choice":{"type":"function","function":{"name":"b"}},"max_tokens":3,"max_completion_tokens":3}"#,
        ),
        (
            Call::Chat,
            r#"{"messages":[{"role":"user","content":"x"}],"functions":[{"name":"a"},{"name":"b"}],"function_call":{"name":"a"}}"#,
        ),
        (
            Call::Chat,
            r#"{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":{"type":"function","function":{"name":"a"}}}"#,
        ),
        (
            Call::Chat,
            r#"{"model":"m","messages":[{"role":"developer","content":"x"},{"role":"user","content":"x"}]}"#,
        ),
        (
            Call::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#,
        ),
        (
            Call::Chat,
            r#"{"messages":[{"role":"user","content":"x"}],"stream":true,"temperature":null,"top_p":1}"#,
        ),
        (
            Call::Chat,
            r#"{"model":"real","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":3}"#,
        ),
        (
            Call::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"x":1},"max_completion_tokens":3}"#,
        ),
        (
            Call::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_completion_tokens":3,"max_tokens":null}"#,
        ),
        (
            Call::Completions,
            r#"{"model":"m","prompt":"x","temperature":0}"#,
        ),
        (
            Call::Embeddings,
            r#"{"model":"m","input":"x","encoding_format":"base64"}"#,
        ),
    ];

    fn members(body: &[u8]) -> BTreeMap<String, String> {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).unwrap();
        let text = |(name, value): (String, Box<RawValue>)| (name, value.get().to_owned());
        members.into_iter().map(text).collect()
    }

    /// Over every body and every treatment: the notes name what differs, no more and
    /// no less.
    #[test]
    fn the_notes_name_exactly_what_differs() {
        let set = Defaults {
            max_tokens: Some("9".into()),
            temperature: Some("0.5".into()),
            top_p: Some("0.25".into()),
            system_prompt: Some("Be brief.".to_owned()),
        };
        let model = Bytes::from_static(b"\"real\"");
        let mut differed = BTreeSet::new();
        for (call, text) in BODIES {
            let body = Bytes::from(text);
            let request = Request::read(call, &body).unwrap();
            for options in [
                StreamOptions::AskUsage,
                StreamOptions::Keep,
                StreamOptions::Remove,
            ] {
                for bits in 0..64 {
                    let target = Target {
                        model: &model,
                        stream: request.stream.then_some(bits & 1 == 0),
                        stream_options: options,
                        defaults: if bits & 2 == 0 {
                            &set
                        } else {
                            &Defaults::default()
                        },
                        only_max_tokens: bits & 4 == 0,
                        only_system: bits & 4 == 0,
                        reasoning: bits & 8 == 0,
                        calls: CallForm::Any,
                        float_embeddings_only: bits & 4 == 0,
                        only_named: bits & 16 == 0,
                        stops: match bits % 3 {
                            0 => Stops::All,
                            1 => Stops::Four,
                            _ => Stops::None,
                        },
                        most: (bits & 32 == 0).then_some(2),
                    };
                    let before = members(&body);
                    let after = members(&request.upstream_body(&body, &target).to_bytes());
                    let differs: BTreeSet<String> = before
                        .keys()
                        .chain(after.keys())
                        .filter(|name| before.get(*name) != after.get(*name))
                        .cloned()
                        .collect();
                    let notes = request.notes(&body, &target);
                    // A default that is left away changes nothing, but is told.
                    let is_told = |n: &&Note| !n.why.contains("default is left away");
                    let fields = notes.iter().filter(is_told).map(|n| n.field.clone());
                    let noted: BTreeSet<String> = fields.collect();
                    assert_eq!(noted, differs, "{text} {target:?}");
                    let all: BTreeSet<&str> = notes.iter().map(|n| n.field.as_str()).collect();
                    assert_eq!(all.len(), notes.len(), "a field twice: {notes:?}");
                    differed.extend(differs);
                }
            }
        }
        assert_eq!(differed.len(), 12, "{differed:?}");
    }
}
