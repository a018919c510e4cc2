//! What Ollama's clients do with the models of a server.

use http::Method;

/// Length of a blob's name: `sha256:` and a digest.
const DIGEST: usize = 7 + 64;

/// One thing that is done with models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    /// Fetches one from a registry.
    Pull,
    /// Sends one there.
    Push,
    /// Makes one of files that are there.
    Create,
    /// Gives one a second name.
    Copy,
    /// Takes one away.
    Delete,
    /// A file of a model.
    Blob {
        /// As it stands in the path: `sha256:` and 64 hexadecimal digits, or what is no
        /// digest.
        digest: String,
        /// It is only asked for, with HEAD.
        asks: bool,
    },
}

impl Lifecycle {
    /// What `method` does at `path`, and the methods that are taken there; nothing for other
    /// paths.
    pub(super) fn at(path: &str, method: &Method) -> Option<(Option<Self>, &'static str)> {
        let name = path.strip_prefix("/api/")?;
        let (found, methods) = match name {
            "pull" => (Self::Pull, "POST"),
            "push" => (Self::Push, "POST"),
            "create" => (Self::Create, "POST"),
            "copy" => (Self::Copy, "POST"),
            "delete" => (Self::Delete, "DELETE"),
            _ => {
                let digest = name.strip_prefix("blobs/")?.to_owned();
                let asks = method == Method::HEAD;
                (Self::Blob { digest, asks }, "HEAD, POST")
            }
        };
        let is_taken = methods.split(", ").any(|one| one == method.as_str());
        Some((is_taken.then_some(found), methods))
    }

    /// What it is called in the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Create => "create",
            Self::Copy => "copy",
            Self::Delete => "delete",
            Self::Blob { asks: true, .. } => "look for a blob",
            Self::Blob { asks: false, .. } => "take a blob",
        }
    }

    /// The method that it is done with, and its place below the server's `/api`; `None` for
    /// a blob without a digest.
    pub(crate) fn place(&self) -> Option<(&'static str, String)> {
        let (method, path) = match self {
            Self::Pull => ("POST", "/pull"),
            Self::Push => ("POST", "/push"),
            Self::Create => ("POST", "/create"),
            Self::Copy => ("POST", "/copy"),
            Self::Delete => ("DELETE", "/delete"),
            Self::Blob { digest, asks } => {
                let method = if *asks { "HEAD" } else { "POST" };
                return is_digest(digest).then(|| (method, format!("/blobs/{digest}")));
            }
        };
        Some((method, path.to_owned()))
    }
}

/// Whether Ollama takes it for a digest. Nothing else may get into an upstream's path.
fn is_digest(text: &str) -> bool {
    let hex = text
        .strip_prefix("sha256")
        .and_then(|rest| rest.strip_prefix([':', '-']));
    text.len() == DIGEST && hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(method: &str, path: &str) -> Option<Lifecycle> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        Lifecycle::at(path, &method)?.0
    }

    #[test]
    fn each_has_one_method_and_one_place() {
        for (method, name) in [
            ("POST", "pull"),
            ("POST", "push"),
            ("POST", "create"),
            ("POST", "copy"),
            ("DELETE", "delete"),
        ] {
            let path = format!("/api/{name}");
            let found = at(method, &path).and_then(|found| found.place());
            assert_eq!(found, Some((method, format!("/{name}"))), "{name}");
            assert_eq!(at("GET", &path), None, "{name}");
            assert_eq!(at(method, &format!("/v1/{name}")), None, "{name}");
        }
    }

    #[test]
    fn a_blob_is_named_by_its_digest_alone() {
        let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
        for (name, is_one) in [
            (format!("sha256:{digits}"), true),
            (format!("sha256-{digits}"), true),
            (format!("sha256_{digits}"), false),
            (format!("sha256:{}", &digits[1..]), false),
            (format!("sha256:{digits}0"), false),
            (format!("sha256:{}", digits.replace('0', "/")), false),
            ("../delete".to_owned(), false),
            (String::new(), false),
        ] {
            for method in ["HEAD", "POST"] {
                let found = at(method, &format!("/api/blobs/{name}"));
                let place = found.and_then(|found| found.place());
                let expected = is_one.then(|| (method, format!("/blobs/{name}")));
                assert_eq!(place, expected, "{method} {name}");
            }
        }
        assert_eq!(at("DELETE", "/api/blobs/x"), None);
    }
}
