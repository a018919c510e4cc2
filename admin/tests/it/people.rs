//! Sessions for tests: the first admin, further people, and requests with a cookie.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use crate::harness::{App, token};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody who is logged in.
pub(crate) struct Person {
    /// What the browser would send back.
    pub(crate) cookie: String,
}

impl Person {
    pub(crate) fn request(&self, app: &App, method: Method, path: &str) -> RequestBuilder {
        app.request(method, path).header("cookie", &self.cookie)
    }

    /// A page, which is there.
    pub(crate) async fn page(&self, app: &App, path: &str) -> String {
        let request = self.request(app, Method::GET, path);
        let response = request.header("accept", "text/html").send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    /// A form of the page at `of`, sent to `path` with that page's token.
    pub(crate) async fn send(
        &self,
        app: &App,
        of: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Response {
        let token = token(&self.page(app, of).await);
        let mut all = vec![("_token", token.as_str())];
        all.extend_from_slice(fields);
        let request = app.form(path, &all).header("cookie", &self.cookie);
        request.header("accept", "text/html").send().await.unwrap()
    }
}

/// An app that asks for a login, with the first admin set up and logged in.
pub(crate) async fn app_with_admin() -> (App, Person) {
    app_with_admin_and(&[]).await
}

pub(crate) async fn app_with_admin_and(env: &[(&str, &str)]) -> (App, Person) {
    let mut all = vec![("AUTH_ENABLED", "true")];
    all.extend_from_slice(env);
    let app = App::start_with(&all);
    let link = set_up_token(&app);
    let response = set_up(&app, &link, "ada").await;
    assert_eq!(response.status(), 303);
    let cookie = cookie(&response);
    (app, Person { cookie })
}

/// The token of the set-up link that the app has printed.
pub(crate) fn set_up_token(app: &App) -> String {
    let line = app.said.iter().find(|line| line.contains("/set-up?token="));
    let line = line.expect("no set-up link was printed");
    line.split_once("token=").unwrap().1.trim().to_owned()
}

pub(crate) async fn set_up(app: &App, token: &str, user: &str) -> Response {
    let form = [
        ("token", token),
        ("user", user),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    app.form("/set-up", &form).send().await.unwrap()
}

/// What a browser keeps of an answer that begins a session.
pub(crate) fn cookie(response: &Response) -> String {
    let all = response.headers().get_all("set-cookie").iter();
    let mut texts = all.map(|value| value.to_str().unwrap());
    let set = texts.find(|text| text.starts_with("sp_session=")).unwrap();
    set.split_once(';').unwrap().0.to_owned()
}

/// Logs in as programs do.
pub(crate) async fn log_in(app: &App, user: &str, password: &str) -> Response {
    let body = json!({ "user": user, "password": password });
    let request = app.request(Method::POST, "/api/login").json(&body);
    request.send().await.unwrap()
}

/// A viewer, made by `admin` and logged in.
pub(crate) async fn viewer(app: &App, admin: &Person) -> Person {
    let users = "/proxy-dashboard/settings/users";
    let form = [
        ("user", "vic"),
        ("role", "viewer"),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    let response = admin.send(app, users, users, &form).await;
    assert_eq!(response.status(), 303, "{}", response.text().await.unwrap());
    let response = log_in(app, "vic", PASSWORD).await;
    assert_eq!(response.status(), 200);
    Person {
        cookie: cookie(&response),
    }
}
