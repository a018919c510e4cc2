//! Everything that can go wrong with a call, in one type.
//!
//! A fault has a public text, a private text for the log, an outcome for the
//! ledger and a status. Only [`crate::life::reply`] renders it. Public texts never
//! carry a key, an address of an upstream or the words of a library.

use std::ops::{Deref, DerefMut};

use store::Outcome;
use store::route::Refused;
use wire::code::{Code, Kind};
use wire::dialect::openai::{BadRequest, ErrorBody};
use wire::form::FormError;

/// Why a call fails. One pointer wide, because every step may return it.
#[derive(Debug)]
pub(crate) struct Fault(Box<Parts>);

/// What a fault is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// HTTP status for the caller.
    pub(crate) status: u16,
    /// What the caller reads.
    pub(crate) body: ErrorBody,
    /// What the operator reads besides.
    pub(crate) private: Option<String>,
    /// Seconds or date that the upstream asks to wait, as it wrote it.
    pub(crate) retry_after: Option<String>,
    /// How the ledger counts it; tells who is to blame.
    pub(crate) outcome: Outcome,
    /// The caller is gone: there is nobody to answer.
    pub(crate) hung_up: bool,
    /// Another candidate may do better.
    pub(crate) next: bool,
    /// The upstream answered with it.
    pub(crate) answered: bool,
    /// The upstream said what is wrong.
    pub(crate) told: bool,
    /// It lasts until an operator does something: a refused key, an empty account.
    pub(crate) lasting: bool,
    /// The upstream has not seen the request.
    pub(crate) unsent: bool,
    /// A job's worker does not know the form that it was asked in.
    pub(crate) wants_native: bool,
}

impl Deref for Fault {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Fault {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl Fault {
    fn new(status: u16, outcome: Outcome, kind: Kind, code: Code, message: String) -> Self {
        Self(Box::new(Parts {
            status,
            body: ErrorBody {
                message,
                kind: kind.as_str().to_owned(),
                param: None,
                code: Some(code.as_str().to_owned()),
            },
            private: None,
            retry_after: None,
            outcome,
            hung_up: false,
            next: matches!(outcome, Outcome::UpstreamError | Outcome::Timeout),
            answered: false,
            told: false,
            lasting: false,
            unsent: false,
            wants_native: false,
        }))
    }

    /// The same fault with what only the operator may read.
    pub(crate) fn with_private(mut self, private: impl Into<String>) -> Self {
        self.private = Some(private.into());
        self
    }

    /// The same fault of a request that has not gone out.
    pub(crate) fn unsent(mut self) -> Self {
        self.unsent = true;
        self
    }

    /// The request is wrong; sending it again does not help.
    pub(crate) fn caller(status: u16, code: Code, message: impl Into<String>) -> Self {
        Self::new(
            status,
            Outcome::ClientError,
            Kind::InvalidRequest,
            code,
            message.into(),
        )
    }

    /// The gateway has no such thing to offer.
    pub(crate) fn refused(status: u16, code: Code, message: impl Into<String>) -> Self {
        let mut fault = Self::caller(status, code, message);
        fault.outcome = Outcome::Refused;
        fault
    }

    /// The upstream failed.
    pub(crate) fn upstream(status: u16, code: Code, message: impl Into<String>) -> Self {
        let kind = match status {
            503 | 529 => Kind::Overloaded,
            _ => Kind::Server,
        };
        Self::new(status, Outcome::UpstreamError, kind, code, message.into())
    }

    /// The upstream took longer than the operator allows.
    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self::new(
            504,
            Outcome::Timeout,
            Kind::Server,
            Code::UpstreamTimeout,
            message.into(),
        )
    }

    /// The caller went away before the answer was complete.
    pub(crate) fn hung_up() -> Self {
        let mut fault = Self::new(
            499,
            Outcome::ClientCancelled,
            Kind::InvalidRequest,
            Code::ClientCancelled,
            "The caller closed the connection.".to_owned(),
        );
        fault.hung_up = true;
        fault
    }

    /// A fault of the gateway itself.
    pub(crate) fn internal(private: impl Into<String>) -> Self {
        Self::new(
            500,
            Outcome::InternalError,
            Kind::Server,
            Code::InternalError,
            "The gateway failed on this request. The operator finds the reason in its log under the request id.".to_owned(),
        )
        .with_private(private)
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        let kind = match refused.outcome {
            Outcome::Refused if refused.code == Code::BudgetExceeded => Kind::NoQuota,
            Outcome::Refused if refused.code == Code::RateLimitExceeded => Kind::RateLimit,
            Outcome::UpstreamError => Kind::Server,
            Outcome::Success
            | Outcome::ClientError
            | Outcome::Timeout
            | Outcome::ClientCancelled
            | Outcome::Truncated
            | Outcome::Refused
            | Outcome::InternalError => Kind::InvalidRequest,
        };
        let Refused {
            status,
            outcome,
            code,
            message,
            ..
        } = refused;
        let mut fault = Self::new(status, outcome, kind, code, message);
        fault.body.param = refused.param;
        fault.next = refused.next;
        fault.retry_after = refused.retry_after.map(|seconds| seconds.to_string());
        fault
    }
}

impl From<FormError> for Fault {
    fn from(error: FormError) -> Self {
        let param = match error {
            FormError::SecondModel | FormError::Model => Some("model".to_owned()),
            FormError::Boundary
            | FormError::Beginning
            | FormError::Delimiter
            | FormError::Head
            | FormError::Cut => None,
        };
        let mut fault = Self::caller(400, Code::InvalidForm, error.to_string());
        fault.body.param = param;
        fault
    }
}

impl From<BadRequest> for Fault {
    fn from(bad: BadRequest) -> Self {
        Refused::from(bad).into()
    }
}
