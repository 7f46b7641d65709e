//! Signed checkpoints of a ledger, for whoever makes, keeps or verifies them.
//!
//! Nothing here reads a file, asks a clock or waits for anything: what is needed is passed in.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`checkpoint`] | the domain type, its strict JSON, its payload (RFC 8785) |
//! | [`key`] | names, windows, algorithms, public and private halves |
//! | [`jws`] | the detached JWS (RFC 7515): header, signing input, parse |
//! | [`keyring`] | all keys that were ever seen, endorsements, pins |
//! | [`signing`] | the secret document, and the one way to sign |
//! | [`verdict`] | verdicts on published checkpoints |
//! | [`history`] | the rules that forbid a second history |
//! | [`log`] | the record as a transparency log: tree, proofs, heads, exports |
//! | [`fault`], [`identifier`], [`visible`] | what is wrong with input; the form of names; text that is safe to show |

pub mod checkpoint;
pub mod fault;
pub mod history;
pub mod identifier;
pub mod jws;
pub mod key;
pub mod keyring;
pub mod log;
pub mod signing;
pub mod verdict;
pub mod visible;
