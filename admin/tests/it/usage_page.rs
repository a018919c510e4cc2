//! The usage page: its figures are the store's, its links keep what they should, and names
//! full of HTML come out harmless.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::json;
use store::{Attempt, CacheUse, CallKind, CallRecord, Outcome, Store, Sum, UsageQuery};
use wire::usage::Usage;

use crate::harness::{App, token};

const PAGE: &str = "/proxy-dashboard/usage";

/// A name that would be a script, end an attribute, or hide.
const BAD_NAME: &str = "<script>alert(1)</script>\"'&\u{202e}\u{7}";

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A call that began `ago` seconds ago.
pub(crate) fn call(model: &str, ago: i64) -> CallRecord {
    let usage = Usage {
        prompt_tokens: 1000,
        completion_tokens: 100,
        total_tokens: 1100,
        cached_tokens: 400,
        ..Usage::default()
    };
    CallRecord {
        virtual_model: model.to_owned(),
        virtual_model_id: Some(1),
        endpoint_id: Some(1),
        endpoint_name: Some("one".to_owned()),
        key_id: Some(7),
        key_label: Some("agent <i>".to_owned()),
        usage,
        status: 200,
        outcome: Outcome::Success,
        latency_ms: 1500,
        ttft_ms: Some(300),
        attempts: vec![Attempt {
            endpoint: "one".to_owned(),
            endpoint_id: Some(1),
            virtual_model: model.to_owned(),
            virtual_model_id: Some(1),
            model: "real".to_owned(),
            status: 200,
            ms: 1490,
            usage: Some(usage),
            ..Attempt::default()
        }],
        route: Some("/v1/chat/completions".to_owned()),
        address: Some("10.0.0.9".to_owned()),
        client: Some("Codex".to_owned()),
        ..CallRecord::begun(CallKind::Chat, format!("req-{model}-{ago}"), now() - ago)
    }
}

/// An app with one priced virtual model, and its store.
pub(crate) async fn with_model() -> (App, Store) {
    let app = App::start();
    let endpoint = app.endpoint("one", "http://127.0.0.1:9").await;
    let model = json!({
        "name": "priced", "endpoint_id": endpoint, "actual_model": "real",
        "cost_per_1m_tokens_in": 2, "cost_per_1m_tokens_out": 10,
        "cost_per_1m_tokens_in_cached": 1,
    });
    let (status, body) = app.post("/api/admin/virtual-models", &model).await;
    assert_eq!(status, 200, "{body}");
    let store = Store::open(&app.database()).unwrap();
    (app, store)
}

#[tokio::test]
async fn figures_are_those_of_the_store() {
    let (app, store) = with_model().await;
    let calls: Vec<_> = (0..12).map(|n| call("priced", n * 3000)).collect();
    store.record_calls(&calls).unwrap();
    let view = store
        .usage_view(&UsageQuery::between(now() - 23 * 3600, now()), true)
        .unwrap();
    assert_eq!(view.whole.get(Sum::Requests), 12);
    let page = app.page(PAGE).await;
    // 600 at 2, 400 at 1 and 100 at 10 dollars a million: 2.6 thousandths, 12 times.
    assert_eq!(view.whole.cost(), 12 * 2_600_000);
    for (id, shown) in [("calls", "12"), ("tokens", "13,200"), ("cost", "$0.0312")] {
        let part = format!("id=\"{id}\">{shown}<");
        assert!(page.contains(&part), "{part}: {page}");
    }
    assert!(page.contains(">4,800<"), "cached tokens: {page}");
    assert!(page.contains("p50; p95"), "{page}");
}

/// The card with this label.
fn card<'p>(page: &'p str, label: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("\"label\">{label}<")).unwrap();
    rest.split_once("</li>").unwrap().0
}

#[tokio::test]
async fn cards_tell_percentiles_and_savings() {
    let (app, store) = with_model().await;
    let mut calls: Vec<_> = (1..=100)
        .map(|n| CallRecord {
            latency_ms: n * 100,
            ttft_ms: Some(n * 10),
            ..call("priced", 10)
        })
        .collect();
    calls[0].cache = Some(CacheUse::Hit(calls[0].usage));
    calls[0].attempts.clear();
    calls[0].usage = Usage::default();
    calls[1].cache = Some(CacheUse::Miss);
    store.record_calls(&calls).unwrap();
    let page = app.page(PAGE).await;
    // The middles of buckets that are four percent wide.
    for (label, times) in [
        ("Time of a call", ["4.9 s", "9.4 s", "9.9 s"]),
        ("Time to first token", ["504 ms", "944 ms", "976 ms"]),
    ] {
        let told = card(&page, label);
        for time in times {
            assert!(told.contains(time), "{time}: {told}");
        }
    }
    let told = card(&page, "Saved by answers from memory");
    assert!(
        told.contains("$0.0026") && told.contains("1 of 2 calls (50.0 %)"),
        "{told}"
    );
    let told = card(&page, "Cached by providers");
    assert!(
        told.contains("39,600") && told.contains("40.0 % of the prompt"),
        "{told}"
    );
}

#[tokio::test]
async fn the_chart_by_model_is_a_picture_of_its_table() {
    let (app, store) = with_model().await;
    store
        .record_calls(&[call("priced", 10), call("priced", 20), call("other", 30)])
        .unwrap();
    let page = app.page(&format!("{PAGE}?measure=calls")).await;
    let (_, chart) = page
        .split_once("aria-label=\"Chart by virtual model\"")
        .unwrap();
    let (chart, _) = chart.split_once("</section>").unwrap();
    for part in [
        "<svg id=\"chart-models\"",
        "role=\"img\" aria-labelledby=\"chart-models-title\"",
        "<title>priced: 2 (66.6 %)</title>",
        "<title>other: 1 (33.3 %)</title>",
        "href=\"#by-model\"",
    ] {
        assert!(chart.contains(part), "{part}: {chart}");
    }
    let (_, table) = page.split_once("id=\"by-model\"").unwrap();
    let (table, _) = table.split_once("</table>").unwrap();
    assert_eq!(table.matches("<th scope=\"row\">").count(), 2, "{table}");
    assert_eq!(table.matches("<th scope=\"col\"").count(), 11, "{table}");
}

#[tokio::test]
async fn days_that_are_chosen_are_shown_and_exported() {
    let (app, store) = with_model().await;
    let day = 86_400;
    store
        .record_calls(&[
            call("priced", 10),
            call("priced", 40 * day),
            call("priced", 50 * day),
        ])
        .unwrap();
    let zone = store.zone().unwrap();
    let (from, to) = (zone.date(now() - 41 * day), zone.date(now() - 39 * day));
    let page = app
        .page(&format!("{PAGE}?range=custom&from={from}&to={to}"))
        .await;
    assert!(page.contains("id=\"calls\">1<"), "{page}");
    assert!(
        page.contains(&format!("name=\"from\" value=\"{from}\"")),
        "{page}"
    );
    for (kind, lines) in [("csv", 2), ("jsonl", 1)] {
        let export = page
            .split("href=\"/api/admin/usage/export?")
            .skip(1)
            .map(|rest| rest.split_once('"').unwrap().0.replace("&#38;", "&"))
            .find(|query| query.contains(&format!("format={kind}")))
            .unwrap();
        let path = format!("/api/admin/usage/export?{export}");
        let response = app.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let text = response.text().await.unwrap();
        assert_eq!(text.lines().count(), lines, "{kind}: {text}");
        assert!(text.contains("priced"), "{kind}: {text}");
    }
}

#[tokio::test]
async fn the_chart_has_a_table_with_a_row_a_span() {
    let (app, store) = with_model().await;
    store.record_calls(&[call("priced", 10)]).unwrap();
    for (query, spans) in [("", 24), ("?range=7d", 7), ("?range=30d", 30)] {
        let page = app.page(&format!("{PAGE}{query}")).await;
        let (_, chart) = page.split_once("aria-label=\"Chart over time\"").unwrap();
        let (chart, _) = chart.split_once("</section>").unwrap();
        assert!(chart.contains("<svg id=\"chart-spans\""), "{chart}");
        assert!(chart.contains("role=\"img\""), "{chart}");
        assert!(chart.contains("<rect class=\"p0\""), "{chart}");
        assert_eq!(
            chart.matches("<th scope=\"row\">").count(),
            spans,
            "{query}"
        );
        assert!(!page.contains(" style="), "{page}");
    }
}

#[tokio::test]
async fn filters_are_in_the_address_and_in_the_export() {
    let (app, store) = with_model().await;
    let mut other = call("other", 20);
    other.key_id = None;
    other.key_label = None;
    other.virtual_model_id = None;
    store
        .record_calls(&[call("priced", 10), call("priced", 15), other])
        .unwrap();
    for (query, calls) in [
        ("", "3"),
        ("?model=priced", "2"),
        ("?model=other", "1"),
        ("?key=7", "2"),
        ("?endpoint=1&model=other", "1"),
        ("?range=30d&key=7&model=priced", "2"),
    ] {
        let page = app.page(&format!("{PAGE}{query}")).await;
        assert!(
            page.contains(&format!("id=\"calls\">{calls}<")),
            "{query}: {page}"
        );
    }
    let page = app.page(&format!("{PAGE}?model=other")).await;
    let (_, rest) = page.split_once("href=\"/api/admin/usage/export?").unwrap();
    let (export, _) = rest.split_once('"').unwrap();
    let export = export.replace("&#38;", "&").replace("&amp;", "&");
    let response = app
        .request(Method::GET, &format!("/api/admin/usage/export?{export}"))
        .send()
        .await
        .unwrap();
    let csv = response.text().await.unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let none = app.page(&format!("{PAGE}?model=nobody")).await;
    assert!(none.contains("id=\"no-usage\""), "{none}");
}

#[tokio::test]
async fn what_has_no_price_is_named_and_can_be_charged_anew() {
    let (app, store) = with_model().await;
    let mut unpriced = call(BAD_NAME, 30);
    unpriced.virtual_model_id = Some(2);
    unpriced.attempts[0].virtual_model_id = Some(2);
    store.record_calls(&[unpriced, call("priced", 60)]).unwrap();
    let page = app.page(PAGE).await;
    assert!(page.contains("id=\"unpriced\""), "{page}");
    for bad in ["<script>alert", "<i>", "\u{202e}", "\u{7}"] {
        assert!(!page.contains(bad), "{bad:?}: {page}");
    }
    assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");

    // The price comes later, and the calls are charged by it once that is agreed to.
    let price = json!({"valid_from": now() - 3600, "cost_per_1m_tokens_in": 20});
    let (status, body) = app.post("/api/admin/virtual-models/1/prices", &price).await;
    assert_eq!(status, 200, "{body}");
    let before = store.usage(&UsageQuery::between(0, now()), &[]).unwrap();
    let token = token(&page);
    let zone = store.zone().unwrap();
    let (from, to) = (zone.date(now() - 100), zone.date(now()));
    let fields = [
        ("_token", token.as_str()),
        ("from", &from),
        ("to", &to),
        ("model", "priced"),
    ];
    let path = format!("{PAGE}/reprice");
    let preview = app.form(&path, &fields).send().await.unwrap();
    assert_eq!(preview.status(), 200);
    let preview = preview.text().await.unwrap();
    let after = store.usage(&UsageQuery::between(0, now()), &[]).unwrap();
    assert_eq!(
        after.whole().cost(),
        before.whole().cost(),
        "a look changes nothing"
    );
    let (_, rest) = preview.split_once("name=\"token\" value=\"").unwrap();
    let (state, _) = rest.split_once('"').unwrap();
    let mut agreed = fields.to_vec();
    agreed.push(("token", state));
    let done = app.form(&path, &agreed).send().await.unwrap();
    assert_eq!(done.status(), 303);
    let after = store.usage(&UsageQuery::between(0, now()), &[]).unwrap();
    assert!(after.whole().cost() > before.whole().cost());
    // Sent once more it is out of date, and nothing happens.
    let again = app.form(&path, &agreed).send().await.unwrap();
    assert_eq!(again.status(), 400);
    let forged = [
        ("_token", "0"),
        ("from", "2026-01-01"),
        ("to", "2026-01-02"),
    ];
    let forged = app.form(&path, &forged).send().await.unwrap();
    assert_eq!(forged.status(), 403);
}

#[tokio::test]
async fn what_providers_say_otherwise_is_told() {
    let (app, store) = with_model().await;
    let mut disputed = call("priced", 30);
    disputed.usage.cost = Some(9_000_000);
    disputed.attempts[0].usage = Some(disputed.usage);
    store.record_calls(&[disputed]).unwrap();
    let page = app.page(PAGE).await;
    assert!(page.contains("id=\"disputed\""), "{page}");
    assert!(page.contains("$0.009"), "{page}");
}

#[tokio::test]
async fn an_empty_page_and_a_bad_range_say_what_to_do() {
    let app = App::start();
    let page = app.page(PAGE).await;
    assert!(page.contains("Connect a client"), "{page}");
    let page = app.page(&format!("{PAGE}?range=custom&from=never")).await;
    assert!(page.contains("id=\"from-error\""), "{page}");
    let page = app
        .page(&format!(
            "{PAGE}?range=nonsense&endpoint=x&key=&measure=%3Cb%3E&rows=1"
        ))
        .await;
    assert!(!page.contains("<b>"), "{page}");
}
