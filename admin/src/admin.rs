//! What every handler has at hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web;
use arc_swap::ArcSwapOption;
use store::config::Config;
use store::route::explain;
use store::{FormKey, Networks, Problem, Store, StoreError};

use crate::access::current;
use crate::access::external::External;
use crate::access::throttle::Throttle;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::probe::Prober;

/// The state of the admin app, shared by all workers.
pub(crate) struct Admin {
    store: Store,
    /// What forms are signed with.
    pub(crate) form_key: FormKey,
    /// Calls backends for their model lists.
    pub(crate) prober: Prober,
    /// Calls the gateway's public API.
    pub(crate) gateway: Gateway,
    /// The external login service, if there is one.
    pub(crate) external: Option<External>,
    /// How often logins were tried.
    pub(crate) throttle: Throttle,
    /// Proxies whose word about their callers is believed.
    pub(crate) proxies: Networks,
    /// What the environment sets, by variable; secrets masked.
    pub(crate) environment: BTreeMap<&'static str, String>,
    /// Whether a login is demanded.
    pub(crate) auth_enabled: bool,
    /// Port of the gateway, as far as this program's settings tell.
    pub(crate) api_port: u16,
    /// Whether calls are sent through the AI Queue.
    pub(crate) use_ai_queue: bool,
    /// The problems of the last revision that was looked at.
    problems: ArcSwapOption<(i64, Vec<Problem>)>,
    /// What of the settings shapes the gateway's requests.
    pub(crate) explain: explain::Settings,
}

impl Admin {
    /// The state over an open store.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) fn new(
        store: Store,
        config: &Config,
        environment: BTreeMap<&'static str, String>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            form_key: store.form_key()?,
            store: if config.allow_link_local_endpoints {
                store
            } else {
                store.refusing_link_local()
            },
            external: External::from_config(config),
            throttle: Throttle::default(),
            environment,
            proxies: config.exposure.proxies.clone(),
            prober: Prober::new(config),
            gateway: Gateway::new(config),
            auth_enabled: config.auth_enabled,
            api_port: config.api_port,
            use_ai_queue: config.use_ai_queue,
            problems: ArcSwapOption::empty(),
            explain: explain::Settings::new(config),
        })
    }

    /// What is wrong with the stored configuration of `revision`; looked for once a revision,
    /// because all of it has to be read for that.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn problems(&self, revision: i64) -> Result<Vec<Problem>, ApiError> {
        let known = self.problems.load();
        if let Some(known) = known.as_ref().filter(|known| known.0 == revision) {
            return Ok(known.1.clone());
        }
        let snapshot = self.on_store(Store::snapshot).await?;
        let found = (snapshot.revision, snapshot.problems);
        self.problems.store(Some(Arc::new(found.clone())));
        Ok(found.1)
    }

    /// Runs `work` on the store without holding up other requests.
    ///
    /// # Errors
    /// What the store reports, sorted for the answer.
    pub(crate) async fn on_store<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = current::of_request(&self.store);
        match web::block(move || work(&store)).await {
            Ok(outcome) => outcome.map_err(ApiError::from),
            Err(_cancelled) => Err(ApiError::Internal(
                "the work on the store was cancelled".to_owned(),
            )),
        }
    }
}
