//! The fingerprint of a key version: the one text that people note, compare and pin.
//!
//! It is SHA-256 over exactly what an endorsement of the version signs (see [`Endorsement`](crate::keyring::Endorsement)), so
//! that it binds the public key, the name, the window and the algorithm: whoever pins it believes nothing else under
//! that name. A JWK thumbprint (RFC 7638) binds the public key alone, and a name binds nothing; neither is a pin.
//!
//! No `key_id` may look like a fingerprint, so that nobody, person or program, takes one for the other.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::KeyVersion;
use crate::fault::excerpt;
use crate::hex::{self, Hex};
use crate::identifier::IdentifierError;

/// Hexadecimal digits behind it.
const DIGITS: usize = 64;

/// Characters of a JWK thumbprint with SHA-256 in base64url.
const THUMBPRINT_CHARS: usize = 43;

/// Hexadecimal digits from which on a name is one of a hash: SHA-1 has so many. A UUID has 32.
const HASH_DIGITS: usize = 40;

/// How the names of hashes begin, before their number.
const HASHES: [&str; 4] = ["sha", "shake", "blake", "md"];

/// Binds one key version: its public key, name, window and algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// What its text begins with.
    pub const PREFIX: &str = "sha256:";
}

/// Why a text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// It is as long as a JWK thumbprint.
    #[error(
        "is {0}, as long as a JWK thumbprint, which binds neither name, window nor algorithm; expected a fingerprint, \
         sha256: and {DIGITS} lowercase hexadecimal digits"
    )]
    Thumbprint(String),
    /// There are too few digits, or too many.
    #[error(
        "is {found} with {digits} digits; expected a fingerprint, sha256: and {DIGITS} lowercase hexadecimal digits"
    )]
    Length {
        /// The text.
        found: String,
        /// How many it has.
        digits: usize,
    },
    /// It has not the form of one.
    #[error("is {0}; expected a fingerprint, sha256: and {DIGITS} lowercase hexadecimal digits")]
    Form(String),
}

impl KeyVersion {
    /// What an endorsement of this version signs: its JWK and window, in JCS form.
    pub(crate) fn endorsed_payload(&self) -> String {
        // A name, base64url and numbers need no escaping.
        format!(
            r#"{{"alg":"{}","e":"{}","exp":{},"kid":"{}","kty":"RSA","n":"{}","nbf":{},"use":"sig"}}"#,
            self.algorithm,
            self.public_key.exponent(),
            self.window.until().timestamp(),
            self.key_id,
            self.public_key.modulus(),
            self.window.from().timestamp()
        )
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.endorsed_payload()).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, Hex(&self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads the one form that [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let form = || FingerprintError::Form(excerpt(text));
        let Some(digits) = text.strip_prefix(Self::PREFIX) else {
            return Err(match text.len() == THUMBPRINT_CHARS && is_base64url(text) {
                true => FingerprintError::Thumbprint(excerpt(text)),
                false => form(),
            });
        };
        if !digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(form());
        }
        if digits.len() != DIGITS {
            return Err(FingerprintError::Length {
                found: excerpt(text),
                digits: digits.len(),
            });
        }
        hex::decode(digits).map(Self).ok_or_else(form)
    }
}

/// Checks that a name cannot be taken for a fingerprint, whatever case or prefix it has.
pub(super) fn check_name(name: &str) -> Result<(), IdentifierError> {
    match could_be_taken_for_one(&name.to_ascii_lowercase()) {
        true => Err(IdentifierError::Fingerprint),
        false => Ok(()),
    }
}

/// The page, the Python client and the recipes have the same rule: `vectors/pins.json` holds them to it.
fn could_be_taken_for_one(name: &str) -> bool {
    let says_so = name.contains("fingerprint") || name.contains("thumbprint");
    // `sha256:...`, also cut off, and `urn:ietf:params:oauth:jwk-thumbprint:sha-256:...` (RFC 9278).
    let labelled = name
        .rsplit_once(':')
        .is_some_and(|(before, _)| before.split(':').any(begins_with_hash));
    // A thumbprint by itself or between colons and dots; `sha256-...` as in Subresource Integrity.
    let encoded = name.split([':', '.']).any(|part| {
        let labelled = part.len() > THUMBPRINT_CHARS && begins_with_hash(part);
        is_base64url(part) && (part.len() == THUMBPRINT_CHARS || labelled)
    });
    // `ab:cd:...`, as programs for certificates write it, or digits alone anywhere.
    let is_hex = |c: char| c.is_ascii_hexdigit();
    let parts = || name.split([':', '.', '_', '-']);
    let digits: usize = parts().map(str::len).sum();
    let separated = digits >= HASH_DIGITS && parts().all(|part| part.chars().all(is_hex));
    let mut runs = name.split(|c| !is_hex(c));
    says_so || labelled || encoded || separated || runs.any(|run| run.len() >= HASH_DIGITS)
}

/// `sha256`, `SHA-512`, `blake2b`, `md5`: the name of a family, and a number.
fn begins_with_hash(part: &str) -> bool {
    HASHES.iter().any(|family| {
        let rest = part.strip_prefix(family);
        let number = rest.map(|rest| rest.strip_prefix(['-', '_']).unwrap_or(rest));
        number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
    })
}

fn is_base64url(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.chars().all(allowed)
}
