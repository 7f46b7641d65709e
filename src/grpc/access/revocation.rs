//! Revocation lists, judged when they are read.
//!
//! Attack: a list that is not the authority's takes the place of the right one, and nobody is let in any more (rustls judges a list
//! when a client comes, and then shuts it out, as it does where there is no list of the client's authority). Shown by
//! `tests/access/changes.rs` (`a_revocation_list_that_its_authority_did_not_sign_changes_nothing`) and `lists.rs`
//! (`lists_that_leave_an_authority_out_change_nothing`).

use std::collections::BTreeSet;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

/// The lists, the newest first, when there is one for the clients of each of these authorities, and each that names one of them was
/// signed by it. A list of another one may be that of an authority below, which only its clients show.
///
/// # Errors
/// What is wrong with one of them, or which authorities have none.
pub(super) fn judged(
    lists: Vec<CertificateRevocationListDer<'static>>,
    authorities: &[CertificateDer<'_>],
) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let known = authorities.iter().filter_map(|certificate| {
        let (_, known) = X509Certificate::from_der(certificate).ok()?;
        Some(known)
    });
    let known: Vec<X509Certificate<'_>> = known.collect();
    let mut read = Vec::new();
    for list in &lists {
        let (_, list) = CertificateRevocationList::from_der(list)
            .map_err(|error| format!("has a revocation list that cannot be read: {error}"))?;
        check_signature(&list, &known)?;
        read.push(list);
    }
    check_names(&known)?;
    check_all_covered(&read, &known)?;
    let age = |list: &CertificateRevocationList<'_>| {
        (list.last_update().timestamp(), list.crl_number().cloned())
    };
    let ages: Vec<_> = read.iter().map(age).collect();
    // Of several lists of one authority, rustls looks at the first alone.
    let mut aged: Vec<_> = ages.into_iter().zip(lists).collect();
    aged.sort_by(|(one, _), (other, _)| other.cmp(one));
    Ok(aged.into_iter().map(|(_, list)| list).collect())
}

/// Refuses a list that has the name of an authority and was signed by somebody else.
fn check_signature(
    list: &CertificateRevocationList<'_>,
    known: &[X509Certificate<'_>],
) -> Result<(), String> {
    let mut named = known.iter().filter(|authority| names(list, authority));
    let first = named.next();
    if first.is_some_and(|first| is_false(list, first) && named.all(|other| is_false(list, other)))
    {
        return Err(format!(
            "has a revocation list of {} that was not signed by the authority of this name in --tls-client-ca: no client \
             would be let in; expected the list of that very authority",
            list.issuer()
        ));
    }
    Ok(())
}

/// Refuses authorities whose lists rustls takes one for the other, since it finds a list by the name.
fn check_names(known: &[X509Certificate<'_>]) -> Result<(), String> {
    for (place, one) in known.iter().enumerate() {
        let same_name = |other: &&X509Certificate<'_>| {
            other.subject().as_raw() == one.subject().as_raw()
                && other.public_key().raw != one.public_key().raw
        };
        if known.iter().skip(place + 1).any(|other| same_name(&other)) {
            return Err(format!(
                "cannot be used with two authorities of the name {}, each with a key of its own, in --tls-client-ca: a list is \
                 found by the name, so that the clients of one of them would not be let in; expected one of them alone, or \
                 a new name for the new one",
                one.subject()
            ));
        }
    }
    Ok(())
}

/// Refuses lists under which all clients of an authority would be shut out, as nobody knows whether they are revoked.
fn check_all_covered(
    lists: &[CertificateRevocationList<'_>],
    known: &[X509Certificate<'_>],
) -> Result<(), String> {
    let covers = |list: &CertificateRevocationList<'_>, authority: &X509Certificate<'_>| {
        names(list, authority) && !is_false(list, authority) && is_of_clients(list)
    };
    let bare = known
        .iter()
        .filter(|authority| !lists.iter().any(|list| covers(list, authority)))
        .map(|authority| authority.subject().to_string());
    let bare: BTreeSet<String> = bare.collect();
    if bare.is_empty() {
        return Ok(());
    }
    let bare: Vec<String> = bare.into_iter().collect();
    Err(format!(
        "has no revocation list (of clients) of {}, in --tls-client-ca: no client with a certificate by it would be let in; expected \
         a list of each authority there (of one that issues to other authorities alone: put these in its place)",
        bare.join("; of ")
    ))
}

fn names(list: &CertificateRevocationList<'_>, authority: &X509Certificate<'_>) -> bool {
    list.issuer().as_raw() == authority.subject().as_raw()
}

/// Whether somebody else made it. What cannot be judged here is judged when a client comes.
fn is_false(list: &CertificateRevocationList<'_>, authority: &X509Certificate<'_>) -> bool {
    let judged = list.verify_signature(authority.public_key());
    matches!(judged, Err(X509Error::SignatureVerificationError))
}

/// Whether it is not one of the certificates of authorities alone (RFC 5280, section 5.2.5).
fn is_of_clients(list: &CertificateRevocationList<'_>) -> bool {
    !list.extensions().iter().any(|extension| {
        matches!(
            extension.parsed_extension(),
            ParsedExtension::IssuingDistributionPoint(scope) if scope.only_contains_ca_certs
        )
    })
}
