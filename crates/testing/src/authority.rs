//! An authority for certificates, and the files that a service and its clients take.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CrlScope, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

/// Issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    serial: u64,
}

impl Identity {
    /// One that was issued before.
    pub fn in_folder(folder: &Path, file: &str) -> Self {
        Self {
            certificate: folder.join(format!("{file}.crt")),
            key: folder.join(format!("{file}.key")),
            serial: 0,
        }
    }

    pub fn pem(&self) -> tonic::transport::Identity {
        tonic::transport::Identity::from_pem(read(&self.certificate), read(&self.key))
    }
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Replaces a file as a careful operator does: at once.
pub fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::with_key(name, KeyPair::generate().unwrap())
    }

    /// One that ended in the January of this year, as a certificate alone.
    pub fn ended(name: &str, year: i32) -> String {
        let (mut params, key) = (Self::params(name), KeyPair::generate().unwrap());
        params.not_before = date_time_ymd(year - 5, 1, 1);
        params.not_after = date_time_ymd(year, 1, 31);
        params.self_signed(&key).unwrap().pem()
    }

    /// The certificate of this one, as if it had ended in the January of this year: of the same name and key.
    pub fn as_if_ended(&self, name: &str, year: i32) -> String {
        let mut params = Self::params(name);
        params.not_before = date_time_ymd(year - 5, 1, 1);
        params.not_after = date_time_ymd(year, 1, 31);
        params.self_signed(self.issuer.key()).unwrap().pem()
    }

    /// The same key under another name.
    pub fn renamed(&self, name: &str) -> Self {
        let key = KeyPair::from_pem(&self.issuer.key().serialize_pem());
        Self::with_key(name, key.unwrap())
    }

    /// An authority that this one vouches for.
    pub fn below(&self, name: &str) -> Self {
        let (params, key) = (Self::params(name), KeyPair::generate().unwrap());
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    fn with_key(name: &str, key: KeyPair) -> Self {
        let params = Self::params(name);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a URI or a DNS name, good for both ends, in a folder.
    pub fn issue(&self, folder: &Path, file: &str, name: &str) -> Identity {
        self.issue_until(folder, file, name, 2099)
    }

    /// One whose last day was in January of this year.
    pub fn issue_until(&self, folder: &Path, file: &str, name: &str, year: i32) -> Identity {
        self.issue_between(folder, file, name, (2020, year))
    }

    /// One from the January of a year to that of another.
    pub fn issue_between(
        &self,
        folder: &Path,
        file: &str,
        name: &str,
        (from, until): (i32, i32),
    ) -> Identity {
        let serial = rand::random::<u64>() >> 1;
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, file);
        params.subject_alt_names = vec![match name.contains("://") {
            true => SanType::URI(name.try_into().unwrap()),
            false => SanType::DnsName(name.try_into().unwrap()),
        }];
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 31);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            certificate: folder.join(format!("{file}.crt")),
            key: folder.join(format!("{file}.key")),
            serial,
        };
        replace(&identity.key, &key.serialize_pem());
        replace(&identity.certificate, &certificate.pem());
        identity
    }

    /// A list that revokes these.
    pub fn revocation_list(&self, revoked: &[&Identity]) -> String {
        self.list(revoked, |_| {})
    }

    /// One that was to be renewed by the January of this year.
    pub fn revocation_list_until(&self, revoked: &[&Identity], year: i32) -> String {
        self.list(revoked, |list| list.next_update = date_time_ymd(year, 1, 1))
    }

    /// One that was made after the others.
    pub fn later_revocation_list(&self, revoked: &[&Identity]) -> String {
        self.list(revoked, |list| list.crl_number = SerialNumber::from(2u64))
    }

    /// One that says nothing of clients.
    pub fn revocation_list_of_authorities(&self) -> String {
        let scope = CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: vec!["http://crl.amply.example/authorities".into()],
            },
            scope: Some(CrlScope::CaCertsOnly),
        };
        self.list(&[], |list| list.issuing_distribution_point = Some(scope))
    }

    fn list(
        &self,
        revoked: &[&Identity],
        change: impl FnOnce(&mut CertificateRevocationListParams),
    ) -> String {
        let revoked = revoked.iter().map(|identity| RevokedCertParams {
            serial_number: SerialNumber::from(identity.serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let mut list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut list);
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}
