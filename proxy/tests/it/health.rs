//! Health checks: endpoints are asked on their own, circuits learn of the answers, and
//! all of it follows the configuration.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::crowd::{Crowd, Member, until};
use crate::process::PATIENCE;
use crate::scene::KEY;

/// Two failures are enough, and nothing heals by its time while a test runs.
const LIMITS: [(&str, &str); 2] = [
    ("CIRCUIT_FAILURE_THRESHOLD", "2"),
    ("CIRCUIT_COOLDOWN_SECONDS", "3600"),
];

const OFTEN: (&str, &str) = ("HEALTH_CHECK_INTERVAL", "0.1");

const WELL: (u16, &str) = (200, r#"{"status":"ok"}"#);
const DOWN: (u16, &str) = (200, r#"{"status":"down"}"#);

/// What answers health checks; dropping it ends it.
struct Gauge {
    url: String,
    answer: Arc<Mutex<(u16, &'static str)>>,
    /// The heads of all questions.
    asked: watch::Receiver<Vec<String>>,
    accepting: JoinHandle<()>,
}

impl Gauge {
    async fn saying(answer: (u16, &'static str)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/deep/up", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(answer));
        let (heard, asked) = watch::channel(Vec::new());
        let shared = Arc::clone(&answer);
        let accepting = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut lines = BufReader::new(&mut stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    lines.read_line(&mut head).await.unwrap();
                }
                let (status, body) = *shared.lock().unwrap();
                let length = body.len();
                let reply = format!(
                    "HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(reply.as_bytes()).await.unwrap();
                heard.send_modify(|heads: &mut Vec<String>| heads.push(head));
            }
        });
        Self {
            url,
            answer,
            asked,
            accepting,
        }
    }

    fn says(&self, answer: (u16, &'static str)) {
        *self.answer.lock().unwrap() = answer;
    }

    fn count(&self) -> usize {
        self.asked.borrow().len()
    }

    /// Waits for so many further questions. When the second has come, what was learnt from
    /// the answer to the first is known: one round follows the other.
    async fn asked_again(&self, times: usize) {
        let goal = self.count() + times;
        let mut asked = self.asked.clone();
        let reached = asked.wait_for(|heads| heads.len() >= goal);
        let reached = timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "asked {} times of {goal}", self.count());
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Two candidates, the first of which `gauge` speaks for.
async fn pair(gauge: &Gauge, interval: Option<(&str, &str)>) -> Crowd {
    let checked = Member::usual().endpoint(json!({"health_check_url": gauge.url}));
    let members = vec![checked, Member::usual()];
    let env: Vec<_> = LIMITS.into_iter().chain(interval).collect();
    Crowd::with(members, json!({"strategy": "backup"}), &env).await
}

async fn is(crowd: &Crowd, circuit: Option<&str>) {
    until("the circuit's state", async || {
        let entry = crowd.health(0).await;
        let state = entry["circuits"][0]["state"].as_str();
        (state == circuit).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_says_that_it_is_down_is_left_alone_until_it_is_well() {
    let gauge = Gauge::saying(DOWN).await;
    let crowd = pair(&gauge, Some(OFTEN)).await;
    is(&crowd, Some("open")).await;
    let entry = crowd.health(0).await;
    assert_eq!(entry["health_check"], "failing", "{entry}");
    assert_eq!(entry["circuits"][0]["last_error"], "health_check_failed");
    assert_eq!(crowd.health(1).await["health_check"], Value::Null);
    crowd.gateway.logged("the health check fails").await;
    for stream in [false, true] {
        assert_eq!(crowd.served_by(json!({"stream": stream})).await, 1);
    }
    assert_eq!(crowd.received(), [0, 2], "it is not called at all");

    gauge.says(WELL);
    is(&crowd, None).await;
    assert_eq!(crowd.health(0).await["health_check"], "ok");
    assert_eq!(crowd.served_by(json!({})).await, 0);
    crowd.gateway.logged("the health check succeeds").await;

    for head in gauge.asked.borrow().iter() {
        assert!(head.starts_with("GET /deep/up HTTP/1.1\r\n"), "{head}");
        assert!(!head.contains(KEY), "{head}");
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
    assert_eq!(crowd.ground.rows(3).await.len(), 3, "checks are no calls");
}

#[tokio::test]
async fn what_was_found_is_told_in_the_store() {
    let gauge = Gauge::saying(DOWN).await;
    let crowd = pair(&gauge, Some(OFTEN)).await;
    let found = async |is_well: bool| {
        until("a health check in the store", async || {
            let checks = crowd.ground.store.health_checks().unwrap();
            checks.into_iter().find(|check| check.is_well == is_well)
        })
        .await
    };
    let bad = found(false).await;
    assert_eq!(bad.endpoint_id, crowd.endpoints[0]);
    assert_eq!(
        bad.reason.as_deref(),
        Some("it says that its status is down")
    );
    assert!(bad.since <= bad.checked_at, "{bad:?}");
    gauge.says(WELL);
    let good = found(true).await;
    assert_eq!(good.reason, None);
    assert!(good.since >= bad.since, "{good:?}");
    // What is told of itself is no change of the configuration.
    let checks = crowd.ground.store.health_checks().unwrap();
    assert_eq!(checks.len(), 1, "{checks:?}");
}

#[tokio::test]
async fn every_bad_answer_counts_and_no_answer_too() {
    for bad in [(503, ""), (200, r#"{"healthy":false}"#)] {
        let gauge = Gauge::saying(bad).await;
        let crowd = pair(&gauge, Some(OFTEN)).await;
        is(&crowd, Some("open")).await;
    }
    let gauge = Gauge::saying(WELL).await;
    let crowd = pair(&gauge, Some(OFTEN)).await;
    gauge.asked_again(2).await;
    assert_eq!(crowd.health(0).await["circuits"], json!([]));
    drop(gauge);
    is(&crowd, Some("open")).await;
}

#[tokio::test]
async fn what_calls_have_opened_stays_open() {
    let gauge = Gauge::saying(WELL).await;
    let crowd = pair(&gauge, Some(OFTEN)).await;
    crowd.script(0, "status=500");
    for _ in 0..2 {
        assert_eq!(crowd.served_by(json!({})).await, 1);
    }
    gauge.asked_again(3).await;
    let entry = crowd.health(0).await;
    assert_eq!(entry["circuits"][0]["state"], "open", "{entry}");
    assert_eq!(entry["health_check"], "ok", "{entry}");
    assert_eq!(crowd.served_by(json!({})).await, 1);
    assert_eq!(crowd.received()[0], 2);
}

#[tokio::test]
async fn a_changed_endpoint_is_asked_where_it_now_is() {
    let (before, after) = (Gauge::saying(WELL).await, Gauge::saying(DOWN).await);
    let crowd = pair(&before, Some(OFTEN)).await;
    before.asked_again(1).await;
    let moved = json!({"health_check_url": after.url});
    crowd.ground.change_endpoint(crowd.endpoints[0], &moved);
    // The round that had begun before the change may still ask the old place.
    after.asked_again(2).await;
    let old = before.count();
    is(&crowd, Some("open")).await;
    after.asked_again(2).await;
    assert_eq!(before.count(), old);

    crowd
        .ground
        .change_endpoint(crowd.endpoints[0], &json!({"health_check_url": null}));
    is(&crowd, None).await;
    assert_eq!(crowd.served_by(json!({})).await, 0);

    let new = json!({"health_check_url": before.url});
    crowd.ground.change_endpoint(crowd.endpoints[1], &new);
    before.asked_again(2).await;
}

#[tokio::test]
async fn a_stored_interval_is_followed_from_and_to_never() {
    let gauge = Gauge::saying(DOWN).await;
    let other = Gauge::saying(WELL).await;
    let checked = Member::usual().endpoint(json!({"health_check_url": gauge.url}));
    let crowd = Crowd::with(
        vec![checked, Member::usual()],
        json!({"strategy": "backup"}),
        &LIMITS,
    )
    .await;
    // As the default has it, once a minute; then never.
    gauge.asked_again(1).await;
    let set = |value: Value| {
        crowd
            .ground
            .settings(&json!({"health_check_interval": value}));
    };
    set(json!(0));
    crowd.gateway.logged("new configuration in use").await;
    assert_eq!(gauge.count(), 1);
    set(json!(0.1));
    is(&crowd, Some("open")).await;
    gauge.asked_again(2).await;
    // An hour is long enough for nobody to be asked a second time.
    set(json!(3600));
    let revision = crowd.ground.store.revision().unwrap();
    is_at(&crowd, revision).await;
    let new = json!({"health_check_url": other.url});
    let asked = gauge.count();
    crowd.ground.change_endpoint(crowd.endpoints[1], &new);
    is_at(&crowd, crowd.ground.store.revision().unwrap()).await;
    assert!(
        gauge.count() <= asked + 1,
        "a round may have been under way"
    );
    set(json!(0.1));
    other.asked_again(2).await;
}

#[tokio::test]
async fn never_at_the_start_is_not_for_ever() {
    let gauge = Gauge::saying(DOWN).await;
    let mut crowd = pair(&gauge, None).await;
    gauge.asked_again(1).await;
    crowd
        .restart(&LIMITS, |ground| {
            ground.settings(&json!({"health_check_interval": 0}));
        })
        .await;
    let asked = gauge.count();
    assert_eq!(crowd.served_by(json!({})).await, 0);
    assert_eq!(gauge.count(), asked);
    crowd
        .ground
        .settings(&json!({"health_check_interval": 0.1}));
    is(&crowd, Some("open")).await;
}

#[tokio::test]
async fn what_the_environment_says_stays() {
    let gauge = Gauge::saying(WELL).await;
    let crowd = pair(&gauge, Some(OFTEN)).await;
    crowd.ground.settings(&json!({"health_check_interval": 0}));
    is_at(&crowd, crowd.ground.store.revision().unwrap()).await;
    gauge.asked_again(3).await;
}

/// Waits until the gateway uses that revision.
async fn is_at(crowd: &Crowd, revision: i64) {
    until("the revision", async || {
        let url = format!("{}/health", crowd.gateway.base);
        let report = crate::scene::answer(crowd.client.get(url)).await.json();
        (report["store"]["revision"] == revision).then_some(())
    })
    .await;
}
