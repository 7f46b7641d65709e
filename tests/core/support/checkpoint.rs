//! The contract's checkpoint as JSON text, with members changed at will. Text and not values: what is wrong
//! with JSON often does not survive being parsed.

use checkpoint_signer::checkpoint::{Checkpoint, InvalidCheckpoint};

/// Members in order, each value as raw JSON.
#[derive(Clone)]
pub(crate) struct CheckpointText(Vec<(String, String)>);

/// A valid checkpoint.
pub(crate) fn checkpoint() -> CheckpointText {
    let hash = "\"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";
    let members = [
        ("checkpoint_id", "\"chk_2025-01-15\""),
        ("ledger_id", "\"org_xyz789\""),
        ("timestamp", "\"2025-01-15T23:59:59Z\""),
        ("cumulative_hash", hash),
        ("entry_count", "15842"),
        ("total_volume", "284729340"),
        ("organization_summaries", "[]"),
    ];
    CheckpointText(members.map(|(name, raw)| (name.into(), raw.into())).into())
}

impl CheckpointText {
    /// Gives a member another value, or adds it.
    pub(crate) fn with(mut self, name: &str, raw: impl Into<String>) -> Self {
        match self.0.iter_mut().find(|(found, _)| found == name) {
            Some((_, value)) => *value = raw.into(),
            None => self.0.push((name.into(), raw.into())),
        }
        self
    }

    /// Adds a member, also when it is there already.
    pub(crate) fn and(mut self, name: &str, raw: impl Into<String>) -> Self {
        self.0.push((name.into(), raw.into()));
        self
    }

    /// Takes a member away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(found, _)| found != name);
        self
    }

    /// The JSON text.
    pub(crate) fn text(&self) -> String {
        let members = self.0.iter();
        let members = members.map(|(name, raw)| format!("{}: {raw}", serde_json::json!(name)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(",\n"))
    }

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
