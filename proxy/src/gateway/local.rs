//! What a server of Ollama's tells of itself and its models, so that its clients take the
//! gateway for one.

use http::header;
use pingora::protocols::http::ServerSession;
use serde_json::Value;
use wire::code::Code;
use wire::dialect::ollama::OllamaCall;
use wire::inbound::CallerDialect;

use super::Front;
use crate::fault::Fault;
use crate::life::authenticate::authenticate;
use crate::life::{self, Told, reply};
use crate::routes::Local;

const DIALECT: CallerDialect = CallerDialect::Ollama(OllamaCall::Chat);

/// What clients look for at the root.
const RUNNING: &[u8] = b"Ollama is running";

impl Front {
    /// Answers what is no call of a model. That there is a server, and of what version, a
    /// stranger may know.
    pub(super) async fn local(
        &self,
        caller: &mut ServerSession,
        asked: Local,
        id: &str,
    ) -> pingora::Result<()> {
        let told = match asked {
            Local::Running => return running(caller, id).await,
            Local::Version => Ok(serde_json::json!({ "version": self.0.ollama_version })
                .to_string()
                .into()),
            Local::Tags => authenticate(&self.0.current.live(), caller).map(|who| {
                self.0
                    .current
                    .live()
                    .model_list(DIALECT, who.key.as_deref())
            }),
            // Models are loaded at their endpoints; here none is.
            Local::Loaded => authenticate(&self.0.current.live(), caller)
                .map(|_| serde_json::json!({ "models": [] }).to_string().into()),
            Local::Show => self.show(caller).await,
        };
        match told {
            Ok(body) => {
                let header = reply::header(DIALECT, 200, id)?;
                reply::send_json(caller, header, body).await
            }
            Err(fault) if fault.hung_up => Ok(()),
            Err(fault) => reply::refuse(caller, DIALECT, &fault, id, 0, &Told::default()).await,
        }
    }

    async fn show(&self, caller: &mut ServerSession) -> Result<bytes::Bytes, Fault> {
        let live = self.0.current.live();
        let who = authenticate(&live, caller)?;
        let body = life::read_small(caller).await?;
        let asked: Value = serde_json::from_slice(&body).map_err(|err| {
            let message = format!("the request body is not valid JSON: {err}");
            Fault::refused(400, Code::InvalidJson, message)
        })?;
        // Older clients say `name`.
        let named = ["model", "name"].into_iter();
        let mut named = named.filter_map(|field| asked.get(field)?.as_str());
        let name = named.find(|name| !name.is_empty());
        let name = name.ok_or_else(|| {
            Fault::refused(400, Code::MissingRequiredParameter, "'model' is required")
        })?;
        let shown = life::show(&live, &who, DIALECT, name)?;
        Ok(shown.to_string().into())
    }
}

async fn running(caller: &mut ServerSession, id: &str) -> pingora::Result<()> {
    let mut header = reply::header(DIALECT, 200, id)?;
    header.insert_header(header::CONTENT_TYPE, "text/plain; charset=utf-8")?;
    header.insert_header(header::CONTENT_LENGTH, RUNNING.len())?;
    caller.write_response_header(header).await?;
    let body = bytes::Bytes::from_static(RUNNING);
    caller.write_response_body(body, true).await
}
