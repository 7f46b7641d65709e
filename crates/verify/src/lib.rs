//! What an auditor runs: published checkpoints, one or millions, and the record that they are in, verified offline with a keyring.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`bulk`] | many checkpoints, by themselves and seen together |
//! | [`log`] | an export of the record against a signed head |
//! | [`cli`] | the command line, which `checkpoint-signer verify` shares |

pub mod bulk;
pub mod cli;
mod foreign;
mod in_order;
pub mod log;
mod unpacked;
