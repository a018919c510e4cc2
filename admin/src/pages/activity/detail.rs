//! One call whole: who, what, every attempt, and where its time went.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{CallKey, Capture, CaptureRow};

use super::entry::Entry;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::pages::usage::now;
use crate::routing::resource;
use crate::shown::{bytes, duration, grouped, money, visible};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let path = format!("{}/{{call}}", Section::Activity.path());
    cfg.service(
        resource(&path, "GET, HEAD")
            .route(web::get().to(detail))
            .route(web::head().to(detail)),
    );
}

#[derive(Template)]
#[template(path = "activity/call.html")]
struct Detail {
    shell: Shell,
    call: Entry,
    /// What it said and was answered, where that is kept.
    capture: Option<CaptureRow>,
}

impl Detail {
    /// Each body: its name, its text, its size, and whether it is cut.
    fn bodies(&self) -> Vec<(&'static str, String, String, bool)> {
        let capture = self.capture.iter();
        let bodies = capture.flat_map(|capture| {
            [
                ("Request", &capture.request, capture.request_bytes),
                ("Answer", &capture.answer, capture.answer_bytes),
            ]
        });
        let bodies = bodies.map(|(name, text, size)| {
            let most = i64::try_from(Capture::MOST).unwrap_or(i64::MAX);
            (name, visible(text, usize::MAX), bytes(size), size > most)
        });
        bodies.collect()
    }

    /// What the tokens were, as far as there were any.
    fn tokens(&self) -> Vec<(&'static str, String)> {
        let row = &self.call.row;
        let usage = row.usage.unwrap_or_default();
        let mut tokens = vec![
            ("Prompt", row.prompt_tokens),
            ("Completion", row.completion_tokens),
        ];
        let more = [
            ("of the prompt cached", row.cached_input_tokens),
            (
                "of the prompt written to a cache",
                row.cache_creation_tokens,
            ),
            (
                "of the completion reasoning",
                i64::try_from(usage.reasoning_tokens).unwrap_or(i64::MAX),
            ),
        ];
        tokens.extend(more.into_iter().filter(|(_, count)| *count > 0));
        tokens
            .into_iter()
            .map(|(name, count)| (name, grouped(count)))
            .collect()
    }

    /// Where the time went, as far as it is known.
    fn times(&self) -> Vec<(&'static str, String)> {
        let row = &self.call.row;
        let known = [
            ("Waited for endpoints", row.upstream_ms),
            ("The gateway's own", row.overhead_ms),
            ("Until the first token", row.ttft_ms),
            ("In the endpoint's queue", row.queue_ms),
            ("At work in the endpoint", row.execution_ms),
        ];
        let mut times = vec![("The whole call", duration(row.response_time_ms))];
        let known = known.into_iter();
        times.extend(known.filter_map(|(name, ms)| Some((name, duration(ms?)))));
        if let Some(pace) = row.tokens_per_second {
            times.push(("Tokens a second", format!("{pace:.1}")));
        }
        times
    }

    fn costs(&self) -> Vec<(&'static str, String)> {
        let row = &self.call.row;
        let known = [
            ("Told by the provider", row.provider_cost_nanos),
            ("Saved by the answer from memory", row.saved_nanos),
        ];
        let mut costs = vec![("Cost", self.call.cost())];
        let known = known.into_iter();
        costs.extend(known.filter_map(|(name, nanos)| Some((name, money(nanos?)))));
        costs
    }
}

async fn detail(
    admin: Data<Admin>,
    req: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let gone = || {
        ApiError::NotFound(
            "there is no such call, or it is no longer kept: single calls are trimmed by age \
             and size, their sums stay"
                .to_owned(),
        )
    };
    let key = CallKey::from_text(&path).ok_or_else(gone)?;
    let now = now();
    let (row, capture) = admin
        .on_store(move |store| {
            let row = store.call(&key)?;
            let id = row.as_ref().and_then(|row| row.request_id.as_deref());
            let capture = match (&row, id) {
                (Some(row), Some(id)) => store.capture(id, row.created_at, now)?,
                (_, _) => None,
            };
            Ok((row, capture))
        })
        .await?;
    let row = row.ok_or_else(gone)?;
    crate::pages::page(&Detail {
        shell: Shell::of(&req, Section::Activity),
        call: Entry::new(row),
        capture,
    })
}
