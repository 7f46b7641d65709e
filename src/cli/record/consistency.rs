//! `record consistency`: whether the record of a later head begins with all of an earlier one. Both heads are verified
//! first; what they show by themselves needs no service.

use checkpoint_verify::cli::FormatArg;
use checkpoint_verify::cli::consistency::{Heads, Shown, TwoHeads, contradiction};
use clap::Args;

use super::head::{hashes, wrong};
use crate::cli::failure::refused;
use crate::cli::{Failure, PROGRAM, ServerArg};
use crate::wire::proto::record_service_client::RecordServiceClient;
use crate::wire::proto::{GetRecordHeadRequest, ProveConsistencyRequest};
use checkpoint::counted::counted;
use checkpoint::keyring::Keyring;
use checkpoint::log::AnyHead;
use checkpoint::log::head::SignedHead;
use checkpoint::log::proof::{ProofError, shows_other_rows, verify_consistency};
use checkpoint::verdict::VerdictKind;

#[derive(Args)]
pub(in crate::cli) struct Consistency {
    #[command(flatten)]
    heads: TwoHeads,
    #[command(flatten)]
    server: ServerArg,
    #[command(flatten)]
    format: FormatArg,
}

impl Consistency {
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let verified = self.heads.verify(PROGRAM)?;
        let heads = verified.heads(self.format.format);
        match heads.compare() {
            Shown::Same => heads.one(&[]),
            Shown::NotOne(problem) => heads.not_one(&problem),
            Shown::Unclear(problem) => heads.not_checked(&problem),
            Shown::AskForProof => self.prove(heads, &verified.keyring).await,
        }
    }

    async fn prove(&self, heads: Heads<'_>, keyring: &Keyring) -> Result<(), Failure> {
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
                    Ok(()) => return heads.one(&proof),
                    // It is the later head's own proof, whoever gave it.
                    Err(error @ ProofError::OtherEarlierRoot { .. }) => {
                        return heads.not_one(&error.to_string());
                    }
                    Err(error) if from.tree().size.is_power_of_two() => {
                        let (from_rows, to_rows) = (from.tree().size + 1, to.tree().size);
                        let request = ProveConsistencyRequest { from_rows, to_rows };
                        let further = client.prove_consistency(request).await;
                        let further =
                            further.map_or_else(|_| Vec::new(), |a| a.into_inner().hashes);
                        if shows_other_rows(from.tree(), to.tree(), &hashes(further)?) {
                            let problem = "the later head's record begins with other rows than the earlier head counts";
                            return heads.not_one(problem);
                        }
                        error.to_string()
                    }
                    Err(error) => error.to_string(),
                }
            }
            // It has fewer rows than the later head counts.
            Err(status) if status.code() == tonic::Code::InvalidArgument => {
                refused(status).message()
            }
            Err(status) => return Err(refused(status)),
        };
        // A service may be another record's, or lie: its answer is no word against the heads. A head that it signs is.
        let newest = client.get_record_head(GetRecordHeadRequest {}).await;
        let newest = newest
            .map_err(refused)?
            .into_inner()
            .record_head
            .unwrap_or_default();
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
                        let heads = heads.of(head, &newest);
                        return heads.not_one(&problem);
                    }
                }
                format!(
                    "its newest head counts {}",
                    counted(newest.tree().size, "row", "rows")
                )
            }
            VerdictKind::Valid => format!("its newest head is of another record, {}", newest.log()),
            kind => format!("its newest head is {kind}: {}", found.explanation),
        };
        heads.not_checked(&format!(
                "the service {server} gave no proof that fits these heads ({problem}; {whose}): it may be another record's, or its \
                 record may have changed; this says nothing against the two heads, and nothing shows yet that they are of one \
                 record: ask a service of theirs"
        ))
    }
}
