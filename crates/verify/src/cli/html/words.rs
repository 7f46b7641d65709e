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

/// The shortest words for a checkpoint that is signed, and that another one contradicts.
pub(super) const CONTRADICTED: &str = "Signed, but contradicted";

/// What that means.
pub(super) const CONTRADICTED_MEANING: &str = "Do not rely on it. It is signed by its key, and so is another one that says something else: not both can be true.";

/// All of the report in one line, with counts; and whether all is well.
pub(super) fn headline(report: &Report) -> (String, bool) {
    let all = report.tally.counts.all;
    let wrong = wrong(report);
    let unsure = unsure(report);
    if !wrong.is_empty() {
        let genuine = genuine(report);
        let rest = (genuine > 0).then(|| format!("{} {} genuine", number(genuine), is(genuine)));
        let parts: Vec<String> = wrong.into_iter().chain(rest).chain(unsure).collect();
        return (format!("Something is wrong: {}", parts.join("; ")), false);
    }
    let told = match all {
        0 => return ("Nothing was checked".into(), false),
        1 => "The checkpoint is genuine".into(),
        _ => format!("Each of the {} checkpoints is genuine", number(all)),
    };
    match unsure.as_slice() {
        [] => (told, true),
        unsure => (format!("{told}, but {}", unsure.join("; ")), false),
    }
}

/// Those that are valid, and that no other one contradicts.
pub(super) fn genuine(report: &Report) -> u64 {
    let valid = report.tally.counts.valid;
    valid.saturating_sub(report.contradicted())
}

/// What speaks against what was read.
fn wrong(report: &Report) -> Vec<String> {
    let counts = report.tally.counts;
    let all = counted(number(counts.all), "checkpoint", "checkpoints");
    let kinds = [
        (counts.invalid(), "not genuine"),
        (report.contradicted(), "signed, but contradicted"),
    ];
    let mut parts: Vec<String> = Vec::new();
    for (count, kind) in kinds.into_iter().filter(|(count, _)| *count > 0) {
        let which = match (parts.is_empty(), counts.all) {
            (true, 1) => "the checkpoint".into(),
            (true, _) => format!("{} of {all}", number(count)),
            (false, _) => number(count),
        };
        parts.push(format!("{which} {} {kind}", is(count)));
    }
    match (report.faults.len() - report.contradictions().count()) as u64 {
        0 => {}
        1 => parts.push("1 export is not as it was written".into()),
        count => parts.push(format!(
            "{} exports are not as they were written",
            number(count)
        )),
    }
    parts
}

/// What was not looked at, or not found.
fn unsure(report: &Report) -> Vec<String> {
    let (failures, count) = (report.failures.len() as u64, report.tally.not_recorded);
    let (one, more) = ("input was not checked", "inputs were not checked");
    let failed = (failures > 0).then(|| counted(number(failures), one, more));
    let not_recorded = || {
        format!(
            "{} {} not in the service's record",
            number(count),
            is(count)
        )
    };
    let not_recorded = (count > 0).then(not_recorded);
    failed.into_iter().chain(not_recorded).collect()
}

fn is(count: u64) -> &'static str {
    match count {
        1 => "is",
        _ => "are",
    }
}
