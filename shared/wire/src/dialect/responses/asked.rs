//! What an answer needs of the request that it is to.

use std::sync::Arc;

use bytes::Bytes;

use super::{CallerRequest, Earlier, Echo, Expanded, Namespaces, expand, read_response};
use crate::dialect::openai::BadRequest;

/// A request, as its answer needs it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What the response repeats of it.
    pub echo: Arc<Echo>,
    /// How the caller knows its tools.
    pub namespaces: Arc<Namespaces>,
    /// The conversation, where the caller may go on with it by the response's id.
    pub conversation: Option<Arc<Expanded>>,
}

/// Whom a response is for.
#[derive(Clone, Debug)]
pub struct Addressee {
    /// What tells the response from all others, letters and digits.
    pub id: String,
    /// What it is to.
    pub asked: Asked,
}

impl Asked {
    /// Reads `body`: what was asked, the body with the conversation in it, and what the
    /// answer needs.
    ///
    /// # Errors
    /// As [`expand`] and [`read_response`].
    pub fn read(
        body: &Bytes,
        earlier: &Earlier<'_>,
    ) -> Result<(CallerRequest, Bytes, Self), BadRequest> {
        let echo = Echo::of(body);
        let expanded = expand(body, earlier)?;
        let request = read_response(&expanded.body)?;
        let whole = expanded.body.clone();
        let asked = Self {
            namespaces: Arc::new(request.namespaces.clone()),
            conversation: echo.stores.then(|| Arc::new(expanded)),
            echo: Arc::new(echo),
        };
        Ok((request, whole, asked))
    }
}
