//! Checkpoint Signer.
#![allow(missing_docs)]
pub mod checkpoint;
pub mod clock;
pub mod fault;
pub mod grpc;
pub mod http;
pub mod identifier;
pub mod key;
pub mod record;
pub mod service;
pub mod signature;
pub mod signer;
pub mod source;
pub mod verifier;
