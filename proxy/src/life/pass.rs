//! The road of a call that is passed on (`/v1/images`, `/v1/audio`, `/v1/moderations`,
//! `/v1/rerank`): that of every call, without what needs to know what the call says.
//!
//! Why it does not go through Pingora's own phases:
//! [decision 0021](../../../docs/decisions/0021-passed-calls-go-down-the-road.md).

use std::pin::pin;
use std::sync::OnceLock;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use pingora::protocols::http::ServerSession;
use store::route::ReplyForm;
use wire::dialect::openai::Request;
use wire::form::Form;
use wire::inbound::{CallerDialect, Inbound};

use super::accept::{self, Accepted};
use super::account::Account;
use super::cargo::{self, Cargo, Ferry};
use super::send::{Errand, passed};
use super::{Begun, admit, authenticate, plan, resolve};
use crate::fault::Fault;
use crate::gateway::Gateway;

/// The first half of the road, to the first byte of an answer.
///
/// # Errors
/// When the call is refused, fails, or its caller leaves.
pub(super) async fn begin(
    gateway: &Gateway,
    caller: &mut ServerSession,
    dialect: CallerDialect,
    account: &mut Account,
) -> Result<Begun, Fault> {
    let live = gateway.current.live();
    let who = authenticate::authenticate(&live, caller)?;
    account.authenticated(&who);
    let owner = who.key.as_ref().map(|key| key.id);
    let kept = accept::Kept { gateway, owner };
    let (accepted, cargo, ferry) = take_in(&kept, caller, dialect).await?;
    account.accepted(&accepted);
    let target = resolve::resolve(&live, &accepted)?;
    account.resolved(&target);
    who.require_allowed(&target.model.name)?;
    let call = dialect.call();
    let expected = admit::admit(&live, &who, &target, call, &accepted, account)?;
    let id = account.id().to_owned();
    let form = ReplyForm {
        stream: accepted.inbound.request.stream,
        usage: false,
    };
    let errand = Errand {
        gateway,
        accepted: &accepted,
        owner,
        cargo: cargo.as_ref(),
        form,
        target: &target,
        id: &id,
        started: account.started(),
        created: account.started_at(),
        expected,
        zone: &live.snapshot.zone,
        told: account.told.clone(),
        trace: account.trace(),
        repairs: &live.repairs,
        tools: OnceLock::new(),
    };
    let candidates = plan::plan(gateway, &live, &target, call, &accepted, &id)?;
    let silence = gateway.timeouts.silence;
    let mut attended = pin!(cargo::attend(ferry, caller, silence));
    let mut work = pin!(passed::send(&errand, &candidates, account));
    let answer = tokio::select! {
        biased;
        answer = &mut work => answer?,
        over = &mut attended => return Err(over),
    };
    Ok(Begun {
        recipient: errand.streamed_to(),
        answer,
    })
}

/// The caller's body: a form as far as it must be kept, anything else whole.
async fn take_in(
    kept: &accept::Kept<'_>,
    caller: &mut ServerSession,
    dialect: CallerDialect,
) -> Result<(Accepted, Option<Cargo>, Option<Ferry>), Fault> {
    let kind = caller.get_header(CONTENT_TYPE).cloned();
    let is_form = |kind: &http::HeaderValue| kind.to_str().is_ok_and(Form::is_form);
    let Some(kind) = kind.filter(is_form) else {
        let accepted = accept::accept(caller, dialect, kept).await?;
        return Ok((accepted, None, None));
    };
    let gateway = kept.gateway;
    let limit = gateway.max_body;
    let (said, announced) = accept::greet(caller, limit).await?;
    let bounds = (limit, gateway.folder.as_path());
    let silence = gateway.timeouts.silence;
    let (cargo, ferry) = Cargo::take_in(caller, kind, announced, bounds, silence).await?;
    let mut request = Request::default();
    request.model = cargo.model().map(str::to_owned);
    let accepted = Accepted {
        inbound: Inbound {
            dialect,
            call: dialect.call(),
            body: Bytes::new(),
            request,
            own: None,
            wordless: None,
        },
        prompt_tokens: 0,
        response_id: String::new(),
        said,
    };
    Ok((accepted, Some(cargo), ferry))
}
