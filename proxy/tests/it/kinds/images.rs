//! A picture in the conversation arrives as it was sent.

use serde_json::json;
use sim::Image;

use super::backend::{Backend, Speech};
use super::heard::Heard;
use super::table::Expected;
use super::turned_down;
use crate::scene::MODEL;

/// A PNG of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

const CHAT: &str = "/v1/chat/completions";

pub(crate) async fn seen(backend: Backend, expected: Expected) {
    let scene = backend.scene().await;
    let url = format!("data:image/png;base64,{PIXEL}");
    let content = json!([
        {"type": "text", "text": "What is this? [[sim: say=a+dot]]"},
        {"type": "image_url", "image_url": {"url": url}},
    ]);
    let mut body = json!({"model": MODEL, "messages": [{"role": "user", "content": content}]});
    if turned_down(&scene, backend, expected, CHAT, &body).await {
        return;
    }
    let Expected::Served(path) = expected else {
        panic!("{backend:?} sees");
    };
    let images = [Image::Inline {
        // Ollama finds the type out by itself.
        media_type: (backend.speech() != Speech::Ollama).then(|| "image/png".to_owned()),
        data: PIXEL.to_owned(),
    }];
    assert_eq!(Heard::whole(&scene.post(CHAT, &body).await).text, "a dot");
    let sent = backend.sent(&scene, path).request;
    assert_eq!(sent.images(), images, "{backend:?}");
    body["stream"] = json!(true);
    assert_eq!(
        Heard::streamed(&scene.post(CHAT, &body).await).text,
        "a dot"
    );
    let sent = backend.sent(&scene, path).request;
    assert_eq!(sent.images(), images, "{backend:?}");
    for row in scene.ground.rows(2).await {
        assert_eq!(row.outcome.as_deref(), Some("success"), "{backend:?}");
    }
}
