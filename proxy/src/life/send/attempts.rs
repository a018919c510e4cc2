//! The attempts of a call, within its time.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::Outcome;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use wire::code::Code;
use wire::provider::{Call, Format, ProviderKind};

use super::super::admit::reserve;
use super::super::cargo::Cargo;
use super::attempt::{Answer, attempt};
use super::{Account, Candidates, Errand};
use crate::affinity::Conversation;
use crate::fault::Fault;
use crate::live::{Road, Target};
use crate::upstream::{Limits, Pass, Standing};

/// Tries the candidates in order, then those that their circuits kept out.
///
/// # Errors
/// The most useful of their faults, when none answers; the caller's own fault at
/// once.
pub(super) async fn run(
    errand: &Errand<'_>,
    candidates: &Candidates,
    account: &mut Account,
) -> Result<Answer, Fault> {
    let all = candidates.targets.iter().chain(&candidates.spares);
    // With a queue among them the call has the queue's time, and each other one its own.
    let time = all.map(|target| target.upstream.silence).max();
    let mut tries = Tries {
        errand,
        conversation: candidates.conversation,
        deadline: errand.started + time.unwrap_or(errand.gateway.timeouts.silence),
        worst: None,
        empty: None,
        again: None,
        dead: Vec::new(),
        lost: Vec::new(),
    };
    let targets = &candidates.targets;
    let mut left_out = Vec::new();
    for (n, target) in targets.iter().enumerate() {
        if account.attempts() >= candidates.attempts {
            break;
        }
        let Some(pass) = target.standing.enter(candidates.last_resort) else {
            left_out.push(target);
            continue;
        };
        let more = account.attempts() + 1 < candidates.attempts;
        let others =
            more && (n + 1 < targets.len() || candidates.have_spare(account.attempts() + 1));
        if let Some(answer) = tries.once(target, pass, others, account).await? {
            return Ok(answer);
        }
    }
    left_out.extend(&candidates.spares);
    if let Some(answer) = tries.again(left_out, candidates, account).await? {
        return Ok(answer);
    }
    if let Some(answer) = tries.once_more(candidates, account).await? {
        return Ok(answer);
    }
    if account.attempts() < candidates.attempts
        && let Some((wait, target)) = tries.may_wait()
    {
        pingora::time::sleep(wait).await;
        if let Some(pass) = target.standing.enter(true)
            && let Some(answer) = tries.once(&target, pass, false, account).await?
        {
            return Ok(answer);
        }
    }
    tries.give_up(account)
}

/// What the attempts so far have come to.
struct Tries<'e> {
    errand: &'e Errand<'e>,
    conversation: Option<Conversation>,
    deadline: Instant,
    /// The most useful fault.
    worst: Option<Fault>,
    /// An answer with nothing in it: better than none.
    empty: Option<(Answer, Arc<Target>)>,
    /// Who asked for the shortest time, and until when.
    again: Option<(Instant, Arc<Target>)>,
    /// Not to be connected to, or too slow.
    dead: Vec<Arc<Standing>>,
    /// Who was not there, and since when: a server that restarts is back soon.
    lost: Vec<(Instant, Arc<Target>)>,
}

/// Longest time of an attempt whose body is still with the caller; silence ends it sooner.
const UPLOAD: Duration = Duration::from_secs(24 * 3600);

/// How long ago a candidate must have been lost to be asked once more.
const BACK_AFTER: Duration = Duration::from_millis(250);

impl Tries<'_> {
    /// Asks who was kept out by an open circuit, for there is nobody else left who could
    /// answer: those first that are let through by now, since the candidates before may
    /// have taken minutes to fail. Who asked to be left alone is, and so are all where
    /// every circuit was open and one has been tried all the same.
    ///
    /// # Errors
    /// When no other candidate would do better.
    async fn again(
        &mut self,
        left_out: Vec<&Arc<Target>>,
        candidates: &Candidates,
        account: &mut Account,
    ) -> Result<Option<Answer>, Fault> {
        let (now, mut later): (Vec<_>, Vec<_>) = left_out
            .into_iter()
            .partition(|target| target.standing.lets_through());
        later.retain(|target| !candidates.last_resort && !target.standing.is_to_be_left());
        let mut rest = now.len() + later.len();
        for target in now.into_iter().chain(later) {
            rest -= 1;
            if account.attempts() >= candidates.attempts {
                break;
            }
            let Some(pass) = target.standing.enter(!candidates.last_resort) else {
                continue;
            };
            let others = rest > 0 && account.attempts() + 1 < candidates.attempts;
            if let Some(answer) = self.once(target, pass, others, account).await? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    /// Asks those once more who were not there a while ago: the others took their time to
    /// fail, and who restarted meanwhile can answer now.
    ///
    /// # Errors
    /// When no other candidate would do better.
    async fn once_more(
        &mut self,
        candidates: &Candidates,
        account: &mut Account,
    ) -> Result<Option<Answer>, Fault> {
        let mut lost = std::mem::take(&mut self.lost);
        lost.retain(|(since, target)| {
            since.elapsed() >= BACK_AFTER && !target.standing.is_to_be_left()
        });
        let mut rest = lost.len();
        for (_, target) in lost {
            rest -= 1;
            if account.attempts() >= candidates.attempts {
                break;
            }
            let Some(pass) = target.standing.enter(true) else {
                continue;
            };
            self.dead
                .retain(|dead| !Arc::ptr_eq(dead, &target.standing));
            let others = rest > 0 && account.attempts() + 1 < candidates.attempts;
            if let Some(answer) = self.once(&target, pass, others, account).await? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    /// One attempt. `None` when the next candidate may do better.
    ///
    /// # Errors
    /// When none would.
    async fn once(
        &mut self,
        target: &Arc<Target>,
        mut pass: Pass,
        others: bool,
        account: &mut Account,
    ) -> Result<Option<Answer>, Fault> {
        // Another virtual model's: what went wrong then does not depend on the request.
        if self
            .dead
            .iter()
            .any(|dead| Arc::ptr_eq(dead, &target.standing))
        {
            return Ok(None);
        }
        let times = self.errand.gateway.timeouts.at(&target.upstream.endpoint);
        let began = Instant::now();
        let left = self.deadline.saturating_duration_since(began);
        let left = left.min(times.silence);
        if left.is_zero() {
            self.note(late(), target);
            return Ok(None);
        }
        let held = match reserve(self.errand, target) {
            Ok(held) => held,
            Err(fault) => {
                self.note(fault, target);
                return Ok(None);
            }
        };
        // Who may let a call wait leaves some of its time to the next candidate.
        let left = if others && waits(target, self.errand.call()) {
            left / 2
        } else {
            left
        };
        account.attempt(target, held);
        let first_byte = if others {
            left.min(times.first_byte)
        } else {
            left
        };
        // Pinned where it is made: an attempt is too large to be handed over.
        let mut asked = pin!(attempt(self.errand, target, first_byte));
        // While a body comes, its caller takes the time.
        let flows = self.errand.cargo.is_some_and(Cargo::flows);
        let most = if flows { UPLOAD } else { left };
        let outcome = pingora::time::timeout(most, asked.as_mut()).await;
        let outcome = outcome.unwrap_or_else(|_| Err(late()));
        let took = began.elapsed();
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(answer) if answer.is_empty() && others => {
                account.spent(answer.usage());
                account.attempted(took, Some(&empty()));
                pass.failed(Code::UpstreamEmptyAnswer.as_str(), None, &target.limits);
                let endpoint = Arc::clone(target);
                self.empty.get_or_insert((answer.with_pass(None), endpoint));
                Ok(None)
            }
            Ok(answer) if answer.is_empty() => {
                account.attempted(took, None);
                pass.failed(Code::UpstreamEmptyAnswer.as_str(), None, &target.limits);
                Ok(Some(answer.with_pass(None)))
            }
            Ok(answer) => {
                account.attempted(took, None);
                if let Some(conversation) = self.conversation {
                    let affinity = &self.errand.gateway.affinity;
                    affinity.remember(conversation, target.model.id);
                }
                Ok(Some(answer.with_pass(Some((pass, millis)))))
            }
            Err(fault) => {
                if fault.outcome == Outcome::Refused
                    || (fault.outcome == Outcome::ClientError && !fault.answered)
                {
                    account.not_asked();
                } else {
                    account.attempted(took, Some(&fault));
                }
                judge(&mut pass, &fault, &target.limits);
                if !fault.next {
                    return Err(fault);
                }
                if others {
                    tracing::warn!(
                        request_id = self.errand.id,
                        endpoint = %target.upstream.endpoint.name,
                        model = %target.model.actual_model,
                        status = fault.status,
                        code = fault.body.code,
                        reason = fault.private,
                        "an attempt failed; the next candidate is asked"
                    );
                }
                if is_away(&fault) {
                    self.lost.push((Instant::now(), Arc::clone(target)));
                }
                if fault.unsent || fault.outcome == Outcome::Timeout {
                    self.dead.push(Arc::clone(&target.standing));
                }
                self.note(fault, target);
                Ok(None)
            }
        }
    }

    /// Keeps the fault that tells the caller most.
    fn note(&mut self, fault: Fault, target: &Arc<Target>) {
        if let Some(wait) = fault.retry_after.as_deref().and_then(seconds)
            && !fault.lasting
        {
            let at = Instant::now() + wait;
            if self.again.as_ref().is_none_or(|(known, _)| at < *known) {
                self.again = Some((at, Arc::clone(target)));
            }
        }
        let better = |known: &Fault| usefulness(&fault) > usefulness(known);
        if self.worst.as_ref().is_none_or(better) {
            self.worst = Some(fault);
        }
    }

    /// The candidate that asked to be left alone for a time that this call can wait,
    /// and the time.
    fn may_wait(&self) -> Option<(Duration, Arc<Target>)> {
        let (at, target) = self.again.as_ref()?;
        let wait = at.saturating_duration_since(Instant::now());
        let most = self.errand.gateway.timeouts.retry_after;
        let may = !most.is_zero() && wait <= most && *at < self.deadline;
        (may && self.empty.is_none()).then(|| (wait, Arc::clone(target)))
    }

    fn give_up(self, account: &mut Account) -> Result<Answer, Fault> {
        match (self.empty, self.worst) {
            (Some((empty, target)), _) => {
                account.answers(&target);
                Ok(empty)
            }
            (None, Some(fault)) => Err(fault),
            (None, None) => Err(Fault::internal("a call without an attempt")),
        }
    }
}

/// Whether a call may wait there: a job for its worker, a request for its turn.
fn waits(target: &Target, call: Call) -> bool {
    let is_job = |road: &Road| road.way.format == Format::RunpodJob;
    target.upstream.endpoint.provider == ProviderKind::Queue
        || target.road(call).is_some_and(is_job)
}

/// Whether it is the fault of a server that is down, or just going down or coming up.
fn is_away(fault: &Fault) -> bool {
    let cut = fault.body.code.as_deref() == Some(Code::UpstreamConnectionLost.as_str());
    let is_unready = fault.status == 503 && fault.retry_after.is_none();
    fault.outcome != Outcome::Timeout && (fault.unsent || cut || is_unready)
}

/// An answer with nothing in it, for which another candidate is asked.
fn empty() -> Fault {
    Fault::upstream(
        502,
        Code::UpstreamEmptyAnswer,
        "The upstream's answer is empty.",
    )
}

pub(super) fn late() -> Fault {
    Fault::timeout(
        "The upstream took longer than this gateway allows (TIMEOUT, FIRST_BYTE_TIMEOUT, or the endpoint's own times).",
    )
}

/// Tells the circuit how the attempt went.
pub(in super::super) fn judge(pass: &mut Pass, fault: &Fault, limits: &Limits) {
    use store::Outcome as O;
    let code = fault.body.code.as_deref().unwrap_or("error");
    match fault.outcome {
        O::Success => pass.succeeded(),
        // A request that never left says nothing of the upstream.
        O::ClientError if fault.answered => pass.succeeded(),
        O::ClientError => {}
        O::UpstreamError | O::Timeout | O::Truncated => {
            let asked = fault.retry_after.as_deref().and_then(seconds);
            let asked = asked.map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            let hold = if fault.lasting {
                Some(limits.cooldown)
            } else {
                asked
            };
            pass.failed(code, hold, limits);
        }
        O::ClientCancelled | O::Refused | O::InternalError => {}
    }
}

/// The higher, the more a caller learns from it.
fn usefulness(fault: &Fault) -> u8 {
    use store::Outcome as O;
    match fault.outcome {
        O::UpstreamError if fault.retry_after.is_some() => 5,
        O::UpstreamError if fault.told => 4,
        O::UpstreamError | O::Truncated => 3,
        O::Timeout => 2,
        // This candidate cannot be told the request; another one that failed could.
        O::Refused => 1,
        O::Success | O::ClientError | O::ClientCancelled | O::InternalError => 0,
    }
}

/// Longest time that an upstream may ask for.
const LONGEST: Duration = Duration::from_secs(3600);

/// The time that a `retry-after` header asks for: seconds, or an HTTP date.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let wait = match text.trim().parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => {
            Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST)
        }
        Ok(_) => return None,
        Err(_) => {
            let at = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?;
            (at - OffsetDateTime::now_utc())
                .try_into()
                .unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_read_in_every_form() {
        assert_eq!(seconds("2"), Some(Duration::from_secs(2)));
        assert_eq!(seconds(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(
            seconds("Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(seconds("Fri, 31 Dec 2100 23:59:59 GMT"), Some(LONGEST));
        assert_eq!(seconds("1e300"), Some(LONGEST));
        for bad in ["", "soon", "-1", "nan", "inf"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
