//! One verdict, as it is printed.

use serde_json::{Value, json};

use super::inputs::Origin;
use crate::bulk::Checked;
use checkpoint::key::{Fingerprint, instant_text};
use checkpoint::visible::visible;

/// A verdict to print.
pub(super) struct VerdictLine {
    pub(super) place: String,
    pub(super) checked: Checked,
    /// Of the key that it names, where that is believed.
    pub(super) fingerprint: Option<Fingerprint>,
}

impl VerdictLine {
    pub(super) fn to_text(&self, told_by: Option<&str>) -> String {
        let by = told_by.map_or_else(String::new, |url| {
            format!("; by the word of the service {url}")
        });
        let recorded = match self.checked.recorded {
            Some(true) => "; it is in the service's record",
            Some(false) => "; it is NOT in the service's record",
            None => "",
        };
        let (kind, explanation) = (self.checked.kind, &self.checked.explanation);
        let line = format!("{kind:<18} {}: {explanation}{recorded}{by}", self.place);
        format!("{}\n", visible(&line))
    }

    pub(super) fn to_json(&self, origin: &Origin) -> Value {
        let checked = &self.checked;
        let outline = checked.outline.as_ref();
        json!({
            "file": origin.source.as_ref(),
            "line": origin.line,
            "item": origin.item,
            "ledger_id": outline.map(|outline| outline.ledger_id.as_str()),
            "checkpoint_id": outline.map(|outline| outline.checkpoint_id.as_str()),
            "verdict": checked.kind.as_str(),
            "key_id": checked.key_id.as_ref().map(|key_id| key_id.as_str()),
            "fingerprint": self.fingerprint.map(|fingerprint| fingerprint.to_string()),
            "signed_at": checked.signed_at.map(instant_text),
            "explanation": checked.explanation,
            "recorded": checked.recorded,
        })
    }
}
