//! Charging calls anew: first what it would change, then, once that is agreed to, for real.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{FieldErrors, Repricing, UsageQuery, Zone};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::form::Posted;
use crate::pages::notice::Notice;
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::routing::resource;

const PATH: &str = "/proxy-dashboard/usage/reprice";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource(PATH, "POST").route(web::post().to(reprice)));
}

#[derive(Template)]
#[template(path = "usage/reprice.html")]
struct Preview {
    shell: Shell,
    from: String,
    to: String,
    model: String,
    found: Repricing,
}

impl Preview {
    fn changed(&self) -> u64 {
        self.found.models.iter().map(|model| model.changed).sum()
    }
}

async fn reprice(
    admin: Data<Admin>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let shell = Shell::of(&req, Section::Usage);
    let query = asked(&posted, shell.zone())?;
    let token = posted.get("token").to_owned();
    if token.is_empty() {
        let found = admin
            .on_store(move |store| store.preview_repricing(&query))
            .await?;
        return crate::pages::page(&Preview {
            from: posted.get("from").to_owned(),
            to: posted.get("to").to_owned(),
            model: posted.get("model").to_owned(),
            shell,
            found,
        });
    }
    admin
        .on_store(move |store| store.apply_repricing(&query, &token))
        .await?;
    let back = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("range", "custom")
        .append_pair("from", posted.get("from"))
        .append_pair("to", posted.get("to"))
        .finish();
    let back = format!("{}?{back}", Section::Usage.path());
    Ok(crate::pages::see_other(&Notice::Repriced.at(&back)))
}

/// The days and the virtual model that are asked for.
fn asked(posted: &Posted, zone: &Zone) -> Result<UsageQuery, ApiError> {
    let mut errors = FieldErrors::new();
    let mut moment = |field: &'static str, end| {
        let text = posted.get(field);
        zone.moment(text, end).unwrap_or_else(|why| {
            errors.add(field, why);
            0
        })
    };
    let (from, to) = (moment("from", false), moment("to", true));
    if from > to && errors.is_empty() {
        errors.add("from", "is later than the last day");
    }
    let model = Some(posted.get("model")).filter(|model| !model.is_empty());
    let query = UsageQuery {
        virtual_model: model.map(str::to_owned),
        ..UsageQuery::between(from, to)
    };
    Ok(errors.into_result(query)?)
}
