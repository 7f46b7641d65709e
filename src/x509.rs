//! From when until when the certificates of a file are valid (RFC 5280, section 4.1.2.5), and what that comes to for who loads it. Whether
//! they are good otherwise is TLS's to judge.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use checkpoint::key::instant_text;

/// What a file's certificates are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be shown: a certificate and those above it, each of which is needed.
    Chain,
    /// To judge others by: one authority is enough for those that it vouches for.
    Authorities,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Whose it is, for a person.
    pub(crate) subject: String,
    /// `notBefore`.
    pub(crate) from: DateTime<Utc>,
    /// `notAfter`.
    pub(crate) until: DateTime<Utc>,
}

/// How a certificate stands to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It begins later.
    NotYet,
    /// It is valid.
    Valid,
    /// It has ended.
    Ended,
}

impl Certificate {
    /// None where it cannot be read.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let (validity, subject) = (parsed.validity(), parsed.subject().to_string());
        let instant = |seconds| DateTime::from_timestamp(seconds, 0);
        Some(Self {
            // One without a name is told apart by its number.
            subject: match subject.is_empty() {
                true => format!("serial number {}", parsed.raw_serial_as_string()),
                false => subject,
            },
            from: instant(validity.not_before.timestamp())?,
            until: instant(validity.not_after.timestamp())?,
        })
    }

    /// How it stands at a moment.
    pub(crate) fn standing(&self, now: DateTime<Utc>) -> Standing {
        match () {
            () if now < self.from => Standing::NotYet,
            () if self.until <= now => Standing::Ended,
            () => Standing::Valid,
        }
    }

    fn problem(&self, now: DateTime<Utc>) -> Option<String> {
        let subject = &self.subject;
        match self.standing(now) {
            Standing::Valid => None,
            Standing::NotYet => {
                let from = instant_text(self.from);
                Some(format!("{subject} is not valid yet: it begins {from}"))
            }
            Standing::Ended => {
                let until = instant_text(self.until);
                Some(format!("{subject} has ended {until}"))
            }
        }
    }
}

/// The certificates of a file, of which there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificates {
    /// The setting that names the file, such as `tls-certificate`.
    pub(crate) file: &'static str,
    /// Where it is.
    pub(crate) path: PathBuf,
    purpose: Purpose,
    first: Certificate,
    others: Vec<Certificate>,
}

impl Certificates {
    /// None where no certificate can be read.
    pub(crate) fn new(
        file: &'static str,
        path: &Path,
        purpose: Purpose,
        certificates: &[CertificateDer<'_>],
    ) -> Option<Self> {
        let needed = match purpose {
            Purpose::Chain => of_the_chain(certificates),
            Purpose::Authorities => certificates.iter().collect(),
        };
        let mut read = needed.into_iter().filter_map(Certificate::read);
        Some(Self {
            file,
            path: path.into(),
            purpose,
            first: read.next()?,
            others: read.collect(),
        })
    }

    /// The same of PEM.
    pub(crate) fn of_pem(
        file: &'static str,
        path: &Path,
        purpose: Purpose,
        pem: &[u8],
    ) -> Option<Self> {
        let read = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        let read: Vec<_> = read.collect();
        Self::new(file, path, purpose, &read)
    }

    /// Whether others are judged by it.
    pub(crate) fn judges(&self) -> bool {
        self.purpose == Purpose::Authorities
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The one by which the file stands: of a chain, one that is not valid, and else the first to end; of authorities, the first to
    /// end of those that are valid, and where none is, one that begins, or the last that ended.
    pub(crate) fn deciding(&self, now: DateTime<Utc>) -> &Certificate {
        let rank = |certificate: &&Certificate| {
            let until = certificate.until.timestamp();
            match (self.purpose, certificate.standing(now)) {
                (Purpose::Chain, Standing::NotYet) => (0, -certificate.from.timestamp()),
                (Purpose::Chain, Standing::Ended) => (1, until),
                (Purpose::Chain, Standing::Valid) => (2, until),
                (Purpose::Authorities, Standing::Valid) => (0, until),
                (Purpose::Authorities, Standing::NotYet) => (1, certificate.from.timestamp()),
                (Purpose::Authorities, Standing::Ended) => (2, -until),
            }
        };
        self.all().min_by_key(rank).unwrap_or(&self.first)
    }

    /// Why nothing can be done with the file now; none where something can.
    pub(crate) fn problem(&self, now: DateTime<Utc>) -> Option<String> {
        self.deciding(now).problem(now)
    }

    /// What is not valid beside an authority that is: harmless, and better taken out.
    pub(crate) fn notes(&self, now: DateTime<Utc>) -> Vec<String> {
        match self.problem(now) {
            Some(_) => Vec::new(),
            None => self.all().filter_map(|c| c.problem(now)).collect(),
        }
    }

    /// Tells what is wrong when it is loaded once, and not looked at again.
    pub(crate) fn tell(&self, now: DateTime<Utc>) {
        if let Some(problem) = self.problem(now) {
            let (file, path) = (self.file, self.path.display());
            match self.purpose {
                Purpose::Chain => tracing::error!(
                    file, %path, problem, "a certificate cannot be used now: replace the file, and begin again"
                ),
                Purpose::Authorities => tracing::error!(
                    file, %path, problem,
                    "an authority is not valid now, and who has a certificate by it is believed here all the same, as long as that one is \
                     valid: replace the file, and begin again"
                ),
            }
        }
    }
}

/// The first certificate, and those that vouch for it, whatever their order: what else stands in a file that is shown, nobody looks at.
fn of_the_chain<'a>(certificates: &'a [CertificateDer<'a>]) -> Vec<&'a CertificateDer<'a>> {
    let mut chain: Vec<_> = certificates.iter().take(1).collect();
    let mut wanted: Vec<_> = chain.iter().filter_map(|first| issuer(first)).collect();
    let mut others: Vec<_> = certificates.iter().skip(1).collect();
    while let Some(name) = wanted.pop() {
        let (found, rest): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|other| subject(other).as_ref() == Some(&name));
        wanted.extend(found.iter().filter_map(|found| issuer(found)));
        chain.extend(found);
        others = rest;
    }
    chain
}

fn subject(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    Some(parsed.subject().as_raw().to_vec())
}

fn issuer(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    Some(parsed.issuer().as_raw().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use checkpoint::key::parse_instant;

    fn of(purpose: Purpose, windows: &[(&str, &str, &str)]) -> Certificates {
        let at = |text: &str| parse_instant(text).unwrap();
        let mut all = windows.iter().map(|(subject, from, until)| Certificate {
            subject: (*subject).into(),
            from: at(from),
            until: at(until),
        });
        Certificates {
            file: "tls-client-ca",
            path: "ca.pem".into(),
            purpose,
            first: all.next().unwrap(),
            others: all.collect(),
        }
    }

    #[test]
    fn a_chain_needs_all_of_its_certificates_and_authorities_one() {
        let now = parse_instant("2026-06-01").unwrap();
        let (old, good) = (
            ("old", "2020-01-01", "2026-01-01"),
            ("good", "2020-01-01", "2030-01-01"),
        );
        let (soon, next) = (
            ("soon", "2020-01-01", "2026-07-01"),
            ("next", "2027-01-01", "2031-01-01"),
        );
        // The windows, by which a chain stands and its problem's word, by which authorities stand and how many are noted.
        for (windows, chain, authorities) in [
            (&[good][..], ("good", None), ("good", None, 0)),
            (&[good, soon], ("soon", None), ("soon", None, 0)),
            (&[old, good], ("old", Some("ended")), ("good", None, 1)),
            (
                &[good, next],
                ("next", Some("not valid yet")),
                ("good", None, 1),
            ),
            (
                &[old, next],
                ("next", Some("not valid yet")),
                ("next", Some("not valid yet"), 0),
            ),
            (&[old], ("old", Some("ended")), ("old", Some("ended"), 0)),
            (
                &[old, soon, good, next],
                ("next", Some("not valid yet")),
                ("soon", None, 2),
            ),
        ] {
            let judged = |purpose| {
                let file = of(purpose, windows);
                let subject = file.deciding(now).subject.clone();
                (subject, file.problem(now), file.notes(now).len())
            };
            let fits = |problem: Option<String>, word: Option<&str>| match (problem, word) {
                (Some(problem), Some(word)) => problem.contains(word),
                (problem, word) => problem.is_none() && word.is_none(),
            };
            let (subject, problem, _) = judged(Purpose::Chain);
            assert_eq!(subject, chain.0, "{windows:?}");
            assert!(fits(problem, chain.1), "{windows:?}");
            let (subject, problem, notes) = judged(Purpose::Authorities);
            assert_eq!(
                (&*subject, notes),
                (authorities.0, authorities.2),
                "{windows:?}"
            );
            assert!(fits(problem, authorities.1), "{windows:?}");
        }
    }
}
