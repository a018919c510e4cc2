//! What is answered to these calls.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Asked, Media, digest};
use crate::base64;
use crate::playback::Step;
use crate::reply::{self, Reply};
use crate::script::{Hang, Script, Usage};
use crate::vendor::Flavor;

/// Bytes of a picture, and of each piece of sound.
const BYTES: usize = 1000;
/// Pieces of sound.
const PIECES: usize = 3;

pub(super) fn answer(media: Media, flavor: Flavor, asked: &Asked, script: &Script) -> Reply {
    let mut reply = match media {
        Media::Generation | Media::Edit | Media::Variation => picture(asked, script),
        Media::Speech if asked.text("stream_format") == "sse" => {
            let delta = json!({"type": "speech.audio.delta", "audio": base64::encode(b"sound")});
            let done = json!({"type": "speech.audio.done", "usage": tokens(14, 101)});
            reply::media_events(&[delta, told(done, script)], script)
        }
        Media::Speech => sound(script),
        Media::Transcription | Media::Translation => words(asked, script),
        Media::Moderation => {
            let inputs = match asked.fields.get("input") {
                Some(Value::Array(list)) => list.len(),
                _ => 1,
            };
            let result = json!({
                "flagged": false, "categories": {"violence": false},
                "category_scores": {"violence": 0.001},
                "category_applied_input_types": {"violence": ["text"]}
            });
            whole(
                &json!({
                    "id": "modr-sim", "model": asked.text("model"),
                    "results": vec![result; inputs]
                }),
                script,
            )
        }
        Media::Rerank => ranking(flavor, asked, script),
    };
    reply.headers.extend(script.headers.iter().cloned());
    reply
}

fn whole(json: &Value, script: &Script) -> Reply {
    reply::media_whole(json, script)
}

fn tokens(input: u64, output: u64) -> Value {
    json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output})
}

/// The same without usage, if the script says so.
fn told(mut json: Value, script: &Script) -> Value {
    if script.usage == Usage::None
        && let Some(fields) = json.as_object_mut()
    {
        fields.remove("usage");
    }
    json
}

fn picture(asked: &Asked, script: &Script) -> Reply {
    let bytes = vec![0x89; script.chunk_bytes.unwrap_or(BYTES)];
    let picture = base64::encode(&bytes);
    let mut usage = tokens(50, 1056);
    usage["input_tokens_details"] = json!({"text_tokens": 10, "image_tokens": 40});
    if asked.is_set("stream") {
        let partial = json!({
            "type": "image_generation.partial_image", "b64_json": picture,
            "partial_image_index": 0
        });
        let completed = json!({
            "type": "image_generation.completed", "b64_json": picture, "usage": usage
        });
        return reply::media_events(&[partial, told(completed, script)], script);
    }
    let count = match asked.fields.get("n") {
        Some(Value::Number(n)) => n.as_u64().unwrap_or(1),
        Some(Value::String(n)) => n.parse().unwrap_or(1),
        _ => 1,
    };
    let data: Vec<Value> = (0..count).map(|_| json!({"b64_json": picture})).collect();
    let answer = json!({
        "created": 1_700_000_000, "data": data, "usage": usage,
        "seen": files(asked), "prompt": asked.text("prompt")
    });
    whole(&told(answer, script), script)
}

/// Sound that is no text; the script may stop it after some pieces.
fn sound(script: &Script) -> Reply {
    let pieces = script.chunks.unwrap_or(PIECES);
    let size = script.chunk_bytes.unwrap_or(BYTES);
    let piece = |n: usize| Bytes::from(vec![0xff - u8::try_from(n % 100).unwrap_or(0); size]);
    let mut steps: Vec<Step> = (0..pieces).map(|n| Step::Send(piece(n))).collect();
    let ends = script.cut.is_some() || script.hang == Some(Hang::Stream);
    let at = script.after().min(pieces);
    if ends {
        steps.truncate(at);
        steps.push(Step::Flush);
        if script.cut.is_some() {
            steps.push(Step::Limit(0, script.rst));
            steps.push(Step::Abort);
        } else {
            steps.push(Step::Hang);
        }
    } else if script.gate == Some(Hang::Stream) {
        steps.insert(at, Step::Gate);
    }
    Reply {
        status: 200,
        content_type: "audio/mpeg",
        headers: Vec::new(),
        length: (!script.chunked).then_some((pieces * size) as u64),
        steps: Arc::from(steps),
    }
}

/// The files of a form, as they arrived.
fn files(asked: &Asked) -> Value {
    let file = |part: &super::Part| {
        json!({
            "name": part.file_name, "bytes": part.value.len(), "digest": digest(&part.value)
        })
    };
    asked.files.iter().map(file).collect()
}

fn words(asked: &Asked, script: &Script) -> Reply {
    let text = script.say.clone().unwrap_or_else(|| "heard it".to_owned());
    let format = asked.text("response_format");
    if matches!(format, "text" | "srt" | "vtt") {
        let mut reply = whole(&json!(null), script);
        let body = Bytes::from(format!("{text}\n"));
        reply.content_type = "text/plain; charset=utf-8";
        reply.length = Some(body.len() as u64);
        reply.steps = Arc::from(vec![Step::Send(body)]);
        return reply;
    }
    let usage = if asked.text("model").contains("whisper") {
        json!({"type": "duration", "seconds": 9})
    } else {
        let mut usage = tokens(14, 45);
        usage["type"] = json!("tokens");
        usage["input_token_details"] = json!({"text_tokens": 4, "audio_tokens": 10});
        usage
    };
    if asked.is_set("stream") {
        let delta = json!({"type": "transcript.text.delta", "delta": text});
        let done = json!({"type": "transcript.text.done", "text": text, "usage": usage});
        return reply::media_events(&[delta, told(done, script)], script);
    }
    let mut answer = json!({"text": text, "usage": usage, "seen": files(asked)});
    if format == "verbose_json" {
        answer["duration"] = json!(8.47);
        answer["language"] = json!("english");
        answer["segments"] = json!([]);
    }
    whole(&told(answer, script), script)
}

fn ranking(flavor: Flavor, asked: &Asked, script: &Script) -> Reply {
    let documents = asked.fields.get("documents").and_then(Value::as_array);
    let results: Vec<Value> = documents
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(index, document)| {
            json!({
                "index": index, "document": {"text": document},
                "relevance_score": 0.5
            })
        })
        .collect();
    let mut answer = json!({
        "id": "rerank-sim", "model": asked.text("model"), "results": results,
        "usage": {"total_tokens": 56}
    });
    if flavor == Flavor::Together {
        answer["object"] = json!("rerank");
        answer["usage"] = json!({"prompt_tokens": 56, "completion_tokens": 0, "total_tokens": 56});
    }
    whole(&told(answer, script), script)
}
