//! The built-in login: the first admin, sessions, roles, forged requests, lost passwords.

use std::io::Write as _;
use std::process::Stdio;

use reqwest::Method;
use serde_json::json;
use store::{Login, Origin, Secret, Store};

use crate::harness::{App, answer, command};
use crate::people::{
    PASSWORD, Person, app_with_admin, app_with_admin_and, cookie, log_in, set_up, set_up_token,
    viewer,
};
use crate::usage_page::now;

#[tokio::test]
async fn the_set_up_link_works_once_and_each_start_prints_another() {
    let app = App::start_with(&[("AUTH_ENABLED", "true")]);
    let first = set_up_token(&app);
    let app = app.restart_with(&[("AUTH_ENABLED", "true")]);
    let second = set_up_token(&app);
    assert_ne!(first, second);
    for bad in ["", "x", &first] {
        let response = set_up(&app, bad, "eve").await;
        assert_eq!(response.status(), 403, "{bad}");
        let page = app.request(Method::GET, &format!("/set-up?token={bad}"));
        assert_eq!(page.send().await.unwrap().status(), 403);
    }
    let page = app.page(&format!("/set-up?token={second}")).await;
    assert!(page.contains("The first admin"), "{page}");
    let response = set_up(&app, &second, "ada").await;
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["location"], "/proxy-dashboard");
    let ada = Person {
        cookie: cookie(&response),
    };
    assert!(ada.page(&app, "/proxy-dashboard").await.contains("ada"));
    assert_eq!(set_up(&app, &second, "eve").await.status(), 403);
    let app = app.restart_with(&[("AUTH_ENABLED", "true")]);
    assert_eq!(app.said, Vec::<String>::new());
    // The session is in the store, not in the program.
    ada.page(&app, "/proxy-dashboard").await;
}

#[tokio::test]
async fn weak_names_and_passwords_are_refused_beside_the_field() {
    let app = App::start_with(&[("AUTH_ENABLED", "true")]);
    let token = set_up_token(&app);
    for (user, password, again, field) in [
        ("ada", "short", "short", "password"),
        ("ada", PASSWORD, "another one here", "again"),
        ("<b>", PASSWORD, PASSWORD, "user"),
    ] {
        let form = [
            ("token", token.as_str()),
            ("user", user),
            ("password", password),
            ("again", again),
        ];
        let response = app.form("/set-up", &form).send().await.unwrap();
        assert_eq!(response.status(), 400);
        let page = response.text().await.unwrap();
        assert!(page.contains(&format!("id=\"{field}-error\"")), "{page}");
        assert!(!page.contains("<b>") && !page.contains(PASSWORD), "{page}");
    }
    assert_eq!(set_up(&app, &token, "ada").await.status(), 303);
}

#[tokio::test]
async fn a_login_leads_back_to_the_page_and_to_no_other_site() {
    let (app, ada) = app_with_admin().await;
    let response = app
        .request(Method::GET, "/proxy-dashboard/keys?q=a%20b")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 303);
    let to = response.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(to, "/login?return=%2Fproxy-dashboard%2Fkeys%3Fq%3Da%2520b");
    let page = app.page(&to).await;
    assert!(
        page.contains("value=\"/proxy-dashboard/keys?q=a%20b\""),
        "{page}"
    );
    for (back, to) in [
        (
            "/proxy-dashboard/keys?q=a%20b",
            "/proxy-dashboard/keys?q=a%20b",
        ),
        ("https://evil.example", "/proxy-dashboard"),
        ("//evil.example", "/proxy-dashboard"),
        ("/\\evil.example", "/proxy-dashboard"),
    ] {
        let form = [("user", "ADA"), ("password", PASSWORD), ("return", back)];
        let response = app.form("/login", &form).send().await.unwrap();
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()["location"], to, "{back}");
        let set = response.headers()["set-cookie"].to_str().unwrap();
        for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set.contains("Secure"), "{set}");
        // Whoever is there already need not log in.
        let query = url::form_urlencoded::byte_serialize(back.as_bytes()).collect::<String>();
        let request = ada.request(&app, Method::GET, &format!("/login?return={query}"));
        assert_eq!(request.send().await.unwrap().headers()["location"], to);
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_are_told_alike_and_tried_only_so_often() {
    let (app, _) = app_with_admin().await;
    let mut texts = Vec::new();
    for user in ["ada", "nobody"] {
        let form = [("user", user), ("password", "not the right one")];
        let response = app.form("/login", &form).send().await.unwrap();
        assert_eq!(response.status(), 403);
        assert!(!response.headers().contains_key("set-cookie"));
        texts.push(response.text().await.unwrap().replace(user, "X"));
    }
    assert_eq!(texts[0], texts[1]);
    let mut refused = None;
    for _ in 0..30 {
        let response = log_in(&app, "ada", "not the right one").await;
        if response.status() == 429 {
            refused = Some(response);
            break;
        }
        assert_eq!(response.status(), 401);
    }
    let refused = refused.expect("it can be tried for ever");
    assert!(refused.headers().contains_key("retry-after"));
    let right = log_in(&app, "ada", PASSWORD).await;
    assert_eq!(
        right.status(),
        429,
        "the right password gets round the limit"
    );
}

#[tokio::test]
async fn behind_https_the_cookie_is_secure_when_the_proxy_is_trusted() {
    for (trusted, secure) in [("127.0.0.1/32", true), ("10.0.0.0/8", false)] {
        let (app, _) = app_with_admin_and(&[("TRUSTED_PROXY_CIDRS", trusted)]).await;
        let body = json!({ "user": "ada", "password": PASSWORD });
        let request = app.request(Method::POST, "/api/login").json(&body);
        let request = request.header("x-forwarded-proto", "https");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let set = response.headers()["set-cookie"].to_str().unwrap();
        assert_eq!(set.contains("Secure"), secure, "{set}");
    }
}

#[tokio::test]
async fn an_hour_old_session_gets_another_token() {
    let (app, _) = app_with_admin().await;
    let store = Store::open(&app.database()).unwrap();
    let begun = store.log_in(
        "ada",
        &Secret::new(PASSWORD),
        &Origin::default(),
        now() - 3700,
    );
    let Login::Begun(session) = begun.unwrap() else {
        panic!("the password is right")
    };
    let old = Person {
        cookie: format!("sp_session={}", session.token.unwrap().expose()),
    };
    let request = old.request(&app, Method::GET, "/proxy-dashboard/keys");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let set = response.headers()["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(part), "{part}: {set}");
    }
    let fresh = Person {
        cookie: cookie(&response),
    };
    assert_ne!(fresh.cookie, old.cookie);
    // Forms of pages that were loaded before go on working: it is the same session.
    let page = response.text().await.unwrap();
    for person in [&old, &fresh] {
        let fields = [
            ("_token", &*crate::harness::token(&page)),
            ("theme", "dark"),
        ];
        let request = app.form("/proxy-dashboard/theme", &fields);
        let request = request.header("cookie", &person.cookie);
        assert_eq!(request.send().await.unwrap().status(), 303);
    }
    let again = fresh.request(&app, Method::GET, "/proxy-dashboard/keys");
    let again = again.send().await.unwrap();
    assert_eq!(again.status(), 200);
    assert!(
        !again.headers().contains_key("set-cookie"),
        "once is enough"
    );
}

#[tokio::test]
async fn people_are_listed_sorted_and_filtered_by_the_address() {
    let (app, ada) = app_with_admin().await;
    viewer(&app, &ada).await;
    let users = "/proxy-dashboard/settings/users";
    let rows = async |query: &str| -> Vec<String> {
        let page = ada.page(&app, &format!("{users}{query}")).await;
        let rows = page.split("<td data-label=\"Name\">").skip(1);
        rows.map(|row| row.split_once('<').unwrap().0.to_owned())
            .collect()
    };
    for (query, found) in [
        ("", vec!["ada", "vic"]),
        ("?sort=-name", vec!["vic", "ada"]),
        ("?sort=-role", vec!["vic", "ada"]),
        ("?role=viewer", vec!["vic"]),
        ("?q=AD", vec!["ada"]),
        ("?q=nobody", vec![]),
        ("?page=9&per=20&sort=evil", vec!["ada", "vic"]),
    ] {
        assert_eq!(rows(query).await, found, "{query}");
    }
    let page = ada.page(&app, &format!("{users}?q=nobody")).await;
    assert!(page.contains("Nobody is like that"), "{page}");
}

#[tokio::test]
async fn logging_out_ends_the_session_everywhere() {
    let (app, ada) = app_with_admin().await;
    let other = Person {
        cookie: cookie(&log_in(&app, "ada", PASSWORD).await),
    };
    let page = "/proxy-dashboard/settings/users";
    let response = ada.send(&app, page, "/proxy-dashboard/logout", &[]).await;
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["location"], "/login?notice=logged-out");
    let set = response.headers()["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("sp_session=;"), "{set}");
    let again = ada.request(&app, Method::GET, "/api/endpoints");
    assert_eq!(answer(again).await.0, 401);
    let logout = other.request(&app, Method::POST, "/api/logout");
    let logout = logout.header("x-requested-with", "a test");
    assert_eq!(answer(logout).await.0, 200);
    let again = other.request(&app, Method::GET, "/api/endpoints");
    assert_eq!(answer(again).await.0, 401);
}

#[tokio::test]
async fn a_viewer_sees_everything_and_changes_nothing() {
    let (app, ada) = app_with_admin().await;
    let vic = viewer(&app, &ada).await;
    let list = vic.request(&app, Method::GET, "/api/endpoints");
    assert_eq!(answer(list).await.0, 200);
    let body = json!({ "name": "a", "url": "http://127.0.0.1:9" });
    for (method, path) in [
        (Method::POST, "/api/admin/endpoints"),
        (Method::PUT, "/api/admin/endpoints/1"),
        (Method::DELETE, "/api/admin/endpoints/1"),
        (Method::POST, "/endpoints/1/test"),
        (Method::POST, "/api/admin/settings"),
        (Method::POST, "/api/admin/circuits/reset"),
    ] {
        let request = vic.request(&app, method.clone(), path).json(&body);
        let (status, body) = answer(request).await;
        assert_eq!(status, 403, "{method} {path}");
        assert!(body["error"].as_str().unwrap().contains("viewer"), "{body}");
    }
    let users = "/proxy-dashboard/settings/users";
    let page = vic.page(&app, users).await;
    assert!(!page.contains("Add somebody"), "{page}");
    let response = vic.send(&app, users, users, &[("user", "eve")]).await;
    assert_eq!(response.status(), 403);
    // What changes nothing of others is open.
    let request = vic.send(&app, users, "/proxy-dashboard/theme", &[("theme", "dark")]);
    assert_eq!(request.await.status(), 303);
    let old = [
        ("old", PASSWORD),
        ("password", "another good password"),
        ("again", "another good password"),
    ];
    let account = "/proxy-dashboard/account";
    assert_eq!(vic.send(&app, account, account, &old).await.status(), 303);
    assert_eq!(log_in(&app, "vic", PASSWORD).await.status(), 401);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let (app, ada) = app_with_admin().await;
    let users = "/proxy-dashboard/settings/users";
    let edit = format!("{users}/1/edit");
    for form in [
        [("role", "viewer"), ("enabled", "1")],
        [("role", "admin"), ("enabled", "0")],
    ] {
        let response = ada.send(&app, users, &edit, &form).await;
        assert_eq!(response.status(), 400);
        let page = response.text().await.unwrap();
        assert!(page.contains("the last admin"), "{page}");
    }
    let response = ada
        .send(&app, users, &format!("{users}/1/delete"), &[])
        .await;
    assert_eq!(response.status(), 400);
    ada.page(&app, users).await;
}

#[tokio::test]
async fn a_session_in_a_cookie_needs_more_for_what_a_form_could_send() {
    let (app, ada) = app_with_admin().await;
    let created = ada.request(&app, Method::POST, "/api/admin/endpoints");
    let created = created.json(&json!({ "name": "a", "url": "http://127.0.0.1:9" }));
    assert_eq!(answer(created).await.0, 200);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        for path in [
            "/endpoints/1/test",
            "/endpoints",
            "/endpoints/1/delete",
            "/api/logout",
        ] {
            let request = ada.request(&app, Method::POST, path);
            let request = request.header("content-type", kind).body("a=b");
            let (status, body) = answer(request).await;
            assert_eq!(status, 403, "{path} {kind} {body}");
        }
    }
    // A token of somebody else is none.
    let vic = viewer(&app, &ada).await;
    let users = "/proxy-dashboard/settings/users";
    let token = crate::harness::token(&vic.page(&app, users).await);
    let form = [("_token", token.as_str()), ("theme", "dark")];
    let request = app
        .form("/proxy-dashboard/theme", &form)
        .header("cookie", &ada.cookie);
    assert_eq!(request.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_lost_password_is_reset_on_the_machine_and_ends_sessions() {
    let (app, ada) = app_with_admin().await;
    let reset = |user: &str, password: &str| {
        let mut child = command(app.folder(), &[])
            .args(["reset-password", user])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(format!("{password}\n").as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    };
    for (user, password, word) in [
        ("eve", "good enough words", "eve"),
        ("ada", "short", "at least"),
    ] {
        let output = reset(user, password);
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(word) && !text.contains(password), "{text}");
    }
    ada.page(&app, "/proxy-dashboard").await;
    assert!(reset("ada", "good enough words").status.success());
    let old = ada.request(&app, Method::GET, "/api/endpoints");
    assert_eq!(answer(old).await.0, 401);
    assert_eq!(log_in(&app, "ada", PASSWORD).await.status(), 401);
    assert_eq!(log_in(&app, "ada", "good enough words").await.status(), 200);
}

#[tokio::test]
async fn link_local_endpoints_are_refused_unless_allowed() {
    let urls = [
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/",
        "http://0xA9FEA9FE/",
        "http://[fe80::1]/v1",
        "http://metadata.google.internal/",
    ];
    let app = App::start();
    let id = app.endpoint("a", "http://127.0.0.1:9").await;
    for url in urls {
        let body = json!({ "name": "b", "url": url });
        let (status, answer) = app.post("/api/admin/endpoints", &body).await;
        assert_eq!(status, 400, "{url}");
        assert!(
            answer["fields"]["url"]
                .as_str()
                .unwrap()
                .contains("ALLOW_LINK_LOCAL"),
            "{answer}"
        );
        let (status, _) = app
            .put(&format!("/endpoints/{id}"), &json!({ "url": url }))
            .await;
        assert_eq!(status, 400, "{url}");
    }
    let app = app.restart_with(&[("ALLOW_LINK_LOCAL_ENDPOINTS", "true")]);
    let (status, _) = app
        .put(&format!("/endpoints/{id}"), &json!({ "url": urls[0] }))
        .await;
    assert_eq!(status, 200);
    // Stored while it was allowed, and not called any more.
    let app = app.restart_with(&[]);
    let (status, report) =
        answer(app.request(Method::POST, &format!("/endpoints/{id}/test"))).await;
    assert_eq!(status, 200);
    assert!(
        report["error"].as_str().unwrap().contains("link-local"),
        "{report}"
    );
}
