//! What the forms of the admin app are signed with, so that no other site can send one.
//!
//! The same as long as the store's key is: a page that stays open over a restart can still
//! be sent.

use subtle::ConstantTimeEq as _;

use crate::inbound_key::{Pepper, digest};
use crate::vault::hex;

/// Signs for one visitor after the other.
#[derive(Debug, Clone)]
pub struct FormKey(Pepper);

impl FormKey {
    pub(crate) fn new(pepper: Pepper) -> Self {
        Self(pepper)
    }

    /// What a form must carry that was made for `visitor`.
    #[must_use]
    pub fn token(&self, visitor: &str) -> String {
        hex(&self.0.tag(&digest(&format!("form of {visitor}"))))
    }

    /// Whether `presented` was made for `visitor`.
    #[must_use]
    pub fn is_of(&self, visitor: &str, presented: &str) -> bool {
        self.token(visitor)
            .as_bytes()
            .ct_eq(presented.as_bytes())
            .into()
    }
}
