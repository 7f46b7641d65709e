//! The columns of a row: numbers, and fingerprints of what is not one. In this order they sort each beside the one before
//! it, by time.

pub(super) const LEDGER: usize = 0;
pub(super) const TIME: usize = 1;
pub(super) const COUNT: usize = 2;
pub(super) const NAME: usize = 3;
pub(super) const STATE: usize = 4;
pub(super) const ID: usize = 5;
pub(super) const CONTENT: usize = 6;
