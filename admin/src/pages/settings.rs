//! Settings: what each is, where it comes from, and when a change counts.

mod exchange;

use std::collections::BTreeMap;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::{Map, Value};
use store::config::{SETTINGS, Setting};
use store::{
    AUDIT_DAYS, DEFAULT_MODEL, DISPLAY_TIMEZONE, FieldErrors, SettingsDraft, Store, setting_keys,
};

use super::form::{Form, Posted, VERSION};
use super::notice::Notice;
use super::section::Section;
use super::shell::Shell;
use super::{page, page_with, row_form, see_other};
use crate::admin::Admin;
use crate::api::is_followed;
use crate::error::ApiError;
use crate::routing::resource;

const ROOT: &str = "/proxy-dashboard/settings";

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource(ROOT, "GET, HEAD, POST")
            .route(web::get().to(show))
            .route(web::head().to(show))
            .route(web::post().to(save)),
    );
    exchange::routes(cfg);
}

#[derive(Template)]
#[template(path = "settings/index.html")]
struct Page {
    shell: Shell,
    form: Form,
    now: Option<Now>,
    stored: Vec<Line>,
    fixed: Vec<Line>,
}

/// The settings as they are stored.
struct Now {
    version: i64,
}

/// One setting.
struct Line {
    /// The key of the store, or the variable where it has none.
    name: &'static str,
    variable: &'static str,
    help: &'static str,
    /// What is in force at the next start.
    value: String,
    source: &'static str,
    when: &'static str,
    default: &'static str,
    choices: Vec<(String, String)>,
    is_open: bool,
}

async fn show(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    page(&shown(&admin, &req, None).await?)
}

async fn shown(
    admin: &Admin,
    req: &HttpRequest,
    refused: Option<(&Posted, FieldErrors)>,
) -> Result<Page, ApiError> {
    let (stored, version, models) = admin
        .on_store(|store: &Store| {
            Ok((
                store.settings()?,
                store.settings_version()?,
                store.virtual_models()?,
            ))
        })
        .await?;
    let models: Vec<String> = models.into_iter().map(|model| model.name).collect();
    let lines = setting_keys()
        .into_iter()
        .map(|key| Line::stored(key, admin, &stored, &models))
        .collect();
    let fixed = SETTINGS
        .iter()
        .filter(|setting| setting.stored.is_none())
        .map(|setting| Line::fixed(setting, admin))
        .collect();
    let blank = setting_keys()
        .into_iter()
        .fold(Form::default(), |form, key| form.with(key, ""))
        .with(VERSION, version.to_string());
    let as_stored = stored
        .iter()
        .fold(blank, |form, (key, value)| form.with(key, value));
    let form = match refused {
        Some((posted, errors)) => Form::refused(posted, errors).beside(as_stored),
        None => as_stored,
    };
    Ok(Page {
        shell: Shell::of(req, Section::Settings),
        form,
        now: Some(Now { version }),
        stored: lines,
        fixed,
    })
}

impl Line {
    fn stored(
        key: &'static str,
        admin: &Admin,
        stored: &BTreeMap<String, String>,
        models: &[String],
    ) -> Self {
        let setting = SETTINGS.iter().find(|setting| setting.stored == Some(key));
        let variable = setting.map_or("", |setting| setting.name);
        let environment = admin.environment.get(variable);
        let default = setting.and_then(|setting| setting.default).unwrap_or("");
        let (value, source) = match (environment, stored.get(key)) {
            (Some(value), _) => (value.as_str(), "environment"),
            (None, Some(value)) => (value.as_str(), "stored"),
            (None, None) => (default, "default"),
        };
        let pairs = |list: &[&str]| -> Vec<(String, String)> {
            list.iter()
                .map(|one| ((*one).to_owned(), (*one).to_owned()))
                .collect()
        };
        let choices = match key {
            DEFAULT_MODEL => models
                .iter()
                .map(|name| (name.clone(), name.clone()))
                .collect(),
            "deployment_mode" => pairs(&["internal_only", "internet_facing"]),
            _ if ["true", "false"].contains(&default) => pairs(&["true", "false"]),
            _ => Vec::new(),
        };
        Self {
            name: key,
            variable,
            help: match key {
                DEFAULT_MODEL => {
                    "The virtual model that stands for default and for a missing name."
                }
                DISPLAY_TIMEZONE => {
                    "The time zone of these pages and of the days in reports, such as \
                     Europe/Berlin; empty for the machine's own."
                }
                _ => setting.map_or("", |setting| setting.help),
            },
            value: value.to_owned(),
            source,
            when: if key == AUDIT_DAYS {
                "within an hour"
            } else if key == DISPLAY_TIMEZONE || is_followed(key) {
                "within a second"
            } else {
                "at the next start of both programs"
            },
            default,
            choices,
            is_open: environment.is_none(),
        }
    }

    fn fixed(setting: &'static Setting, admin: &Admin) -> Self {
        let set = admin.environment.get(setting.name);
        let default = setting.default.unwrap_or("");
        Self {
            name: setting.name,
            variable: setting.name,
            help: setting.help,
            value: set.map_or(default, String::as_str).to_owned(),
            source: if set.is_some() {
                "environment"
            } else {
                "default"
            },
            when: "at the next start",
            default,
            choices: Vec::new(),
            is_open: false,
        }
    }
}

async fn save(
    admin: Data<Admin>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let keys = setting_keys();
    let stored = admin.on_store(Store::settings).await?;
    let mut changes = Map::new();
    if let Value::Object(sent) = posted.object(&keys) {
        for (key, value) in sent {
            let text = value.as_str().unwrap_or_default().trim();
            if text != stored.get(&key).map_or("", String::as_str) {
                changes.insert(key, value);
            }
        }
    }
    let saved = match SettingsDraft::validate(&Value::Object(changes)) {
        Ok(draft) => {
            admin
                .on_store(move |store| store.save_settings(&draft))
                .await
        }
        Err(errors) => Err(ApiError::Fields(errors)),
    };
    match saved {
        Ok(()) => Ok(see_other(&Notice::SettingsSaved.at(ROOT))),
        Err(error) => {
            let (status, errors) = row_form::refusal(error, VERSION)?;
            let page = shown(&admin, &req, Some((&posted, errors))).await?;
            page_with(status, &page)
        }
    }
}
