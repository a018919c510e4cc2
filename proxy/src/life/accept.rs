//! Step two: the caller's body, whole, and what it asks for.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use pingora::protocols::http::ServerSession;
use ring::rand::{SecureRandom, SystemRandom};
use store::DeniedBetas;
use store::route::{self, Refused};
use wire::code::Code;
use wire::dialect::responses::Earlier;
use wire::inbound::{CallerDialect, Inbound};
use wire::usage::estimate_prompt;

use crate::fault::Fault;
use crate::gateway::Gateway;

/// A body that was read and understood.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) inbound: Inbound,
    /// What tells a response from all others, of a caller of Responses.
    pub(super) response_id: String,
    /// Tokens of the body, estimated.
    pub(super) prompt_tokens: u64,
    pub(super) said: Said,
}

/// What a caller says of a call in headers.
#[derive(Debug)]
pub(super) struct Said {
    /// `x-priority`, for queues.
    pub(super) priority: Option<HeaderValue>,
    /// `x-user-id`, for queues.
    pub(super) user: Option<HeaderValue>,
    /// `x-session-id`, or what a client calls it: the conversation that the call belongs
    /// to.
    pub(super) session: Option<HeaderValue>,
    /// `anthropic-version`.
    pub(super) version: Option<HeaderValue>,
    /// `anthropic-beta`, as often as it is there.
    pub(super) betas: Vec<HeaderValue>,
    /// `cache-control`.
    pub(super) caching: Wish,
}

/// The first version of Anthropic's API without sampling parameters.
const WITHOUT_SAMPLING: &[u8] = b"2026-10-21";

/// The header with names of what is not yet in the version of Anthropic's API.
pub(super) const BETA: &str = "anthropic-beta";

impl Said {
    /// Whether a caller of Anthropic's speaks a version of its API that has `temperature` and
    /// its kind. Versions are dates, so their order is that of their letters.
    pub(super) fn has_sampling(&self) -> bool {
        let version = self.version.as_ref();
        version.is_none_or(|version| version.as_bytes() < WITHOUT_SAMPLING)
    }

    /// What an upstream that speaks Anthropic's dialect is told by a caller that does:
    /// in which version the body is, and what of it is to be taken beyond that, less what
    /// the upstream is not to be told of. `own` is what the operator has it told always.
    /// Says also whether something was kept back.
    pub(super) fn to_anthropic(
        &self,
        own: Option<&str>,
        denied: &DeniedBetas,
    ) -> (Vec<(&'static str, HeaderValue)>, bool) {
        let mut headers = Vec::new();
        headers.extend(
            self.version
                .clone()
                .map(|version| ("anthropic-version", version)),
        );
        let said = self.betas.iter().map(HeaderValue::as_bytes);
        let mut said: Vec<&[u8]> = said.collect();
        let mut is_kept_back = false;
        if !denied.is_empty() {
            let each = said
                .iter()
                .flat_map(|list| list.split(|byte| *byte == b','));
            let each: Vec<&[u8]> = each.map(<[u8]>::trim_ascii).collect();
            let is_told = |name: &&[u8]| !name.is_empty() && !denied.has(name);
            said = each.iter().copied().filter(is_told).collect();
            is_kept_back = each.iter().any(|name| denied.has(name));
        }
        if said.is_empty() {
            return (headers, is_kept_back);
        }
        let all: Vec<&[u8]> = own.map(str::as_bytes).into_iter().chain(said).collect();
        // What was a header value in each is one in a list.
        let all = HeaderValue::from_bytes(&all.join(&b","[..]));
        headers.extend(all.ok().map(|all| (BETA, all)));
        (headers, is_kept_back)
    }
}

/// What a caller wants of the memory of answers; other directives have no say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// `no-cache`: an answer that is made anew.
    pub(super) anew: bool,
    /// `no-store`: nothing is looked for and nothing is kept.
    pub(super) unseen: bool,
}

impl Wish {
    fn of(headers: &HeaderMap) -> Self {
        let mut wish = Self::default();
        for field in headers.get_all(header::CACHE_CONTROL) {
            for directive in field.as_bytes().split(|byte| *byte == b',') {
                let name = directive.split(|byte| *byte == b'=').next();
                let name = name.unwrap_or_default().trim_ascii();
                wish.anew |= name.eq_ignore_ascii_case(b"no-cache");
                wish.unseen |= name.eq_ignore_ascii_case(b"no-store");
            }
        }
        wish
    }
}

/// The headers in which clients name a conversation, the first one that is there counting.
const SESSIONS: [&str; 2] = ["x-session-id", "x-claude-code-session-id"];

/// What a call may go on with.
#[derive(Clone, Copy)]
pub(super) struct Kept<'k> {
    pub(super) gateway: &'k Gateway,
    /// The id of the caller's key.
    pub(super) owner: Option<i64>,
}

impl Kept<'_> {
    /// # Errors
    /// When `body` is no request, or goes on with what is not kept.
    fn read(self, dialect: CallerDialect, body: Bytes) -> Result<Inbound, Fault> {
        let conversations = &self.gateway.conversations;
        let earlier = Earlier {
            turn: &|id| conversations.turn(self.owner, id),
            item: &|id| conversations.item(self.owner, id),
        };
        Inbound::read_after(dialect, body, &earlier).map_err(|bad| {
            let is_lost = bad.param.as_deref() == Some("previous_response_id");
            let mut fault = Fault::from(bad);
            if is_lost {
                fault.status = 404;
                fault.body.code = Some(Code::PreviousResponseNotFound.as_str().to_owned());
            }
            fault
        })
    }
}

/// An id that nobody can guess.
fn fresh_id() -> Result<String, Fault> {
    let mut bytes = [0u8; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Fault::internal("the system gives no random numbers"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Reads the body, at most as many bytes of it as the gateway takes.
///
/// # Errors
/// Too long, encoded, cut off, or not a request of `dialect`.
pub(super) async fn accept(
    caller: &mut ServerSession,
    dialect: CallerDialect,
    kept: &Kept<'_>,
) -> Result<Accepted, Fault> {
    let limit = kept.gateway.max_body;
    let (said, announced) = greet(caller, limit).await?;
    let body = read(caller, announced, limit).await?;
    let prompt_tokens = estimate_prompt(&body);
    let inbound = kept.read(dialect, body)?;
    let whole = inbound.raw().filter(|_| inbound.own.is_some());
    let prompt_tokens = whole.map_or(prompt_tokens, |body| estimate_prompt(body));
    let response_id = match dialect {
        CallerDialect::OpenAiResponses => fresh_id()?,
        CallerDialect::OpenAiChat
        | CallerDialect::OpenAiCompletions
        | CallerDialect::OpenAiEmbeddings
        | CallerDialect::AnthropicMessages
        | CallerDialect::Ollama(_)
        | CallerDialect::OpenAiPassed(_) => String::new(),
    };
    Ok(Accepted {
        prompt_tokens,
        inbound,
        response_id,
        said,
    })
}

/// What the caller says in headers, and how long its body is to be, if it says so; a caller
/// that waits to be asked for its body is.
///
/// # Errors
/// When the body is too long, or encoded.
pub(super) async fn greet(
    caller: &mut ServerSession,
    limit: usize,
) -> Result<(Said, Option<usize>), Fault> {
    let header = caller.req_header();
    let said = |name: &str| header.headers.get(name).cloned();
    let said = Said {
        priority: said(route::PRIORITY),
        user: said(route::USER),
        session: SESSIONS.iter().find_map(|name| said(name)),
        version: said("anthropic-version"),
        betas: header.headers.get_all(BETA).iter().cloned().collect(),
        caching: Wish::of(&header.headers),
    };
    let announced = header
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Refused::too_long(limit).into());
    }
    if let Some(encoding) = header.headers.get(header::CONTENT_ENCODING)
        && encoding.as_bytes() != b"identity"
    {
        return Err(Refused::compressed().into());
    }
    let waits = header
        .headers
        .get(header::EXPECT)
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if waits {
        caller
            .write_continue_response()
            .await
            .map_err(|_| Fault::hung_up())?;
    }
    Ok((said, announced))
}

/// A body that is no call of a model and short.
///
/// # Errors
/// As [`accept`].
pub(crate) async fn small(caller: &mut ServerSession) -> Result<Bytes, Fault> {
    const MOST: usize = 1024 * 1024;
    whole(caller, MOST).await
}

/// A body that is no call of a model, of at most `limit` bytes.
///
/// # Errors
/// As [`accept`].
pub(super) async fn whole(caller: &mut ServerSession, limit: usize) -> Result<Bytes, Fault> {
    let (_, announced) = greet(caller, limit).await?;
    read(caller, announced, limit).await
}

async fn read(
    caller: &mut ServerSession,
    announced: Option<usize>,
    limit: usize,
) -> Result<Bytes, Fault> {
    let cut = |err: Box<pingora::Error>| {
        Fault::hung_up().with_private(format!("while the request body was read: {err}"))
    };
    let Some(first) = caller.read_request_body().await.map_err(cut)? else {
        return Ok(Bytes::new());
    };
    if announced == Some(first.len()) {
        return Ok(first);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(first.len() * 2));
    body.extend_from_slice(&first);
    drop(first);
    while let Some(more) = caller.read_request_body().await.map_err(cut)? {
        if body.len() + more.len() > limit {
            return Err(Refused::too_long(limit).into());
        }
        body.extend_from_slice(&more);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::Wish;

    #[test]
    fn directives_are_read_in_any_case_and_among_others() {
        for (fields, anew, unseen) in [
            (&["no-cache"][..], true, false),
            (&["no-store"], false, true),
            (&["max-age=0, No-Store"], false, true),
            (&["max-age=0", "NO-CACHE=\"x\" , no-transform"], true, false),
            (&["no-cache,no-store"], true, true),
            (&["only-if-cached", "x-no-store"], false, false),
            (&["", ",", "="], false, false),
            (&[], false, false),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(header::CACHE_CONTROL, HeaderValue::from_static(field));
            }
            assert_eq!(Wish::of(&headers), Wish { anew, unseen }, "{fields:?}");
        }
    }
}
