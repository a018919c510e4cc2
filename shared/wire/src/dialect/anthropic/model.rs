//! What each model takes, in one table.
//!
//! Rows are tried in order against the model's id with dots read as hyphens, so that
//! `claude-opus-4-7`, `anthropic/claude-opus-4.7` and `claude-opus-4-7-20260416` are one
//! model. Source: Anthropic's model and migration guides.

/// Which ways of choosing tokens a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// `temperature`, `top_p` and `top_k`.
    All,
    /// The same, but not `temperature` and `top_p` together.
    Either,
    /// None of them.
    Refused,
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinks {
    /// It cannot.
    Never,
    /// With a budget of tokens. Then a turn with tool calls must begin with the signed
    /// thinking that led to them.
    Budget,
    /// As much as it sees fit.
    Adaptive,
    /// As much as it sees fit, and it cannot be told not to.
    Always,
}

/// One row: the models whose id has `id` in it, not followed by another digit.
#[derive(Debug)]
pub(super) struct Model {
    id: &'static str,
    pub(super) sampling: Sampling,
    pub(super) thinks: Thinks,
    /// Takes `output_config.effort`.
    pub(super) effort: bool,
    /// Goes on from a last message of the assistant.
    pub(super) prefill: bool,
    /// Takes `output_config.format` and strict tools.
    pub(super) structured: bool,
    /// Takes system messages between the others.
    pub(super) system_anywhere: bool,
    /// Longest answer in tokens, where it is known.
    pub(super) longest: Option<u64>,
}

/// A model of now, of which nothing else is known.
const NEW: Model = Model {
    id: "claude",
    sampling: Sampling::Refused,
    thinks: Thinks::Adaptive,
    effort: true,
    prefill: false,
    structured: true,
    system_anywhere: false,
    longest: None,
};

const BUDGET: Model = Model {
    id: "",
    sampling: Sampling::Either,
    thinks: Thinks::Budget,
    effort: false,
    prefill: true,
    structured: false,
    system_anywhere: false,
    longest: None,
};

const OLD: Model = Model {
    sampling: Sampling::All,
    thinks: Thinks::Never,
    ..BUDGET
};

/// A server that speaks the format with a model of its own.
const OTHER: Model = Model {
    sampling: Sampling::All,
    ..BUDGET
};

#[rustfmt::skip]
const ROWS: &[Model] = &[
    Model { id: "fable-5", thinks: Thinks::Always, ..NEW },
    Model { id: "mythos-5", ..NEW },
    Model { id: "opus-4-8", system_anywhere: true, longest: Some(128_000), ..NEW },
    Model { id: "opus-4-7", longest: Some(128_000), ..NEW },
    Model { id: "opus-4-6", sampling: Sampling::Either, longest: Some(128_000), ..NEW },
    Model { id: "sonnet-5", ..NEW },
    Model { id: "sonnet-4-6", sampling: Sampling::Either, longest: Some(64_000), ..NEW },
    Model { id: "opus-4-5", structured: true, longest: Some(64_000), ..BUDGET },
    Model { id: "sonnet-4-5", structured: true, longest: Some(64_000), ..BUDGET },
    Model { id: "haiku-4-5", structured: true, longest: Some(64_000), ..BUDGET },
    Model { id: "opus-4-1", longest: Some(32_000), ..BUDGET },
    Model { id: "opus-4-0", longest: Some(32_000), ..BUDGET },
    Model { id: "opus-4-20250514", longest: Some(32_000), ..BUDGET },
    Model { id: "sonnet-4-0", longest: Some(64_000), ..BUDGET },
    Model { id: "sonnet-4-20250514", longest: Some(64_000), ..BUDGET },
    Model { id: "claude-3-7", sampling: Sampling::All, longest: Some(64_000), ..BUDGET },
    Model { id: "claude-3-5", longest: Some(8_192), ..OLD },
    Model { id: "claude-3", longest: Some(4_096), ..OLD },
    Model { id: "claude-2", longest: Some(4_096), ..OLD },
    NEW,
];

impl Model {
    /// The row of the model `id`. A Claude that is not in the table is taken for a new
    /// one, anything else for another server's model.
    pub(super) fn of(id: &str) -> &'static Self {
        let id = id.to_ascii_lowercase().replace('.', "-");
        let found = ROWS.iter().find(|row| row.is_in(&id));
        found.unwrap_or(&OTHER)
    }

    fn is_in(&self, id: &str) -> bool {
        id.match_indices(self.id).any(|(at, part)| {
            let after = id.as_bytes().get(at + part.len());
            !after.is_some_and(u8::is_ascii_digit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_find_their_rows() {
        for (id, row) in [
            ("claude-opus-4-7", "opus-4-7"),
            ("anthropic/claude-opus-4.7", "opus-4-7"),
            ("claude-sonnet-4-5-20250929", "sonnet-4-5"),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "haiku-4-5"),
            ("claude-sonnet-5", "sonnet-5"),
            ("Claude-Opus-4-20250514", "opus-4-20250514"),
            ("claude-3-5-sonnet-20241022", "claude-3-5"),
            ("claude-3-haiku-20240307", "claude-3"),
            ("claude-opus-4-70", "claude"),
            ("claude-sonnet-6", "claude"),
            ("qwen3", ""),
        ] {
            assert_eq!(Model::of(id).id, row, "{id}");
        }
    }

    /// A request is written for a model that thinks before its limit of tokens is known.
    #[test]
    fn every_budget_fits_into_the_longest_answer() {
        for row in ROWS.iter().filter(|row| row.thinks == Thinks::Budget) {
            assert!(
                row.longest.is_none_or(|longest| longest >= 2048),
                "{}",
                row.id
            );
        }
    }
}
