//! The CA file of an endpoint.

use std::sync::Arc;

use pingora::protocols::tls::CaType;
use pingora::utils::tls::{WrappedX509, parse_x509};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificates in the PEM file at `path`.
///
/// # Errors
/// A text for the operator when the file cannot be read or holds no usable
/// certificate.
pub(super) fn read(path: &str) -> Result<Arc<CaType>, String> {
    let pem =
        std::fs::read(path).map_err(|err| format!("its CA file {path} cannot be read: {err}"))?;
    let mut usable = RootCertStore::empty();
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate =
            certificate.map_err(|err| format!("its CA file {path} is not a PEM file: {err}"))?;
        // Looked at here because the library behind the connector ends the program
        // on a certificate that it cannot read.
        usable
            .add(certificate.clone())
            .map_err(|err| format!("its CA file {path} holds an unusable certificate: {err}"))?;
        found.push(certificate.to_vec());
    }
    if found.is_empty() {
        return Err(format!("its CA file {path} holds no certificate"));
    }
    Ok(found
        .into_iter()
        .map(|der| WrappedX509::new(der, parse_x509))
        .collect())
}
