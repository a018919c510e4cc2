//! Paths of the public API.

#[cfg(test)]
mod described;
mod lifecycle;

use http::Method;
use store::route;
use wire::dialect::ollama::OllamaCall;
use wire::inbound::CallerDialect;

pub(crate) use lifecycle::Lifecycle;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A model call.
    Call(CallerDialect),
    /// How many tokens a message would take.
    CountTokens,
    /// The list of virtual models.
    ModelList,
    /// One virtual model; the name as it stands in the path, decoded.
    Model(String),
    /// An answer to a caller of Responses that is kept.
    Kept(Kept),
    /// How many tokens a request of Responses has.
    CountInput,
    /// What a server of Ollama's tells of itself and its models.
    Ollama(Local),
    /// What an operator does with the models of an Ollama server.
    Lifecycle(Lifecycle),
    /// State of the gateway.
    Health,
    /// Clients probe the base URL with HEAD.
    Probe,
    /// A browser asks whether it may call.
    Preflight,
    /// A known path with another method; the methods it takes.
    WrongMethod(&'static str),
    /// Nothing is here.
    Unknown,
}

/// What is asked of an answer that is kept, by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is told with GET, forgotten with DELETE.
    Response(String),
    /// The items that led to it.
    Input(String),
    /// It is to be given up.
    Cancel(String),
}

impl Kept {
    /// What `method` asks of the answer at `place`, its id and what stands behind it; or the
    /// methods that are taken there.
    fn at(place: &str, method: &Method) -> Result<Self, Option<&'static str>> {
        let (id, rest) = place.split_once('/').unwrap_or((place, ""));
        let (found, methods) = match rest {
            "" => (Self::Response(decode(id)), "GET, DELETE"),
            "input_items" => (Self::Input(decode(id)), "GET"),
            "cancel" => (Self::Cancel(decode(id)), "POST"),
            _ => return Err(None),
        };
        let is_taken = methods.split(", ").any(|one| one == method.as_str());
        is_taken.then_some(found).ok_or(Some(methods))
    }
}

/// What Ollama's clients ask that is no call of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// Whether there is a server.
    Running,
    /// Which version it is.
    Version,
    /// Which models it has.
    Tags,
    /// Which of them are loaded.
    Loaded,
    /// What one of them is.
    Show,
}

impl Local {
    /// The one at `path`, and the methods that it takes.
    fn at(path: &str) -> Option<(Self, &'static str)> {
        const READS: &str = "GET, HEAD";
        Some(match path {
            "/" => (Self::Running, READS),
            "/api/version" => (Self::Version, READS),
            "/api/tags" => (Self::Tags, READS),
            "/api/ps" => (Self::Loaded, READS),
            "/api/show" => (Self::Show, "POST"),
            _ => return None,
        })
    }
}

impl Route {
    /// Finds the route of `method` and `path`; a query string is not part of the
    /// path.
    pub(crate) fn find(method: &Method, path: &str) -> Self {
        if method == Method::OPTIONS {
            return Self::Preflight;
        }
        let trimmed = match path.strip_suffix('/') {
            Some(rest) if !rest.is_empty() => rest,
            Some(_) | None => path,
        };
        let reads = method == Method::GET || method == Method::HEAD;
        match trimmed {
            "/health" if reads => return Self::Health,
            "/health" => return Self::WrongMethod("GET, HEAD"),
            "/" | "/v1" | "/api/hello" if method == Method::HEAD => return Self::Probe,
            _ => {}
        }
        if let Some((local, methods)) = Local::at(trimmed) {
            let is_one = methods.split(", ").any(|one| one == method.as_str());
            return if is_one {
                Self::Ollama(local)
            } else {
                Self::WrongMethod(methods)
            };
        }
        if let Some((lifecycle, methods)) = Lifecycle::at(trimmed, method) {
            return match lifecycle {
                Some(lifecycle) => Self::Lifecycle(lifecycle),
                None => Self::WrongMethod(methods),
            };
        }
        if let Some(dialect) = route::dialect_at(trimmed) {
            return if method == Method::POST {
                Self::Call(dialect)
            } else {
                Self::WrongMethod("POST")
            };
        }
        match route::below_prefix(trimmed).map(|(_, name)| name) {
            Some("/responses/input_tokens") if method == Method::POST => Self::CountInput,
            Some("/responses/input_tokens") => Self::WrongMethod("POST"),
            Some("/messages/count_tokens") if *method == Method::POST => Self::CountTokens,
            Some("/messages/count_tokens") => Self::WrongMethod("POST"),
            Some("/models") if reads => Self::ModelList,
            Some("/models") => Self::WrongMethod("GET, HEAD"),
            Some(name) if name.starts_with("/responses/") => {
                match Kept::at(name.trim_start_matches("/responses/"), method) {
                    Ok(kept) => Self::Kept(kept),
                    Err(Some(methods)) => Self::WrongMethod(methods),
                    Err(None) => Self::Unknown,
                }
            }
            Some(name) => match name.strip_prefix("/models/") {
                Some(_) if !reads => Self::WrongMethod("GET, HEAD"),
                Some(id) => Self::Model(decode(id)),
                None => Self::Unknown,
            },
            None => Self::Unknown,
        }
    }
}

/// The dialect of the clients that ask at `path`, as far as it tells.
pub(crate) fn dialect_of(path: &str) -> Option<CallerDialect> {
    let trimmed = path.strip_suffix('/').filter(|rest| !rest.is_empty());
    let trimmed = trimmed.unwrap_or(path);
    let is_ollamas = trimmed.starts_with("/api/")
        && (Local::at(trimmed).is_some() || Lifecycle::at(trimmed, &Method::POST).is_some());
    if is_ollamas {
        return Some(CallerDialect::Ollama(OllamaCall::Chat));
    }
    route::dialect_at(path)
}

/// Percent decoding: model names may contain slashes and colons.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_finds_its_route() {
        let chat = Route::Call(CallerDialect::OpenAiChat);
        let completions = Route::Call(CallerDialect::OpenAiCompletions);
        let embeddings = Route::Call(CallerDialect::OpenAiEmbeddings);
        let responses = Route::Call(CallerDialect::OpenAiResponses);
        let messages = Route::Call(CallerDialect::AnthropicMessages);
        let embeds = Route::Call(CallerDialect::Ollama(OllamaCall::Embeddings));
        let local_chat = Route::Call(CallerDialect::Ollama(OllamaCall::Chat));
        for (method, path, expected) in [
            ("POST", "/v1/chat/completions", &chat),
            ("POST", "/chat/completions", &chat),
            ("POST", "/api/chat/completions", &chat),
            ("POST", "/api/v1/chat/completions/", &chat),
            ("POST", "/v1/completions", &completions),
            ("POST", "/completions", &completions),
            ("POST", "/v1/embeddings", &embeddings),
            ("POST", "/embeddings", &embeddings),
            ("POST", "/api/v1/embeddings", &embeddings),
            ("POST", "/api/embeddings", &embeds),
            ("POST", "/api/chat", &local_chat),
            ("GET", "/api/chat", &Route::WrongMethod("POST")),
            ("GET", "/api/tags", &Route::Ollama(Local::Tags)),
            ("HEAD", "/api/version/", &Route::Ollama(Local::Version)),
            ("GET", "/api/ps", &Route::Ollama(Local::Loaded)),
            ("POST", "/api/show", &Route::Ollama(Local::Show)),
            ("GET", "/api/show", &Route::WrongMethod("POST")),
            ("POST", "/api/tags", &Route::WrongMethod("GET, HEAD")),
            ("GET", "/v1/tags", &Route::Unknown),
            ("POST", "/api/pull", &Route::Lifecycle(Lifecycle::Pull)),
            (
                "DELETE",
                "/api/delete/",
                &Route::Lifecycle(Lifecycle::Delete),
            ),
            ("POST", "/api/delete", &Route::WrongMethod("DELETE")),
            ("POST", "/v1/pull", &Route::Unknown),
            ("POST", "/v1/messages", &messages),
            ("POST", "/messages", &messages),
            ("POST", "/v1/responses", &responses),
            ("GET", "/v1/responses", &Route::WrongMethod("POST")),
            (
                "GET",
                "/v1/responses/resp_1",
                &Route::Kept(Kept::Response("resp_1".to_owned())),
            ),
            (
                "DELETE",
                "/responses/resp_1/",
                &Route::Kept(Kept::Response("resp_1".to_owned())),
            ),
            (
                "POST",
                "/v1/responses/resp_1",
                &Route::WrongMethod("GET, DELETE"),
            ),
            (
                "POST",
                "/v1/responses/resp_1/cancel",
                &Route::Kept(Kept::Cancel("resp_1".to_owned())),
            ),
            (
                "GET",
                "/v1/responses/resp_1/input_items",
                &Route::Kept(Kept::Input("resp_1".to_owned())),
            ),
            (
                "GET",
                "/v1/responses/resp_1/cancel",
                &Route::WrongMethod("POST"),
            ),
            ("GET", "/v1/responses/resp_1/else", &Route::Unknown),
            ("POST", "/v1/responses/input_tokens", &Route::CountInput),
            (
                "GET",
                "/v1/responses/input_tokens",
                &Route::WrongMethod("POST"),
            ),
            ("GET", "/v1/messages", &Route::WrongMethod("POST")),
            ("POST", "/v1/messages/count_tokens", &Route::CountTokens),
            (
                "GET",
                "/v1/messages/count_tokens",
                &Route::WrongMethod("POST"),
            ),
            ("HEAD", "/api/hello", &Route::Probe),
            ("GET", "/api/hello", &Route::Unknown),
            ("GET", "/v1/models", &Route::ModelList),
            ("GET", "/models", &Route::ModelList),
            ("GET", "/api/models", &Route::ModelList),
            ("GET", "/api/v1/models", &Route::ModelList),
            ("HEAD", "/v1/models", &Route::ModelList),
            (
                "GET",
                "/v1/models/org%2Fname:7b",
                &Route::Model("org/name:7b".to_owned()),
            ),
            (
                "GET",
                "/v1/models/org/name",
                &Route::Model("org/name".to_owned()),
            ),
            ("GET", "/v1/models/50%", &Route::Model("50%".to_owned())),
            ("GET", "/health", &Route::Health),
            ("HEAD", "/v1", &Route::Probe),
            ("HEAD", "/v1/", &Route::Probe),
            ("HEAD", "/", &Route::Probe),
            ("OPTIONS", "/v1/chat/completions", &Route::Preflight),
            ("GET", "/v1/chat/completions", &Route::WrongMethod("POST")),
            ("POST", "/v1/models", &Route::WrongMethod("GET, HEAD")),
            ("DELETE", "/v1/models/x", &Route::WrongMethod("GET, HEAD")),
            ("POST", "/health", &Route::WrongMethod("GET, HEAD")),
            ("GET", "/", &Route::Ollama(Local::Running)),
            ("GET", "/v1", &Route::Unknown),
            ("POST", "/v2/chat/completions", &Route::Unknown),
            ("POST", "/v1/chat/completionsx", &Route::Unknown),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
            assert_eq!(Route::find(&method, path), *expected, "{method} {path}");
        }
    }
}
