//! The list of calls and the page of one: filters, paging, and names that are harmless.

use reqwest::Method;
use store::{Attempt, CallRecord, Capture, Outcome};

use crate::harness::App;
use crate::usage_page::{call, with_model};

const PAGE: &str = "/proxy-dashboard/activity";

/// The addresses of the calls that a page lists.
fn links(page: &str) -> Vec<String> {
    page.split("href=\"/proxy-dashboard/activity/")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap().0.to_owned())
        .collect()
}

/// Where a link with this `rel` leads.
fn link(page: &str, rel: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("rel=\"{rel}\" href=\""))?;
    let (link, _) = rest.split_once('"')?;
    Some(link.replace("&#38;", "&"))
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let (app, store) = with_model().await;
    let calls: Vec<_> = (0..130).map(|n| call("priced", n * 2)).collect();
    store.record_calls(&calls).unwrap();
    let mut seen = Vec::new();
    let mut next = Some(format!("{PAGE}?model=priced"));
    let mut pages = 0;
    while let Some(address) = next {
        let page = app.page(&address).await;
        assert_eq!(
            page.contains("data-refresh"),
            pages == 0,
            "only the newest change"
        );
        seen.extend(links(&page));
        next = link(&page, "next");
        pages += 1;
    }
    assert_eq!(pages, 3);
    assert_eq!(seen.len(), 130);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 130, "each once");
}

#[tokio::test]
async fn filters_leave_what_they_say() {
    let (app, store) = with_model().await;
    let failed = CallRecord {
        status: 429,
        outcome: Outcome::Refused,
        key_id: None,
        endpoint_id: Some(2),
        request_id: "wanted-1".to_owned(),
        ..call("other", 5000)
    };
    store
        .record_calls(&[call("priced", 10), call("priced", 20), failed])
        .unwrap();
    let zone = store.zone().unwrap();
    let hour_ago = zone.stamp(crate::usage_page::now() - 3600);
    let hour_ago = &hour_ago[..16];
    for (query, count) in [
        (String::new(), 3),
        ("model=other".to_owned(), 1),
        ("status=429".to_owned(), 1),
        ("status=200".to_owned(), 2),
        ("outcome=refused".to_owned(), 1),
        ("key=7".to_owned(), 2),
        ("endpoint=2".to_owned(), 1),
        ("id=wanted-1".to_owned(), 1),
        ("id=wanted".to_owned(), 0),
        (format!("from={hour_ago}"), 2),
        (format!("to={hour_ago}"), 1),
        ("outcome=success&model=other".to_owned(), 0),
        ("status=nonsense".to_owned(), 3),
    ] {
        let page = app.page(&format!("{PAGE}?{query}")).await;
        assert_eq!(links(&page).len(), count, "{query}");
        assert_eq!(page.contains("role=\"alert\""), query.contains("nonsense"));
    }
}

#[tokio::test]
async fn a_call_is_told_whole_and_harmless() {
    let (app, store) = with_model().await;
    let bad = "<img src=x onerror=alert(1)>\"'\u{202e}\u{1b}";
    let mut record = call(bad, 10);
    record.attempts.insert(
        0,
        Attempt {
            endpoint: bad.to_owned(),
            virtual_model: bad.to_owned(),
            model: bad.to_owned(),
            status: 502,
            code: Some(bad.to_owned()),
            ms: 77,
            ..Attempt::default()
        },
    );
    record.endpoint_name = Some(bad.to_owned());
    record.key_label = Some(bad.to_owned());
    record.request_id = bad.to_owned();
    record.route = Some(bad.to_owned());
    record.client = Some(bad.to_owned());
    record.address = Some(bad.to_owned());
    record.error_code = Some(bad.to_owned());
    record.tool_repairs = 2;
    record.upstream_ms = Some(1400);
    store.record_calls(&[record]).unwrap();
    let list = app.page(PAGE).await;
    let one = links(&list).remove(0);
    let detail = app.page(&format!("{PAGE}/{one}")).await;
    for page in [&list, &detail] {
        for part in ["<img", "\u{202e}", "\u{1b}", " style=", "onerror=alert(1)>"] {
            assert!(!page.contains(part), "{part:?}: {page}");
        }
        assert!(page.contains("2 tool calls mended"), "{page}");
        assert!(page.contains(", 77 ms"), "the candidate before: {page}");
    }
    for part in ["1.5 s", "1.4 s", "100 ms", "300 ms", "$0.0026", "real"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
}

#[tokio::test]
async fn a_call_that_is_gone_and_an_empty_list_say_so() {
    let app = App::start();
    for path in ["r1", "e1", "x1", "r", "r-1", "r99999999999999999999"] {
        let response = app
            .request(Method::GET, &format!("{PAGE}/{path}"))
            .header("accept", "text/html")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
    let page = app.page(PAGE).await;
    assert!(page.contains("Connect a client"), "{page}");
    let page = app.page(&format!("{PAGE}?model=%3Cb%3E")).await;
    assert!(
        page.contains("Show all calls") && !page.contains("<b>"),
        "{page}"
    );
}

#[tokio::test]
async fn kept_bodies_are_shown_harmless() {
    let (app, store) = with_model().await;
    let record = call("priced", 10);
    let mut capture = Capture::begun(
        record.request_id.clone(),
        record.started_at,
        b"{\"x\":\"<script>alert(1)</script>\x1b\"}",
    );
    capture.answered(b"data: </pre><b>\n\n");
    store.record_calls(&[record]).unwrap();
    let one = links(&app.page(PAGE).await).remove(0);
    let page = app.page(&format!("{PAGE}/{one}")).await;
    assert!(page.contains("capture_bodies"), "how to keep them: {page}");
    store.keep_captures(&[capture]).unwrap();
    let page = app.page(&format!("{PAGE}/{one}")).await;
    assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
    for part in ["<script>alert", "</pre><b>", "\x1b"] {
        assert!(!page.contains(part), "{part}: {page}");
    }
}
