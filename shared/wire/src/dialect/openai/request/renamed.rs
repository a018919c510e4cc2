//! A request of which nothing but the model's name is changed.

use bytes::Bytes;

use super::{Request, put};
use crate::edit::{Edits, Segments};

impl Request {
    /// `body`, the body that was read, with `model`, a JSON string, as the model's name.
    #[must_use]
    pub fn renamed(&self, body: &Bytes, model: &Bytes) -> Segments {
        let mut edits = Edits::default();
        put(&mut edits, "model", self.model_at.as_ref(), model);
        edits.apply(body)
    }
}
