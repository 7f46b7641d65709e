//! When the certificates of a file end: long before, somebody must renew them.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// When the first of the certificates of a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateEnd {
    /// The setting that names the file, such as `tls-certificate`.
    pub file: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// RFC 5280, section 4.1.2.5: `notAfter`.
    pub until: DateTime<Utc>,
}

impl CertificateEnd {
    /// None where no certificate says when it ends: whether they are good is TLS's to judge.
    pub(super) fn first(
        file: &'static str,
        path: &Path,
        certificates: &[CertificateDer<'_>],
    ) -> Option<Self> {
        let ends = certificates.iter().filter_map(|certificate| {
            let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
            DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)
        });
        let path = path.to_owned();
        ends.min().map(|until| Self { file, path, until })
    }
}
