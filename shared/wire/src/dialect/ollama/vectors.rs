//! Vectors towards a caller: OpenAI's list as the answer of `/api/embed`, or of the older
//! `/api/embeddings`. The numbers stay as they are written.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::line::count;
use super::{Durations, OllamaCall};
use crate::dialect::openai::ReplyFault;
use crate::object;

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, deserialize_with = "object::list")]
    data: Vec<Item<'a>>,
    #[serde(borrow, default, deserialize_with = "object::member")]
    usage: Option<Usage<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

#[derive(Deserialize)]
struct Usage<'a> {
    #[serde(borrow, default)]
    prompt_tokens: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct All<'a> {
    model: &'a RawValue,
    embeddings: Vec<&'a RawValue>,
    total_duration: u64,
    load_duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_eval_count: Option<u64>,
}

#[derive(Serialize)]
struct One<'a> {
    embedding: &'a RawValue,
}

/// `list`, OpenAI's list of embeddings, as the answer to `call`, with `model` (a JSON
/// string) as its model.
///
/// # Errors
/// When it holds no vectors.
pub fn write_vectors(
    call: OllamaCall,
    list: &[u8],
    model: &[u8],
    durations: &Durations,
) -> Result<Bytes, ReplyFault> {
    let not_json = |err: serde_json::Error| ReplyFault::NotJson(err.to_string());
    let List { mut data, usage } = object::read(list).map_err(not_json)?;
    // Without numbers they stand in their order.
    data.sort_by_key(|item| item.index);
    let vectors: Vec<&RawValue> = data.iter().map(|item| item.embedding).collect();
    if vectors.iter().any(|vector| !vector.get().starts_with('[')) {
        return Err(ReplyFault::NotJson(
            "a vector is no list of numbers".to_owned(),
        ));
    }
    let counted = usage.and_then(|usage| count(usage.prompt_tokens));
    write(call, vectors, model, counted, durations).map_err(not_json)
}

/// The answer to a request without a text.
#[must_use]
pub fn write_no_vectors(call: OllamaCall, model: &[u8], durations: &Durations) -> Bytes {
    // A string is JSON: this never fails.
    write(call, Vec::new(), model, None, durations).unwrap_or_default()
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    input: &'a RawValue,
}

#[derive(Deserialize)]
struct Given<'a> {
    #[serde(borrow, default)]
    embeddings: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    embedding: Option<&'a RawValue>,
}

/// Whether `reply`, the answer to `call`, has a vector for each text of `request`, which
/// is in OpenAI's form.
#[must_use]
pub fn is_keepable(call: OllamaCall, request: &[u8], reply: &[u8]) -> bool {
    let (Ok(asked), Ok(given)) = (
        object::read::<Asked<'_>>(request),
        object::read::<Given<'_>>(reply),
    ) else {
        return false;
    };
    let texts = serde_json::from_str::<Vec<&RawValue>>(asked.input.get());
    match call {
        OllamaCall::Embeddings => given.embedding.is_some_and(|vector| vector.get() != "[]"),
        OllamaCall::Embed | OllamaCall::Chat | OllamaCall::Generate => {
            given.embeddings.len() == texts.map_or(1, |texts| texts.len())
        }
    }
}

fn write(
    call: OllamaCall,
    vectors: Vec<&RawValue>,
    model: &[u8],
    counted: Option<u64>,
    durations: &Durations,
) -> Result<Bytes, serde_json::Error> {
    let none: &RawValue = serde_json::from_str("[]")?;
    let body = match call {
        OllamaCall::Embeddings => serde_json::to_vec(&One {
            embedding: vectors.first().copied().unwrap_or(none),
        }),
        OllamaCall::Embed | OllamaCall::Chat | OllamaCall::Generate => serde_json::to_vec(&All {
            model: serde_json::from_slice(model)?,
            embeddings: vectors,
            total_duration: durations.total,
            load_duration: durations.load,
            prompt_eval_count: counted,
        }),
    };
    body.map(Bytes::from)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    const DURATIONS: Durations = Durations {
        total: 9,
        load: 0,
        prompt_eval: 0,
        eval: 9,
    };

    fn written(call: OllamaCall, list: &str) -> Result<String, ReplyFault> {
        let body = write_vectors(call, list.as_bytes(), b"\"v\"", &DURATIONS)?;
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn vectors_keep_their_numbers_and_get_their_order() {
        let list = r#"{"object":"list","data":[{"index":1,"embedding":[2.50]},{"index":0,"embedding":[1,-3e-2]}],"model":"m","usage":{"prompt_tokens":4}}"#;
        assert_eq!(
            written(OllamaCall::Embed, list).unwrap(),
            r#"{"model":"v","embeddings":[[1,-3e-2],[2.50]],"total_duration":9,"load_duration":0,"prompt_eval_count":4}"#
        );
        assert_eq!(
            written(OllamaCall::Embeddings, list).unwrap(),
            r#"{"embedding":[1,-3e-2]}"#
        );
        let bare = r#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#;
        assert_eq!(
            written(OllamaCall::Embed, bare).unwrap(),
            r#"{"model":"v","embeddings":[[1],[2]],"total_duration":9,"load_duration":0}"#
        );
    }

    #[test]
    fn what_holds_no_vectors_is_a_fault() {
        for list in [
            "",
            "{}",
            r#"{"data":[{}]}"#,
            r#"{"data":[[0,[1]]]}"#,
            r#"[[{"embedding":[1]}]]"#,
            r#"{"data":[{"embedding":"AACAPw=="}]}"#,
        ] {
            assert!(written(OllamaCall::Embed, list).is_err(), "{list}");
        }
    }

    #[test]
    fn an_answer_with_all_vectors_is_given_again() {
        let two = br#"{"model":"m","input":["a","b"]}"#;
        let one = br#"{"model":"m","input":"a"}"#;
        let keeps =
            |call, request: &[u8], reply: &str| is_keepable(call, request, reply.as_bytes());
        assert!(keeps(OllamaCall::Embed, two, r#"{"embeddings":[[1],[2]]}"#));
        assert!(!keeps(OllamaCall::Embed, two, r#"{"embeddings":[[1]]}"#));
        assert!(keeps(OllamaCall::Embed, one, r#"{"embeddings":[[1]]}"#));
        assert!(!keeps(OllamaCall::Embed, one, r#"{"error":"m"}"#));
        assert!(keeps(OllamaCall::Embeddings, one, r#"{"embedding":[1]}"#));
        assert!(!keeps(OllamaCall::Embeddings, one, r#"{"embedding":[]}"#));
        assert!(!keeps(
            OllamaCall::Embed,
            br#"{"model":"m"}"#,
            r#"{"embeddings":[]}"#
        ));
    }

    #[test]
    fn no_text_has_no_vector() {
        let of = |call| write_no_vectors(call, b"\"v\"", &DURATIONS);
        assert_eq!(of(OllamaCall::Embeddings), &br#"{"embedding":[]}"#[..]);
        assert_eq!(
            of(OllamaCall::Embed),
            &br#"{"model":"v","embeddings":[],"total_duration":9,"load_duration":0}"#[..]
        );
    }
}
