//! Addresses of endpoints without the secrets that some are written with.
//!
//! The store takes no new address with a password or a query; files of the original
//! may have them.

use url::Url;

use crate::secret::MASK;

/// `typed` as it is, unless it has a user, a password, a query or a fragment: they
/// are masked.
pub fn masked_url(typed: &str) -> String {
    let Ok(mut url) = Url::parse(typed) else {
        return typed.to_owned();
    };
    let mut changed = false;
    if !url.username().is_empty() || url.password().is_some() {
        // Both can fail only for addresses that can have neither.
        changed |= url.set_username(MASK).is_ok();
        changed |= url.set_password(None).is_ok();
    }
    if url.query().is_some() {
        url.set_query(Some(MASK));
        changed = true;
    }
    if url.fragment().is_some() {
        url.set_fragment(Some(MASK));
        changed = true;
    }
    if changed {
        url.into()
    } else {
        typed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::masked_url;

    #[test]
    fn secrets_are_masked_and_the_rest_stays_as_typed() {
        for (typed, shown) in [
            ("http://Host:80/v1/", "http://Host:80/v1/"),
            ("no address", "no address"),
            ("https://me:pw@h/v1", "https://***@h/v1"),
            ("https://key@h/v1", "https://***@h/v1"),
            ("https://h/v1?api-key=k", "https://h/v1?***"),
            ("https://h/v1#k", "https://h/v1#***"),
        ] {
            assert_eq!(masked_url(typed), shown);
        }
    }
}
