//! The command line of an auditor. It parses, calls inward, prints, and chooses an exit code.

mod checker;
pub mod consistency;
mod digest;
mod failure;
mod finish;
mod format;
pub mod hashing;
pub mod head;
mod html;
mod in_log;
pub mod input;
pub mod inputs;
mod json;
mod kept;
pub mod keyring;
mod notes;
mod offline;
pub mod outcome;
pub mod pin;
pub mod pipeline;
mod program;
mod proof_line;
mod report;
mod selecting;
pub mod show;
mod text;
pub mod unused;
mod verdict_line;

pub use failure::Failure;
pub use format::{Format, FormatArg, ReportFormat};
pub use offline::{Asked, Offline};
pub use program::main;
pub use report::Report;
