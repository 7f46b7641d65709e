//! Signed checkpoints of a ledger, for whoever makes, keeps or verifies them.
//!
//! Nothing here reads a file, asks a clock or waits for anything: what is needed is passed in.

pub mod checkpoint;
pub mod fault;
pub mod history;
pub mod identifier;
pub mod key;
pub mod log;
pub mod signature;
pub mod verdict;
pub mod visible;
