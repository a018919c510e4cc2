//! Pages in a real browser without a mouse, and what a page shows while nobody touches it.

use serde_json::json;

use crate::chrome::{Chrome, Script};
use crate::harness::App;
use crate::usage_page::{call, with_model};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// Numbers what can be reached on the page in its order, and says how many there are. Of the
/// buttons of a choice, one is reached by a tab and the others by arrows.
const NUMBERED: &str = "
    const all = document.querySelectorAll('a[href],button,input,select,textarea,summary');
    const reached = [...all].filter((e) => !e.disabled && e.tabIndex >= 0 && e.type !== 'hidden'
        && e.checkVisibility() && !(e.type === 'radio' && !e.checked));
    reached.forEach((e, at) => { e.dataset.at = at; });
    return reached.length;";

/// The number of what has the focus, and whether one can see that it has.
const FOCUSED: &str = "
    const e = document.activeElement;
    return [Number(e.dataset.at ?? -1), getComputedStyle(e).outlineStyle !== 'none', e.outerHTML];";

/// More than any page wants: a field for a date takes a tab for each of its parts.
const TABS: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn everything_on_a_page_is_reached_in_its_order_and_seen() {
    let (app, store) = with_model().await;
    store.record_calls(&[call("priced", 5)]).unwrap();
    let chrome = Chrome::start(&app.base, Script::On).await;
    for page in [
        "",
        "/endpoints",
        "/endpoints/new",
        "/models/1",
        "/patterns/1",
        "/usage",
        "/activity",
        "/keys/new",
        "/settings",
        "/audit",
    ] {
        chrome.go(&format!("/proxy-dashboard{page}")).await;
        let all = chrome.run(NUMBERED).await.as_i64().unwrap();
        assert!(all > 15, "{page}: {all}");
        let mut last = -1;
        for _ in 0..TABS {
            if last == all - 1 {
                break;
            }
            chrome.keys(TAB).await;
            let focused = chrome.run(FOCUSED).await;
            let at = focused[0].as_i64().unwrap();
            // What is scrolled is reached too, and has no number.
            if at == -1 || at == last {
                continue;
            }
            assert_eq!(at, last + 1, "{page}: {focused}");
            assert_eq!(focused[1], true, "{page}: {focused}");
            last = at;
        }
        assert_eq!(last, all - 1, "{page}: not reached");
    }
    chrome.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_by_the_keyboard_alone() {
    let app = App::start();
    let chrome = Chrome::start(&app.base, Script::On).await;
    chrome.go("/proxy-dashboard/keys").await;
    chrome.keys(TAB).await;
    chrome.keys(ENTER).await;
    let within = "return document.getElementById('content').contains(document.activeElement)";
    assert_eq!(
        chrome.run(within).await,
        true,
        "the way past the navigation"
    );
    to(
        &chrome,
        "document.activeElement.pathname === '/proxy-dashboard/keys/new'",
    )
    .await;
    chrome.keys(ENTER).await;
    chrome.see("h1", "New key").await;
    to(&chrome, "document.activeElement.id === 'label'").await;
    chrome.keys("laptop").await;
    chrome.keys(ENTER).await;
    chrome.see("#key", "spk_").await;
    chrome.quit().await;
}

/// Goes on by tabs until this is so.
async fn to(chrome: &Chrome, condition: &str) {
    for _ in 0..TABS {
        chrome.keys(TAB).await;
        if chrome.run(&format!("return {condition}")).await == json!(true) {
            return;
        }
    }
    panic!("no tab leads to where {condition}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_calls_appear_while_the_page_is_looked_at() {
    let (app, store) = with_model().await;
    store.record_calls(&[call("priced", 5)]).unwrap();
    let chrome = Chrome::start(&app.base, Script::On).await;
    chrome.go("/proxy-dashboard/activity").await;
    chrome.see("#calls tbody tr", "priced").await;
    assert_eq!(chrome.count("#calls tbody tr").await, 1);
    // Gone, were the page loaded again.
    to(&chrome, "document.activeElement.name === 'id'").await;
    chrome.keys("being typed").await;
    store.record_calls(&[call("named-later", 1)]).unwrap();
    chrome.see("#calls tbody tr", "named-later").await;
    assert_eq!(chrome.count("#calls tbody tr").await, 2);
    let typed = "return document.querySelector('[name=id]').value";
    assert_eq!(chrome.run(typed).await, "being typed");
    chrome.quit().await;
}
