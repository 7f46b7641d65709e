//! Checkpoint Signer.
#![allow(missing_docs)]
pub mod checkpoint;
pub mod clock;
pub mod fault;
pub mod identifier;
pub mod key;
pub mod signature;
pub mod verifier;
