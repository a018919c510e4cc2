//! The whole configuration at one moment, checked across its rows.
//!
//! A snapshot is always usable: rows that are not are left out and named in `problems`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::stored_interval;
use crate::config::{DeploymentMode, stored_mode, stored_networks};
use crate::endpoint::{Endpoint, StoredEndpoint};
use crate::inbound_key::{InboundKeys, StoredInboundKeys};
use crate::network::Networks;
use crate::problem::Problem;
use crate::setting::{
    DEFAULT_MODEL, DEPLOYMENT_MODE, HEALTH_CHECK_INTERVAL, TRUSTED_INTERNAL_CIDRS,
};
use crate::tool_alias::{StoredToolAlias, ToolAlias};
use crate::tool_pattern::{StoredToolPattern, ToolPattern};
use crate::virtual_model::{StoredVirtualModel, VirtualModel};
use crate::zone::Zone;

/// The configuration of one revision.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The revision it was read at.
    pub revision: i64,
    /// Every usable endpoint, disabled ones too, by id.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Every usable virtual model, disabled ones too, by name. Each one's endpoint is in
    /// `endpoints`.
    pub models: HashMap<String, Arc<VirtualModel>>,
    /// The same virtual models by id.
    pub models_by_id: HashMap<i64, Arc<VirtualModel>>,
    /// The name that stands for `default`, when one is set and exists.
    pub default_model: Option<String>,
    /// The stored time between two looks at an endpoint's health; zero is never.
    pub health_check_interval: Option<Duration>,
    /// Every usable tool pattern, disabled ones too, highest priority first.
    pub tool_patterns: Vec<Arc<ToolPattern>>,
    /// Every usable tool alias, disabled ones too, by tool and parameter.
    pub tool_aliases: Vec<Arc<ToolAlias>>,
    /// Every usable key of a caller, disabled and expired ones too.
    pub inbound_keys: InboundKeys,
    /// The stored mode of deployment, when one is set.
    pub deployment_mode: Option<DeploymentMode>,
    /// The stored networks whose callers need no key, when some are set.
    pub trusted_internal: Option<Networks>,
    /// Where days and months begin.
    pub zone: Zone,
    /// Rows left out, and values that are doubtful.
    pub problems: Vec<Problem>,
    /// The endpoints and virtual models left out, as [`Problem::subject`] names them.
    pub left_out: Vec<String>,
}

/// All rows as read in one transaction.
pub(crate) struct StoredConfiguration {
    pub(crate) revision: i64,
    pub(crate) endpoints: Vec<StoredEndpoint>,
    pub(crate) models: Vec<StoredVirtualModel>,
    pub(crate) tool_patterns: Vec<StoredToolPattern>,
    pub(crate) tool_aliases: Vec<StoredToolAlias>,
    pub(crate) inbound_keys: StoredInboundKeys,
    pub(crate) deployment_mode: Option<String>,
    pub(crate) trusted_internal: Option<String>,
    pub(crate) default_model: Option<String>,
    pub(crate) health_check_interval: Option<String>,
    pub(crate) zone: Zone,
}

impl StoredConfiguration {
    /// Keeps what can be used and names the rest.
    pub(crate) fn judge(self) -> Snapshot {
        let mut snapshot = Snapshot {
            revision: self.revision,
            zone: self.zone,
            ..Snapshot::default()
        };
        for stored in self.endpoints {
            snapshot.take_endpoint(stored);
        }
        let ids = self.models.iter().map(|stored| stored.row.id).collect();
        let mut models = Vec::new();
        for stored in self.models {
            models.extend(snapshot.judge_model(stored));
        }
        snapshot.take_models(models, &ids);
        for stored in self.tool_patterns {
            snapshot.take_tool_pattern(stored);
        }
        for stored in self.tool_aliases {
            snapshot.take_tool_alias(stored);
        }
        let (keys, problems) = self.inbound_keys.judge();
        snapshot.inbound_keys = keys;
        snapshot.problems.extend(problems);
        if let Some(text) = self.deployment_mode.filter(|t| !t.trim().is_empty()) {
            snapshot.take_mode(&text);
        }
        if let Some(text) = self.trusted_internal.filter(|t| !t.trim().is_empty()) {
            snapshot.take_trusted(&text);
        }
        if let Some(name) = self.default_model.filter(|name| !name.trim().is_empty()) {
            snapshot.take_default_model(name);
        }
        if let Some(text) = self.health_check_interval.filter(|t| !t.trim().is_empty()) {
            snapshot.take_interval(&text);
        }
        snapshot
    }
}

impl Snapshot {
    fn take_endpoint(&mut self, stored: StoredEndpoint) {
        let subject = stored.subject();
        match stored.judge() {
            Ok((endpoint, doubts)) => {
                if self
                    .endpoints
                    .iter()
                    .any(|other| other.name == endpoint.name)
                {
                    self.note(&subject, "another endpoint has the same name; rename one");
                }
                self.doubt(&subject, &doubts);
                self.endpoints.push(Arc::new(endpoint));
            }
            Err(faults) => self.left_out(&subject, &faults),
        }
    }

    fn judge_model(&mut self, stored: StoredVirtualModel) -> Option<VirtualModel> {
        let subject = stored.subject();
        let orphan = stored.row.endpoint_name.is_none() && stored.row.endpoint_url.is_none();
        match stored.judge() {
            Ok((model, doubts)) => {
                let id = model.endpoint_id;
                if self.endpoints.iter().any(|endpoint| endpoint.id == id) {
                    self.doubt(&subject, &doubts);
                    return Some(model);
                } else if orphan {
                    let fault = format!("its endpoint {id} does not exist; choose another one");
                    self.left_out(&subject, &[fault]);
                } else {
                    let fault = format!("its endpoint {id} cannot be used");
                    self.left_out(&subject, &[fault]);
                }
            }
            Err(faults) => self.left_out(&subject, &faults),
        }
        None
    }

    /// Takes the usable virtual models, each with the targets that are usable too. `stored`
    /// are the ids of all rows.
    fn take_models(&mut self, models: Vec<VirtualModel>, stored: &HashSet<i64>) {
        let usable: HashSet<_> = models.iter().map(|model| model.id).collect();
        for mut model in models {
            let subject = format!("virtual model {} {:?}", model.id, model.name);
            let own = model.id;
            let mut seen = HashSet::new();
            model.routing.targets.retain(|target| {
                let id = target.virtual_model_id;
                let why = if id == own {
                    "is the virtual model itself"
                } else if !stored.contains(&id) {
                    "does not exist"
                } else if !usable.contains(&id) {
                    "cannot be used"
                } else if !seen.insert(id) {
                    "is listed more than once"
                } else {
                    return true;
                };
                self.note(
                    &subject,
                    format!("routing target {id} {why} and is left out"),
                );
                false
            });
            let model = Arc::new(model);
            self.models_by_id.insert(model.id, Arc::clone(&model));
            self.models.insert(model.name.clone(), model);
        }
    }

    fn take_tool_pattern(&mut self, stored: StoredToolPattern) {
        let subject = stored.subject();
        match stored.judge() {
            Ok(pattern) => self.tool_patterns.push(Arc::new(pattern)),
            // Takes nothing else down: the other patterns and all calls go on.
            Err(faults) => {
                let faults = faults.join("; ");
                self.note(&subject, format!("left out: {faults}"));
            }
        }
    }

    fn take_tool_alias(&mut self, stored: StoredToolAlias) {
        let subject = stored.subject();
        match stored.judge() {
            Ok(alias) => self.tool_aliases.push(Arc::new(alias)),
            Err(faults) => {
                let faults = faults.join("; ");
                self.note(&subject, format!("left out: {faults}"));
            }
        }
    }

    fn take_default_model(&mut self, name: String) {
        let subject = format!("setting {DEFAULT_MODEL}");
        match self.models.get(&name) {
            None => self.note(
                &subject,
                format!("there is no usable virtual model {name:?}; there is no default now"),
            ),
            Some(model) => {
                if !model.enabled {
                    self.note(&subject, format!("the virtual model {name:?} is disabled"));
                }
                self.default_model = Some(name);
            }
        }
    }

    fn take_interval(&mut self, text: &str) {
        match stored_interval(text) {
            Ok(time) => self.health_check_interval = Some(time),
            Err(accepted) => self.note(
                &format!("setting {HEALTH_CHECK_INTERVAL}"),
                format!("is {text:?}; it must be {accepted}; the default holds"),
            ),
        }
    }

    /// A mode nobody knows is the strict one: what cannot be read must not open the gateway.
    fn take_mode(&mut self, text: &str) {
        let mode = stored_mode(text).unwrap_or_else(|accepted| {
            self.refuse_setting(DEPLOYMENT_MODE, text, accepted);
            DeploymentMode::InternetFacing
        });
        self.deployment_mode = Some(mode);
    }

    fn take_trusted(&mut self, text: &str) {
        let networks = stored_networks(text).unwrap_or_else(|accepted| {
            self.refuse_setting(TRUSTED_INTERNAL_CIDRS, text, accepted);
            Networks::default()
        });
        self.trusted_internal = Some(networks);
    }

    fn refuse_setting(&mut self, key: &str, text: &str, accepted: &str) {
        let fault = format!("is {text:?}; it must be {accepted}");
        self.left_out(&format!("setting {key}"), &[fault]);
    }

    fn note(&mut self, subject: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(subject, message));
    }

    fn doubt(&mut self, subject: &str, doubts: &[String]) {
        for doubt in doubts {
            self.note(subject, doubt.clone());
        }
    }

    fn left_out(&mut self, subject: &str, faults: &[String]) {
        self.note(subject, format!("left out: {}", faults.join("; ")));
        self.left_out.push(subject.to_owned());
    }
}
