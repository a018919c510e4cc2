//! Where clients reach the gateway: as it is set, or as far as it can be guessed: under the
//! name by which the admin app is reached, at the port on which a gateway says it listens.

use std::net::SocketAddr;

use actix_web::HttpRequest;
use actix_web::http::header;
use store::{GatewayStatus, PUBLIC_GATEWAY_URL, Store, StoreError};
use url::Url;

use crate::admin::Admin;

/// The variable with the address.
const VARIABLE: &str = "PUBLIC_GATEWAY_URL";

/// What the store says of it.
pub(super) struct Known {
    pub(super) gateways: Vec<GatewayStatus>,
    set: Option<String>,
}

impl Known {
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            gateways: store.gateways()?,
            set: store.settings()?.remove(PUBLIC_GATEWAY_URL),
        })
    }

    /// The base address, such as `http://gateway.example:8002`, and whether it is a guess.
    pub(super) fn base(&self, admin: &Admin, req: &HttpRequest) -> (String, bool) {
        let set = admin.environment.get(VARIABLE).or(self.set.as_ref());
        match set.and_then(|set| typed(set)) {
            Some(set) => (set, false),
            None => (guessed(req, &self.gateways, admin.api_port), true),
        }
    }
}

/// `port` is used when no gateway has told its own.
fn guessed(req: &HttpRequest, gateways: &[GatewayStatus], port: u16) -> String {
    let host = req.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or("");
    let told = gateways.first().and_then(|gateway| {
        let address: SocketAddr = gateway.address.parse().ok()?;
        Some(address.port())
    });
    of(host, told.unwrap_or(port))
}

fn of(host: &str, port: u16) -> String {
    let mut url = Url::parse(&format!("http://{host}/")).ok();
    let set = url.as_mut().and_then(|url| url.set_port(Some(port)).ok());
    match (url, set) {
        (Some(url), Some(())) => without_path(&url),
        (_, _) => format!("http://127.0.0.1:{port}"),
    }
}

/// An address that was typed, if it is one that a client could use.
pub(super) fn typed(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    is_web.then(|| {
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path);
        format!("{}{path}", without_path(&url))
    })
}

fn without_path(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::{of, typed};

    #[test]
    fn the_host_is_kept_and_the_port_is_the_gateways() {
        for (host, address) in [
            ("127.0.0.1:5001", "http://127.0.0.1:8002"),
            ("admin.example", "http://admin.example:8002"),
            ("[::1]:5001", "http://[::1]:8002"),
            ("", "http://127.0.0.1:8002"),
            ("a b\"", "http://127.0.0.1:8002"),
        ] {
            assert_eq!(of(host, 8002), address, "{host}");
        }
    }

    #[test]
    fn an_address_that_is_typed_loses_what_clients_add() {
        for (text, address) in [
            ("https://gw.example", Some("https://gw.example")),
            ("https://gw.example/v1/", Some("https://gw.example")),
            ("http://gw.example:1/ai/v1", Some("http://gw.example:1/ai")),
            ("http://u:p@gw.example/?q#f", Some("http://gw.example")),
            ("gw.example", None),
            ("javascript:alert(1)", None),
            ("", None),
        ] {
            assert_eq!(typed(text).as_deref(), address, "{text}");
        }
    }
}
