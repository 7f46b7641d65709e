//! RSA public keys, and verification by two implementations that share no code: aws-lc-rs for every
//! day, the rsa crate as the second opinion.

use std::sync::Arc;

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pkcs8::der::Document;
use pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};
use rsa::BoxedUint;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::signature::Verifier;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};

use super::algorithm::Algorithm;

/// Smallest modulus in bits (RFC 7518, sections 3.3 and 3.5).
pub const MIN_MODULUS_BITS: usize = 2048;

/// Largest modulus in bits: what both RSA implementations take.
pub const MAX_MODULUS_BITS: usize = 8192;

/// Smallest public exponent: smaller ones have a history of forgeries (NIST SP 800-56B, section 6.2).
pub const MIN_PUBLIC_EXPONENT: u64 = 65537;

/// Why something is no public key of this service, or did not make a signature.
#[derive(Debug, thiserror::Error)]
pub enum PublicKeyError {
    /// The modulus is too short or too long.
    #[error("is an RSA key of {0} bits; expected {MIN_MODULUS_BITS} to {MAX_MODULUS_BITS}")]
    ModulusBits(usize),
    /// The public exponent is too small.
    #[error("has the public exponent {0}; expected at least {MIN_PUBLIC_EXPONENT}")]
    SmallExponent(u64),
    /// An implementation refuses it: an even modulus, a giant exponent.
    #[error("is not a usable RSA public key; expected an odd modulus and an exponent below 2^33")]
    Unusable,
    /// It is not DER or PEM of a SubjectPublicKeyInfo with an RSA key.
    #[error(
        "is not an RSA public key; expected PEM with BEGIN PUBLIC KEY (SubjectPublicKeyInfo) or BEGIN RSA PUBLIC KEY (PKCS#1)"
    )]
    Encoding,
    /// The key did not make this signature.
    #[error("the signature was not made by this key over this content")]
    Signature,
}

/// An RSA public key of 2048 to 8192 bits with e >= 65537. A clone shares the key.
#[derive(Clone)]
pub struct PublicKey(Arc<Parts>);

struct Parts {
    rsa: rsa::PublicKey,
    spki: Document,
    #[cfg(feature = "aws-lc-rs")]
    fast: Fast,
}

/// The key as aws-lc-rs has it, for each algorithm.
#[cfg(feature = "aws-lc-rs")]
struct Fast {
    pss: ParsedPublicKey,
    pkcs1v15: ParsedPublicKey,
}

#[cfg(feature = "aws-lc-rs")]
impl Fast {
    fn new(spki: &Document) -> Result<Self, PublicKeyError> {
        let parse = |algorithm| {
            ParsedPublicKey::new(algorithm, spki.as_bytes()).map_err(|_| PublicKeyError::Unusable)
        };
        Ok(Self {
            pss: parse(&RSA_PSS_2048_8192_SHA256)?,
            pkcs1v15: parse(&RSA_PKCS1_2048_8192_SHA256)?,
        })
    }
}

impl PublicKey {
    /// Takes a key from the rsa crate.
    ///
    /// # Errors
    /// [`PublicKeyError`] when it is out of bounds.
    pub fn new(rsa: rsa::PublicKey) -> Result<Self, PublicKeyError> {
        check_bounds(
            &rsa.n().to_be_bytes_trimmed_vartime(),
            &rsa.e().to_be_bytes_trimmed_vartime(),
        )?;
        let spki = rsa
            .to_public_key_der()
            .map_err(|_| PublicKeyError::Unusable)?;
        Ok(Self(Arc::new(Parts {
            #[cfg(feature = "aws-lc-rs")]
            fast: Fast::new(&spki)?,
            rsa,
            spki,
        })))
    }

    /// From modulus and exponent, big-endian (RFC 7518, section 6.3.1).
    ///
    /// # Errors
    /// [`PublicKeyError`] when the key is out of bounds.
    pub fn from_components(n: &[u8], e: &[u8]) -> Result<Self, PublicKeyError> {
        let (n, e) = (trim(n), trim(e));
        check_bounds(n, e)?;
        let uint = |bytes: &[u8]| {
            let bits = u32::try_from(bytes.len() * 8).map_err(|_| PublicKeyError::Unusable)?;
            BoxedUint::from_be_slice(bytes, bits).map_err(|_| PublicKeyError::Unusable)
        };
        let rsa = rsa::PublicKey::new(uint(n)?, uint(e)?);
        Self::new(rsa.map_err(|_| PublicKeyError::Unusable)?)
    }

    /// From the DER of a SubjectPublicKeyInfo (RFC 5280, section 4.1).
    ///
    /// # Errors
    /// [`PublicKeyError`] when it is not a public key, or the key is out of bounds.
    pub fn from_der(spki: &[u8]) -> Result<Self, PublicKeyError> {
        Self::new(rsa::PublicKey::from_public_key_der(spki).map_err(|_| PublicKeyError::Encoding)?)
    }

    /// From PEM with `BEGIN PUBLIC KEY` (SubjectPublicKeyInfo) or `BEGIN RSA PUBLIC KEY` (PKCS#1).
    ///
    /// # Errors
    /// [`PublicKeyError`] when it is not a public key, or the key is out of bounds.
    pub fn from_pem(pem: &str) -> Result<Self, PublicKeyError> {
        let rsa = match pem.contains("-----BEGIN RSA PUBLIC KEY-----") {
            true => rsa::PublicKey::from_pkcs1_pem(pem).map_err(|_| PublicKeyError::Encoding)?,
            false => {
                rsa::PublicKey::from_public_key_pem(pem).map_err(|_| PublicKeyError::Encoding)?
            }
        };
        Self::new(rsa)
    }

    /// The DER of its SubjectPublicKeyInfo.
    pub fn to_der(&self) -> &[u8] {
        self.0.spki.as_bytes()
    }

    /// PEM with `BEGIN PUBLIC KEY`.
    pub fn to_pem(&self) -> String {
        // Cannot fail for a document that was encoded before.
        self.0
            .spki
            .to_pem("PUBLIC KEY", LineEnding::LF)
            .unwrap_or_default()
    }

    /// The modulus in base64url, as in a JWK.
    pub fn modulus(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.rsa.n().to_be_bytes_trimmed_vartime())
    }

    /// The exponent in base64url, as in a JWK.
    pub fn exponent(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.rsa.e().to_be_bytes_trimmed_vartime())
    }

    /// Bits of the modulus.
    pub fn bits(&self) -> u32 {
        self.0.rsa.n().bit_width_vartime()
    }

    /// The JWK thumbprint with SHA-256 in base64url (RFC 7638).
    pub fn thumbprint(&self) -> String {
        let jwk = format!(
            r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
            self.exponent(),
            self.modulus()
        );
        URL_SAFE_NO_PAD.encode(Sha256::digest(jwk))
    }

    /// Verifies with the rsa crate, which is all that there is in this build.
    ///
    /// # Errors
    /// [`PublicKeyError::Signature`] when this key did not make the signature.
    #[cfg(not(feature = "aws-lc-rs"))]
    pub fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), PublicKeyError> {
        self.verify_independently(algorithm, message, signature)
    }

    /// Verifies with aws-lc-rs.
    ///
    /// # Errors
    /// [`PublicKeyError::Signature`] when this key did not make the signature.
    #[cfg(feature = "aws-lc-rs")]
    pub fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), PublicKeyError> {
        let key = match algorithm {
            Algorithm::Ps256 => &self.0.fast.pss,
            Algorithm::Rs256 => &self.0.fast.pkcs1v15,
        };
        key.verify_sig(message, signature)
            .map_err(|_| PublicKeyError::Signature)
    }

    /// Verifies with the rsa crate.
    ///
    /// # Errors
    /// [`PublicKeyError::Signature`] when this key did not make the signature.
    pub fn verify_independently(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), PublicKeyError> {
        // RFC 8017, sections 8.1.2 and 8.2.2: the signature is exactly as long as the modulus.
        if signature.len() != self.bits().div_ceil(8) as usize {
            return Err(PublicKeyError::Signature);
        }
        let rsa = self.0.rsa.clone();
        match algorithm {
            Algorithm::Ps256 => signature
                .try_into()
                .and_then(|s| rsa::pss::VerifyingKey::<Sha256>::new(rsa).verify(message, &s)),
            Algorithm::Rs256 => signature
                .try_into()
                .and_then(|s| rsa::pkcs1v15::VerifyingKey::<Sha256>::new(rsa).verify(message, &s)),
        }
        .map_err(|_| PublicKeyError::Signature)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.to_der() == other.to_der()
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({} bits, {})", self.bits(), self.thumbprint())
    }
}

fn trim(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Checks the sizes before any arithmetic is done with the numbers.
pub(super) fn check_bounds(n: &[u8], e: &[u8]) -> Result<(), PublicKeyError> {
    let (n, e) = (trim(n), trim(e));
    let first = n.first().map_or(8, |byte| byte.leading_zeros() as usize);
    let bits = (n.len() * 8).saturating_sub(first);
    if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits) {
        return Err(PublicKeyError::ModulusBits(bits));
    }
    if e.len() > size_of::<u64>() {
        return Err(PublicKeyError::Unusable);
    }
    let exponent = e.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    if exponent < MIN_PUBLIC_EXPONENT {
        return Err(PublicKeyError::SmallExponent(exponent));
    }
    Ok(())
}
