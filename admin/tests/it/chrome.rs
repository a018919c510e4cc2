//! A real browser before the admin app: Chromium without a window, driven over WebDriver.
//!
//! Whatever is looked for is waited for, up to a deadline.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::extensions::query::{ElementPoller, ElementPollerWithTimeout, IntoElementPoller};
use thirtyfour::prelude::*;

use crate::harness::client;

const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    On,
    Off,
}

/// A browser with a profile of its own; ended when dropped.
pub(crate) struct Chrome {
    driver: WebDriver,
    /// The address of the admin app.
    base: String,
    service: Service,
    _profile: TempDir,
}

impl Chrome {
    /// Starts one before the app at `base`.
    pub(crate) async fn start(base: &str, script: Script) -> Self {
        let service = Service::start();
        let profile = TempDir::new().unwrap();
        let mut wanted = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-proxy-server",
            // Nothing but this machine is reached, whatever the browser would like to fetch.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
        ] {
            wanted.add_arg(argument).unwrap();
        }
        let folder = format!("--user-data-dir={}", profile.path().display());
        wanted.add_arg(&folder).unwrap();
        if script == Script::Off {
            let off = json!({ "profile.managed_default_content_settings.javascript": 2 });
            wanted.add_experimental_option("prefs", off).unwrap();
        }
        let logs = json!({ "browser": "ALL" });
        wanted.set("goog:loggingPrefs", logs).unwrap();
        let driver = WebDriver::builder(&service.url, wanted)
            .client(client())
            .poller(Arc::new(Patience))
            .await
            .unwrap();
        let chrome = Self {
            driver,
            base: base.to_owned(),
            service,
            _profile: profile,
        };
        chrome.resize(1280, 900).await;
        chrome
    }

    /// That the browser had nothing to complain of in any page: no refused script or style,
    /// nothing missing.
    pub(crate) async fn has_no_complaints(&self) {
        let complaints = self.driver.browser_log().await.unwrap();
        let mut severe = complaints.iter().filter(|entry| entry.level == "SEVERE");
        assert!(severe.next().is_none(), "{complaints:#?}");
    }

    /// Ends it in good order.
    pub(crate) async fn quit(self) {
        self.driver.clone().quit().await.unwrap();
    }

    pub(crate) async fn go(&self, path: &str) {
        self.open(&format!("{}{path}", self.base)).await;
    }

    pub(crate) async fn open(&self, address: &str) {
        self.driver.goto(address).await.unwrap();
    }

    /// The path of the page that is shown, with its query.
    pub(crate) async fn path(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        url.as_str()[url.origin().ascii_serialization().len()..].to_owned()
    }

    /// A cookie's value.
    pub(crate) async fn cookie(&self, name: &str) -> String {
        self.driver.get_named_cookie(name).await.unwrap().value
    }

    pub(crate) async fn source(&self) -> String {
        self.driver.source().await.unwrap()
    }

    async fn element(&self, by: By) -> WebElement {
        let found = self.driver.query(by.clone()).and_displayed().first().await;
        match found {
            Ok(element) => element,
            Err(why) => panic!("{by:?}: {why}\n{}", self.text().await),
        }
    }

    /// What is to be read on the page.
    async fn text(&self) -> String {
        let body = self.driver.find(By::Tag("body")).await.unwrap();
        format!("{}\n{}", self.path().await, body.text().await.unwrap())
    }

    /// Types a text in the place of what a field holds.
    pub(crate) async fn fill(&self, id: &str, text: &str) {
        let field = self.element(By::Id(id)).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses keys, whatever has the focus.
    pub(crate) async fn keys(&self, keys: &str) {
        let pressed = self.driver.action_chain().send_keys(keys);
        pressed.perform().await.unwrap();
    }

    /// What a field holds.
    pub(crate) async fn value(&self, id: &str) -> String {
        let field = self.element(By::Id(id)).await;
        field.prop("value").await.unwrap().unwrap()
    }

    /// Chooses from a list by the value.
    pub(crate) async fn choose(&self, id: &str, value: &str) {
        let option = format!("[id='{id}'] option[value='{value}']");
        self.element(By::Css(option)).await.click().await.unwrap();
    }

    async fn button(&self, name: &str) -> WebElement {
        let named = format!(
            "//button[not(@aria-hidden)][normalize-space()='{name}' or @aria-label='{name}']"
        );
        self.element(By::XPath(named)).await
    }

    /// Uses a button that stays on the page, or whose page is waited for by what is seen next.
    pub(crate) async fn press(&self, name: &str) {
        self.button(name).await.click().await.unwrap();
    }

    /// Uses a button, and waits until the page is another one.
    pub(crate) async fn send(&self, name: &str) {
        let button = self.button(name).await;
        self.leave_by(button).await;
    }

    /// Follows the link with this text below what `within` selects.
    pub(crate) async fn follow(&self, within: &str, name: &str) {
        let link = self.element(By::Css(within)).await;
        let named = format!(".//a[starts-with(normalize-space(), '{name}')]");
        let link = link.query(By::XPath(named)).first().await;
        self.leave_by(link.unwrap()).await;
    }

    async fn leave_by(&self, element: WebElement) {
        let page = self.driver.find(By::Tag("html")).await.unwrap();
        element.click().await.unwrap();
        page.wait_until().stale().await.unwrap();
    }

    /// That an element which `css` selects says `text`, and what all of it says.
    pub(crate) async fn see(&self, css: &str, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.saying(css, text).await {
                return found;
            }
            let page = self.text().await;
            assert!(Instant::now() < deadline, "{css} never says {text}: {page}");
            tokio::task::yield_now().await;
        }
    }

    /// The same on a page that is loaded again until it does.
    pub(crate) async fn see_at(&self, path: &str, css: &str, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.go(path).await;
            if let Some(found) = self.saying(css, text).await {
                return found;
            }
            let page = self.text().await;
            assert!(Instant::now() < deadline, "{css} never says {text}: {page}");
        }
    }

    /// An element may be gone before it is read: then it says nothing.
    async fn saying(&self, css: &str, text: &str) -> Option<String> {
        for element in self.driver.find_all(By::Css(css)).await.unwrap() {
            let found = element.text().await.unwrap_or_default();
            if found.contains(text) {
                return Some(found);
            }
        }
        None
    }

    /// How many elements `css` selects.
    pub(crate) async fn count(&self, css: &str) -> usize {
        self.driver.find_all(By::Css(css)).await.unwrap().len()
    }

    /// A computed property of the style.
    pub(crate) async fn style(&self, css: &str, property: &str) -> String {
        let element = self.element(By::Css(css)).await;
        element.css_value(property).await.unwrap()
    }

    /// An attribute as the page has it.
    pub(crate) async fn attribute(&self, css: &str, name: &str) -> String {
        let element = self.element(By::Css(css)).await;
        element.attr(name).await.unwrap().unwrap_or_default()
    }

    /// The size of what a person sees of a page.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.tools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Runs a script of the test's own and gives what it returns, or what comes of its promise.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let returned = self.driver.execute(script, Vec::new()).await.unwrap();
        returned.json().clone()
    }

    /// Writes a picture of the whole page.
    pub(crate) async fn picture(&self, file: &Path, width: u32) {
        let height = self
            .run("return document.documentElement.scrollHeight")
            .await;
        let height = u32::try_from(height.as_u64().unwrap()).unwrap();
        self.resize(width, height.clamp(600, 6000)).await;
        self.driver.screenshot(file).await.unwrap();
        self.resize(width, 900).await;
    }

    async fn tools(&self, command: &str, arguments: Value) {
        let done = self.driver.cdp().send_raw(command, arguments).await;
        done.unwrap();
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        // Before the driver's own end, which waits for an answer of it.
        self.service.end();
    }
}

/// How long elements are waited for.
#[derive(Debug)]
struct Patience;

impl IntoElementPoller for Patience {
    fn start(&self) -> Box<dyn ElementPoller + Send + Sync> {
        Box::new(ElementPollerWithTimeout::new(PATIENCE, PAUSE))
    }
}

/// A running chromedriver, which ends its browsers with itself.
struct Service {
    child: Child,
    url: String,
    /// Kept open: it goes on writing.
    _said: BufReader<ChildStdout>,
}

impl Service {
    fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is missing; install it: scripts/needs.sh test");
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let url = said.by_ref().lines().map(Result::unwrap).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(format!("http://127.0.0.1:{}", port.trim_end_matches('.')))
        });
        Self {
            child,
            url: url.expect("chromedriver ended without saying where it listens"),
            _said: said,
        }
    }
}

impl Service {
    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}
