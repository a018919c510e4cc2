//! LiteLLM's configuration file, read as rows of this store.
//!
//! Each entry of `model_list` becomes a virtual model, what entries have in common an endpoint;
//! entries of one name become one virtual model that chooses among them. Every field of the
//! file is either taken or named in the findings. Values of the form `os.environ/NAME` are
//! looked up in the file's own `environment_variables` and then in the environment.

mod deployment;
mod endpoints;
mod group;
mod other;
mod price;
mod provider;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::deployment::Deployment;
use self::endpoints::Endpoints;
use self::group::{Group, Router};
use super::fields::{Fields, text_of};
use super::{Fate, Incoming, IncomingKey, KeyProof};
use crate::secret::Secret;
use crate::setting::DEFAULT_MODEL;

/// How a value refers to a variable.
const VARIABLE: &str = "os.environ/";

/// Longest key of a caller, in bytes.
const LONGEST_KEY: usize = 200;

/// What the whole file says that single entries need.
struct Reading<'a> {
    incoming: Incoming,
    endpoints: Endpoints,
    variables: BTreeMap<String, String>,
    env: &'a dyn Fn(&str) -> Option<String>,
    credentials: BTreeMap<String, Map<String, Value>>,
    caching: Map<String, Value>,
    /// Names of virtual models without a price.
    unpriced: usize,
}

/// What a text of the file stands for.
enum Looked {
    /// This.
    Up(String),
    /// A variable that is not set.
    Unset(String),
}

/// Whether a document is LiteLLM's.
pub(crate) fn is_one(document: &Value) -> bool {
    document.get("model_list").is_some()
}

/// The rows that the file stands for, and what is to be told of it.
///
/// # Errors
/// Why it is no configuration of LiteLLM.
pub(crate) fn read(
    document: Value,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Incoming, String> {
    if !document.get("model_list").is_some_and(Value::is_array) {
        return Err("it has no list model_list, so it is no configuration of LiteLLM".to_owned());
    }
    let mut file = Fields::of(document);
    let mut variables = BTreeMap::new();
    for (name, value) in file.object("environment_variables").into_inner() {
        if let Some(text) = text_of(&value) {
            variables.insert(name, text);
        }
    }
    let mut reading = Reading {
        incoming: Incoming::default(),
        endpoints: Endpoints::default(),
        variables,
        env,
        credentials: credentials(file.list("credential_list")),
        caching: Map::new(),
        unpriced: 0,
    };
    let models = file.list("model_list");
    let mut general = file.object("general_settings");
    let mut library = file.object("litellm_settings");
    let router = file.object("router_settings");

    reading.caching = other::caching(&mut library, &mut reading.incoming.findings);
    let router = Router::read(router, &mut library, &mut reading.incoming.findings);
    let groups = reading.groups(models);
    group::write(&mut reading.incoming, &groups, &router);
    reading.master_key(&mut general);
    if let Some(name) = general.text("completion_model") {
        let is_there = |row: &Map<String, Value>| row.get("name") == Some(&json!(name));
        if reading.incoming.virtual_models.iter().any(is_there) {
            reading.tell(
                Fate::Taken,
                "general_settings.completion_model",
                format!("{name:?} stands for a missing model name (default_model)"),
                "",
            );
            reading
                .incoming
                .settings
                .insert(DEFAULT_MODEL.to_owned(), json!(name));
        } else {
            reading.tell(
                Fate::LeftOut,
                "general_settings.completion_model",
                format!("{name:?} is not among the models that came over"),
                "choose a default model in the settings",
            );
        }
    }
    reading.tell_unpriced();
    let findings = &mut reading.incoming.findings;
    other::leftover("general_settings", &general, findings);
    other::leftover("litellm_settings", &library, findings);
    other::leftover("", &file, findings);
    reading.endpoints.into_rows(&mut reading.incoming);
    Ok(reading.incoming)
}

fn credentials(list: Vec<Value>) -> BTreeMap<String, Map<String, Value>> {
    list.into_iter()
        .filter_map(|entry| {
            let mut entry = Fields::of(entry);
            let name = entry.text("credential_name")?;
            Some((name, entry.object("credential_values").into_inner()))
        })
        .collect()
}

impl Reading<'_> {
    fn tell(
        &mut self,
        fate: Fate,
        what: impl Into<String>,
        why: impl Into<String>,
        todo: impl Into<String>,
    ) {
        self.incoming.findings.tell(fate, what, why, todo);
    }

    /// What a text of the file stands for.
    fn look_up(&self, text: String) -> Looked {
        let Some(name) = text.strip_prefix(VARIABLE) else {
            return Looked::Up(text);
        };
        match self.variable(name) {
            Some(value) => Looked::Up(value),
            None => Looked::Unset(name.to_owned()),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        let own = self.variables.get(name).cloned();
        let set = own.or_else(|| (self.env)(name));
        set.map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// The first of the variables that is set.
    fn first_variable(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.variable(name))
    }

    /// Every entry, by its name, in the order of the file.
    fn groups(&mut self, models: Vec<Value>) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (place, entry) in models.into_iter().enumerate() {
            let Some(deployment) = Deployment::read(self, entry, place + 1) else {
                continue;
            };
            match groups
                .iter_mut()
                .find(|group| group.name == deployment.group)
            {
                Some(group) => group.deployments.push(deployment),
                None => groups.push(Group {
                    name: deployment.group.clone(),
                    deployments: vec![deployment],
                }),
            }
        }
        groups
    }

    fn tell_unpriced(&mut self) {
        if self.unpriced > 0 {
            let count = self.unpriced;
            self.tell(
                Fate::LeftOut,
                "prices",
                format!(
                    "the file has none for {count} of the virtual models: LiteLLM takes prices from \
                     a list of its own"
                ),
                "set their prices on the page of each virtual model, which suggests list prices; \
                 until then their calls are counted without a cost",
            );
        }
    }

    /// The key that all callers of LiteLLM may use.
    fn master_key(&mut self, general: &mut Fields) {
        const WHAT: &str = "general_settings.master_key";
        let Some(text) = general.text("master_key") else {
            return;
        };
        match self.look_up(text) {
            Looked::Unset(name) => self.tell(
                Fate::LeftOut,
                WHAT,
                format!("it is in the variable {name}, which is not set here"),
                format!("set {name} and import again, or make a new key for the callers"),
            ),
            Looked::Up(key) if key.len() > LONGEST_KEY || key.contains(char::is_whitespace) => self
                .tell(
                    Fate::LeftOut,
                    WHAT,
                    format!("it is longer than {LONGEST_KEY} bytes or has blanks in it"),
                    "make a new key for the callers",
                ),
            Looked::Up(key) => {
                self.tell(
                    Fate::Taken,
                    WHAT,
                    "callers go on with it as the key \"litellm master key\"; here it opens the \
                     models only, never the admin app",
                    "to refuse callers without a key, set deployment_mode to internet_facing; \
                     better give each caller a key of its own and delete this one",
                );
                let mut fields = Map::new();
                fields.insert("label".to_owned(), json!("litellm master key"));
                fields.insert("notes".to_owned(), json!("The master_key of LiteLLM."));
                self.incoming.keys.push(IncomingKey {
                    fields,
                    proof: KeyProof::Plain(Secret::new(key)),
                });
            }
        }
    }
}
