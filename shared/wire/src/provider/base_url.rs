//! The address of an endpoint as an operator types it, and the address of a call.

use std::fmt;

use thiserror::Error;
use url::Url;

/// A typed base URL that can be called: `http` or `https`, a host, an optional
/// port and path. It never carries credentials, a query or a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    https: bool,
    host: String,
    port: u16,
    path: String,
}

/// Why a base URL is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BaseUrlError {
    /// It is not a URL at all.
    #[error("is not a URL ({0}); write it like https://api.example.com/v1")]
    NotAUrl(String),
    /// Neither `http` nor `https`.
    #[error("has the scheme {0}; only http and https can be called")]
    Scheme(String),
    /// User name or password inside the URL.
    #[error("carries a user name or password; put the key into the API key field")]
    Credentials,
    /// A query or fragment.
    #[error("ends in a query or fragment (? or #); remove it")]
    Extra,
}

impl BaseUrl {
    /// Reads a base URL. Surrounding blanks and trailing slashes do not matter.
    ///
    /// # Errors
    /// Says what is wrong, to be shown behind the name of the field.
    pub fn parse(typed: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(typed.trim()).map_err(|err| BaseUrlError::NotAUrl(err.to_string()))?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(BaseUrlError::Scheme(other.to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Extra);
        }
        let host = url
            .host_str()
            .ok_or_else(|| BaseUrlError::NotAUrl("no host".to_owned()))?;
        Ok(Self {
            https,
            host: host.to_owned(),
            port: url.port().unwrap_or(if https { 443 } else { 80 }),
            path: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Host name or address; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's default when none was typed.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path without a trailing slash; empty for a bare host.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The same server with another path, which must not end in a slash.
    pub(crate) fn at(&self, path: String) -> Self {
        Self {
            path,
            ..self.clone()
        }
    }

    pub(crate) fn with_path(&self, path: String) -> UpstreamUrl {
        UpstreamUrl {
            base: self.at(path),
        }
    }
}

/// The complete address of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl {
    base: BaseUrl,
}

impl UpstreamUrl {
    /// The same address as a base: its scheme, host, port and path.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The address next to this one: its last segment replaced by `path`, which
    /// begins with a slash.
    #[must_use]
    pub fn sibling(&self, path: &str) -> Self {
        let base = &self.base;
        let parent = base.path.rfind('/').map_or("", |at| &base.path[..at]);
        Self {
            base: base.at(format!("{parent}{path}")),
        }
    }

    /// Reads a complete address, which is refused for the same reasons as a base URL.
    ///
    /// # Errors
    /// Says what is wrong, to be shown behind the name of the field.
    pub fn parse(typed: &str) -> Result<Self, BaseUrlError> {
        let mut base = BaseUrl::parse(typed)?;
        if base.path.is_empty() || typed.trim().ends_with('/') {
            base.path.push('/');
        }
        Ok(Self { base })
    }

    /// Path of the call, starting with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.base.path
    }

    /// Host name or address; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.base.host
    }

    /// The port, the scheme's default when none was typed.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.base.port
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.base.https
    }

    /// What belongs into the `Host` header: the port only when it is not the
    /// scheme's default.
    #[must_use]
    pub fn authority(&self) -> String {
        let default = if self.base.https { 443 } else { 80 };
        if self.base.port == default {
            self.base.host.clone()
        } else {
            format!("{}:{}", self.base.host, self.base.port)
        }
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.base.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.base.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_called_is_refused_with_its_reason() {
        for (typed, reason) in [
            ("", "is not a URL"),
            ("api.example.com/v1", "is not a URL"),
            ("localhost:8000", "has the scheme localhost"),
            ("ftp://example.com", "has the scheme ftp"),
            ("http://", "is not a URL"),
            ("https://user:pw@example.com", "carries a user name"),
            ("https://example.com/v1?api-version=1", "ends in a query"),
            ("https://example.com/#x", "ends in a query"),
        ] {
            let got = BaseUrl::parse(typed).map_err(|err| err.to_string());
            assert!(
                got.as_ref().is_err_and(|why| why.starts_with(reason)),
                "{typed}: {got:?}"
            );
        }
    }

    #[test]
    fn host_and_port_are_read() {
        let cases = [
            ("http://10.0.0.7:8000/", false, "10.0.0.7", 8000),
            ("https://API.Example.com", true, "api.example.com", 443),
            ("http://[::1]:11434", false, "[::1]", 11434),
        ];
        for (typed, https, host, port) in cases {
            let got = BaseUrl::parse(typed).map(|u| (u.is_https(), u.host().to_owned(), u.port()));
            assert_eq!(got, Ok((https, host.to_owned(), port)), "{typed}");
        }
    }
}
