//! What the report says: the words of the service's page, so that who read one understands the other.

use super::number;
use crate::bulk::Finding;
use crate::cli::report::Report;
use checkpoint::counted::counted;
use checkpoint::verdict::VerdictKind;

/// The shortest words for a verdict.
pub(super) fn title(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Valid => "Genuine",
        VerdictKind::InvalidSignature => "Changed, or not signed like this",
        VerdictKind::UnknownKey => "Cannot be confirmed",
        VerdictKind::OutsideValidity => "Signed at the wrong time",
        VerdictKind::KeyRevoked => "Signed by a key that was withdrawn",
        VerdictKind::AlgorithmMismatch => "Signed in the wrong way",
        VerdictKind::Malformed => "Not a signed checkpoint",
    }
}

/// What a verdict means.
pub(super) fn meaning(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Valid => {
            "Signed by its key while that key was in force. Nothing in it was changed since."
        }
        VerdictKind::InvalidSignature => {
            "Do not rely on it. Its key did not sign this content: something in it differs from what was signed."
        }
        VerdictKind::UnknownKey => {
            "The keyring has no such key that can be believed: it is older than the checkpoint, or somebody else signed it."
        }
        VerdictKind::OutsideValidity => "Do not rely on it. Its key signed it when it might not.",
        VerdictKind::KeyRevoked => {
            "Do not rely on it. Its key signed it when it was not trusted any more."
        }
        VerdictKind::AlgorithmMismatch => {
            "Do not rely on it. It is signed in another way than its key signs."
        }
        VerdictKind::Malformed => "It cannot be read as one.",
    }
}

/// The shortest words for a finding.
pub(super) fn finding(finding: &Finding) -> &'static str {
    match finding {
        Finding::SecondContent(_) => "One name, two contents",
        Finding::SecondHistory(_) => "Two histories",
        Finding::EntryCountFell(_) => "Entries are missing",
        Finding::Gap(..) => "Days without a checkpoint",
        Finding::NotWhole(_) => "Not the export that was written",
        Finding::ClockResumed(_) => "Times begin again",
        Finding::DatedAhead(_) => "Dated after today",
        Finding::NotRecorded(_) => "Not in the service's record",
        Finding::LeftOut(_) => "Left out as a whole",
    }
}

/// All of the report in one line, with counts; and whether all is well.
pub(super) fn headline(report: &Report) -> (String, bool) {
    let tally = &report.tally;
    let all = counted(number(tally.counts.all), "checkpoint", "checkpoints");
    let (invalid, faults, failures) = (
        tally.counts.invalid(),
        report.faults.len() as u64,
        report.failures.len() as u64,
    );
    let is = |count: u64| if count == 1 { "is" } else { "are" };
    let mut parts = Vec::new();
    if invalid > 0 {
        parts.push(format!(
            "{} of {all} {} not genuine",
            number(invalid),
            is(invalid)
        ));
    }
    if faults > 0 {
        parts.push(counted(
            number(faults),
            "fault between checkpoints",
            "faults between checkpoints",
        ));
    }
    let relies_on = parts.is_empty();
    if failures > 0 {
        let was = counted(
            number(failures),
            "input was not checked",
            "inputs were not checked",
        );
        parts.push(was);
    }
    if tally.not_recorded > 0 {
        let count = tally.not_recorded;
        parts.push(format!(
            "{} {} not in the service's record",
            number(count),
            is(count)
        ));
    }
    let told = parts.join(", ");
    match (parts.is_empty(), relies_on) {
        (true, _) if tally.counts.all == 1 => ("The checkpoint is genuine".into(), true),
        (true, _) => (format!("All {all} are genuine"), true),
        (false, true) if tally.counts.all == 0 => ("Nothing was checked".into(), false),
        (false, true) => (
            format!("{all} {} genuine, but {told}", is(tally.counts.all)),
            false,
        ),
        (false, false) => (format!("Do not rely on all of it: {told}"), false),
    }
}
