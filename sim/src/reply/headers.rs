//! Header fields the vendors send besides the usual ones.

use crate::vendor::Flavor;

const OPENAI: &[(&str, &str)] = &[
    ("x-request-id", "req_sim"),
    ("openai-version", "2020-10-01"),
    ("openai-processing-ms", "1"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-remaining-requests", "9999"),
];
const ANTHROPIC: &[(&str, &str)] = &[
    ("request-id", "req_sim"),
    ("anthropic-organization-id", "org-sim"),
    ("anthropic-ratelimit-requests-limit", "4000"),
    ("anthropic-ratelimit-requests-remaining", "3999"),
    ("anthropic-ratelimit-requests-reset", "2025-10-09T08:53:21Z"),
];

/// Those of complete answers.
pub(super) fn complete(flavor: Flavor) -> Vec<(String, String)> {
    if flavor == Flavor::OpenAi {
        owned(OPENAI)
    } else {
        always(flavor)
    }
}

/// Those of all answers, refusals too.
pub(super) fn always(flavor: Flavor) -> Vec<(String, String)> {
    if flavor == Flavor::Anthropic {
        owned(ANTHROPIC)
    } else {
        Vec::new()
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    headers.iter().map(owned).collect()
}
