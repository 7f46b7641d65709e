//! RSA private keys: read from PEM with full validation, generated, and used to sign.
//!
//! The rsa crate reads, validates and generates; aws-lc-rs signs. Whatever holds private bytes here is
//! zeroized when it is dropped: the rsa crate's numbers and documents do so themselves, and aws-lc cleanses
//! all memory that it frees (OPENSSL_free). Intermediate results of the rsa crate are freed as they are; the
//! allocator of the binary (`src/main.rs`) wipes these.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use pkcs1::EncodeRsaPrivateKey;
use pkcs8::der::{Decode, SecretDocument};
use pkcs8::{LineEnding, PrivateKeyInfoRef};
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::der::DerKind;
use super::public::{self, PublicKey, PublicKeyError};
use crate::fault::excerpt;

/// Bits of a generated key where nothing else is asked for: its signatures must stand for a decade
/// (NIST SP 800-57 part 1, table 2: 128 bits of strength).
pub const DEFAULT_MODULUS_BITS: usize = 3072;

/// Longest label that an error repeats: those of RFC 7468 have up to 21 characters, and a line of a key has 64.
const MAX_LABEL_BYTES: usize = 24;

/// id-RSASSA-PSS (RFC 4055, section 1.2).
const PSS_OID: pkcs8::ObjectIdentifier =
    pkcs8::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

/// The message of the trial signature that every key makes when it is loaded.
const TRIAL_MESSAGE: &[u8] = b"checkpoint-signer: trial signature of a key that was just loaded";

/// The RSA library failed to sign: its own check of the result did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the RSA library refused to sign with {bits} bits")]
pub struct SignError {
    pub(crate) bits: u32,
}

/// Why a text is no private key. No variant holds key material.
#[derive(Debug, thiserror::Error)]
pub enum PrivateKeyError {
    /// The text is not PEM.
    #[error("is not PEM; expected BEGIN RSA PRIVATE KEY (PKCS#1) or BEGIN PRIVATE KEY (PKCS#8)")]
    NotPem,
    /// The PEM holds something else.
    #[error("is PEM of {0}; expected RSA PRIVATE KEY (PKCS#1) or PRIVATE KEY (PKCS#8)")]
    Label(String),
    /// The key is encrypted.
    #[error("is encrypted; expected an unencrypted key, since the secret store protects it")]
    Encrypted,
    /// The key is of another algorithm.
    #[error("is {0}; expected an RSA key (rsaEncryption, 1.2.840.113549.1.1.1)")]
    NotRsa(OtherAlgorithm),
    /// The PKCS#8 document says that the key may make RSASSA-PSS signatures alone (RFC 4055, section 1.2).
    #[error(
        "is an RSA key marked for RSASSA-PSS alone (1.2.840.113549.1.1.10); expected rsaEncryption (1.2.840.113549.1.1.1), which \
         makes the same signatures"
    )]
    PssOnly {
        /// The byte at which the key itself stands in the document.
        at: usize,
    },
    /// The modulus is the product of more than two primes (RFC 8017, section 3.2).
    #[error("is an RSA key of more than two primes; expected two, and none can be made of it")]
    MultiPrime,
    /// The document inside of the PEM is broken.
    #[error("is not a complete {0} document; expected DER as in RFC 8017 or RFC 5958")]
    Der(&'static str),
    /// The public part is out of bounds.
    #[error(transparent)]
    Public(#[from] PublicKeyError),
    /// The numbers do not fit together.
    #[error(
        "is not a consistent RSA key: expected n = p*q, e*d = 1 mod lcm(p-1, q-1), and CRT values that fit"
    )]
    Inconsistent,
    /// The key cannot be generated.
    #[error("no RSA key of {0} bits could be generated; expected {min} to {max} bits",
        min = public::MIN_MODULUS_BITS, max = public::MAX_MODULUS_BITS)]
    Generation(usize),
    /// The key in force cannot endorse it.
    #[error("cannot be endorsed: {0}")]
    Endorsement(#[from] SignError),
}

/// An algorithm that is not RSA: its name where it is a known one, and its object identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherAlgorithm(String);

impl OtherAlgorithm {
    fn of(oid: &pkcs8::ObjectIdentifier) -> Self {
        let oid = oid.to_string();
        let name = match oid.as_str() {
            "1.2.840.10045.2.1" => "an EC key",
            "1.3.101.110" => "an X25519 key",
            "1.3.101.111" => "an X448 key",
            "1.3.101.112" => "an Ed25519 key",
            "1.3.101.113" => "an Ed448 key",
            "1.2.840.10040.4.1" => "a DSA key",
            "1.2.840.113549.1.3.1" => "a Diffie-Hellman key",
            _ => "a key of another algorithm",
        };
        Self(format!("{name} ({oid})"))
    }
}

impl fmt::Display for OtherAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An RSA private key that passed full validation and a trial signature. Not `Clone`, not `Debug`.
pub struct PrivateKey {
    pair: RsaKeyPair,
    public: PublicKey,
}

impl PrivateKey {
    /// Reads PKCS#1 or PKCS#8 PEM.
    ///
    /// # Errors
    /// [`PrivateKeyError`] says what was found instead, without repeating it.
    pub fn from_pem(pem: &str) -> Result<Self, PrivateKeyError> {
        let pem = pem.trim();
        let label = first_label(pem).ok_or(PrivateKeyError::NotPem)?;
        let kind = match label {
            "RSA PRIVATE KEY" => "PKCS#1",
            "PRIVATE KEY" => "PKCS#8",
            "ENCRYPTED PRIVATE KEY" => return Err(PrivateKeyError::Encrypted),
            other => return Err(PrivateKeyError::Label(excerpt(other))),
        };
        // RFC 1421 headers: the encrypted form of OpenSSL's traditional PEM.
        if pem.contains("Proc-Type:") {
            return Err(PrivateKeyError::Encrypted);
        }
        let (_, document) =
            SecretDocument::from_pem(pem).map_err(|_| PrivateKeyError::Der(kind))?;
        match kind {
            "PKCS#1" => Self::from_pkcs1(document.as_bytes()),
            _ => Self::from_pkcs8(document.as_bytes()),
        }
    }

    /// Reads the DER of PKCS#1 or PKCS#8, whichever it is.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pem`].
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, PrivateKeyError> {
        match DerKind::of(der) {
            Some(DerKind::Pkcs8 { .. }) => Self::from_pkcs8(der),
            _ => Self::from_pkcs1(der),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let incomplete = || PrivateKeyError::Der("PKCS#8");
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| incomplete())?;
        let oid = info.algorithm.oid;
        if oid == PSS_OID {
            let Some(DerKind::Pkcs8 { at }) = DerKind::of(der) else {
                return Err(incomplete());
            };
            return Err(PrivateKeyError::PssOnly { at });
        }
        if oid != pkcs1::ALGORITHM_OID {
            return Err(PrivateKeyError::NotRsa(OtherAlgorithm::of(&oid)));
        }
        Self::from_pkcs1(info.private_key.as_bytes())
    }

    /// Generates a key with e = 65537, by the rsa crate and the operating system's randomness, and gives it
    /// as PKCS#1 PEM together with the loaded key.
    ///
    /// # Errors
    /// [`PrivateKeyError::Generation`] when `bits` is out of bounds or there is no randomness.
    pub fn generate(bits: usize) -> Result<(Zeroizing<String>, Self), PrivateKeyError> {
        let failed = || PrivateKeyError::Generation(bits);
        if !(public::MIN_MODULUS_BITS..=public::MAX_MODULUS_BITS).contains(&bits) {
            return Err(failed());
        }
        let generated = rsa::PrivateKey::new(&mut SysRng, bits).map_err(|_| failed())?;
        let document = generated.to_pkcs1_der().map_err(|_| failed())?;
        let pem = document
            .to_pem("RSA PRIVATE KEY", LineEnding::LF)
            .map_err(|_| failed())?;
        Ok((pem, Self::from_pkcs1(document.as_bytes())?))
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, PrivateKeyError> {
        if DerKind::of(der) == Some(DerKind::MultiPrime) {
            return Err(PrivateKeyError::MultiPrime);
        }
        let key =
            pkcs1::RsaPrivateKeyRef::from_der(der).map_err(|_| PrivateKeyError::Der("PKCS#1"))?;
        let (n, e) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
        public::check_bounds(n, e)?;
        let pair = RsaKeyPair::from_components(&KeyPairComponents {
            public_key: PublicKeyComponents { n, e },
            d: key.private_exponent.as_bytes(),
            p: key.prime1.as_bytes(),
            q: key.prime2.as_bytes(),
            dP: key.exponent1.as_bytes(),
            dQ: key.exponent2.as_bytes(),
            qInv: key.coefficient.as_bytes(),
        })
        .map_err(|_| PrivateKeyError::Inconsistent)?;
        // The second implementation validates the same numbers by its own arithmetic.
        let validated =
            rsa::PrivateKey::try_from(key).map_err(|_| PrivateKeyError::Inconsistent)?;
        let public = PublicKey::new(validated.to_public_key())?;
        let key = Self { pair, public };
        key.try_out()?;
        Ok(key)
    }

    /// Signs once with each algorithm and has both implementations verify it: a key whose factors are not
    /// prime passes the arithmetic, and fails here.
    fn try_out(&self) -> Result<(), PrivateKeyError> {
        for algorithm in [Algorithm::Ps256, Algorithm::Rs256] {
            let signature = self
                .sign(algorithm, TRIAL_MESSAGE)
                .ok_or(PrivateKeyError::Inconsistent)?;
            self.public
                .verify(algorithm, TRIAL_MESSAGE, &signature)
                .and_then(|()| {
                    self.public
                        .verify_independently(algorithm, TRIAL_MESSAGE, &signature)
                })
                .map_err(|_| PrivateKeyError::Inconsistent)?;
        }
        Ok(())
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The raw signature, as long as the modulus. None when the library fails, which it does when its own
    /// check of the CRT result fails.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let encoding = match algorithm {
            Algorithm::Ps256 => &RSA_PSS_SHA256,
            Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        };
        self.pair
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .ok()?;
        Some(signature)
    }
}

/// What the first document in the text says that it is. Another may follow: OpenSSL writes EC PARAMETERS
/// before the key.
fn first_label(pem: &str) -> Option<&str> {
    let (_, pem) = pem.split_once("-----BEGIN ")?;
    let (label, _) = pem.split_once("-----")?;
    let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ';
    (label.len() <= MAX_LABEL_BYTES && label.chars().all(is_plain)).then_some(label)
}
