//! The report for programs: one object, or one a line.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::keyring::skipped_json;
use super::pin::pinned_json;
use super::report::Report;
use super::selecting::Selected;
use super::show::json_line;
use crate::bulk::{Counts, Finding};
use checkpoint::key::instant_text;

impl Report {
    pub(super) fn to_json(&self) -> Value {
        let (faults, notes): (Vec<&Finding>, Vec<&Finding>) =
            self.findings().partition(|finding| finding.is_fault());
        let findings =
            |findings: Vec<&Finding>| findings.into_iter().map(finding_json).collect::<Vec<_>>();
        json!({
            "verdicts": self.verdicts,
            "faults": findings(faults),
            "notes": findings(notes),
            "summary": self.summary(),
            "not_checked": self.failures,
        })
    }

    pub(super) fn to_ndjson(&self) -> String {
        let findings = self.findings().map(finding_json);
        let summary = json!({ "summary": self.summary(), "not_checked": self.failures });
        let lines = findings.chain([summary]);
        lines.map(|line| json_line(&line)).collect()
    }

    fn summary(&self) -> Value {
        let tally = &self.tally;
        let object = |members: Vec<(String, Value)>| Value::Object(members.into_iter().collect());
        let range = |range: Option<(DateTime<Utc>, DateTime<Utc>)>| {
            range.map(|(first, last)| [instant_text(first), instant_text(last)])
        };
        let verdicts = tally.verdicts.iter();
        let keys = tally.keys.iter().map(|(key_id, key)| {
            let Counts { all, valid } = key.counts;
            let fingerprint = self.fingerprints.get(key_id).map(ToString::to_string);
            let signed = range(key.signed);
            let value =
                json!({ "all": all, "valid": valid, "signed": signed, "fingerprint": fingerprint });
            (key_id.to_string(), value)
        });
        let ledgers = tally.ledgers.iter().map(|(ledger_id, ledger)| {
            let Counts { all, valid } = ledger.counts;
            let (time, entries) = (range(ledger.time), ledger.entry_count);
            let value = json!({ "all": all, "valid": valid, "time": time, "entry_count": entries });
            (ledger_id.to_string(), value)
        });
        json!({
            "pinned": self.pinned.as_ref().map(pinned_json),
            "by": self.believed,
            "checkpoints": tally.counts.all,
            "not_checked": self.failures.len(),
            "valid": tally.counts.valid,
            "not_recorded": self.told_by.as_ref().map(|_| tally.not_recorded),
            "left_out": tally.left_out,
            "selected": self.selected.as_ref().and_then(Selected::to_json),
            "contradicted": self.contradicted(),
            "copies": self.together.copies,
            "faults": self.faults.len(),
            "notes": self.not_recorded.count + self.remarks.len() as u64 + self.left_out.count + self.gaps.count,
            "keys_skipped": skipped_json(&self.skipped),
            "verdicts": object(verdicts.map(|(kind, n)| (kind.to_string(), json!(n))).collect()),
            "keys": object(keys.collect()),
            "ledgers": object(ledgers.collect()),
        })
    }
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "finding": finding.name(),
        "checkpoints": finding.members(),
        "explanation": finding.explanation(),
    })
}
