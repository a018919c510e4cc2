//! Every form of the pages against those who may not send it: the list is
//! `tests/cases/forms.txt`, and a unit test of the program sees that none is missing in it.
//! `public` are those before a login, `open` those that a viewer may send too.

use reqwest::header::LOCATION;
use serde_json::{Value, json};

use crate::harness::{App, answer, token};
use crate::people::{Person, app_with_admin, viewer};

/// The path with this id in it, and what else is said of it.
fn forms(id: &str) -> Vec<(String, &'static str)> {
    let lines = include_str!("../cases/forms.txt").lines();
    let forms = lines.map(|line| {
        let (path, flag) = line.split_once(' ').unwrap_or((line, ""));
        (path.replace("{id}", id), flag)
    });
    forms.collect()
}

/// One row of each kind, all with the id 1 but the users, of whom there are two.
async fn furnished() -> (App, Person, Person) {
    let (app, ada) = app_with_admin().await;
    for (path, body) in [
        (
            "/endpoints",
            json!({ "name": "e", "url": "http://127.0.0.1:9" }),
        ),
        (
            "/virtual-models",
            json!({ "name": "m", "endpoint_id": 1, "actual_model": "x" }),
        ),
        (
            "/api/admin/tool-aliases",
            json!({ "tool_name": "t", "parameter": "p", "aliases": ["q"] }),
        ),
        ("/api/admin/inbound-keys", json!({ "label": "k" })),
    ] {
        let request = ada.request(&app, reqwest::Method::POST, path);
        let (status, refusal) = answer(request.json(&body)).await;
        assert_eq!(status, 200, "{path}: {refusal}");
    }
    let vic = viewer(&app, &ada).await;
    (app, ada, vic)
}

/// The whole configuration and who changed what: what nothing here may move.
async fn stored(app: &App, ada: &Person) -> (Value, String) {
    let request = ada.request(app, reqwest::Method::GET, "/api/admin/configuration");
    let (_, document) = answer(request).await;
    let audit = ada.page(app, "/proxy-dashboard/audit").await;
    let (_, audit) = audit.split_once("<tbody>").unwrap();
    let (audit, _) = audit.split_once("</tbody>").unwrap();
    (document, audit.to_owned())
}

async fn token_of(app: &App, person: &Person) -> String {
    token(&person.page(app, "/proxy-dashboard").await)
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_led_to_the_login() {
    let (app, ada, _vic) = furnished().await;
    let before = stored(&app, &ada).await;
    let proof = token_of(&app, &ada).await;
    for (path, flag) in forms("1") {
        let request = app.form(&path, &[("_token", &proof)]);
        let response = request.header("accept", "text/html").send().await.unwrap();
        if flag == "public" {
            assert!(response.status().is_client_error(), "{path}");
            continue;
        }
        assert_eq!(response.status(), 303, "{path}");
        let place = response.headers()[LOCATION].to_str().unwrap();
        assert!(place.starts_with("/login"), "{path}: {place}");
    }
    assert_eq!(stored(&app, &ada).await, before);
}

#[tokio::test]
async fn forged_forms_are_refused_everywhere() {
    let (app, ada, vic) = furnished().await;
    let before = stored(&app, &ada).await;
    let (own, other) = (token_of(&app, &ada).await, token_of(&app, &vic).await);
    let site = ("origin", "http://evil.example");
    let fetch = ("sec-fetch-site", "cross-site");
    let plain = ("accept", "text/html");
    for (path, flag) in forms("1") {
        for (told, proof, header) in [
            ("no token", None, plain),
            ("an empty token", Some(""), plain),
            ("another's token", Some(other.as_str()), plain),
            ("another site", Some(own.as_str()), site),
            ("another site's fetch", Some(own.as_str()), fetch),
        ] {
            // Before a login there is nothing to forge; where a page of another site is from,
            // its browser says.
            if flag == "public" && header == plain {
                continue;
            }
            let fields: Vec<_> = proof.iter().map(|proof| ("_token", *proof)).collect();
            let request = app
                .form(&path, &fields)
                .header("cookie", &ada.cookie)
                .header(header.0, header.1);
            assert_eq!(request.send().await.unwrap().status(), 403, "{path} {told}");
        }
    }
    assert_eq!(stored(&app, &ada).await, before);
}

#[tokio::test]
async fn a_viewer_sends_nothing_that_changes_anything() {
    let (app, ada, vic) = furnished().await;
    let before = stored(&app, &ada).await;
    for (path, flag) in forms("1") {
        if flag == "public" || path.ends_with("/logout") {
            continue;
        }
        let proof = token_of(&app, &vic).await;
        let request = app
            .form(&path, &[("_token", &proof)])
            .header("cookie", &vic.cookie);
        let status = request.send().await.unwrap().status();
        assert_eq!(status == 403, flag != "open", "{path}: {status}");
    }
    assert_eq!(stored(&app, &ada).await, before);
}

#[tokio::test]
async fn forms_of_what_is_not_there_say_so() {
    let (app, ada, _vic) = furnished().await;
    let before = stored(&app, &ada).await;
    let proof = token_of(&app, &ada).await;
    for id in ["4711", "no-number"] {
        for ((path, _), (kind, _)) in forms(id).into_iter().zip(forms("{id}")) {
            if !kind.contains("{id}") {
                continue;
            }
            // What a form needs to be looked at.
            let password = "another good password";
            let fields = [
                ("_token", proof.as_str()),
                ("name", "n"),
                ("url", "http://127.0.0.1:9"),
                ("model", "m"),
                ("role", "viewer"),
                ("password", password),
                ("again", password),
            ];
            let request = app
                .form(&path, &fields)
                .header("cookie", &ada.cookie)
                .header("accept", "text/html");
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 404, "{path}");
            let page = response.text().await.unwrap();
            assert!(page.contains("role=\"alert\""), "{path}: {page}");
        }
    }
    assert_eq!(stored(&app, &ada).await, before);
}
