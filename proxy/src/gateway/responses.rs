//! What callers of Responses ask of answers that are kept, and the size of a request.

use bytes::Bytes;
use http::Method;
use pingora::protocols::http::ServerSession;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wire::code::Code;
use wire::inbound::CallerDialect;

use super::{Front, json as tell, refuse};
use crate::fault::Fault;
use crate::life::authenticate::authenticate;
use crate::life::{self, reply};
use crate::routes::{Kept, decode};

/// Items of a page, when the caller says nothing.
const PAGE: usize = 20;
/// Most items of a page.
const LONGEST_PAGE: usize = 100;

impl Front {
    /// Tells of an answer that is kept, or forgets it.
    pub(super) async fn kept(
        &self,
        caller: &mut ServerSession,
        kept: &Kept,
        id: &str,
    ) -> pingora::Result<()> {
        let told = match authenticate(&self.0.current.live(), caller) {
            Ok(who) => self.of_kept(caller, who.key.as_ref().map(|key| key.id), kept),
            Err(fault) => Err(fault),
        };
        match told {
            Ok(body) => tell(caller, 200, id, body).await,
            Err(fault) => refuse(caller, &fault, id).await,
        }
    }

    fn of_kept(
        &self,
        caller: &ServerSession,
        owner: Option<i64>,
        kept: &Kept,
    ) -> Result<Bytes, Fault> {
        let conversations = &self.0.conversations;
        let turn = |name: &str| conversations.turn(owner, name).ok_or_else(not_kept);
        match kept {
            Kept::Response(name) if caller.req_header().method == Method::DELETE => {
                if !conversations.forget(owner, name) {
                    return Err(not_kept());
                }
                let told = json!({ "id": name, "object": "response", "deleted": true });
                Ok(told.to_string().into())
            }
            Kept::Response(name) => Ok(turn(name)?.response.clone()),
            Kept::Input(name) => {
                let items = turn(name)?.input();
                page(items, caller.req_header().uri.query().unwrap_or_default())
            }
            Kept::Cancel(name) => {
                turn(name)?;
                let message = "Only an answer that is made in the background can be cancelled, and none is here. To cancel one on its way, close its connection.";
                Err(Fault::caller(400, Code::ResponseNotCancellable, message))
            }
        }
    }

    /// The tokens of a request of Responses: by the endpoint's own count where it has one,
    /// else estimated.
    pub(super) async fn count(&self, caller: &mut ServerSession, id: &str) -> pingora::Result<()> {
        let live = self.0.current.live();
        let tokens = match authenticate(&live, caller) {
            Ok(who) => Box::pin(life::count_input(&self.0, &live, &who, caller, id)).await,
            Err(fault) => Err(fault),
        };
        match tokens {
            Ok(counted) => {
                let told = json!({
                    "object": "response.input_tokens",
                    "input_tokens": counted.tokens,
                });
                let mut header = reply::header(CallerDialect::OpenAiResponses, 200, id)?;
                counted.mark(&mut header)?;
                reply::send_json(caller, header, told.to_string().into()).await
            }
            Err(fault) if fault.hung_up => Ok(()),
            Err(fault) => refuse(caller, &fault, id).await,
        }
    }
}

fn not_kept() -> Fault {
    Fault::refused(
        404,
        Code::ResponseNotFound,
        "No answer of this id is kept here. It may be too old, of another key, or made with \"store\": false.",
    )
}

/// What a query says.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    limit: usize,
    is_ascending: bool,
    after: Option<String>,
}

impl Wanted {
    fn read(query: &str) -> Result<Self, Fault> {
        let mut wanted = Self {
            limit: PAGE,
            is_ascending: false,
            after: None,
        };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            match name {
                "limit" => {
                    let limit = value.parse().ok();
                    let limit = limit.filter(|limit| (1..=LONGEST_PAGE).contains(limit));
                    wanted.limit = limit.ok_or_else(|| wrong("limit", "must be 1 to 100"))?;
                }
                "order" => {
                    wanted.is_ascending = match &*value {
                        "asc" => true,
                        "desc" => false,
                        _ => return Err(wrong("order", "must be asc or desc")),
                    };
                }
                "after" => wanted.after = Some(value).filter(|id| !id.is_empty()),
                _ => {}
            }
        }
        Ok(wanted)
    }
}

fn wrong(name: &str, why: &str) -> Fault {
    let mut fault = Fault::caller(400, Code::InvalidValue, format!("'{name}' {why}"));
    fault.body.param = Some(name.to_owned());
    fault
}

/// One page of `items`, the newest first unless `query` says otherwise.
fn page(mut items: Vec<(String, Bytes)>, query: &str) -> Result<Bytes, Fault> {
    let wanted = Wanted::read(query)?;
    if !wanted.is_ascending {
        items.reverse();
    }
    if let Some(after) = &wanted.after {
        let at = items.iter().position(|(id, _)| id == after);
        let at = at.ok_or_else(|| wrong("after", "names no item of this response"))?;
        items.drain(..=at);
    }
    let has_more = items.len() > wanted.limit;
    items.truncate(wanted.limit);
    let id = |item: Option<&(String, Bytes)>| item.map(|(id, _)| id.clone());
    let (first, last) = (id(items.first()), id(items.last()));
    let items: Result<Vec<&RawValue>, _> = items
        .iter()
        .map(|(_, item)| serde_json::from_slice(item))
        .collect();
    let items = items.map_err(|err| Fault::internal(format!("an item that is kept: {err}")))?;
    let list = serde_json::to_string(&items)
        .map_err(|err| Fault::internal(format!("the items that are kept: {err}")))?;
    let (first, last) = (Value::from(first), Value::from(last));
    let told = format!(
        r#"{{"object":"list","data":{list},"first_id":{first},"last_id":{last},"has_more":{has_more}}}"#
    );
    Ok(told.into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn shown(query: &str) -> (Vec<String>, bool) {
        let items = (0..5).map(|n| (format!("i{n}"), format!(r#"{{"id": "i{n}"}}"#).into()));
        let page: Value = serde_json::from_slice(&page(items.collect(), query).unwrap()).unwrap();
        let data = page["data"].as_array().unwrap();
        let ids: Vec<_> = data
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(page["first_id"].as_str(), ids.first().map(String::as_str));
        assert_eq!(page["last_id"].as_str(), ids.last().map(String::as_str));
        (ids, page["has_more"].as_bool().unwrap())
    }

    #[test]
    fn a_page_is_what_is_asked_for() {
        for (query, ids, has_more) in [
            ("", &["i4", "i3", "i2", "i1", "i0"][..], false),
            ("order=asc&limit=2", &["i0", "i1"], true),
            ("limit=2&after=i3", &["i2", "i1"], true),
            ("limit=2&after=i%32&order=asc", &["i3", "i4"], false),
            ("after=i0&include=x", &[], false),
        ] {
            let (found, more) = shown(query);
            assert_eq!(
                (&found[..], more),
                (
                    &ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>()[..],
                    has_more
                ),
                "{query}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (query, name) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=x", "limit"),
            ("order=up", "order"),
            ("after=i9", "after"),
        ] {
            let fault = page(Vec::new(), query).unwrap_err();
            assert_eq!(fault.body.param.as_deref(), Some(name), "{query}");
        }
    }
}
