//! Model lists in every shape that vendors use.

use serde::Deserialize;
use thiserror::Error;

/// Why a body is not a model list.
#[derive(Debug, Error)]
pub enum ModelListError {
    /// The body is not JSON.
    #[error("the reply is not JSON ({0})")]
    NotJson(String),
    /// It is JSON of another shape.
    #[error("the reply is JSON but not a model list (no array under data or models)")]
    NotAList,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Bare(Vec<Item>),
    Named {
        #[serde(alias = "models")]
        data: Vec<Item>,
    },
    Other(serde::de::IgnoredAny),
}

/// One entry: OpenAI's and Together's `id`, Ollama's `name` or `model`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Model {
        id: Option<String>,
        name: Option<String>,
        model: Option<String>,
        /// Open WebUI's arena entries stand for a choice among others.
        #[serde(default)]
        arena: bool,
    },
    Id(String),
    Other(serde::de::IgnoredAny),
}

pub(super) fn model_ids(body: &[u8]) -> Result<Vec<String>, ModelListError> {
    let list =
        serde_json::from_slice(body).map_err(|err| ModelListError::NotJson(err.to_string()))?;
    let items = match list {
        List::Bare(items) | List::Named { data: items } => items,
        List::Other(_) => return Err(ModelListError::NotAList),
    };
    let mut ids: Vec<String> = items
        .into_iter()
        .filter_map(|item| match item {
            Item::Model { arena: true, .. } | Item::Other(_) => None,
            Item::Model {
                id, name, model, ..
            } => id.or(name).or(model),
            Item::Id(id) => Some(id),
        })
        .collect();
    ids.sort();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn every_shape_gives_sorted_ids() {
        for body in [
            r#"{"object":"list","data":[{"id":"b","object":"model"},{"id":"a"}]}"#,
            r#"[{"id":"b","type":"chat"},{"id":"a","pricing":{"input":1}}]"#,
            r#"{"models":[{"name":"b","model":"b:latest"},{"name":"a"}]}"#,
            r#"{"data":[{"id":"b","name":"Bee"},{"id":"a"},{"id":"arena-model","arena":true},{"id":"a"}]}"#,
            r#"{"models":["b","a"]}"#,
        ] {
            assert_eq!(model_ids(body.as_bytes()).unwrap(), ["a", "b"], "{body}");
        }
    }

    #[test]
    fn an_empty_list_is_a_list() {
        assert!(model_ids(br#"{"data":[]}"#).unwrap().is_empty());
    }

    #[test]
    fn other_bodies_are_refused_with_the_reason() {
        assert!(matches!(
            model_ids(b"<html>"),
            Err(ModelListError::NotJson(_))
        ));
        for body in [r#"{"detail":"Not authenticated"}"#, "null", r#""x""#] {
            assert!(
                matches!(model_ids(body.as_bytes()), Err(ModelListError::NotAList)),
                "{body}"
            );
        }
    }
}
