//! Revocation lists, judged when they are read.
//!
//! Attack: a list that is not the authority's takes the place of the right one, and nobody is let in any more (rustls judges a list
//! when a client comes, and then shuts it out). Shown by `tests/access/changes.rs`
//! (`a_revocation_list_that_its_authority_did_not_sign_changes_nothing`).

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

/// The lists, when each that names one of these authorities was signed by it. A list of another one may be that of an authority
/// below, which only its clients show.
///
/// # Errors
/// What is wrong with one of them.
pub(super) fn judged(
    lists: Vec<CertificateRevocationListDer<'static>>,
    authorities: &[CertificateDer<'_>],
) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let read = authorities.iter().filter_map(|certificate| {
        let (_, read) = X509Certificate::from_der(certificate).ok()?;
        Some(read)
    });
    let authorities: Vec<X509Certificate<'_>> = read.collect();
    let mut others = Vec::new();
    for list in &lists {
        let (_, list) = CertificateRevocationList::from_der(list)
            .map_err(|error| format!("has a revocation list that cannot be read: {error}"))?;
        let issuer = list.issuer();
        let named = authorities
            .iter()
            .filter(|authority| authority.subject().as_raw() == issuer.as_raw());
        let judged: Vec<_> = named
            .map(|authority| list.verify_signature(authority.public_key()))
            .collect();
        if judged.is_empty() {
            others.push(issuer.to_string());
        } else if judged.iter().all(is_false) {
            return Err(format!(
                "has a revocation list of {issuer} that was not signed by the authority of this name in --tls-client-ca: no client \
                 would be let in; expected the list of that very authority"
            ));
        }
    }
    if others.len() == lists.len() {
        let issuers = others.join("; ");
        tracing::error!(
            issuers,
            "--tls-client-crl has no list of an authority in --tls-client-ca: whoever has a certificate by one of these is not let in"
        );
    }
    Ok(lists)
}

/// Whether somebody else made it. What cannot be judged here is judged when a client comes.
fn is_false(judged: &Result<(), X509Error>) -> bool {
    matches!(judged, Err(X509Error::SignatureVerificationError))
}
