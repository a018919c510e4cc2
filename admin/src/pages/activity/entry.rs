//! A call as the pages show it.

use store::{Attempt, CallRow, Outcome};

use crate::shown::{duration, grouped, money};

/// A call, in words.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) row: CallRow,
    pub(crate) link: String,
}

impl Entry {
    pub(crate) fn new(row: CallRow) -> Self {
        Self {
            link: format!("/proxy-dashboard/activity/{}", row.key().to_text()),
            row,
        }
    }

    /// The attempt that the answer is from: the last one that was good, or the last.
    fn answering(&self) -> Option<&Attempt> {
        let attempts = &self.row.attempts;
        let good = attempts.iter().rev().find(|one| one.code.is_none());
        good.or_else(|| attempts.last())
    }

    /// The model's name at its endpoint; empty when none was asked.
    pub(crate) fn actual(&self) -> &str {
        self.answering().map_or("", |attempt| &attempt.model)
    }

    pub(crate) fn outcome(&self) -> &'static str {
        let outcome = self.row.outcome.as_deref().and_then(Outcome::from_text);
        outcome.map_or("unknown", outcome_name)
    }

    /// The class of the badge with the outcome.
    pub(crate) fn kind(&self) -> &'static str {
        match self.row.outcome.as_deref().and_then(Outcome::from_text) {
            Some(Outcome::Success) => "good",
            Some(outcome) if outcome.is_failure() => "bad",
            Some(_) => "warn",
            None => "",
        }
    }

    pub(crate) fn status(&self) -> String {
        let told = self.row.status.filter(|status| *status > 0);
        told.map_or("–".to_owned(), |status| status.to_string())
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.row.endpoint_name.as_deref().unwrap_or_default()
    }

    pub(crate) fn key(&self) -> &str {
        self.row
            .inbound_api_key_label
            .as_deref()
            .unwrap_or_default()
    }

    pub(crate) fn route(&self) -> &str {
        self.row.route.as_deref().unwrap_or(&self.row.request_type)
    }

    pub(crate) fn client(&self) -> &str {
        self.row.client.as_deref().unwrap_or_default()
    }

    pub(crate) fn address(&self) -> &str {
        self.row.address.as_deref().unwrap_or_default()
    }

    pub(crate) fn request_id(&self) -> &str {
        self.row.request_id.as_deref().unwrap_or_default()
    }

    pub(crate) fn error_code(&self) -> &str {
        self.row.error_code.as_deref().unwrap_or_default()
    }

    pub(crate) fn tokens(&self) -> String {
        grouped(self.row.total_tokens)
    }

    pub(crate) fn cost(&self) -> String {
        self.row.cost_nanos.map_or("unpriced".to_owned(), money)
    }

    pub(crate) fn latency(&self) -> String {
        duration(self.row.response_time_ms)
    }

    pub(crate) fn ttft(&self) -> String {
        self.row.ttft_ms.map_or("–".to_owned(), duration)
    }

    /// What else is worth a word: other candidates, answers from memory, tool calls brought
    /// into form.
    pub(crate) fn notes(&self) -> Vec<String> {
        let row = &self.row;
        let mut notes = Vec::new();
        let answering = self.answering();
        for attempt in &row.attempts {
            let is_other = answering.is_none_or(|own| !std::ptr::eq(own, attempt));
            if let Some(code) = attempt.code.as_deref().filter(|_| is_other) {
                notes.push(format!("{}: {code}, {} ms", attempt.endpoint, attempt.ms));
            }
        }
        if row.cache_hit != 0 {
            notes.push("from memory".to_owned());
        }
        if row.tool_repairs > 0 {
            let plural = if row.tool_repairs == 1 { "" } else { "s" };
            notes.push(format!("{} tool call{plural} mended", row.tool_repairs));
        }
        if row.estimated != 0 {
            notes.push("tokens estimated".to_owned());
        }
        if row.cost_disputed {
            notes.push("the provider tells another cost".to_owned());
        }
        notes
    }
}

/// An outcome in words.
pub(crate) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::ClientError => "client error",
        Outcome::UpstreamError => "endpoint failed",
        Outcome::Timeout => "timeout",
        Outcome::ClientCancelled => "cancelled",
        Outcome::Truncated => "cut off",
        Outcome::Refused => "refused",
        Outcome::InternalError => "gateway failed",
    }
}
