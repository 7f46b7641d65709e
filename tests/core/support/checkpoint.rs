//! The contract's checkpoint as a document.

use checkpoint::checkpoint::{Checkpoint, InvalidCheckpoint};

use super::document::Document;

/// A valid checkpoint.
pub(crate) fn checkpoint() -> Document {
    let hash = "\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";
    Document::new([
        ("checkpoint_id", "\"chk_2025-01-15\""),
        ("ledger_id", "\"org_xyz789\""),
        ("timestamp", "\"2025-01-15T23:59:59Z\""),
        ("cumulative_hash", hash),
        ("entry_count", "15842"),
        ("total_volume", "284729340"),
        ("organization_summaries", "[]"),
    ])
}

impl Document {
    /// The checkpoint of this text.
    pub(crate) fn read(&self) -> Result<Checkpoint, InvalidCheckpoint> {
        Checkpoint::from_json(self.text().as_bytes())
    }

    /// The payload of a text that must be right.
    pub(crate) fn payload(&self) -> String {
        let checkpoint = self.read().unwrap_or_else(|error| panic!("{error}"));
        String::from_utf8(checkpoint.payload().as_bytes().to_vec()).unwrap()
    }

    /// The faults of a text that must be wrong, as `(field, problem)`.
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        faults(self.read())
    }
}

/// The faults of what must be wrong, as `(field, problem)`.
pub(crate) fn faults(result: Result<Checkpoint, InvalidCheckpoint>) -> Vec<(String, String)> {
    let faults = result.expect_err("this is no valid checkpoint").0;
    let faults = faults.into_iter();
    faults.map(|fault| (fault.field, fault.problem)).collect()
}
