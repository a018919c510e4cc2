//! What every handler has at hand.

use std::collections::BTreeMap;

use actix_web::web;
use store::config::Config;
use store::route::explain;
use store::{FormKey, Networks, Store, StoreError};

use crate::access::current;
use crate::access::external::External;
use crate::access::throttle::Throttle;
use crate::error::ApiError;
use crate::probe::Prober;

/// The state of the admin app, shared by all workers.
pub(crate) struct Admin {
    store: Store,
    /// What forms are signed with.
    pub(crate) form_key: FormKey,
    /// Calls backends for their model lists.
    pub(crate) prober: Prober,
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
    /// Whether calls are sent through the AI Queue.
    pub(crate) use_ai_queue: bool,
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
            auth_enabled: config.auth_enabled,
            use_ai_queue: config.use_ai_queue,
            explain: explain::Settings::new(config),
        })
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
