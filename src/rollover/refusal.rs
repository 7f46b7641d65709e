//! Why a step is refused: each says what to do instead. None holds key material.

use chrono::{DateTime, Utc};

use checkpoint::key::{KeyId, instant_text};

/// Why a step may not be done as things are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepRefusal {
    /// No version is AWSCURRENT.
    #[error(
        "{0} holds no key yet: `rollover stage` makes the very first one, which is in force from today"
    )]
    NoCurrent(String),
    /// The labels are not where they belong, or on what the services refuse, and there is a key that they can use.
    #[error("nothing was done, since the services would not go on from what the secret has: {}", .0.join("; "))]
    Disordered(Vec<String>),
    /// This machine's clock is in doubt.
    #[error(
        "nothing was done, since what is right depends on the time: {}", .0.join("; ")
    )]
    Clock(Vec<String>),
    /// The secret is empty, and services sign with a key that they have read.
    #[error(
        "{secret} is empty, and {url} signs with {key_id}: expected the secret that it reads. If that is lost for good, give          --without-endorsement as well: whoever pinned a key must then pin the new one"
    )]
    Emptied {
        /// The secret.
        secret: String,
        /// A service.
        url: String,
        /// The key that it has in memory.
        key_id: String,
    },
    /// What has a label cannot be read by this role, so that nothing can be judged.
    #[error("nothing was done, since what has a label has to be read first: {}", .0.join("; "))]
    Hidden(Vec<String>),
    /// Two versions contradict one another, and nobody could be asked which one the services have.
    #[error("nothing was done, since only the services know which is right, and nobody could be asked{}: {}", listed(.problems), .doubts.join("; "))]
    InDoubt {
        /// What contradicts what.
        doubts: Vec<String>,
        /// Why those who were asked did not say.
        problems: Vec<String>,
    },
    /// The version's content is no key.
    #[error("version {id} ({stages}) is refused: {problem}")]
    Unreadable {
        /// The version.
        id: String,
        /// Its labels.
        stages: String,
        /// What is wrong.
        problem: String,
    },
    /// Nothing can be taken over from the version that is AWSCURRENT.
    #[error(
        "version {id}, which is AWSCURRENT, {problem}: nothing of the next key can be guessed, and nobody endorses it. Give all of \
         --without-endorsement, --key-id, --valid-from and --valid-until"
    )]
    CurrentUnfit {
        /// The version.
        id: String,
        /// What speaks against it.
        problem: String,
    },
    /// Nothing is AWSPENDING.
    #[error("nothing is staged, and {0} is AWSCURRENT")]
    NothingStaged(String),
    /// Another key is staged than the one asked for.
    #[error(
        "{0} is staged, which is not what was asked for: go on with it, or give it up first by `rollover abort`"
    )]
    AlreadyStaged(String),
    /// The operator named a key, and another one would be concerned.
    #[error("{asked} was named, but {found} is {label}; nothing was done")]
    OtherKey {
        /// The operator's.
        asked: KeyId,
        /// The one that is there.
        found: String,
        /// The label that it has.
        label: &'static str,
    },
    /// The key that must endorse is not in force yet.
    #[error(
        "{key_id}, which is AWSCURRENT, is in force only from {}: the next key is promoted already, and the one \
         after it is staged then. If no key can sign until then (since it leaked), give all of \
         --without-endorsement, --key-id, --valid-from and --valid-until", instant_text(*.from)
    )]
    CurrentNotYet {
        /// The key.
        key_id: KeyId,
        /// Its first instant.
        from: DateTime<Utc>,
    },
    /// The key that must endorse has expired.
    #[error(
        "{key_id}, which is AWSCURRENT, ended {}: it can endorse no key. To go on without an endorsement (whoever \
         pinned a key must then pin the new one), add --without-endorsement to stage, test and promote",
        instant_text(*.until)
    )]
    CurrentExpired {
        /// The key.
        key_id: KeyId,
        /// Its end.
        until: DateTime<Utc>,
    },
    /// A service says that the key that must endorse is revoked.
    #[error(
        "{key_id}, which is AWSCURRENT, is revoked, says {url}: its endorsement is worth nothing. Add \
         --without-endorsement to stage, test and promote"
    )]
    CurrentRevoked {
        /// The key.
        key_id: KeyId,
        /// Who says so.
        url: String,
    },
    /// Nobody said whether the key that must endorse is revoked.
    #[error(
        "whether {key_id}, which is AWSCURRENT, is revoked only the record knows, and nobody could be asked{}. Name the \
         services (--server) or the record (--record); or add --without-asking to have it endorse all the same",
        listed(.problems)
    )]
    NobodyAsked {
        /// The key.
        key_id: KeyId,
        /// Why those who were asked did not say.
        problems: Vec<String>,
    },
    /// The name cannot be guessed.
    #[error("--key-id: is needed, since {0} does not end in a number")]
    NoNextName(KeyId),
    /// The name is taken.
    #[error("--key-id: {0} was used before ({1}); expected a name that was never used")]
    NameUsed(KeyId, String),
    /// The window is wrong.
    #[error("--valid-from, --valid-until: {0}")]
    Window(String),
    /// No key could sign for a while.
    #[error(
        "--valid-from: no key could sign from {} to {}; expected a window that begins at {} or before",
        instant_text(*.from), instant_text(*.until), instant_text(*.from)
    )]
    Gap {
        /// Where the gap begins.
        from: DateTime<Utc>,
        /// Where it ends.
        until: DateTime<Utc>,
    },
    /// The staged key is not as it must be.
    #[error("{key_id} must not be promoted: {}", .problems.join("; "))]
    Unfit {
        /// The key.
        key_id: String,
        /// What is wrong.
        problems: Vec<String>,
    },
    /// What a person has staged is not replaced by a rotation.
    #[error(
        "{1}; it was staged by hand, and is left to who did so, in time before signing ends: `checkpoint-signer rollover abort {0}` gives it up, \
         and then `checkpoint-signer rollover stage`, or the rotation again (`aws secretsmanager rotate-secret`), makes another one"
    )]
    StagedByHand(KeyId, String),
    /// What a person has staged for the same window has lost its label: by the rotation, or since it was given up.
    #[error(
        "{key_id} (version {version}) was staged by hand for the same time, and has no label any more: the rotation took AWSPENDING from it, or \
         `rollover abort` did, and no other key is made beside it. To go on with it: `{back}`, and then \
         `checkpoint-signer rollover test {key_id}` and promote; if it was given up: `checkpoint-signer rollover abort`, and then \
         `checkpoint-signer rollover stage` makes another one"
    )]
    MovedOff {
        /// The key.
        key_id: KeyId,
        /// Its version.
        version: String,
        /// The command that gives it the label back.
        back: String,
    },
    /// What the services say has to be mended before a label moves.
    #[error("nothing was done, since the services would not go on: {}", .0.join("; "))]
    NotReady(Vec<String>),
    /// The record that was named was not read, so that nobody can say whether it belongs to this secret.
    #[error(
        "nothing was done, since the record that was named is not the one of this secret, or cannot be read: {} (stage and repair go on \
         without by --without-asking)", .0.join("; ")
    )]
    RecordNotRead(Vec<String>),
    /// The old key may still sign.
    #[error("{key_id}, which is AWSPREVIOUS, is in force until {}; retire it after that", instant_text(*.until))]
    StillInForce {
        /// The key.
        key_id: KeyId,
        /// Its end.
        until: DateTime<Utc>,
    },
    /// A service goes on with the key that is to be retired.
    #[error(
        "{key_id}, which is AWSPREVIOUS and ended {} by this machine's clock, is in force by {url}'s, which {does} it: nothing was done", 
        instant_text(*.until)
    )]
    InForceThere {
        /// The key.
        key_id: KeyId,
        /// Its end.
        until: DateTime<Utc>,
        /// The service.
        url: String,
        /// What it does with it.
        does: &'static str,
    },
    /// A service does not keep the public half of the key that is to be retired.
    #[error("{key_id} must not be retired before every service has its public half: {}", .missing.join("; "))]
    NotKept {
        /// The key.
        key_id: KeyId,
        /// Which, and why.
        missing: Vec<String>,
    },
    /// Somebody else was faster.
    #[error("somebody else changed the secret meanwhile: {0}")]
    Overtaken(String),
    /// The secret is not rotated by Secrets Manager.
    #[error("{0}: rotation is not enabled; expected a call by Secrets Manager during a rotation")]
    RotationOff(String),
    /// The token names no version.
    #[error("ClientRequestToken: {0} has no version {1}; expected the one that the rotation made")]
    UnknownToken(String, String),
    /// The token's version is not staged.
    #[error(
        "ClientRequestToken: version {0} is not AWSPENDING; expected the one that the rotation made"
    )]
    NotPending(String),
    /// A service does not list the key in time.
    #[error(
        "{key_id} is AWSCURRENT, but not every service lists it: {}. The same again goes on waiting", .missing.join("; ")
    )]
    NotListed {
        /// The key.
        key_id: KeyId,
        /// Which, and why.
        missing: Vec<String>,
    },
}

fn listed(problems: &[String]) -> String {
    match problems.is_empty() {
        true => String::new(),
        false => format!(" ({})", problems.join("; ")),
    }
}
