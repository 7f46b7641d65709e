//! Keys: the versions, their windows, the ring of all that were ever seen, and the secret they come in.
//!
//! Two halves are kept apart by type. A [`KeyVersion`] is public and lives for ever in the [`Keyring`]. A
//! [`SigningKey`] holds the private half; it cannot be cloned or printed, and signs only through an
//! [`OpenKey`], which exists only for an instant inside of the key's window. An expired key has no `sign`.

mod admission;
mod chain;
mod coverage;
mod endorsement;
mod fingerprint;
mod jwk;
mod keyring;
mod kind;
mod private;
mod public;
mod secret;
mod signing;
mod window;

use crate::identifier::identifier;
use crate::signature::Algorithm;

pub use admission::{Admission, NotAdmitted, Trust};
pub use chain::{PinnedKeyring, UnknownPin};
pub use coverage::{WARN_DAYS, covered_until};
pub use endorsement::{Endorsement, EndorsementError};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use jwk::{KeyringFile, KeyringFileError, MAX_KEYRING_BYTES};
pub use keyring::{KeyConflict, KeyState, Keyring, KeyringEntry, Revocation, is_only_staged};
pub use kind::SkippedKey;
pub use private::{DEFAULT_MODULUS_BITS, PrivateKey, PrivateKeyError};
pub use public::{
    MAX_MODULUS_BITS, MIN_MODULUS_BITS, MIN_PUBLIC_EXPONENT, PublicKey, PublicKeyError,
};
pub use secret::{KeySecret, MAX_SECRET_BYTES, SecretError, StagingLabel, VersionSecret};
pub use signing::{NotOpen, OpenKey, SignError, SigningKey};
pub use window::{ValidityWindow, WindowError, instant_text, parse_instant};

identifier! {
    /// Names a key version for ever: the JOSE `kid`. None can be taken for a [`Fingerprint`].
    KeyId but fingerprint::check_name
}

/// The public half of one key version: what it takes to verify its signatures for decades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its name.
    pub key_id: KeyId,
    /// When it may sign.
    pub window: ValidityWindow,
    /// The one algorithm that it signs with.
    pub algorithm: Algorithm,
    /// The RSA public key.
    pub public_key: PublicKey,
}
