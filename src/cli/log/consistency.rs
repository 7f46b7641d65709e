//! `record consistency`: whether the record of a later head begins with all of an earlier one. Both heads are verified
//! first; what they show by themselves needs no service.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::Args;
use serde_json::{Value, json};

use super::online::{hashes, wrong};
use super::{expect_valid, read_head, time_text};
use crate::cli::keyring::{self, skipped_json};
use crate::cli::pin::{PinArg, pinned_json, pinned_text};
use crate::cli::{Failure, Format, FormatArg, ServerArg, print, print_json};
use crate::grpc::proto::record_service_client::RecordServiceClient;
use crate::grpc::proto::{GetRecordHeadRequest, ProveConsistencyRequest};
use crate::key::{KeyVersion, Keyring, KeyringFile, PinnedKeyring, SkippedKey};
use crate::record::head::SignedHead;
use crate::record::proof::{ProofError, shows_other_rows, verify_consistency};
use crate::record::tree::TreeHash;
use crate::verifier::VerdictKind;
use crate::verifier::log::AnyHead;

/// How far the clocks of two replicas of one record may be apart: what they sign within this may be dated the wrong way
/// round (the tolerance of the rules for signing).
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(5);

#[derive(Args)]
pub(in crate::cli) struct Consistency {
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
    #[command(flatten)]
    server: ServerArg,
    #[command(flatten)]
    format: FormatArg,
}

/// What two verified heads of one record show by themselves.
enum Shown {
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
        Some(time) => format!("{} rows, signed at {time}", head.tree().size),
        None => format!("{} rows", head.tree().size),
    };
    if first.size == second.size {
        return match first.root == second.root {
            true => Shown::Same,
            false => Shown::NotOne(format!(
                "both heads count {} rows, with the roots {} and {}",
                first.size, first.root, second.root
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
        Some((a, b)) if first.size > second.size && b >= a => went_back(from, to),
        Some((a, b)) if first.size < second.size && a > b + CLOCKS_DIFFER => went_back(to, from),
        _ if first.size < second.size => Shown::AskForProof,
        Some(_) => Shown::Unclear(format!(
            "--from and --to are the wrong way round: --from is the head of {}, --to that of {}",
            text(from),
            text(to)
        )),
        None => Shown::Unclear(format!(
            "--from counts {} rows and --to {}, and a note does not say when it was signed: the record went back, or \
             they are the wrong way round; expected the JWS of both heads, or the smaller one as --from",
            first.size, second.size
        )),
    }
}

/// The two heads, and the keys that were skipped in the keyring that both were verified by.
#[derive(Clone, Copy)]
struct Heads<'a> {
    from: &'a AnyHead,
    to: &'a AnyHead,
    skipped: &'a [SkippedKey],
}

/// Why a verified head and a later one that a service has just signed are not of one record.
fn contradiction(head: &AnyHead, newest: &AnyHead) -> Option<String> {
    match compare(head, newest) {
        Shown::NotOne(problem) => Some(problem),
        Shown::Same | Shown::Unclear(_) | Shown::AskForProof => None,
    }
}

impl Consistency {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let KeyringFile { keyring, skipped } = keyring::read(&self.keys)?;
        let PinnedKeyring {
            trusted: keyring,
            pinned,
            ..
        } = self.pin.of(keyring, &self.keys.display().to_string())?;
        let (from, to) = (read_head(&self.from)?, read_head(&self.to)?);
        expect_valid(&from, &keyring, &self.from.display().to_string())?;
        expect_valid(&to, &keyring, &self.to.display().to_string())?;
        let heads = Heads {
            from: &from,
            to: &to,
            skipped: &skipped,
        };
        if from.log() != to.log() {
            let (one, other) = (from.log(), to.log());
            let problem = format!("the heads are of two records, {one} and {other}");
            return self.not_one(heads, &problem);
        }
        match compare(&from, &to) {
            Shown::Same => self.one(heads, pinned.as_ref(), &[]),
            Shown::NotOne(problem) => self.not_one(heads, &problem),
            Shown::Unclear(problem) => self.not_checked(heads, problem),
            Shown::AskForProof => self.prove(heads, &keyring, pinned.as_ref()).await,
        }
    }

    async fn prove(
        &self,
        heads: Heads<'_>,
        keyring: &Keyring,
        pinned: Option<&KeyVersion>,
    ) -> Result<(), Failure> {
        let Heads { from, to, .. } = heads;
        let mut client = RecordServiceClient::new(self.server.connect().await?);
        let request = ProveConsistencyRequest {
            from_rows: from.tree().size,
            to_rows: to.tree().size,
        };
        let problem = match client.prove_consistency(request).await {
            Ok(answer) => {
                let proof = hashes(answer.into_inner().hashes)?;
                match verify_consistency(from.tree(), to.tree(), &proof) {
                    Ok(()) => return self.one(heads, pinned, &proof),
                    // It is the later head's own proof, whoever gave it.
                    Err(error @ ProofError::OtherEarlierRoot { .. }) => {
                        return self.not_one(heads, &error.to_string());
                    }
                    Err(error) if from.tree().size.is_power_of_two() => {
                        let (from_rows, to_rows) = (from.tree().size + 1, to.tree().size);
                        let request = ProveConsistencyRequest { from_rows, to_rows };
                        let further = client.prove_consistency(request).await;
                        let further =
                            further.map_or_else(|_| Vec::new(), |a| a.into_inner().hashes);
                        if shows_other_rows(from.tree(), to.tree(), &hashes(further)?) {
                            let problem = "the later head's record begins with other rows than the earlier head counts";
                            return self.not_one(heads, problem);
                        }
                        error.to_string()
                    }
                    Err(error) => error.to_string(),
                }
            }
            // It has fewer rows than the later head counts.
            Err(status) if status.code() == tonic::Code::InvalidArgument => {
                Failure::from(status).message()
            }
            Err(status) => return Err(status.into()),
        };
        // A service may be another record's, or lie: its answer is no word against the heads. A head that it signs is.
        let newest = client.get_record_head(GetRecordHeadRequest {}).await?;
        let newest = newest.into_inner().record_head.unwrap_or_default();
        let newest = AnyHead::Jws(Box::new(SignedHead::parse(&newest.jws).map_err(wrong)?));
        let server = &self.server.server;
        let found = newest.verify(keyring);
        let whose = match found.kind {
            VerdictKind::Valid if newest.log() == to.log() => {
                for head in [from, to] {
                    if let Some(problem) = contradiction(head, &newest) {
                        // Nobody else has it yet.
                        let shown = match &newest {
                            AnyHead::Jws(head) => head.jws().compact(),
                            AnyHead::Note(_) => String::new(),
                        };
                        let problem =
                            format!("{problem}; the head of the service {server}: {shown}");
                        let heads = Heads {
                            from: head,
                            to: &newest,
                            ..heads
                        };
                        return self.not_one(heads, &problem);
                    }
                }
                format!("its newest head counts {} rows", newest.tree().size)
            }
            VerdictKind::Valid => format!("its newest head is of another record, {}", newest.log()),
            kind => format!("its newest head is {kind}: {}", found.explanation),
        };
        self.not_checked(
            heads,
            format!(
                "the service {server} gave no proof that fits these heads ({problem}; {whose}): it may be another record's, or its \
                 record may have changed; this says nothing against the two heads, and nothing shows yet that they are of one \
                 record: ask a service of theirs"
            ),
        )
    }

    /// `told` is the member that says more.
    fn json(heads: Heads<'_>, consistent: Option<bool>, told: (&str, Value)) -> Value {
        let Heads { from, to, skipped } = heads;
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

    fn one(
        &self,
        heads: Heads<'_>,
        pinned: Option<&KeyVersion>,
        proof: &[TreeHash],
    ) -> Result<(), Failure> {
        match self.format.format {
            Format::Json => {
                let proof: Vec<_> = proof.iter().map(TreeHash::to_string).collect();
                let mut found = Self::json(heads, Some(true), ("proof", json!(proof)));
                if let Some(members) = found.as_object_mut() {
                    members.insert("pinned".into(), json!(pinned.map(pinned_json)));
                }
                print_json(&found)
            }
            Format::Text => print(&format!(
                "CONSISTENT         the first {} of {} rows are those of the earlier head, unchanged\n{}",
                heads.from.tree().size,
                heads.to.tree().size,
                pinned.map(pinned_text).unwrap_or_default()
            )),
        }
    }

    fn not_one(&self, heads: Heads<'_>, problem: &str) -> Result<(), Failure> {
        if self.format.format == Format::Json {
            let told = ("explanation", problem.into());
            print_json(&Self::json(heads, Some(false), told))?;
        }
        Err(Failure::Negative(format!(
            "NOT ONE RECORD: {problem}; keep both heads: they are the evidence"
        )))
    }

    fn not_checked(&self, heads: Heads<'_>, problem: String) -> Result<(), Failure> {
        if self.format.format == Format::Json {
            let told = ("not_checked", json!([problem]));
            print_json(&Self::json(heads, None, told))?;
        }
        Err(Failure::Impossible(format!("not checked: {problem}")))
    }
}
