//! Names of clients: what a certificate says of its owner (RFC 5280, section 4.2.1.6), and what the roles file gives
//! roles to. A name has a type, and is another name than the same text of another type: an authority may be bound in the
//! one and free in the other.
//!
//! A certificate's common name, email and IP addresses and everything else in it are no names here.
//!
//! Attack: a name in a certificate is taken for one of another type, whose names its authority is not bound to. Shown by
//! `tests/access/names.rs` (`a_name_has_the_roles_of_its_own_type_alone`, `an_authority_that_is_bound_in_dns_names_gets_past_no_dns_role`).

use std::fmt;
use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, DnsName};
use url::{Host, Url};
use webpki::EndEntityCert;

/// Longest name of a client, in bytes (SPIFFE-ID, section 2.3: implementations must support 2048).
const MAX_NAME_BYTES: usize = 2048;

const URI: &str = "URI:";
const DNS: &str = "DNS:";

/// A name of a client, with its type: written as openssl writes it, `URI:...` or `DNS:...`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum ClientName {
    /// As it is written, byte for byte.
    Uri(String),
    /// In lower case and without the dot of the root: these name the same (RFC 4343; RFC 1034, section 3.1).
    Dns(String),
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(uri) => write!(f, "{URI}{uri}"),
            Self::Dns(name) => write!(f, "{DNS}{name}"),
        }
    }
}

impl ClientName {
    /// Reads a name of the roles file.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_NAME_BYTES {
            let found = text.len();
            return Err(format!(
                "has {found} bytes; expected at most {MAX_NAME_BYTES}"
            ));
        }
        if let Some(uri) = text.strip_prefix(URI) {
            return uri_name(uri);
        }
        match text.strip_prefix(DNS) {
            Some(name) => dns_name(name),
            None => Err(without_type(text)),
        }
    }

    /// The names in a certificate: its URIs (SPIFFE X.509-SVID, section 2), then its DNS names. One with a wildcard names
    /// nobody.
    pub(super) fn in_certificate(certificate: &CertificateDer<'_>) -> Vec<Self> {
        let Ok(certificate) = EndEntityCert::try_from(certificate) else {
            return Vec::new();
        };
        let uris = certificate.valid_uri_names();
        let dns = certificate
            .valid_dns_names()
            .filter(|name| !name.contains('*'));
        let uris = uris.map(|uri| Self::Uri(uri.into()));
        uris.chain(dns.map(|name| Self::Dns(canonical(name))))
            .collect()
    }
}

fn canonical(dns_name: &str) -> String {
    let relative = dns_name.strip_suffix('.').unwrap_or(dns_name);
    relative.to_ascii_lowercase()
}

/// A scheme, a colon and something after it (RFC 3986, section 3).
fn is_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    text.chars().all(|c| c.is_ascii_graphic())
        && text
            .split_once(':')
            .is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

fn uri_name(uri: &str) -> Result<ClientName, String> {
    match is_uri(uri) {
        true => Ok(ClientName::Uri(uri.into())),
        false => {
            Err("is not a URI; expected one such as \"URI:spiffe://example.org/ledger\"".into())
        }
    }
}

fn dns_name(name: &str) -> Result<ClientName, String> {
    const EXPECTED: &str = "expected one such as \"DNS:ledger.example.org\"";
    if name.contains('*') {
        return Err(format!("has a wildcard, which names nobody; {EXPECTED}"));
    }
    if !name.is_ascii() {
        // Certificates hold the ASCII form (RFC 5280, section 7.2).
        return Err(match Host::parse(name) {
            Ok(Host::Domain(ascii)) => {
                format!(
                    "is not in the form of certificates; expected \"{DNS}{}\"",
                    canonical(&ascii)
                )
            }
            _ => format!("is not a DNS name; {EXPECTED}"),
        });
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(format!("is an IP address, which names nobody; {EXPECTED}"));
    }
    match DnsName::try_from(name) {
        Ok(_) => Ok(ClientName::Dns(canonical(name))),
        Err(_) => Err(format!("is not a DNS name; {EXPECTED}")),
    }
}

/// The file of somebody who does not know of types, or who means one that is not taken.
fn without_type(text: &str) -> String {
    let typed = match (text.split_once(':'), dns_name(text)) {
        (Some((kind, rest)), _) if kind.eq_ignore_ascii_case("uri") && is_uri(rest) => {
            Some(format!("{URI}{rest}"))
        }
        (Some((kind, rest)), _) if kind.eq_ignore_ascii_case("dns") && dns_name(rest).is_ok() => {
            Some(format!("{DNS}{rest}"))
        }
        (Some(_), _) if Url::parse(text).is_ok_and(|url| url.has_host()) && is_uri(text) => {
            Some(format!("{URI}{text}"))
        }
        (None, Ok(_)) => Some(format!("{DNS}{text}")),
        _ => None,
    };
    match typed {
        Some(typed) => {
            format!("says no type of name, URI: or DNS:; expected [clients.\"{typed}\"]")
        }
        None => "says no type of name; expected [clients.\"URI:spiffe://example.org/ledger\"] or \
             [clients.\"DNS:ledger.example.org\"], as the name stands in the certificate"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_form_of_its_type() {
        for (text, shown) in [
            (
                "URI:spiffe://Amply.example/Ledger",
                "URI:spiffe://Amply.example/Ledger",
            ),
            ("URI:urn:uuid:f81d4fae", "URI:urn:uuid:f81d4fae"),
            ("DNS:Auditors.Example.org.", "DNS:auditors.example.org"),
            (
                "DNS:xn--bcher-kva.example_1.org",
                "DNS:xn--bcher-kva.example_1.org",
            ),
        ] {
            assert_eq!(ClientName::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_to_write() {
        for (text, expected) in [
            (
                "spiffe://a.example/b",
                "expected [clients.\"URI:spiffe://a.example/b\"]",
            ),
            (
                "auditors.example.org",
                "expected [clients.\"DNS:auditors.example.org\"]",
            ),
            (
                "uri:spiffe://a.example/b",
                "expected [clients.\"URI:spiffe://a.example/b\"]",
            ),
            ("Dns:a.example", "expected [clients.\"DNS:a.example\"]"),
            (
                "email:a@example.org",
                "as the name stands in the certificate",
            ),
            ("IP:10.0.0.1", "as the name stands in the certificate"),
            ("", "as the name stands in the certificate"),
            ("URI:operator.amply.example", "is not a URI"),
            ("URI:spiffe:// a", "is not a URI"),
            ("URI:spiffe://a/\u{0}", "is not a URI"),
            ("URI:", "is not a URI"),
            ("DNS:*.example.org", "has a wildcard"),
            (
                "DNS:Bücher.example.",
                "expected \"DNS:xn--bcher-kva.example\"",
            ),
            ("DNS:10.0.0.1", "is an IP address"),
            ("DNS:::1", "is an IP address"),
            ("DNS:a..b", "is not a DNS name"),
            ("DNS:a.example\u{0}.org", "is not a DNS name"),
            ("DNS:", "is not a DNS name"),
            ("DNS:spiffe://a/b", "is not a DNS name"),
        ] {
            let problem = ClientName::parse(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        let long = format!("URI:spiffe://a/{}", "b".repeat(MAX_NAME_BYTES));
        assert!(ClientName::parse(&long).unwrap_err().contains("at most"));
    }
}
