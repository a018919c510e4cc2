//! An operator at work meanwhile: changes the configuration and looks at pages.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::sleep;

use crate::Over;
use crate::scene::{Scene, ask, look};

/// Between two things that are done.
const PAUSE: Duration = Duration::from_millis(500);

/// What is looked at, one after the other.
const LOOKS: [&str; 12] = [
    "/proxy-dashboard",
    "/proxy-dashboard/activity?per=200",
    "/proxy-dashboard/usage?range=24h",
    "/proxy-dashboard/endpoints",
    "/proxy-dashboard/models",
    "/proxy-dashboard/keys",
    "/proxy-dashboard/patterns",
    "/proxy-dashboard/audit?per=200",
    "/proxy-dashboard/settings",
    "/api/admin/usage",
    "/api/admin/usage/by_model",
    "/api/admin/circuits",
];

/// How often what was done.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) changes: u64,
    pub(crate) looks: u64,
}

/// Works until it is over.
pub(crate) async fn work(scene: Arc<Scene>, over: Over) -> Result<Changes> {
    let mut done = Changes::default();
    let admin = scene.admin;
    for (turn, page) in (0_u64..).zip(LOOKS.iter().cycle()) {
        sleep(PAUSE).await;
        if over.is() {
            break;
        }
        let (status, body) = look(admin, "GET", page, None).await?;
        let shown = String::from_utf8_lossy(&body);
        ensure!(status == 200, "{page} answered {status}: {shown}");
        done.looks += 1;
        if !turn.is_multiple_of(4) {
            continue;
        }
        // Something that no call goes to comes and goes, and what calls go to changes.
        let endpoint = json!({
            "name": format!("of-turn-{turn}"),
            "url": "http://127.0.0.1:9",
            "endpoint_type": "openai",
        });
        let made = ask(admin, "POST", "/api/admin/endpoints", Some(&endpoint)).await?;
        let path = format!("/api/admin/endpoints/{}", made["id"]);
        let models = ask(admin, "GET", "/api/admin/virtual-models", None).await?;
        let models = models.as_array().cloned().unwrap_or_default();
        let index = usize::try_from(turn / 4).unwrap_or_default() % models.len().max(1);
        if let Some(id) = models.get(index).map(|model| &model["id"]) {
            let change = json!({"temperature": if turn.is_multiple_of(8) { 0.5 } else { 0.7 }});
            let model = format!("/api/admin/virtual-models/{id}");
            ask(admin, "PUT", &model, Some(&change)).await?;
        }
        ask(admin, "DELETE", &path, None).await?;
        done.changes += 3;
    }
    Ok(done)
}
