//! Custom headers as they leave: the values of those that carry a secret by their
//! name are masked, and a mask that comes back stands for the stored value.
//!
//! Which headers may be set at all is the store's decision, not made here.

use std::collections::BTreeMap;

use serde_json::Value;
use store::{Secret, is_secret_name};

/// The field in a row and in a body.
const FIELD: &str = "custom_headers";

/// What stands for headers that cannot be read and so cannot be masked one by one.
const UNREADABLE: &str = "***";

/// The stored text `headers`, safe to show.
pub(super) fn mask(headers: String) -> String {
    let Ok(mut parsed) = serde_json::from_str::<BTreeMap<String, String>>(&headers) else {
        return UNREADABLE.to_owned();
    };
    if !parsed.keys().any(|name| is_secret_name(name)) {
        return headers;
    }
    for (name, value) in &mut parsed {
        if is_secret_name(name) {
            *value = Secret::new(value.as_str()).masked();
        }
    }
    serde_json::json!(parsed).to_string()
}

/// Puts the values of `stored` back where `body` carries their masks.
pub(crate) fn unmask(body: &mut Value, stored: Option<&str>) {
    let Some(field) = body.get_mut(FIELD) else {
        return;
    };
    let sent = match &*field {
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Object(_) => serde_json::from_value(field.clone()).ok(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    };
    // What is no object of strings is refused by the store, with the reason.
    let Some(mut sent): Option<BTreeMap<String, String>> = sent else {
        return;
    };
    let stored: BTreeMap<String, String> = stored
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut changed = false;
    for (name, value) in &mut sent {
        if let Some(kept) = stored.get(name)
            && is_secret_name(name)
            && Secret::new(kept.as_str()).masked() == *value
        {
            value.clone_from(kept);
            changed = true;
        }
    }
    if changed {
        *field = serde_json::json!(sent);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{mask, unmask};

    const STORED: &str = r#"{"x-team":"blue","Authorization":"Bearer abcd1234"}"#;

    #[test]
    fn only_secrets_are_masked() {
        assert_eq!(
            mask(STORED.to_owned()),
            r#"{"Authorization":"***1234","x-team":"blue"}"#
        );
        let open = r#"{"x-b":"1","x-a":"2"}"#;
        assert_eq!(mask(open.to_owned()), open);
        assert_eq!(mask("Bearer abcd1234".to_owned()), "***");
    }

    #[test]
    fn only_the_mask_of_the_stored_value_is_put_back() {
        for field in [
            json!({ "Authorization": "***1234", "x-team": "***" }),
            json!(r#"{"Authorization":"***1234","x-team":"***"}"#),
        ] {
            let mut body = json!({ "custom_headers": field });
            unmask(&mut body, Some(STORED));
            assert_eq!(
                body["custom_headers"],
                json!({ "Authorization": "Bearer abcd1234", "x-team": "***" })
            );
        }
        let other = json!({ "custom_headers": { "Authorization": "***9999" } });
        let mut body = other.clone();
        unmask(&mut body, Some(STORED));
        assert_eq!(body, other);
        unmask(&mut body, None);
        assert_eq!(body, other);
    }
}
