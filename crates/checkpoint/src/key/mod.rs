//! Keys: their names, windows and algorithms, their public and private halves.
//!
//! Two halves are kept apart by type. A [`KeyVersion`] is public and lives for ever in the [keyring](crate::keyring); the private
//! half signs by way of [`signing`](crate::signing) alone.

mod algorithm;
mod coverage;
#[cfg(feature = "aws-lc-rs")]
mod der;
mod fingerprint;
#[cfg(feature = "aws-lc-rs")]
mod private;
mod public;
mod stage;
mod window;

use crate::identifier::identifier;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use coverage::{WARN_DAYS, covered_until};
#[cfg(feature = "aws-lc-rs")]
pub(crate) use der::{DerKind, declared_size};
pub use fingerprint::{Fingerprint, FingerprintError};
#[cfg(feature = "aws-lc-rs")]
pub use private::{DEFAULT_MODULUS_BITS, OtherAlgorithm, PrivateKey, PrivateKeyError, SignError};
pub use public::{
    MAX_MODULUS_BITS, MIN_MODULUS_BITS, MIN_PUBLIC_EXPONENT, PublicKey, PublicKeyError,
};
pub use stage::StagingLabel;
pub(crate) use window::instant_of;
pub use window::{
    LeapSecond, ValidityWindow, WindowError, YearOutside, instant_text, parse_instant,
};

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
