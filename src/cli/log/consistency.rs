//! `record consistency`: whether the record of a later head begins with all of an earlier one. Both heads are verified
//! first; what they show by themselves needs no service.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::Args;
use serde_json::{Value, json};

use super::online::{hashes, wrong};
use super::{expect_valid, read_head, time_text};
use crate::cli::pin::{PinArg, pinned_json, pinned_text};
use crate::cli::{Failure, Format, FormatArg, ServerArg, input, print, print_json};
use crate::grpc::proto::record_service_client::RecordServiceClient;
use crate::grpc::proto::{GetRecordHeadRequest, ProveConsistencyRequest};
use crate::key::{KeyVersion, Keyring, MAX_KEYRING_BYTES, PinnedKeyring};
use crate::record::head::SignedHead;
use crate::record::proof::verify_consistency;
use crate::record::tree::TreeHash;
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

impl Consistency {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let text = input::read(&self.keys, MAX_KEYRING_BYTES)?;
        let keyring = Keyring::from_jwks(&text)
            .map_err(|error| Failure::Impossible(format!("{}: {error}", self.keys.display())))?;
        let PinnedKeyring {
            trusted: keyring,
            pinned,
            ..
        } = self.pin.of(keyring, &self.keys.display().to_string())?;
        let (from, to) = (read_head(&self.from)?, read_head(&self.to)?);
        expect_valid(&from, &keyring, &self.from.display().to_string())?;
        expect_valid(&to, &keyring, &self.to.display().to_string())?;
        if from.log() != to.log() {
            let (one, other) = (from.log(), to.log());
            let problem = format!("the heads are of two records, {one} and {other}");
            return self.not_one(&from, &to, &problem);
        }
        match compare(&from, &to) {
            Shown::Same => self.one(&from, &to, pinned.as_ref(), &[]),
            Shown::NotOne(problem) => self.not_one(&from, &to, &problem),
            Shown::Unclear(problem) => self.not_checked(&from, &to, problem),
            Shown::AskForProof => self.prove(&from, &to, &keyring, pinned.as_ref()).await,
        }
    }

    async fn prove(
        &self,
        from: &AnyHead,
        to: &AnyHead,
        keyring: &Keyring,
        pinned: Option<&KeyVersion>,
    ) -> Result<(), Failure> {
        let mut client = RecordServiceClient::new(self.server.connect().await?);
        let request = ProveConsistencyRequest {
            from_rows: from.tree().size,
            to_rows: to.tree().size,
        };
        let answer = match client.prove_consistency(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == tonic::Code::InvalidArgument => {
                // It has fewer rows than the later head counts: its own head tells, signed.
                let newest = client.get_record_head(GetRecordHeadRequest {}).await?;
                let newest = newest.into_inner().record_head.unwrap_or_default();
                let newest = AnyHead::Jws(Box::new(SignedHead::parse(&newest.jws).map_err(wrong)?));
                let place = format!("the newest head of {}", self.server.server);
                expect_valid(&newest, keyring, &place)?;
                let problem = match compare(to, &newest) {
                    _ if newest.log() != to.log() => {
                        format!("{place} is of another record, {}", newest.log())
                    }
                    Shown::NotOne(problem) => problem,
                    _ => return self.not_checked(from, to, Failure::from(status).message()),
                };
                // Nobody else has it yet.
                let problem = match &newest {
                    AnyHead::Jws(head) => {
                        format!("{problem}; the service's head: {}", head.jws().compact())
                    }
                    AnyHead::Note(_) => problem,
                };
                return self.not_one(to, &newest, &problem);
            }
            Err(status) => return Err(status.into()),
        };
        let proof = hashes(answer.hashes)?;
        match verify_consistency(from.tree(), to.tree(), &proof) {
            Ok(()) => self.one(from, to, pinned, &proof),
            Err(error) => {
                let (a, b) = (from.tree().size, to.tree().size);
                let problem =
                    format!("the head of {b} rows does not begin with that of {a} rows: {error}");
                self.not_one(from, to, &problem)
            }
        }
    }

    /// `told` is the member that says more.
    fn json(from: &AnyHead, to: &AnyHead, consistent: Option<bool>, told: (&str, Value)) -> Value {
        let (name, told) = told;
        json!({
            "from_rows": from.tree().size,
            "from_root": from.tree().root.to_string(),
            "from_signed_at": time_text(from.signed_at()),
            "to_rows": to.tree().size,
            "to_root": to.tree().root.to_string(),
            "to_signed_at": time_text(to.signed_at()),
            "consistent": consistent,
            name: told,
        })
    }

    fn one(
        &self,
        from: &AnyHead,
        to: &AnyHead,
        pinned: Option<&KeyVersion>,
        proof: &[TreeHash],
    ) -> Result<(), Failure> {
        match self.format.format {
            Format::Json => {
                let proof: Vec<_> = proof.iter().map(TreeHash::to_string).collect();
                let mut found = Self::json(from, to, Some(true), ("proof", json!(proof)));
                if let Some(members) = found.as_object_mut() {
                    members.insert("pinned".into(), json!(pinned.map(pinned_json)));
                }
                print_json(&found)
            }
            Format::Text => print(&format!(
                "CONSISTENT         the first {} of {} rows are those of the earlier head, unchanged\n{}",
                from.tree().size,
                to.tree().size,
                pinned.map(pinned_text).unwrap_or_default()
            )),
        }
    }

    fn not_one(&self, from: &AnyHead, to: &AnyHead, problem: &str) -> Result<(), Failure> {
        if self.format.format == Format::Json {
            let told = ("explanation", problem.into());
            print_json(&Self::json(from, to, Some(false), told))?;
        }
        Err(Failure::Negative(format!(
            "NOT ONE RECORD: {problem}; keep both heads: they are the evidence"
        )))
    }

    fn not_checked(&self, from: &AnyHead, to: &AnyHead, problem: String) -> Result<(), Failure> {
        if self.format.format == Format::Json {
            let told = ("not_checked", json!([problem]));
            print_json(&Self::json(from, to, None, told))?;
        }
        Err(Failure::Impossible(format!("not checked: {problem}")))
    }
}
