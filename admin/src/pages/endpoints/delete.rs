//! Deleting an endpoint: asked first, with every virtual model that would go with it.

use std::collections::BTreeSet;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use store::{Store, StoreError};

use super::ROOT;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::confirm::Confirm;
use crate::pages::form::{Posted, VERSION};
use crate::pages::notice::Notice;
use crate::pages::section::Section;
use crate::pages::see_other;
use crate::pages::shell::Shell;

/// The field with the virtual models that were named on the page.
const TOLD: &str = "models";

/// What would go with an endpoint.
struct Going {
    name: String,
    version: i64,
    /// Ids of its virtual models, as the form carries them.
    told: String,
    /// Their names.
    models: Vec<String>,
    /// Virtual models of other endpoints that lose a target.
    losing: Vec<String>,
}

pub(super) async fn ask(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let going = admin.on_store(move |store| going(store, id)).await?;
    question(&req, id, going)
}

/// Deletes what the page before has named; when there is more by now, asks again.
pub(super) async fn delete(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let told = posted.get(TOLD).to_owned();
    let refused = admin
        .on_store(move |store| {
            let going = going(store, id)?;
            if going.told != told {
                return Ok(Some(going));
            }
            store.delete_endpoint(id, !going.models.is_empty())?;
            Ok(None)
        })
        .await?;
    match refused {
        Some(going) => question(&req, id, going),
        None => Ok(see_other(&Notice::Deleted.at(ROOT))),
    }
}

fn going(store: &Store, id: i64) -> Result<Going, StoreError> {
    let row = store.endpoint_row(id)?;
    let all = store.virtual_models()?;
    let (own, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|model| model.endpoint_id == id);
    let ids: BTreeSet<i64> = own.iter().map(|model| model.id).collect();
    let told: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let loses = |model: &store::VirtualModelRow| {
        let mut targets = model.routing.targets.iter();
        targets.any(|target| ids.contains(&target.virtual_model_id))
    };
    Ok(Going {
        name: row.name,
        version: row.version,
        told: told.join(","),
        losing: others
            .into_iter()
            .filter(loses)
            .map(|model| model.name)
            .collect(),
        models: own.into_iter().map(|model| model.name).collect(),
    })
}

fn question(req: &HttpRequest, id: i64, going: Going) -> Result<HttpResponse, ApiError> {
    let mut consequences = Vec::new();
    if going.models.is_empty() {
        consequences.push("No virtual model uses it.".to_owned());
    } else {
        consequences.push(format!(
            "These virtual models go with it, and calls of them are refused from then on: {}. \
             To keep them, give them another endpoint first.",
            going.models.join(", ")
        ));
    }
    if !going.losing.is_empty() {
        consequences.push(format!(
            "These virtual models lose a target of their failover: {}.",
            going.losing.join(", ")
        ));
    }
    consequences.push("What its calls have used and cost stays in the reports.".to_owned());
    consequences.push("The Audit page can undo this.".to_owned());
    Confirm {
        shell: Shell::of(req, Section::Endpoints),
        question: format!("Delete the endpoint {}?", going.name),
        consequences,
        action: format!("{ROOT}/{id}/delete"),
        button: if going.models.is_empty() {
            "Delete the endpoint"
        } else {
            "Delete the endpoint and its virtual models"
        },
        hidden: vec![(TOLD, going.told), (VERSION, going.version.to_string())],
        back: ROOT.to_owned(),
    }
    .page()
}
