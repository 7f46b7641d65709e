//! TLS to the database: rustls with aws-lc-rs; the certificate and the server's name are always verified.

use std::sync::Arc;

use chrono::Utc;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Roots;
use crate::x509::{Certificates, Purpose};

/// Largest file of authorities: all of a machine have some 250 KiB.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Tells when none of the authorities in a file is valid now.
pub(super) fn tell(roots: &Roots) {
    let Roots::File(path) = roots else { return };
    // What cannot be read was told.
    let pem = files::read(path, MAX_FILE_BYTES).unwrap_or_default();
    if let Some(read) = Certificates::of_pem("sslrootcert", path, Purpose::Authorities, &pem) {
        read.tell(Utc::now());
    }
}

/// A connector that trusts these authorities.
pub(super) fn connector(roots: &Roots) -> Result<MakeRustlsConnect, String> {
    let mut store = RootCertStore::empty();
    let certificates = match roots {
        Roots::System => rustls_native_certs::load_native_certs().certs,
        Roots::File(path) => {
            let wrong = |error: &dyn std::fmt::Display| {
                format!(
                    "sslrootcert: {}: {error}; expected PEM certificates",
                    path.display()
                )
            };
            let pem = files::read(path, MAX_FILE_BYTES).map_err(|error| wrong(&error))?;
            if pem.len() as u64 > MAX_FILE_BYTES {
                return Err(wrong(&format!("is longer than {MAX_FILE_BYTES} bytes")));
            }
            let certificates = CertificateDer::pem_slice_iter(&pem);
            certificates
                .collect::<Result<_, _>>()
                .map_err(|error| wrong(&error))?
        }
    };
    store.add_parsable_certificates(certificates);
    if store.is_empty() {
        return Err(
            "sslrootcert: no certificate authority is trusted; expected at least one".into(),
        );
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
