//! Whether a client's calls have been seen to work, by what they say of themselves.

use store::ClientRow;

/// What is known of a client's calls of a virtual model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// One succeeded, at this time.
    Works(i64),
    /// There were some, and none succeeded: the last one's time, status and error code.
    Fails(i64, i64, String),
    /// The client works with another virtual model.
    Elsewhere(String),
    Never,
}

impl Seen {
    /// What `calls` tell of a client of one of these names and the virtual model `model`.
    pub(super) fn of(names: &[&str], model: &str, calls: &[ClientRow]) -> Self {
        let own = || {
            calls
                .iter()
                .filter(|row| names.contains(&row.client.as_str()))
        };
        let here = || own().filter(|row| row.virtual_model == model);
        if let Some(at) = here().filter_map(|row| row.last_success_at).max() {
            return Self::Works(at);
        }
        if let Some(last) = here().max_by_key(|row| row.last_at) {
            let code = last.last_error_code.clone().unwrap_or_default();
            return Self::Fails(last.last_at, last.last_status, code);
        }
        let elsewhere = own().find(|row| row.last_success_at.is_some());
        elsewhere.map_or(Self::Never, |row| {
            Self::Elsewhere(row.virtual_model.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use store::ClientRow;

    use super::Seen;

    fn row(client: &str, model: &str, success: Option<i64>) -> ClientRow {
        ClientRow {
            client: client.to_owned(),
            virtual_model: model.to_owned(),
            calls: 1,
            last_at: 9,
            last_success_at: success,
            last_status: 429,
            last_error_code: Some("rate".to_owned()),
        }
    }

    #[test]
    fn a_success_counts_and_a_failure_is_told() {
        let rows = [
            row("Codex", "a", Some(5)),
            row("Codex", "b", None),
            row("curl", "a", Some(7)),
        ];
        for (names, model, seen) in [
            (&["Codex"][..], "a", Seen::Works(5)),
            (&["Codex", "curl"], "a", Seen::Works(7)),
            (&["Codex"], "b", Seen::Fails(9, 429, "rate".to_owned())),
            (&["Codex"], "c", Seen::Elsewhere("a".to_owned())),
            (&["aider"], "a", Seen::Never),
        ] {
            assert_eq!(Seen::of(names, model, &rows), seen, "{names:?} {model}");
        }
    }
}
