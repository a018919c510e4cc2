//! A certificate authority and a server certificate made for one simulator.
//!
//! Nothing is written to disk: a caller gets the authority's certificate as PEM text.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// TLS of one simulator: names in the certificate and protocols offered.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Subject alternative names of the server certificate (names or addresses).
    pub names: Vec<String>,
    /// Protocols offered by ALPN, the preferred one first.
    pub alpn: Vec<&'static str>,
}

impl Default for Tls {
    /// `localhost` and `127.0.0.1`, HTTP/2 before HTTP/1.1.
    fn default() -> Tls {
        Tls {
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            alpn: vec!["h2", "http/1.1"],
        }
    }
}

pub(crate) struct Material {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) ca_pem: String,
}

pub(crate) fn material(tls: &Tls) -> io::Result<Material> {
    let ca_key = KeyPair::generate().map_err(io::Error::other)?;
    let mut ca = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name
        .push(DnType::CommonName, "sim test authority");
    let ca_pem = ca.self_signed(&ca_key).map_err(io::Error::other)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut leaf = CertificateParams::new(tls.names.clone()).map_err(io::Error::other)?;
    leaf.distinguished_name.push(DnType::CommonName, "sim");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = leaf.signed_by(&key, &issuer).map_err(io::Error::other)?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .map_err(io::Error::other)?;
    config.alpn_protocols = tls
        .alpn
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(Material {
        config: Arc::new(config),
        ca_pem,
    })
}
