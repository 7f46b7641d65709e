//! The history of a ledger, and of a record: what may follow what ([`rules`]), what rows make of their ledgers ([`Ledgers`]), and
//! what an operator says of a clock that ran ahead ([`resumption`]).

mod ledgers;
pub mod resumption;
pub mod rules;

use crate::jws::SignedCheckpoint;

pub use ledgers::Ledgers;
pub use resumption::{NotResumed, ResumeOrder, Resumption};

/// A recorded signature: the proof that it is durable.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Its place in the record: 1 for the first, without a gap.
    pub position: u64,
    /// What was signed, and the signature.
    pub signed: SignedCheckpoint,
}
