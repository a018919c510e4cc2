//! What the vendor's models differ in, read from a model's name.
//!
//! A name without a family and a version, as `sim-model`, has no rule of its own.

/// Family and version, as in `claude-opus-4-6-20260205`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules<'a> {
    family: &'a str,
    version: (u32, u32),
}

impl<'a> Rules<'a> {
    pub(super) fn of(model: &'a str) -> Rules<'a> {
        let mut words = model.strip_prefix("claude-").unwrap_or_default().split('-');
        let family = words.next().unwrap_or_default();
        let mut number = || {
            let number = words.next().and_then(|word| word.parse().ok());
            // A longer number is a date.
            number.filter(|&number: &u32| number < 100).unwrap_or(0)
        };
        Rules {
            family,
            version: (number(), number()),
        }
    }

    /// Takes no sampling parameter and no thinking budget.
    pub(super) fn no_sampling(self) -> bool {
        match self.family {
            "opus" => self.version >= (4, 7),
            "fable" | "mythos" => true,
            _ => false,
        }
    }

    /// Takes sampling parameters only at their defaults, and no thinking budget.
    pub(super) fn default_sampling(self) -> bool {
        self.family == "sonnet" && self.version >= (5, 0)
    }

    /// Thinks always.
    pub(super) fn always_thinks(self) -> bool {
        self.family == "fable"
    }

    /// Does not go on with a last message of the assistant.
    pub(super) fn no_prefill(self) -> bool {
        match self.family {
            "opus" | "sonnet" | "haiku" => self.version >= (4, 6),
            "fable" | "mythos" => true,
            _ => false,
        }
    }

    /// Takes `temperature` or `top_p`, not both.
    pub(super) fn one_sampling(self) -> bool {
        matches!(self.family, "opus" | "sonnet" | "haiku") && self.version.0 == 4
    }

    /// Knows no `output_config.effort`.
    pub(super) fn no_effort(self) -> bool {
        matches!(self.family, "haiku" | "sonnet") && self.version == (4, 5)
    }

    /// Knows no `output_config.format`.
    pub(super) fn no_format(self) -> bool {
        match self.family {
            "opus" | "sonnet" | "haiku" => self.version < (4, 5),
            // In older names the version comes first.
            "2" | "3" => true,
            _ => false,
        }
    }

    /// Takes the role `system` inside `messages`.
    pub(super) fn system_inside(self) -> bool {
        self.family == "opus" && self.version >= (4, 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_family_and_version() {
        for (model, family, version) in [
            ("claude-opus-4-7", "opus", (4, 7)),
            ("claude-sonnet-4-20250514", "sonnet", (4, 0)),
            ("claude-haiku-4-5-20251001", "haiku", (4, 5)),
            ("claude-sonnet-5", "sonnet", (5, 0)),
            ("sim-model", "", (0, 0)),
        ] {
            assert_eq!(Rules::of(model), Rules { family, version }, "{model}");
        }
    }
}
