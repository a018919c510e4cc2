//! Every refusal and fault of the admin app, and how it is answered.
//!
//! Each answer is JSON with an `error` text written for the person at the other
//! end; `fields` names every bad field and `models` the virtual models in the way.
//! No answer carries a secret or the text of a database statement: private details
//! go to the log, once, by [`crate::request_log`]. Which status a fault has is
//! decided here and nowhere else.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use store::{FieldErrors, StoreError};
use wire::code::Code;

/// What went wrong with a call to the admin app.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// No valid login.
    Unauthorized,
    /// The request was made for the caller by a page of another site, or lacks
    /// the proof that it was not.
    Forbidden(String),
    /// The request cannot be read.
    BadRequest(String),
    /// The endpoint's type cannot do what is asked.
    Unsupported(String),
    /// The request can be read, but these fields cannot be accepted.
    Fields(FieldErrors),
    /// No such row or page.
    NotFound(String),
    /// The path exists with other methods.
    Method(&'static str),
    /// The body is not JSON by its own declaration.
    MediaType(String),
    /// The body is over the limit, in bytes.
    TooLarge(usize),
    /// The request is at odds with what is stored; with the virtual models in the way.
    Conflict(String, Vec<String>),
    /// Too many logins were tried; after how many seconds another one is taken.
    TooMany(u64),
    /// The row was changed by somebody else meanwhile: what it is told, and the version now.
    Changed(String, Option<i64>),
    /// A backend failed to answer: the status to pass on and the reason.
    Upstream(StatusCode, String),
    /// The store could not do it.
    Store(StoreError),
    /// A fault of the program itself: private text, never sent.
    Internal(String),
}

#[derive(Serialize)]
struct Body<'a> {
    error: String,
    /// For programs, where a status says too little.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a FieldErrors>,
    /// The row's version now, when it was changed meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    models: &'a [String],
}

impl ApiError {
    /// What the caller is told.
    pub(crate) fn public_text(&self) -> String {
        match self {
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::Forbidden(why)
            | Self::BadRequest(why)
            | Self::Unsupported(why)
            | Self::NotFound(why)
            | Self::MediaType(why)
            | Self::Conflict(why, _)
            | Self::Changed(why, _)
            | Self::Upstream(_, why) => why.clone(),
            Self::TooMany(seconds) => format!(
                "too many logins were tried: wait {} minutes",
                seconds.div_ceil(60)
            ),
            Self::Fields(fields) => fields.to_string(),
            Self::Method(allow) => format!("this path takes {allow}"),
            Self::TooLarge(limit) => format!("the body is over the limit of {limit} bytes"),
            Self::Store(err) => store_text(err),
            Self::Internal(_) => {
                "the admin app failed; its log has the reason under this request".to_owned()
            }
        }
    }
}

impl ApiError {
    /// The bad fields, if that is what it is about.
    ///
    /// # Errors
    /// Itself, if not.
    pub(crate) fn into_fields(self) -> Result<FieldErrors, Self> {
        if let Self::Fields(errors) = self {
            Ok(errors)
        } else {
            Err(self)
        }
    }

    /// The virtual models in the way.
    pub(crate) fn models(&self) -> &[String] {
        if let Self::Conflict(_, models) = self {
            models
        } else {
            &[]
        }
    }
}

impl fmt::Display for ApiError {
    /// The private text, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(err) => write!(f, "{err}"),
            Self::Internal(why) => f.write_str(why),
            Self::Unauthorized
            | Self::Forbidden(_)
            | Self::BadRequest(_)
            | Self::Unsupported(_)
            | Self::Fields(_)
            | Self::NotFound(_)
            | Self::Method(_)
            | Self::MediaType(_)
            | Self::TooLarge(_)
            | Self::Conflict(..)
            | Self::TooMany(_)
            | Self::Changed(..)
            | Self::Upstream(..) => f.write_str(&self.public_text()),
        }
    }
}

impl std::error::Error for ApiError {}

impl From<StoreError> for ApiError {
    fn from(err: StoreError) -> Self {
        match err {
            StoreError::Invalid { fields } => Self::Fields(fields),
            StoreError::Duplicate { .. } => Self::Conflict(err.to_string(), Vec::new()),
            StoreError::Missing { .. } => Self::NotFound(err.to_string()),
            StoreError::Changed { version, .. } => Self::Changed(err.to_string(), version),
            StoreError::HasModels { ref models, .. } => {
                let models = models.clone();
                Self::Conflict(err.to_string(), models)
            }
            StoreError::Open { .. }
            | StoreError::Moved { .. }
            | StoreError::Busy { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Full { .. }
            | StoreError::TooNew { .. }
            | StoreError::Spool { .. }
            | StoreError::SpoolMoved { .. }
            | StoreError::KeyFile { .. }
            | StoreError::Backup { .. }
            | StoreError::NoRandomness
            | StoreError::Sqlite { .. } => Self::Store(err),
        }
    }
}

impl From<FieldErrors> for ApiError {
    fn from(fields: FieldErrors) -> Self {
        Self::Fields(fields)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::BadRequest(_) | Self::Unsupported(_) | Self::Fields(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Conflict(..) | Self::Changed(..) => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Upstream(status, _) => *status,
            Self::Store(err) => store_status(err),
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if let Self::Method(allow) = self {
            answer.insert_header((header::ALLOW, *allow));
        }
        if matches!(self, Self::Store(StoreError::Busy { .. })) {
            answer.insert_header((header::RETRY_AFTER, "1"));
        }
        if let Self::TooMany(seconds) = self {
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        let mut body = Body {
            error: self.public_text(),
            code: if matches!(self, Self::Unsupported(_)) {
                Some(Code::UnsupportedOperation.as_str())
            } else {
                matches!(self, Self::Changed(..)).then_some(Code::ChangedMeanwhile.as_str())
            },
            fields: None,
            version: None,
            models: &[],
        };
        if let Self::Fields(fields) = self {
            body.fields = Some(fields);
        }
        if let Self::Changed(_, version) = self {
            body.version = *version;
        }
        if let Self::Conflict(_, models) = self {
            body.models = models;
        }
        answer.json(body)
    }
}

/// What a caller is told about a fault of the store. What SQLite itself reports may
/// quote statements and stays in the log.
fn store_text(err: &StoreError) -> String {
    if matches!(err, StoreError::Sqlite { .. }) {
        return "the database refused the operation; the admin app's log has the reason".to_owned();
    }
    err.to_string()
}

fn store_status(err: &StoreError) -> StatusCode {
    match err {
        StoreError::Busy { .. }
        | StoreError::Open { .. }
        | StoreError::Moved { .. }
        | StoreError::KeyFile { .. }
        | StoreError::Backup { .. }
        | StoreError::NoRandomness
        | StoreError::ReadOnly { .. } => StatusCode::SERVICE_UNAVAILABLE,
        StoreError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
        StoreError::Corrupt { .. }
        | StoreError::TooNew { .. }
        | StoreError::Spool { .. }
        | StoreError::SpoolMoved { .. }
        | StoreError::Sqlite { .. }
        | StoreError::Duplicate { .. }
        | StoreError::Missing { .. }
        | StoreError::HasModels { .. }
        | StoreError::Changed { .. }
        | StoreError::Invalid { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use std::path::PathBuf;

    use actix_web::ResponseError;
    use actix_web::body::to_bytes;
    use actix_web::http::header;
    use store::StoreError;

    use super::ApiError;

    fn path() -> PathBuf {
        PathBuf::from("data/proxy.db")
    }

    #[actix_web::test]
    async fn a_store_that_cannot_be_used_says_which_and_why() {
        for (err, status, word) in [
            (StoreError::Busy { path: path() }, 503, "locked"),
            (StoreError::ReadOnly { path: path() }, 503, "written"),
            (StoreError::Moved { path: path() }, 503, "put it back"),
            (StoreError::Full { path: path() }, 507, "space"),
            (
                StoreError::Corrupt {
                    path: path(),
                    reason: "file is not a database".to_owned(),
                },
                500,
                "restore a backup",
            ),
        ] {
            let busy = matches!(err, StoreError::Busy { .. });
            let answer = ApiError::from(err).error_response();
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers().contains_key(header::RETRY_AFTER), busy);
            let body = to_bytes(answer.into_body()).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.starts_with("{\"error\":"), "{body}");
            assert!(body.contains("data/proxy.db"), "{body}");
            assert!(body.contains(word), "{body}");
        }
    }

    #[actix_web::test]
    async fn private_texts_stay_in_the_log() {
        let err = ApiError::Internal("a template failed at line 7".to_owned());
        assert!(err.to_string().contains("line 7"));
        let body = to_bytes(err.error_response().into_body()).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains("line 7"), "{body}");
    }
}
