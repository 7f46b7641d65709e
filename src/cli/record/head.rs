//! `record head` and `record proof`: what a service is asked for. Its answers are checked before they are printed: a proof that does not hold is an error.

use std::path::PathBuf;

use checkpoint_verify::cli::head::read_head;
use clap::Args;
use serde_json::json;

use crate::cli::{
    Failure, Format, FormatArg, ServerArg, print, print_document, print_json, print_line, refused,
};
use crate::wire;
use crate::wire::proto::record_service_client::RecordServiceClient;
use crate::wire::proto::{GetRecordHeadRequest, GetSignedCheckpointRequest};
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::instant_text;
use checkpoint::log::head::SignedHead;
use checkpoint::log::tree::TreeHash;
use checkpoint::log::{AnyHead, InclusionBundle};

#[derive(Args)]
pub(in crate::cli) struct Head {
    #[command(flatten)]
    server: ServerArg,
    /// Print it as a C2SP signed note, for witnesses and monitors of other logs; with --format json, both forms are in the
    /// object anyway
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
    /// The proof is JSON either way
    #[command(flatten)]
    _format: FormatArg,
}

pub(super) fn wrong(problem: impl std::fmt::Display) -> Failure {
    Failure::Impossible(format!("the service's answer is wrong: {problem}"))
}

pub(super) fn hashes(wire: Vec<Vec<u8>>) -> Result<Vec<TreeHash>, Failure> {
    wire::read_proof(wire).ok_or_else(|| wrong("a hash of a proof is not of 32 bytes"))
}

impl Head {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let mut client = RecordServiceClient::new(self.server.connect().await?);
        let answer = client
            .get_record_head(GetRecordHeadRequest {})
            .await
            .map_err(refused)?;
        let wire = answer.into_inner().record_head.unwrap_or_default();
        let signed = SignedHead::parse(&wire.jws).map_err(wrong)?;
        let (head, jws) = (signed.head(), signed.jws());
        match self.format.format {
            // Nothing else, so that it can go to a file.
            Format::Text if self.note => print(&wire.note),
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
        let answer = client
            .get_signed_checkpoint(request)
            .await
            .map_err(refused)?
            .into_inner();
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
        let bundle = bundle.to_json().map_err(Failure::impossible)?;
        print_document(&format!("{bundle}\n"))
    }
}
