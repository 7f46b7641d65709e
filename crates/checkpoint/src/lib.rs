//! Signed checkpoints of a ledger, for whoever makes, keeps or verifies them.
//!
//! Nothing here reads a file, asks a clock or waits for anything: what is needed is passed in.
//!
//! # The format
//!
//! A *checkpoint* says how far a ledger had come: how many entries it had (`entry_count`), the hash over all of them
//! (`cumulative_hash`), their sum in cents (`total_volume`), and when (`timestamp`). It is published as one JSON object, whose member
//! `signature` is what this crate is about:
//!
//! ```json
//! {"checkpoint_id":"chk_2025-01-15","ledger_id":"org_xyz789","entry_count":15842,...,"signature":"eyJhbGciOiJQUzI1NiIs...VQZ9eL"}
//! ```
//!
//! 1. The **payload** is the object without `signature`, in the canonical form of [RFC 8785]: members in order, no blanks, one way to write
//!    each number and text. So it does not matter how the JSON was written or by whom. Names that stand twice, numbers beyond 2^53 and
//!    texts that are not Unicode are refused, since programs read them differently.
//! 2. The **signature** is a detached JWS ([RFC 7515], appendix F): `header..signature`. With BASE64URL(payload) put between the dots it is an
//!    ordinary JWS, which any JOSE library verifies.
//! 3. Its **header** names the algorithm (PS256 or RS256, RSA with SHA-256), the key (`kid`), and when it was signed (`iat`). All of it is signed.
//! 4. The **keyring** is a JWK Set ([RFC 7517]) with every key that ever was. Each has a window, `nbf <= iat < exp`, and may sign in it alone; what it
//!    signed then is genuine for ever.
//!
//! A [`verdict`] is these four steps. Here they are one by one, and in one:
//!
//! ```
//! use checkpoint::checkpoint::Checkpoint;
//! use checkpoint::jws::DetachedJws;
//! use checkpoint::keyring::Keyring;
//! use checkpoint::verdict::{VerdictKind, verify_published};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (keys, published) = (include_bytes!("../../../tests/golden/keyring.json"), include_bytes!("../../../tests/golden/PS256.published.json"));
//! // A JWK Set from whom you trust, and what a ledger published.
//! let keyring = Keyring::from_jwks(keys)?;
//! let (checkpoint, signature) = Checkpoint::from_published_json(published)?;
//!
//! let payload = checkpoint.payload().as_bytes();
//! assert!(payload.starts_with(br#"{"checkpoint_id":"chk_2025-01-15","cumulative_hash":"#));
//!
//! let jws = DetachedJws::parse(&signature)?;
//! let signing_input = jws.signing_input(payload); // what RSA signs: BASE64URL(header) . BASE64URL(payload)
//! assert!(signing_input.starts_with(signature.split("..").next().unwrap_or("no header")));
//!
//! let header = jws.header();
//! assert_eq!(header.iat.to_rfc3339(), "2025-01-16T00:00:05+00:00");
//!
//! let key = keyring.verifying(&header.kid).ok_or("the key is not known")?.version();
//! assert!(key.window.contains(header.iat));
//! jws.check(payload, &key.public_key)?;
//!
//! // The same, and whatever else can be wrong, as a verdict.
//! let (verdict, signed) = verify_published(&keyring, published);
//! assert_eq!(verdict.kind, VerdictKind::Valid);
//! assert!(signed.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! Every checkpoint is one row of a [`log`], a Merkle tree ([RFC 6962]): that nothing was taken back is proven against two heads of it. And of
//! one ledger, at most one history is ever signed: these rules are in [`history`].
//!
//! [RFC 6962]: https://www.rfc-editor.org/rfc/rfc6962
//! [RFC 7515]: https://www.rfc-editor.org/rfc/rfc7515
//! [RFC 7517]: https://www.rfc-editor.org/rfc/rfc7517
//! [RFC 8785]: https://www.rfc-editor.org/rfc/rfc8785
//!
//! # What builds where
//!
//! Without the feature `aws-lc-rs` nothing signs, and the rsa crate verifies: that builds wherever Rust does.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`checkpoint`] | the domain type, its strict JSON, its payload (RFC 8785) |
//! | [`key`] | names, windows, algorithms, public and private halves |
//! | [`jws`] | the detached JWS (RFC 7515): header, signing input, parse |
//! | [`keyring`] | all keys that were ever seen, endorsements, pins |
//! | [`signed_keyring`] | a keyring that one of its own keys signed |
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
pub mod signed_keyring;
#[cfg(feature = "aws-lc-rs")]
pub mod signing;
pub mod verdict;
pub mod visible;
