//! The keyring: the public halves of all keys that were ever seen, how they stand to each other, and whom to believe.

mod admission;
mod chain;
mod endorsement;
mod jwk;
mod kind;
mod ring;
mod text;

pub use admission::{Admission, NotAdmitted, Trust};
pub use chain::{PinnedKeyring, UnknownPin};
pub use endorsement::{Endorsement, EndorsementError};
pub use jwk::{KeyringFile, KeyringFileError, MAX_KEYRING_BYTES};
pub use kind::SkippedKey;
pub use ring::{KeyConflict, KeyState, Keyring, KeyringEntry, Revocation};
