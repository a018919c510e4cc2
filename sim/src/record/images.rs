//! The images a recorded request carries, whatever its format.

use serde_json::Value;

use super::RecordedRequest;

/// An image as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// Its bytes in base64; the type where the format has one.
    Inline {
        /// As in `image/png`.
        media_type: Option<String>,
        /// Base64, without a prefix.
        data: String,
    },
    /// Where it can be fetched.
    Url(String),
}

impl RecordedRequest {
    /// The images in the body, in the order in which they stand there: parts of OpenAI's
    /// format, blocks of Anthropic's, lists of Ollama's.
    pub fn images(&self) -> Vec<Image> {
        let mut images = Vec::new();
        if let Ok(body) = serde_json::from_slice(&self.body) {
            collect(&body, &mut images);
        }
        images
    }
}

fn collect(value: &Value, images: &mut Vec<Image>) {
    match value {
        Value::Array(items) => {
            for item in items {
                collect(item, images);
            }
        }
        Value::Object(fields) => {
            let text = |field: &str| fields.get(field).and_then(Value::as_str);
            match text("type") {
                Some("image_url" | "input_image") => {
                    let part = fields.get("image_url");
                    let url = part.and_then(|part| part.get("url").unwrap_or(part).as_str());
                    images.extend(url.map(from_url));
                }
                Some("image") => images.extend(fields.get("source").and_then(from_source)),
                Some(_) | None => {}
            }
            for (name, field) in fields {
                match field.as_array() {
                    Some(items) if name == "images" => {
                        let data = items.iter().filter_map(Value::as_str);
                        images.extend(data.map(|data| Image::Inline {
                            media_type: None,
                            data: data.to_owned(),
                        }));
                    }
                    Some(_) | None => collect(field, images),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn from_url(url: &str) -> Image {
    let inline = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(','));
    match inline {
        None => Image::Url(url.to_owned()),
        Some((kind, data)) => Image::Inline {
            media_type: Some(kind.trim_end_matches(";base64").to_owned()),
            data: data.to_owned(),
        },
    }
}

fn from_source(source: &Value) -> Option<Image> {
    let text = |field: &str| source.get(field).and_then(Value::as_str).map(str::to_owned);
    match source.get("type")?.as_str()? {
        "base64" => Some(Image::Inline {
            media_type: text("media_type"),
            data: text("data")?,
        }),
        "url" => text("url").map(Image::Url),
        _ => None,
    }
}
