//! The models that a backend has, and on an Ollama server what is loaded and pulled.

use std::collections::HashMap;

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, rt};
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use store::{Endpoint, EndpointRow};
use url::form_urlencoded;
use wire::provider::ProviderKind;

use super::ROOT;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::form::{Form, Posted};
use crate::pages::row_form::refusal;
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::pages::{page_with, see_other};
use crate::probe::ollama::{self, Loaded, Pull};
use crate::shown;

#[derive(Template)]
#[template(path = "endpoints/models.html")]
struct Models {
    shell: Shell,
    row: EndpointRow,
    query: String,
    /// Why there is no list.
    failure: Option<String>,
    models: Vec<Line>,
    /// How many there are before they are filtered.
    total: usize,
    /// Of an Ollama server.
    pulls: Option<Vec<Pull>>,
    form: Form,
}

/// A model of the backend.
struct Line {
    name: String,
    /// Where it is made a virtual model.
    add: String,
    /// The virtual models that stand for it: id and name.
    used_by: Vec<(i64, String)>,
    /// In the server's memory, with so many tokens of context.
    loaded: Option<Option<u32>>,
}

impl Models {
    fn pulling(&self) -> bool {
        self.pulls
            .iter()
            .flatten()
            .any(|pull| pull.state.is_running())
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Ask the backend even when its list is remembered.
    #[serde(default)]
    refresh: String,
    /// Part of a name.
    #[serde(default)]
    q: String,
}

pub(super) async fn page(
    admin: Data<Admin>,
    id: Path<i64>,
    query: Query<Asked>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let asked = query.into_inner();
    let shell = Shell::of(&req, Section::Endpoints);
    let page = models(&admin, id.into_inner(), asked, shell, Form::default()).await?;
    crate::pages::page(&page)
}

/// Begins to fetch a model on an Ollama server.
pub(super) async fn pull(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let endpoint = admin.on_store(move |store| store.endpoint(id)).await?;
    let begun = begin(&admin, endpoint, posted.get("model"));
    let (status, errors) = match begun {
        Ok(()) => return Ok(see_other(&format!("{ROOT}/{id}/models"))),
        Err(error) => refusal(error, "model")?,
    };
    let asked = Asked {
        refresh: String::new(),
        q: String::new(),
    };
    let shell = Shell::of(&req, Section::Endpoints);
    let form = Form::refused(&posted, errors);
    page_with(status, &models(&admin, id, asked, shell, form).await?)
}

fn begin(admin: &Data<Admin>, endpoint: Endpoint, model: &str) -> Result<(), ApiError> {
    if endpoint.provider != ProviderKind::Ollama {
        return Err(ApiError::Unsupported(
            "only an endpoint of type ollama can pull models".to_owned(),
        ));
    }
    let model = ollama::model_name(&json!({ "model": model }))?;
    let (begun, is_new) = admin.prober.begin_pull(endpoint.id, &model)?;
    if is_new {
        let admin = admin.clone();
        rt::spawn(async move { admin.prober.pull(&endpoint, &model, begun.number).await });
    }
    Ok(())
}

async fn models(
    admin: &Admin,
    id: i64,
    asked: Asked,
    shell: Shell,
    form: Form,
) -> Result<Models, ApiError> {
    let (row, users) = admin
        .on_store(move |store| {
            let row = shown::endpoint(store, id)?;
            let mut users: HashMap<String, Vec<(i64, String)>> = HashMap::new();
            for model in store.virtual_models()? {
                if model.endpoint_id == id {
                    let own = users.entry(model.actual_model).or_default();
                    own.push((model.id, model.name));
                }
            }
            Ok((row, users))
        })
        .await?;
    let mut page = Models {
        shell,
        row,
        query: asked.q,
        failure: None,
        models: Vec::new(),
        total: 0,
        pulls: None,
        form,
    };
    let endpoint = match admin.on_store(move |store| store.endpoint(id)).await {
        Ok(endpoint) => endpoint,
        Err(error) => {
            page.failure = Some(error.into_fields()?.to_string());
            return Ok(page);
        }
    };
    if endpoint.provider == ProviderKind::Ollama {
        page.pulls = Some(admin.prober.pulls(id));
    }
    match admin.prober.models(&endpoint, asked.refresh == "1").await {
        Ok(names) => {
            page.total = names.len();
            let loaded = admin.prober.loaded(&endpoint).await.unwrap_or_default();
            page.models = lines(id, names, &page.query, users, &loaded);
        }
        Err(failure) => page.failure = Some(failure.reason),
    }
    Ok(page)
}

fn lines(
    id: i64,
    names: Vec<String>,
    query: &str,
    mut users: HashMap<String, Vec<(i64, String)>>,
    loaded: &[Loaded],
) -> Vec<Line> {
    let wanted = query.trim().to_lowercase();
    let found = names
        .into_iter()
        .filter(|name| name.to_lowercase().contains(&wanted));
    let line = |name: String| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("endpoint", &id.to_string())
            .append_pair("model", &name)
            .finish();
        let own = loaded.iter().find(|loaded| loaded.model == name);
        Line {
            add: format!("/proxy-dashboard/models/new?{query}"),
            used_by: users.remove(&name).unwrap_or_default(),
            loaded: own.map(|loaded| loaded.context_length),
            name,
        }
    };
    found.map(line).collect()
}
