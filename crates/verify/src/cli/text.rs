//! The report for a person: what is wrong, what to do then, and a summary.

use super::notes::Notes;
use super::pin::pinned_text;
use super::report::Report;
use super::selecting::Selected;
use crate::bulk::Counts;
use checkpoint::counted::counted;
use checkpoint::key::instant_text;
use checkpoint::verdict::VerdictKind;
use checkpoint::visible::visible;

/// Ledgers that the text tells in full.
const MAX_LEDGERS: usize = 20;

impl Report {
    /// What to do about keys that are not known.
    fn next(&self) -> Option<String> {
        let next = match (self.before_pin, &self.told_by) {
            _ if !self.tally.verdicts.contains_key(&VerdictKind::UnknownKey) => return None,
            (true, _) => {
                "a pinned key leads to later ones only: for what an earlier key signed, pin an earlier one, by a fingerprint that you \
                 noted then, or had from elsewhere than this keyring"
            }
            (false, None) => {
                "get the newest keyring (/.well-known/jwks.json) and verify with it; if it has no such key either, ask whoever gave you \
                 the checkpoint"
            }
            (false, Some(_)) => "ask whoever gave you the checkpoint: the service has no such key",
        };
        Some(format!("next: {next}\n"))
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = self.pinned.as_ref().map(pinned_text).unwrap_or_default();
        for finding in self.findings() {
            let (name, explanation) = (finding.name(), finding.explanation());
            let sources = finding.members().iter();
            let sources: Vec<_> = sources.map(|member| member.source.as_str()).collect();
            let place = match sources.as_slice() {
                [] => String::new(),
                sources => format!("{}: ", sources.join(", ")),
            };
            let found = format!("{name:<18} {place}{explanation}");
            text.push_str(&format!("{}\n", visible(&found)));
        }
        let more = [&self.not_recorded, &self.left_out, &self.gaps];
        text.extend(more.into_iter().filter_map(Notes::more));
        text.extend(self.next());
        let tally = &self.tally;
        if !self.failures.is_empty() {
            text.push_str(&format!("NOT CHECKED: {}\n", self.failures.len()));
        }
        // One file with one checkpoint has said it all, unless that is an export, of which no valid line is told.
        let said = self.told || tally.counts.all == 0;
        if said && self.inputs.len() == 1 && tally.counts.all <= 1 && tally.left_out == 0 {
            return text;
        }
        let mut verdicts = Vec::new();
        for (kind, count) in tally.verdicts.iter().rev() {
            verdicts.push(format!("{count} {kind}"));
        }
        text.push_str(&format!(
            "\n{} of {}: {}\n",
            counted(tally.counts.all, "checkpoint", "checkpoints"),
            counted(tally.ledgers.len(), "ledger", "ledgers"),
            verdicts.join(", ")
        ));
        text.push_str(&format!(
            "seen together: {}, {}, {} there more than once, {} left out\n",
            counted(self.contradictions().count(), "fault", "faults"),
            counted(self.gaps.count, "gap", "gaps"),
            self.together.copies,
            tally.left_out
        ));
        if let Some(url) = &self.told_by {
            let by = format!("by the word of the service {url}, which was believed");
            text.push_str(&format!(
                "{} of them NOT in the service's record; {}\n",
                tally.not_recorded,
                visible(&by)
            ));
        }
        if let Some(told) = self.selected.as_ref().and_then(Selected::told) {
            text.push_str(&format!("selected: {}\n", visible(&told)));
        }
        text.push_str("\n     valid  not valid  key\n");
        for (key_id, key) in &tally.keys {
            let signed = key.signed.map_or_else(String::new, |(first, last)| {
                format!(", from {} to {}", instant_text(first), instant_text(last))
            });
            text.push_str(&format!("{}  {key_id}{signed}\n", columns(key.counts)));
        }
        text.push_str("\n     valid  not valid  ledger\n");
        for (ledger_id, ledger) in tally.ledgers.iter().take(MAX_LEDGERS) {
            let time = ledger.time.map_or_else(String::new, |(first, last)| {
                format!(
                    ", from {} to {}, {}",
                    instant_text(first),
                    instant_text(last),
                    counted(ledger.entry_count, "entry", "entries")
                )
            });
            text.push_str(&format!("{}  {ledger_id}{time}\n", columns(ledger.counts)));
        }
        if tally.ledgers.len() > MAX_LEDGERS {
            let more = tally.ledgers.len() - MAX_LEDGERS;
            let more = counted(more, "more ledger", "more ledgers");
            text.push_str(&format!("and {more}; --format json has all\n"));
        }
        text
    }
}

fn columns(counts: Counts) -> String {
    format!("{:>10} {:>10}", counts.valid, counts.invalid())
}
