//! An upstream's refusal, in words that a caller may read.

use wire::code::Code;
use wire::dialect::openai::{ErrorBody, Situation, UpstreamError};

use super::Sent;
use crate::fault::Fault;
use crate::live::Target;
use crate::upstream::Pool;

/// Longest error body that is read.
const MAX: usize = 256 * 1024;

/// Longest private text that goes into the log.
const LOGGED: usize = 2000;

/// Makes a fault of a response that is no success. The caller's own faults keep
/// the upstream's status and words; the upstream's faults are told in ours.
pub(in super::super) async fn read(pool: &Pool, mut sent: Sent, target: &Target) -> Fault {
    let status = sent.status();
    let text = |name: &str| {
        let value = sent.header()?.headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let millis = || text("retry-after-ms")?.trim().parse::<f64>().ok();
    let retry_after = text("retry-after").or_else(|| Some((millis()? / 1000.0).to_string()));
    let mut body = Vec::new();
    let whole = loop {
        match sent.read().await {
            Ok(Some(piece)) => {
                let room = MAX - body.len();
                let piece = piece.as_ref();
                body.extend_from_slice(&piece[..piece.len().min(room)]);
                if body.len() == MAX {
                    break false;
                }
            }
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    if whole {
        sent.release(pool).await;
    }
    let told = UpstreamError::read(&body);
    let logged: String = target
        .scrub_for_log(&String::from_utf8_lossy(&body))
        .chars()
        .take(LOGGED)
        .collect();
    let mut fault = fault(status, &told, target);
    fault.retry_after = retry_after;
    fault.with_private(format!("upstream answered {status}: {logged}"))
}

/// What a refusal with `status` means, in which the upstream said `told`.
pub(in super::super) fn fault(status: u16, told: &UpstreamError, target: &Target) -> Fault {
    let status = match status {
        // Not every version of every server says with the status that this is the
        // caller's to mend.
        413 | 500 if told.is_context_overflow() => 400,
        status => status,
    };
    let mut fault = match status {
        // The key is the operator's, not the caller's: docs/decisions/0005.
        401 => Fault::upstream(
            502,
            Code::UpstreamAuthFailed,
            "The upstream refused the gateway's key. The operator should check the API key of the endpoint.",
        ),
        403 if !is_moderation(told) => Fault::upstream(
            502,
            Code::UpstreamAuthFailed,
            "The upstream does not allow the gateway's key to make this call. The operator should check the API key of the endpoint and what it may do.",
        ),
        400..500 => callers(status, told, &|words| target.scrub_for_caller(words)),
        500..600 => failed(status, told, target),
        _ => Fault::upstream(
            502,
            Code::UpstreamBadResponse,
            format!(
                "The upstream answered with HTTP {status}, which is no answer to a model call. The operator should check the endpoint's URL."
            ),
        ),
    };
    // Neither is mended by waiting a little.
    fault.lasting = fault.body.code.as_deref() == Some(Code::UpstreamAuthFailed.as_str())
        || told.situation(Some(status)) == Some(Situation::NoCredit);
    fault.answered = true;
    fault.told = told.message.is_some();
    fault
}

/// Whether a 403 is about what the request says: OpenRouter and others refuse flagged
/// input with it.
fn is_moderation(told: &UpstreamError) -> bool {
    let words = [&told.message, &told.code, &told.kind];
    let said = words
        .into_iter()
        .flatten()
        .map(|words| words.to_lowercase());
    said.into_iter().any(|words| {
        [
            "moderation",
            "flagged",
            "content_filter",
            "content_policy",
            "safety",
        ]
        .iter()
        .any(|sign| words.contains(sign))
    })
}

/// A failure that the upstream admits.
fn failed(status: u16, told: &UpstreamError, target: &Target) -> Fault {
    let own = matches!(status, 503 | 504 | 529);
    let words = told.message.as_deref().map(str::trim);
    let message = match words.filter(|words| !words.is_empty()) {
        Some(words) => format!(
            "The upstream failed with HTTP {status}: {}",
            target.scrub_for_caller(words)
        ),
        None => format!("The upstream failed with HTTP {status}."),
    };
    let overloaded = Situation::Overloaded;
    let code = overloaded
        .code()
        .filter(|_| matches!(status, 503 | 529))
        .unwrap_or(Code::UpstreamFailed);
    Fault::upstream(if own { status } else { 502 }, code, message)
}

/// A refusal that is about the request, the account or the model: status and words stay,
/// and the code if it is one.
fn callers(status: u16, told: &UpstreamError, clean: &dyn Fn(&str) -> String) -> Fault {
    let message = told
        .message
        .as_deref()
        .filter(|words| !words.trim().is_empty());
    let is_empty = told.situation(Some(status)) == Some(Situation::NoCredit);
    // What an account lacks is no fault of the request, whatever the vendor calls it.
    let shown = if status == 400 && is_empty {
        429
    } else {
        status
    };
    let mut fault = Fault::caller(shown, Code::UpstreamRefused, "");
    if matches!(shown, 402 | 404 | 408 | 429) {
        // The endpoint's account, limits or models are at fault, not the caller.
        fault.outcome = store::Outcome::UpstreamError;
        fault.next = true;
    }
    let (kind, code) = told.named(Some(status));
    fault.body = ErrorBody {
        message: message.map_or_else(
            || format!("The upstream refused the request with HTTP {status}."),
            clean,
        ),
        kind: clean(&kind),
        param: told.param.as_deref().map(clean),
        code: Some(code.map_or_else(
            || Code::UpstreamRefused.as_str().to_owned(),
            |code| clean(&code),
        )),
    };
    fault
}
