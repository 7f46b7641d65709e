//! Whether the record of a later head begins with all of an earlier one: what two verified heads show by themselves, and what
//! is printed of it.

use std::path::PathBuf;

use checkpoint::counted::counted;
use checkpoint::key::KeyVersion;
use checkpoint::keyring::{Keyring, KeyringFile, PinnedKeyring, SkippedKey};
use checkpoint::log::AnyHead;
use checkpoint::log::tree::TreeHash;
use chrono::TimeDelta;
use clap::Args;
use serde_json::{Value, json};

use super::head::{expect_valid, read_head, time_text};
use super::keyring::{self, skipped_json};
use super::pin::{PinArg, pinned_json, pinned_text};
use super::show::{Program, print, print_json};
use super::{Failure, Format};

/// How far the clocks of two replicas of one record may be apart: what they sign within this may be dated the wrong way
/// round (the tolerance of the rules for signing).
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(5);

/// Two heads, and the keyring that both are verified with.
#[derive(Args, Debug)]
pub struct TwoHeads {
    /// The earlier head
    #[arg(long, env = "CHECKPOINT_SIGNER_FROM", value_name = "HEAD")]
    from: PathBuf,
    /// The later head. If it counts fewer rows and was signed later, the record went back: that needs no service
    #[arg(long, env = "CHECKPOINT_SIGNER_TO", value_name = "HEAD")]
    to: PathBuf,
    /// The keyring that you trust: both heads must be by its keys
    #[arg(long, env = "CHECKPOINT_SIGNER_KEYS", value_name = "KEYRING")]
    keys: PathBuf,
    #[command(flatten)]
    pin: PinArg,
}

impl TwoHeads {
    /// Reads the heads, and verifies both.
    ///
    /// # Errors
    /// When one is not a head, or not by a key of the keyring.
    pub fn verify(&self, program: Program) -> Result<Verified, Failure> {
        let KeyringFile { keyring, skipped } = keyring::read(program, &self.keys)?;
        let PinnedKeyring {
            trusted: keyring,
            pinned,
            ..
        } = self
            .pin
            .of(program, keyring, &self.keys.display().to_string())?;
        let (from, to) = (read_head(&self.from)?, read_head(&self.to)?);
        expect_valid(&from, &keyring, &self.from.display().to_string())?;
        expect_valid(&to, &keyring, &self.to.display().to_string())?;
        Ok(Verified {
            from,
            to,
            keyring,
            pinned,
            skipped,
        })
    }
}

/// Two heads that are by keys of the keyring.
pub struct Verified {
    from: AnyHead,
    to: AnyHead,
    /// The keys that are believed.
    pub keyring: Keyring,
    pinned: Option<KeyVersion>,
    skipped: Vec<SkippedKey>,
}

impl Verified {
    /// The two, to be told of in this format.
    pub fn heads(&self, format: Format) -> Heads<'_> {
        Heads {
            from: &self.from,
            to: &self.to,
            pinned: self.pinned.as_ref(),
            skipped: &self.skipped,
            format,
        }
    }
}

/// What two verified heads of one record show by themselves.
pub enum Shown {
    /// The same tree.
    Same,
    /// They cannot be of one record that only grew.
    NotOne(String),
    /// The arguments are the wrong way round, or nobody can tell.
    Unclear(String),
    /// The earlier one counts fewer rows: a proof tells.
    AskForProof,
}

fn compare(from: &AnyHead, to: &AnyHead) -> Shown {
    let (first, second) = (from.tree(), to.tree());
    let times = from.signed_at().zip(to.signed_at());
    let text = |head: &AnyHead| match time_text(head.signed_at()) {
        Some(time) => format!("{}, signed at {time}", rows(head.tree().size)),
        None => rows(head.tree().size),
    };
    if first.size == second.size {
        return match first.root == second.root {
            true => Shown::Same,
            false => Shown::NotOne(format!(
                "both heads count {}, with the roots {} and {}",
                rows(first.size),
                first.root,
                second.root
            )),
        };
    }
    let went_back = |earlier: &AnyHead, later: &AnyHead| {
        Shown::NotOne(format!(
            "the record went back: the head of {} came before that of {}",
            text(earlier),
            text(later)
        ))
    };
    match times {
        // The larger one is older, whichever way round they were given.
        Some((a, b)) if first.size > second.size && b > a + CLOCKS_DIFFER => went_back(from, to),
        Some((a, b)) if first.size < second.size && a > b + CLOCKS_DIFFER => went_back(to, from),
        _ if first.size < second.size => Shown::AskForProof,
        Some((a, b)) if b >= a => Shown::Unclear(format!(
            "--from is the head of {}, and --to that of {}: as close as two replicas' clocks may be, so that they are the wrong way \
             round, or the record went back, which a newer head shows",
            text(from),
            text(to)
        )),
        Some(_) => Shown::Unclear(format!(
            "--from and --to are the wrong way round: --from is the head of {}, --to that of {}",
            text(from),
            text(to)
        )),
        None => Shown::Unclear(format!(
            "--from counts {} and --to {}, and a note does not say when it was signed: the record went back, or \
             they are the wrong way round; expected the JWS of both heads, or the smaller one as --from",
            rows(first.size),
            second.size
        )),
    }
}

fn rows(count: u64) -> String {
    counted(count, "row", "rows")
}

/// The two heads, and the keys that were skipped in the keyring that both were verified by.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// The earlier one.
    pub from: &'a AnyHead,
    /// The later one.
    pub to: &'a AnyHead,
    pinned: Option<&'a KeyVersion>,
    skipped: &'a [SkippedKey],
    format: Format,
}

/// Why a verified head and a later one that a service has just signed are not of one record.
pub fn contradiction(head: &AnyHead, newest: &AnyHead) -> Option<String> {
    match compare(head, newest) {
        Shown::NotOne(problem) => Some(problem),
        Shown::Same | Shown::Unclear(_) | Shown::AskForProof => None,
    }
}

impl<'a> Heads<'a> {
    /// Two others, told of in the same way.
    pub fn of(self, from: &'a AnyHead, to: &'a AnyHead) -> Self {
        Self { from, to, ..self }
    }

    /// What they show by themselves.
    pub fn compare(self) -> Shown {
        let (one, other) = (self.from.log(), self.to.log());
        match one == other {
            true => compare(self.from, self.to),
            false => Shown::NotOne(format!("the heads are of two records, {one} and {other}")),
        }
    }

    /// `told` is the member that says more.
    fn json(self, consistent: Option<bool>, told: (&str, Value)) -> Value {
        let Self {
            from, to, skipped, ..
        } = self;
        let (name, told) = told;
        json!({
            "from_rows": from.tree().size,
            "from_root": from.tree().root.to_string(),
            "from_signed_at": time_text(from.signed_at()),
            "to_rows": to.tree().size,
            "to_root": to.tree().root.to_string(),
            "to_signed_at": time_text(to.signed_at()),
            "consistent": consistent,
            "keys_skipped": skipped_json(skipped),
            name: told,
        })
    }

    /// The later record begins with the earlier one.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn one(self, proof: &[TreeHash]) -> Result<(), Failure> {
        let pinned = self.pinned;
        match self.format {
            Format::Json => {
                let proof: Vec<_> = proof.iter().map(TreeHash::to_string).collect();
                let mut found = self.json(Some(true), ("proof", json!(proof)));
                if let Some(members) = found.as_object_mut() {
                    members.insert("pinned".into(), json!(pinned.map(pinned_json)));
                }
                print_json(&found)
            }
            Format::Text => print(&format!(
                "CONSISTENT         the first {} of {} rows are those of the earlier head, unchanged\n{}",
                self.from.tree().size,
                self.to.tree().size,
                pinned.map(pinned_text).unwrap_or_default()
            )),
        }
    }

    /// It does not.
    ///
    /// # Errors
    /// Always: the answer is no.
    pub fn not_one(self, problem: &str) -> Result<(), Failure> {
        if self.format == Format::Json {
            let told = ("explanation", problem.into());
            print_json(&self.json(Some(false), told))?;
        }
        Err(Failure::Negative(format!(
            "NOT ONE RECORD: {problem}; keep both heads: they are the evidence"
        )))
    }

    /// Nothing shows whether it does.
    ///
    /// # Errors
    /// Always: there is no answer.
    pub fn not_checked(self, problem: &str) -> Result<(), Failure> {
        if self.format == Format::Json {
            let told = ("not_checked", json!([problem]));
            print_json(&self.json(None, told))?;
        }
        Err(Failure::Impossible(format!("not checked: {problem}")))
    }
}
