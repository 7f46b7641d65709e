//! Signed checkpoints of a ledger, for whoever makes, keeps or verifies them.
//!
//! Nothing here reads a file, asks a clock or waits for anything: what is needed is passed in.
//!
//! ```
//! use checkpoint::keyring::Keyring;
//! use checkpoint::verdict::{VerdictKind, verify_published};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (keys, published) = (include_bytes!("../../../tests/golden/keyring.json"), include_bytes!("../../../tests/golden/PS256.published.json"));
//! // A JWK Set from whom you trust, and what a ledger published.
//! let keyring = Keyring::from_jwks(keys)?;
//! let (verdict, signed) = verify_published(&keyring, published);
//! assert_eq!(verdict.kind, VerdictKind::Valid);
//! assert!(signed.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! Without the feature `aws-lc-rs` nothing signs, and the rsa crate verifies: that builds wherever Rust does.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`checkpoint`] | the domain type, its strict JSON, its payload (RFC 8785) |
//! | [`key`] | names, windows, algorithms, public and private halves |
//! | [`jws`] | the detached JWS (RFC 7515): header, signing input, parse |
//! | [`keyring`] | all keys that were ever seen, endorsements, pins |
//! | [`signing`] | the secret document, and the one way to sign |
//! | [`verdict`] | verdicts on published checkpoints |
//! | [`history`] | the rules that forbid a second history, and what rows make of their ledgers |
//! | [`log`] | the record as a transparency log: batches, tree, proofs, heads, exports |
//! | [`reason`] | why a service does not do what it is asked |
//! | [`fault`], [`hex`], [`identifier`], [`lines`], [`visible`], [`counted`] | what is wrong with input; the form of hashes and names; lines within a bound; text that is safe to show; numbers of things |

pub mod checkpoint;
pub mod counted;
pub mod fault;
pub mod hex;
pub mod history;
pub mod identifier;
pub mod jws;
pub mod key;
pub mod keyring;
pub mod lines;
pub mod log;
pub mod reason;
#[cfg(feature = "aws-lc-rs")]
pub mod signing;
pub mod verdict;
pub mod visible;
