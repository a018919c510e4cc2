//! Every endpoint: is it there, does it take the key, which models has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pingora::connectors::ConnectorOptions;
use pingora::server::configuration::ServerConf;
use store::config::Config;
use store::{Endpoint, Snapshot};
use wire::provider::ProviderKind;

use super::Doctor;
use super::verdict::Section;
use crate::upstream::{Listing, Pool, Timeouts, Trouble, listing};

/// The models of each endpoint that gave a list, by its id.
pub(super) type Lists = HashMap<i64, Vec<String>>;

/// Looks at all of them at once.
pub(super) fn look(config: &Config, snapshot: &Snapshot, how: &Doctor) -> (Section, Lists) {
    let mut section = Section::new("Endpoints");
    let mut lists = Lists::new();
    if snapshot.endpoints.is_empty() {
        section.note(
            "there is none",
            "add one in the admin app, or import a configuration",
        );
    }
    let (enabled, disabled): (Vec<_>, Vec<_>) = snapshot
        .endpoints
        .iter()
        .cloned()
        .partition(|endpoint| endpoint.enabled);
    for endpoint in &disabled {
        section.note(format!("{} is switched off", named(endpoint)), "");
    }
    for endpoint in &snapshot.endpoints {
        if endpoint.tls_insecure {
            section.warning(
                format!("{}: its certificate is not verified", named(endpoint)),
                "give it a ca_file instead of tls_insecure",
            );
        }
    }
    if how.is_offline() || enabled.is_empty() {
        if !enabled.is_empty() {
            section.note(format!("{} were not called (--offline)", enabled.len()), "");
        }
        return (section, lists);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(why) => {
            section.error(format!("no endpoint could be called: {why}"), "");
            return (section, lists);
        }
    };
    let answers = runtime.block_on(call(config, &enabled, Duration::from_secs(how.seconds())));
    for (endpoint, (answer, time)) in enabled.iter().zip(answers) {
        tell(endpoint, answer, time, &mut section, &mut lists);
    }
    (section, lists)
}

async fn call(
    config: &Config,
    endpoints: &[Arc<Endpoint>],
    limit: Duration,
) -> Vec<(Listing, Duration)> {
    let pool = Pool::new(&ConnectorOptions::from_server_conf(&ServerConf::default()));
    let mut timeouts = Timeouts::new(config);
    timeouts.connect = timeouts.connect.min(limit);
    timeouts.silence = timeouts.silence.min(limit);
    let one = async |endpoint: &Arc<Endpoint>| {
        let begun = Instant::now();
        let of_queue = config.ai_queue_api_key.as_ref();
        let shared = of_queue.filter(|_| endpoint.provider == ProviderKind::Queue);
        let key = endpoint.api_key.as_ref().or(shared);
        let asked = listing(endpoint, key, timeouts, &pool);
        let answer = tokio::time::timeout(limit, asked)
            .await
            .unwrap_or(Listing::Unreachable(Trouble::Slow));
        (answer, begun.elapsed())
    };
    join_all(endpoints.iter().map(one)).await
}

fn tell(
    endpoint: &Arc<Endpoint>,
    answer: Listing,
    time: Duration,
    section: &mut Section,
    lists: &mut Lists,
) {
    let name = named(endpoint);
    let url = store::masked_url(&endpoint.url);
    match answer {
        Listing::Models(models) => {
            section.ok(format!(
                "{name}: {} models, after {} ms",
                models.len(),
                time.as_millis()
            ));
            lists.insert(endpoint.id, models);
        }
        Listing::None => section.note(
            format!("{name}: its type has no list of models to ask for, so it was not called"),
            "try one of its virtual models in the admin app",
        ),
        Listing::Refused(401 | 403) if endpoint.api_key.is_none() => {
            section.error(
                format!("{name}: it wants a key, and has none here"),
                "enter its key",
            );
        }
        Listing::Refused(status @ (401 | 403)) => section.error(
            format!("{name}: it does not take the key (HTTP {status})"),
            "enter a key that its provider takes",
        ),
        Listing::Refused(status @ (404 | 405)) => section.warning(
            format!("{name}: there is no list of models at {url} (HTTP {status})"),
            format!(
                "see that the address is the API's and the type {} fits",
                endpoint.provider.id()
            ),
        ),
        Listing::Refused(429) => section.warning(
            format!("{name}: it answers, and says that it gets too many requests (HTTP 429)"),
            "try again later",
        ),
        Listing::Refused(status) => section.error(
            format!("{name}: it answers with HTTP {status}"),
            "see its own log, or its provider's status page",
        ),
        Listing::Unreadable(why) => section.warning(
            format!("{name}: {url} answers, but {why}"),
            format!(
                "see that the address is the API's and the type {} fits",
                endpoint.provider.id()
            ),
        ),
        Listing::Unreachable(trouble) => {
            let (why, todo) = words(trouble);
            section.error(format!("{name}: {url} cannot be reached: {why}"), todo);
        }
    }
}

/// Why, and what to do.
fn words(trouble: Trouble) -> (String, &'static str) {
    match trouble {
        Trouble::Endpoint(why) => (why, "correct it at the endpoint"),
        Trouble::Name(why) => (
            why,
            "see that the name in its address is right, and that this machine finds names",
        ),
        Trouble::Refused => (
            "nothing listens there".to_owned(),
            "start it, or correct its address",
        ),
        Trouble::Slow => (
            "it did not answer in time".to_owned(),
            "see that it runs and that no firewall is in between; --timeout gives it longer",
        ),
        Trouble::Tls(why) => (
            format!("TLS: {why}"),
            "give the endpoint the ca_file of its certificate's authority, or see that its \
             address and its certificate name the same host",
        ),
        Trouble::Other(why) => (
            why,
            "see that it runs, and correct its address if not there",
        ),
    }
}

fn named(endpoint: &Endpoint) -> String {
    format!("{:?}", endpoint.name)
}
