//! What can be done about what the core refuses. The core says what is wrong, and knows no flag and no command; this adds those.

use ::checkpoint::history::rules::RuleViolation;
use ::checkpoint::keyring::NotAdmitted;

/// A rule of history that does not hold, and the way out of it where there is one.
pub(crate) fn on_rule(violation: &RuleViolation) -> String {
    match violation {
        RuleViolation::ClockWentBack { .. } => format!(
            "{violation}, or an operator says `checkpoint-signer record resume-clock` (docs/incidents.md, \"The clock is wrong\")"
        ),
        RuleViolation::Jump { .. } => format!(
            "{violation} (serve --max-entry-jump), since a ledger never goes back from a mistake"
        ),
        _ => violation.to_string(),
    }
}

/// Keys that are not taken, and how to vouch for them.
pub(crate) fn on_admission(refused: &NotAdmitted) -> String {
    match refused {
        NotAdmitted::Unknown { fingerprint, .. } => format!(
            "{refused}; ask who made the file for the fingerprint, another way than the file came, and if it is {fingerprint}, \
             say --trust {fingerprint}"
        ),
        NotAdmitted::Absent(fingerprint) => {
            format!("--trust {fingerprint}: no key of the file has this fingerprint")
        }
        NotAdmitted::Revokes { .. } => format!(
            "{refused}; if it is true, say --believe-revocations: it cannot be taken back, and the key signs nothing after it"
        ),
        _ => refused.to_string(),
    }
}
