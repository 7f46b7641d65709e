//! The audit log: one event for each privileged act, with who, what, which key, the outcome and the call's name.
//!
//! The events go where the log goes, as the target `audit`, and no filter takes them away from a service. Every value from
//! outside is a string field, which both formats of the log quote and escape. Nothing here ever holds a secret.

/// The target of all events.
pub const TARGET: &str = "audit";

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It was done.
    Done,
    /// It had been done before: what is on record is given out again.
    Recorded,
    /// It was refused, or failed, with the reason that the caller was told.
    Refused(&'a str),
}

impl<'a> Outcome<'a> {
    /// One of two sentences.
    fn says(self, done: &'static str, refused: &'static str) -> &'static str {
        match self {
            Self::Done | Self::Recorded => done,
            Self::Refused(_) => refused,
        }
    }

    /// The word for it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Recorded => "recorded",
            Self::Refused(_) => "refused",
        }
    }

    fn reason(self) -> Option<&'a str> {
        match self {
            Self::Done | Self::Recorded => None,
            Self::Refused(reason) => Some(reason),
        }
    }
}

/// Who asked, and under which name the call is known.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The name in the client's certificate, its address without one, or the user of the command line.
    pub who: &'a str,
    /// The call.
    pub request_id: &'a str,
}

/// A checkpoint that was to be signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Empty when it was no checkpoint.
    pub ledger_id: String,
    /// Empty when it was no checkpoint.
    pub checkpoint_id: String,
    /// Zero when it was no checkpoint.
    pub entry_count: u64,
}

/// A checkpoint was signed, or refused, or its recorded signature given out again. `key_id` is empty when none signed.
pub fn sign(asked: Asked<'_>, subject: &Subject, key_id: &str, outcome: Outcome<'_>) {
    tracing::info!(
        target: TARGET,
        message = match outcome {
            Outcome::Done => "a checkpoint is signed",
            Outcome::Recorded => "a recorded signature is given out again",
            Outcome::Refused(_) => "a checkpoint is not signed",
        },
        act = "sign",
        who = asked.who,
        request_id = asked.request_id,
        ledger_id = subject.ledger_id.as_str(),
        checkpoint_id = subject.checkpoint_id.as_str(),
        entry_count = subject.entry_count,
        key_id,
        outcome = outcome.as_str(),
        reason = outcome.reason(),
    );
}

/// The keys were read from their source, or revoked. `key_id` is empty when it is about no single key.
pub fn keys(act: &'static str, asked: Asked<'_>, key_id: &str, outcome: Outcome<'_>) {
    tracing::info!(
        target: TARGET,
        message = match outcome {
            Outcome::Done => "an act on the keys is done",
            Outcome::Recorded => "an act on the keys was done before",
            Outcome::Refused(_) => "an act on the keys is refused",
        },
        act,
        who = asked.who,
        request_id = asked.request_id,
        key_id,
        outcome = outcome.as_str(),
        reason = outcome.reason(),
    );
}

/// Signing was let go on from the true time.
pub fn clock(asked: Asked<'_>, said: &str, dry_run: bool, outcome: Outcome<'_>) {
    tracing::info!(
        target: TARGET,
        message = match dry_run {
            true => outcome.says("it is told what resuming the clock would do", "the clock would not be resumed"),
            false => outcome.says("the clock is resumed", "the clock is not resumed"),
        },
        act = "resume-clock",
        who = asked.who,
        request_id = asked.request_id,
        said,
        dry_run,
        outcome = outcome.as_str(),
        reason = outcome.reason(),
    );
}

/// The rollover changed something in Secrets Manager, by this call. `key_id` is empty when the version cannot be read.
pub fn rollover(who: &str, call: &str, key_id: &str, outcome: Outcome<'_>) {
    tracing::info!(
        target: TARGET,
        message = outcome.says("the secret is changed", "the secret is not changed"),
        act = "rollover",
        who,
        call,
        key_id,
        outcome = outcome.as_str(),
        reason = outcome.reason(),
    );
}

/// An operator lets signing go on where the database is now, or was refused that.
pub fn promotion(who: &str, home: &str, why: &str, outcome: Outcome<'_>) {
    tracing::info!(
        target: TARGET,
        message = outcome.says("signing goes on at another database", "signing does not go on at another database"),
        act = "accept promotion",
        who,
        home,
        why,
        outcome = outcome.as_str(),
        reason = outcome.reason(),
    );
}

/// A call was turned away at the gate.
pub fn turned_away(asked: Asked<'_>, rpc: &str, reason: &str) {
    tracing::info!(
        target: TARGET,
        message = "a call is turned away",
        act = "call",
        who = asked.who,
        request_id = asked.request_id,
        rpc,
        outcome = "refused",
        reason,
    );
}
