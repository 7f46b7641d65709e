//! Signs the daily checkpoints of Amply's ledgers, and keeps every key version so that they verify for
//! decades.
//!
//! # The path of a checkpoint
//!
//! ```text
//!   ledger service                                                        auditors
//!        | gRPC                                                              | CLI, gRPC, HTTP
//!        v                                                                   v
//!   grpc: translate ---> signer: which key? may it? ---> RSA         the core: a verdict
//!                          ^                   |                             ^
//!        source ---> key manager               v                             |
//!   (AWS, or a file)       |             record: durable? ---> answer     keyring
//!                          +---------------> public halves, for ever --------+
//! ```
//!
//! # The modules, in the order in which data flows
//!
//! | module | what it is for |
//! | --- | --- |
//! | `checkpoint::checkpoint` | the domain type, its strict JSON, its payload (RFC 8785); of the core, `crates/checkpoint` |
//! | `checkpoint::jws` | the detached JWS (RFC 7515): header, signing input, parse; of the core |
//! | `checkpoint::{key, keyring, signing}` | versions, windows, the keyring, the secret document, signing; of the core |
//! | [`source`] | where keys come from: AWS Secrets Manager, a file |
//! | [`record`] | where signatures and public keys are kept, the rules that forbid a second history, the tree over the rows with its proofs and signed heads |
//! | [`signer`] | the one path that can produce a signature |
//! | `checkpoint::verdict`, `checkpoint_verify` | verdicts on published checkpoints; of the core and of `crates/verify` |
//! | [`rollover`] | the yearly procedure as steps, for the operator and for the rotation Lambda |
//! | [`grpc`], [`http`], [`cli`] | the edges: translate, call inward, map errors; `http` has the page for auditors |
//! | [`wire`] | protobuf's messages, and what is between them and the core, both ways |
//! | [`client`] | speaks with running services: for the command line, and for replicas among each other |
//! | [`service`] | puts all of it together |
//! | [`clock`], [`timekeeping`], [`telemetry`], [`audit`], [`hardening`] | the time, passed in; other clocks beside it; logs and metrics; who did what; no core dumps, memory locked |
//! | `budget`, `counts`, `aside`, `pools` | the memory that clients may take, together and each of them; how many of something each has; threads that give way to those that sign, and of these those for what is large |
//! | `advice` | what a user can do about a refusal of the core, which names no flag |
//! | `operator` | who acts from a shell |
//! | `net` | connections, for `grpc` and `http` alike |
//! | `files` | which files are read: those that end; `crates/files` |
//! | `checkpoint::{fault, hex, identifier, visible}`, [`paging`] | what is wrong with input; the form of hashes and names; pages of the record; text that is safe to show |

mod advice;
mod aside;
pub mod audit;
mod budget;
pub mod cli;
pub mod client;
pub mod clock;
mod counts;
pub mod grpc;
pub mod hardening;
pub mod http;
mod net;
mod operator;
pub mod paging;
mod pools;
pub mod record;
#[cfg(feature = "aws")]
pub mod rollover;
pub mod service;
pub mod signer;
pub mod source;
pub mod telemetry;
pub mod timekeeping;
pub mod wire;
mod x509;
