//! What the errors of both programs are called, for programs: one list, from which callers,
//! the log and usage rows are told, and which `docs/troubleshooting.md` explains.
//!
//! Not here: the codes and types that an upstream gives itself. They are passed on.

/// A list of names, each written once.
macro_rules! names {
    ($(#[$of:meta])* $list:ident { $($(#[$what:meta])* $name:ident = $word:literal,)+ }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $list {
            $($(#[$what])* $name,)+
        }

        impl $list {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

names! {
    /// `code` of an error.
    Code {
        /// Money of a day or month is used up.
        BudgetExceeded = "budget_exceeded",
        /// The call's future was dropped; in usage rows and the log alone.
        CallDropped = "call_dropped",
        /// The caller went away; in usage rows and the log alone.
        ClientCancelled = "client_cancelled",
        /// Somebody else changed the row meanwhile; of the admin app.
        ChangedMeanwhile = "changed_meanwhile",
        /// The conversation is longer than the model's context.
        ContextLengthExceeded = "context_length_exceeded",
        /// The caller's key is switched off.
        DisabledApiKey = "disabled_api_key",
        /// The virtual model's endpoint cannot be used as it is configured.
        EndpointMisconfigured = "endpoint_misconfigured",
        /// The caller's key is too old.
        ExpiredApiKey = "expired_api_key",
        /// The gateway is told to stop.
        GatewayStopping = "gateway_stopping",
        /// The upstream's account is empty.
        InsufficientQuota = "insufficient_quota",
        /// A fault of the gateway.
        InternalError = "internal_error",
        /// The caller's key is not known.
        InvalidApiKey = "invalid_api_key",
        /// The name of one of Ollama's blobs is no SHA-256.
        InvalidDigest = "invalid_digest",
        /// The parts of a form cannot be told apart with certainty.
        InvalidForm = "invalid_form",
        /// The body is no JSON object.
        InvalidJson = "invalid_json",
        /// A field or header has a value that it cannot have.
        InvalidValue = "invalid_value",
        /// The path takes other methods.
        MethodNotAllowed = "method_not_allowed",
        /// No key was shown.
        MissingApiKey = "missing_api_key",
        /// A field that must be there is not.
        MissingRequiredParameter = "missing_required_parameter",
        /// The caller's key may not call this model.
        ModelNotAllowed = "model_not_allowed",
        /// Nobody here, or nobody at the upstream, knows the model.
        ModelNotFound = "model_not_found",
        /// No candidate of the virtual model can be called.
        NoCandidate = "no_candidate",
        /// There is no endpoint for Ollama's life of models.
        NoOllamaEndpoint = "no_ollama_endpoint",
        /// The caller's address or key may not do this.
        NotTrusted = "not_trusted",
        /// The answer that a request goes on from is not kept any more.
        PreviousResponseNotFound = "previous_response_not_found",
        /// Too many calls or tokens, here or at the upstream.
        RateLimitExceeded = "rate_limit_exceeded",
        /// The body is too long.
        RequestTooLarge = "request_too_large",
        /// No answer is made in the background.
        ResponseNotCancellable = "response_not_cancellable",
        /// No such answer is kept.
        ResponseNotFound = "response_not_found",
        /// What failed, to callers of Responses, where none of the codes that they know fits.
        ServerError = "server_error",
        /// The upstream has more to do than it can.
        ServerIsOverloaded = "server_is_overloaded",
        /// No such path.
        UnknownPath = "unknown_path",
        /// The body is compressed.
        UnsupportedContentEncoding = "unsupported_content_encoding",
        /// The endpoint's type does not have this call.
        UnsupportedOperation = "unsupported_operation",
        /// The endpoint's dialect cannot say this field.
        UnsupportedValue = "unsupported_value",
        /// The upstream refused the gateway's key.
        UpstreamAuthFailed = "upstream_auth_failed",
        /// An event of the upstream's stream cannot be read.
        UpstreamBadEvent = "upstream_bad_event",
        /// The upstream's answer is none to a model call.
        UpstreamBadResponse = "upstream_bad_response",
        /// The connection broke before the answer was whole.
        UpstreamConnectionLost = "upstream_connection_lost",
        /// A whole answer with nothing in it.
        UpstreamEmptyAnswer = "upstream_empty_answer",
        /// The upstream said that it failed.
        UpstreamFailed = "upstream_failed",
        /// A job was cancelled there.
        UpstreamJobCancelled = "upstream_job_cancelled",
        /// A job failed there.
        UpstreamJobFailed = "upstream_job_failed",
        /// A job cannot be followed any more.
        UpstreamJobLost = "upstream_job_lost",
        /// A job ran out of time there.
        UpstreamJobTimedOut = "upstream_job_timed_out",
        /// The upstream refused the request and has no code for it.
        UpstreamRefused = "upstream_refused",
        /// The stream ended before the answer did.
        UpstreamStreamCut = "upstream_stream_cut",
        /// An error inside the stream that has no code.
        UpstreamStreamError = "upstream_stream_error",
        /// Longer than the operator allows.
        UpstreamTimeout = "upstream_timeout",
        /// No secure connection.
        UpstreamTlsFailed = "upstream_tls_failed",
        /// No connection.
        UpstreamUnreachable = "upstream_unreachable",
    }
}

names! {
    /// `type` of an error in OpenAI's form.
    Kind {
        /// The request, or its key.
        InvalidRequest = "invalid_request_error",
        /// There is no money.
        NoQuota = "insufficient_quota",
        /// There is no capacity.
        Overloaded = "service_unavailable_error",
        /// What is asked is not allowed.
        Permission = "permission_error",
        /// Too much in this minute.
        RateLimit = "rate_limit_error",
        /// The upstream or the gateway.
        Server = "server_error",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Code, Kind};
    use crate::dialect::anthropic::ErrorKind;

    const GUIDE: &str = include_str!("../../../docs/troubleshooting.md");

    /// The first cells of all tables of the guide whose first column is called `column`.
    fn listed(column: &str) -> BTreeSet<String> {
        let head = format!("| {column} |");
        let mut within = false;
        let mut found = BTreeSet::new();
        for line in GUIDE.lines() {
            within = line.starts_with(&head) || (within && line.starts_with('|'));
            let cell = line
                .strip_prefix("| `")
                .and_then(|rest| rest.split_once('`'));
            if let (true, Some((cell, _))) = (within, cell) {
                found.insert(cell.to_owned());
            }
        }
        found
    }

    #[test]
    fn the_guide_explains_each_code_and_type_and_no_others() {
        let words = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
        let codes: BTreeSet<_> = words(Code::ALL.iter().map(|code| code.as_str()).collect());
        let kinds: BTreeSet<_> = words(Kind::ALL.iter().map(|kind| kind.as_str()).collect());
        assert_eq!(listed("code"), codes);
        assert_eq!(listed("type"), kinds);
        let of_messages: BTreeSet<_> = (400..600)
            .map(ErrorKind::of_status)
            .filter_map(|kind| serde_json::to_value(kind).ok()?.as_str().map(str::to_owned))
            .collect();
        assert_eq!(listed("type in Messages"), of_messages);
    }

    #[test]
    fn no_two_have_one_word() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
