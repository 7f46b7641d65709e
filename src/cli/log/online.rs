//! What a service is asked for. Its answers are checked before they are printed: a proof that does not hold is an error.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{expect_valid, read_head};
use crate::cli::pin::{PinArg, pinned_json, pinned_text};
use crate::cli::{Failure, Format, FormatArg, ServerArg, input, print, print_json, print_line};
use crate::grpc::proto::record_service_client::RecordServiceClient;
use crate::grpc::proto::{
    GetRecordHeadRequest, GetSignedCheckpointRequest, ProveConsistencyRequest,
};
use crate::key::{Keyring, MAX_KEYRING_BYTES, instant_text};
use crate::record::head::SignedHead;
use crate::record::proof::verify_consistency;
use crate::record::tree::TreeHash;
use crate::signature::SignedCheckpoint;
use crate::verifier::log::{AnyHead, InclusionBundle};

#[derive(Args)]
pub(in crate::cli) struct Head {
    #[command(flatten)]
    server: ServerArg,
    /// Print it as a C2SP signed note, for witnesses and monitors of other logs
    #[arg(long, env = "CHECKPOINT_SIGNER_NOTE")]
    note: bool,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Args)]
pub(in crate::cli) struct Proof {
    /// The ledger_id
    ledger: String,
    /// The checkpoint_id
    checkpoint: String,
    /// Prove it against this head, that you have from before; without it, against a new one
    #[arg(long, env = "CHECKPOINT_SIGNER_RECORD_HEAD", value_name = "HEAD")]
    record_head: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArg,
}

#[derive(Args)]
pub(in crate::cli) struct Consistency {
    /// The earlier head
    #[arg(long, env = "CHECKPOINT_SIGNER_FROM", value_name = "HEAD")]
    from: PathBuf,
    /// The later head
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

fn wrong(problem: impl std::fmt::Display) -> Failure {
    Failure::Negative(format!("the service's answer is wrong: {problem}"))
}

fn hashes(wire: Vec<Vec<u8>>) -> Result<Vec<TreeHash>, Failure> {
    let hash = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).map(TreeHash::from);
    let hashes: Result<_, _> = wire.into_iter().map(hash).collect();
    hashes.map_err(|_| wrong("a hash of a proof is not of 32 bytes"))
}

impl Head {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let mut client = RecordServiceClient::new(self.server.connect().await?);
        let answer = client.get_record_head(GetRecordHeadRequest {}).await?;
        let wire = answer.into_inner().record_head.unwrap_or_default();
        let signed = SignedHead::parse(&wire.jws).map_err(wrong)?;
        if self.note {
            return print(&wire.note);
        }
        let (head, jws) = (signed.head(), signed.jws());
        match self.format.format {
            // Nothing else, so that it can go to a file.
            Format::Text => print_line(&jws.compact()),
            Format::Json => print_json(&json!({
                "log": head.log.as_str(),
                "rows": head.tree.size,
                "root": head.tree.root.to_string(),
                "timestamp": instant_text(head.timestamp),
                "key_id": jws.header().kid.as_str(),
                "jws": jws.compact(),
                "note": wire.note,
            })),
        }
    }
}

impl Proof {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let known = match &self.record_head {
            None => None,
            Some(path) => match read_head(path)? {
                AnyHead::Jws(head) => Some(*head),
                AnyHead::Note(_) => {
                    let problem = "is a note; a proof goes with the JWS of the head";
                    return Err(Failure::Impossible(format!(
                        "{}: {problem}",
                        path.display()
                    )));
                }
            },
        };
        let mut client = RecordServiceClient::new(self.server.connect().await?);
        let request = GetSignedCheckpointRequest {
            ledger_id: self.ledger,
            checkpoint_id: self.checkpoint,
            include_proof: true,
            tree_size: known.as_ref().map_or(0, |head| head.head().tree.size),
        };
        let answer = client.get_signed_checkpoint(request).await?.into_inner();
        let published = answer.signed_checkpoint.unwrap_or_default().published_json;
        let bundle = InclusionBundle {
            signed: SignedCheckpoint::from_published_json(published.as_bytes()).map_err(wrong)?,
            position: answer.position,
            head: match known {
                Some(head) => head,
                None => {
                    let head = answer.record_head.unwrap_or_default();
                    SignedHead::parse(&head.jws).map_err(wrong)?
                }
            },
            proof: hashes(answer.inclusion_proof.unwrap_or_default().hashes)?,
        };
        bundle.check().map_err(wrong)?;
        print_line(&bundle.to_json().map_err(Failure::impossible)?)
    }
}

impl Consistency {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let text = input::read(&self.keys, MAX_KEYRING_BYTES)?;
        let keyring = Keyring::from_jwks(&text)
            .map_err(|error| Failure::Impossible(format!("{}: {error}", self.keys.display())))?;
        let keyring = self.pin.of(keyring, &self.keys.display().to_string())?;
        let (from, to) = (read_head(&self.from)?, read_head(&self.to)?);
        let (believed, pinned) = (&keyring.trusted, &keyring.pinned);
        expect_valid(&from, believed, &self.from.display().to_string())?;
        expect_valid(&to, believed, &self.to.display().to_string())?;
        if from.log() != to.log() {
            let (from, to) = (from.log(), to.log());
            let problem = format!("the heads are of two records, {from} and {to}");
            return Err(Failure::Negative(problem));
        }
        let (from, to) = (from.tree(), to.tree());
        let mut client = RecordServiceClient::new(self.server.connect().await?);
        let request = ProveConsistencyRequest {
            from_rows: from.size,
            to_rows: to.size,
        };
        let answer = client.prove_consistency(request).await?.into_inner();
        let proof = hashes(answer.hashes)?;
        verify_consistency(from, to, &proof).map_err(|error| {
            Failure::Negative(format!(
                "NOT ONE RECORD: the head of {} rows does not begin with that of {} rows: {error}; keep both \
                 heads: they are the evidence",
                to.size, from.size
            ))
        })?;
        match self.format.format {
            Format::Json => print_json(&json!({
                "from_rows": from.size,
                "to_rows": to.size,
                "consistent": true,
                "pinned": pinned.as_ref().map(pinned_json),
                "proof": proof.iter().map(TreeHash::to_string).collect::<Vec<_>>(),
            })),
            Format::Text => print(&format!(
                "CONSISTENT         the first {} of {} rows are those of the earlier head, unchanged\n{}",
                from.size,
                to.size,
                pinned.as_ref().map(pinned_text).unwrap_or_default()
            )),
        }
    }
}
