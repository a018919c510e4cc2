//! The place of a call in a trace, where traces are made.

use std::sync::Arc;
use std::time::Duration;

use super::Account;
use crate::live::Target;
use crate::telemetry::{Trace, Traced, TracedAttempt};

impl Account {
    /// The call is of this trace.
    pub(in crate::life) fn traces(&mut self, trace: Arc<Trace>) {
        self.traced = Some(Box::new(Traced {
            trace,
            took: Duration::ZERO,
            attempts: Vec::new(),
            answering: None,
        }));
    }

    /// Its trace, if it has one.
    pub(in crate::life) fn trace(&self) -> Option<Arc<Trace>> {
        let traced = self.traced.as_ref()?;
        Some(Arc::clone(&traced.trace))
    }

    /// `target` is asked.
    pub(super) fn trace_attempt(&mut self, target: &Target) {
        let since = self.started.elapsed();
        if let Some(traced) = &mut self.traced {
            let upstream = &target.upstream;
            traced.attempts.push(TracedAttempt {
                span: traced.trace.next_attempt(),
                provider: upstream.endpoint.provider.id(),
                host: upstream.base.host().to_owned(),
                port: upstream.base.port(),
                since,
                took: None,
            });
        }
    }

    /// The last attempt was none.
    pub(super) fn untrace_attempt(&mut self) {
        if let Some(traced) = &mut self.traced {
            traced.attempts.pop();
        }
    }

    /// The last attempt took so long to begin its answer, or to fail.
    pub(super) fn traced_attempt(&mut self, took: Duration) {
        let traced = self.traced.as_mut();
        if let Some(attempt) = traced.and_then(|traced| traced.attempts.last_mut()) {
            attempt.took = Some(took);
        }
    }

    /// The call has ended.
    pub(super) fn trace_ends(&mut self, took: Duration) {
        let answering = self.answering;
        if let Some(traced) = &mut self.traced {
            traced.took = took;
            traced.answering = answering;
        }
    }
}
