//! `RecordService`.

use chrono::{DateTime, Utc};
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::gate::Call;
use super::{Inner, status};
use crate::aside::Turn;
use crate::audit::{self, Outcome};
use crate::paging::{self, FilterDigest};
use crate::pools::Pool;
use crate::record::{Filter, RecordError, prover};
use crate::signer::Refusal;
use crate::timekeeping::uptime;
use crate::wire;
use crate::wire::proto::{
    ClockResumption, GetRecordHeadRequest, GetRecordHeadResponse, GetSignedCheckpointRequest,
    GetSignedCheckpointResponse, ListClockResumptionsRequest, ListClockResumptionsResponse,
    ListSignedCheckpointsRequest, ListSignedCheckpointsResponse, ProveConsistencyRequest,
    ProveConsistencyResponse, RecordHead, ResumeClockRequest, ResumeClockResponse,
    SignedCheckpoint as WireSignedCheckpoint,
};
use crate::wire::served::record_service_server::RecordService;
use checkpoint::counted::counted;
use checkpoint::history::rules::{CLOCK_TOLERANCE, RuleViolation, other_clock};
use checkpoint::history::{Receipt, ResumeOrder, Resumption};
use checkpoint::identifier::IdentifierError;
use checkpoint::key::instant_text;
use checkpoint::log::proof::{ProofPlan, verify_inclusion};
use checkpoint::log::tree::TreeHash;
use checkpoint::reason::Reason;

/// In the metadata of the answer of ResumeClock: which other clocks agree with the service's, by name.
pub(crate) const COMPARED_CLOCKS: &str = "compared-clocks";

/// In the metadata of an answer with a head, and of a refusal: where the record lives.
pub(crate) const RECORD_HOME: &str = "record-home";

/// And what the record calls it: two servers can have been promoted at once.
pub(crate) const RECORD_HOME_NAME: &str = "record-home-name";

const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// Answers `RecordService`.
pub(super) struct Records(pub(super) Inner);

#[tonic::async_trait]
impl RecordService for Records {
    async fn get_signed_checkpoint(
        &self,
        request: Request<GetSignedCheckpointRequest>,
    ) -> Result<Response<GetSignedCheckpointResponse>, Status> {
        let turn = self.turn(&request).await?;
        let request = request.into_inner();
        let ledger_id = identifier("ledger_id", &request.ledger_id)?;
        let checkpoint_id = identifier("checkpoint_id", &request.checkpoint_id)?;
        let receipt = self.0.core.record.get(&ledger_id, &checkpoint_id).await?;
        let receipt = receipt.ok_or_else(|| {
            status::not_found(
                Reason::CheckpointNotFound,
                format!(
                    "checkpoint_id: ledger {ledger_id} has no signed checkpoint {checkpoint_id}"
                ),
            )
        })?;
        let mut answer = GetSignedCheckpointResponse {
            signed_checkpoint: Some(
                Pool::of_signed(&receipt.signed).read(|| (&receipt.signed).into()),
            ),
            position: receipt.position,
            inclusion_proof: None,
            record_head: None,
        };
        match (request.include_proof, request.tree_size) {
            (false, 0) => {}
            (false, _) => {
                let problem = "is given without include_proof; expected both, or neither";
                return Err(status::invalid_request("tree_size", problem));
            }
            (true, 0) => {
                let head = self.0.core.signer.head(receipt.position).await?;
                let tree_size = head.signed.head().tree.size;
                let proof = self.include(receipt.position, tree_size).await?;
                let (leaf, root) = (TreeHash::of(&receipt.signed), head.signed.head().tree.root);
                // A wrong proof would accuse the operator, whose store is only damaged.
                verify_inclusion(leaf, receipt.position, tree_size, &proof, root)
                    .map_err(|error| RecordError::Damaged(error.to_string()))?;
                answer.record_head = Some(RecordHead::from(head.as_ref()));
                answer.inclusion_proof = Some(wire::inclusion(tree_size, &proof));
            }
            (true, tree_size) => {
                self.check_rows("tree_size", tree_size).await?;
                let proof = self.include(receipt.position, tree_size).await?;
                answer.inclusion_proof = Some(wire::inclusion(tree_size, &proof));
            }
        }
        Ok(in_turn(answer, turn))
    }

    async fn get_record_head(
        &self,
        _: Request<GetRecordHeadRequest>,
    ) -> Result<Response<GetRecordHeadResponse>, Status> {
        let mut answer = match self.0.core.signer.head(0).await {
            Ok(head) => {
                let record_head = Some(RecordHead::from(head.as_ref()));
                Ok(Response::new(GetRecordHeadResponse { record_head }))
            }
            Err(refusal) => Err(Status::from(refusal)),
        };
        // Peers that are asked by one another tell with it whether they write to the same database.
        if let Some(accepted) = self.0.core.record.home() {
            let metadata = match &mut answer {
                Ok(response) => response.metadata_mut(),
                Err(status) => status.metadata_mut(),
            };
            let told = [
                (RECORD_HOME, accepted.home.to_string()),
                (RECORD_HOME_NAME, accepted.name()),
            ];
            for (name, value) in told {
                if let Ok(value) = value.parse() {
                    metadata.insert(name, value);
                }
            }
        }
        answer
    }

    async fn prove_consistency(
        &self,
        request: Request<ProveConsistencyRequest>,
    ) -> Result<Response<ProveConsistencyResponse>, Status> {
        let turn = self.turn(&request).await?;
        let ProveConsistencyRequest { from_rows, to_rows } = request.into_inner();
        self.check_rows("to_rows", to_rows).await?;
        let plan = ProofPlan::consistency(from_rows, to_rows)
            .map_err(|error| status::invalid_request("from_rows", &error.to_string()))?;
        let hashes = wire::proof(&prover::prove(self.0.core.record.as_ref(), &plan).await?);
        Ok(in_turn(ProveConsistencyResponse { hashes }, turn))
    }

    async fn list_clock_resumptions(
        &self,
        _: Request<ListClockResumptionsRequest>,
    ) -> Result<Response<ListClockResumptionsResponse>, Status> {
        let resumptions = self.0.core.record.resumptions().await?;
        Ok(Response::new(ListClockResumptionsResponse {
            clock_resumptions: resumptions.iter().map(ClockResumption::from).collect(),
        }))
    }

    async fn resume_clock(
        &self,
        request: Request<ResumeClockRequest>,
    ) -> Result<Response<ResumeClockResponse>, Status> {
        let call = Call::of(&request)?;
        let (this, request) = (Self(self.0.clone()), request.into_inner());
        let (by, spans) = (call.caller.name().to_string(), call.spans.clone());
        // Done to its end, and told, even when the caller goes away meanwhile.
        let whole = async move {
            let (said, dry_run) = (request.reason.clone(), request.dry_run);
            let done = this.resume(request, by).await;
            let reason = done.as_ref().err().map(status::reason);
            let outcome = reason.as_deref().map_or(Outcome::Done, Outcome::Refused);
            audit::clock(call.asked(), &said, dry_run, outcome);
            done
        };
        let whole = tokio::spawn(spans.around(whole));
        let resumption = whole.await.map_err(|_| status::shutting_down())??;
        let mut response = Response::new(ResumeClockResponse {
            clock_resumption: Some(ClockResumption::from(&resumption)),
        });
        let clocks = self.0.key_manager.time().others().join(", ");
        if let Ok(clocks) = clocks.parse() {
            response.metadata_mut().insert(COMPARED_CLOCKS, clocks);
        }
        Ok(response)
    }

    async fn list_signed_checkpoints(
        &self,
        request: Request<ListSignedCheckpointsRequest>,
    ) -> Result<Response<ListSignedCheckpointsResponse>, Status> {
        let turn = self.turn(&request).await?;
        let request = request.into_inner();
        let filter = filter(&request)?;
        let page_size = match u32::try_from(request.page_size) {
            Ok(0) => DEFAULT_PAGE,
            Ok(size) if size <= MAX_PAGE => size,
            _ => {
                let problem = format!("is {}; expected 0 to {MAX_PAGE}", request.page_size);
                return Err(status::invalid_request("page_size", &problem));
            }
        };
        let digest = filter_digest(&request);
        let after = digest.position(&request.page_token).ok_or_else(|| {
            status::invalid_request(
                "page_token",
                "is not of these filters; expected the next_page_token of a page with the same filters",
            )
        })?;
        let show = |row: &Receipt| {
            let signed = WireSignedCheckpoint::from(&row.signed);
            let bytes = signed.encoded_len();
            (signed, bytes)
        };
        let record = self.0.core.record.as_ref();
        let page = paging::read(record, &filter, after, page_size, show).await?;
        let answer = ListSignedCheckpointsResponse {
            signed_checkpoints: page.items,
            next_page_token: page
                .next
                .map_or_else(String::new, |last| digest.token(last)),
        };
        Ok(in_turn(answer, turn))
    }
}

impl Records {
    /// A turn to read what may be large.
    async fn turn<T>(&self, request: &Request<T>) -> Result<Turn, Status> {
        let call = Call::of(request)?;
        let turn = self.0.turns.take(Some(call.judge.connection())).await;
        turn.ok_or_else(status::too_much_is_read)
    }

    /// Every clock that can be asked must agree on what is true.
    async fn resume(&self, request: ResumeClockRequest, by: String) -> Result<Resumption, Status> {
        let wire = request.now.ok_or_else(|| {
            let problem = "is missing; expected what the caller's own clock shows";
            status::invalid_request("now", problem)
        })?;
        let claimed = wire::instant(wire)
            .map_err(|error| status::invalid_request("now", &error.to_string()))?;
        // Reads the store's clock.
        let asked = uptime();
        let pulse = self.0.core.record.pulse().await?;
        let time = self.0.key_manager.time();
        time.note_store(pulse.store_clock, asked);
        let now = self.0.core.clock.now();
        time.check(now).map_err(Refusal::from)?;
        agree(now, claimed).map_err(Refusal::from)?;
        let order = ResumeOrder {
            now,
            by,
            reason: request.reason,
            is_now: true,
            dry_run: request.dry_run,
        };
        let resumption = self.0.core.record.resume_clock(order).await?;
        if !request.dry_run {
            // Who asks for the health next is not told of the time before.
            self.0.key_manager.hear_of(resumption.resumed_from).await;
        }
        Ok(resumption)
    }

    /// A tree that there was: a proof for a later one would read rows that are not there.
    async fn check_rows(&self, field: &str, rows: u64) -> Result<(), Status> {
        let size = self.0.core.record.head().await?.size();
        match rows <= size {
            true => Ok(()),
            false => {
                let problem = format!(
                    "is {rows}, but the record has {}; expected no more",
                    counted(size, "row", "rows")
                );
                Err(status::invalid_request(field, &problem))
            }
        }
    }

    async fn include(&self, position: u64, tree_size: u64) -> Result<Vec<TreeHash>, Status> {
        let plan = ProofPlan::inclusion(position, tree_size)
            .map_err(|error| status::invalid_request("tree_size", &error.to_string()))?;
        Ok(prover::prove(self.0.core.record.as_ref(), &plan).await?)
    }
}

/// The turn is over when the answer's bytes are made.
fn in_turn<T>(answer: T, turn: Turn) -> Response<T> {
    let mut response = Response::new(answer);
    response.extensions_mut().insert(turn);
    response
}

/// The service's clock and the caller's.
fn agree(now: DateTime<Utc>, claimed: DateTime<Utc>) -> Result<(), RuleViolation> {
    let other = || other_clock("the caller's", claimed);
    let now_text = instant_text(now);
    if now > claimed + CLOCK_TOLERANCE {
        return Err(RuleViolation::ClockAhead {
            now: now_text,
            other: other(),
        });
    }
    match now + CLOCK_TOLERANCE < claimed {
        true => Err(RuleViolation::ClockBehind {
            now: now_text,
            other: other(),
        }),
        false => Ok(()),
    }
}

fn identifier<T: std::str::FromStr<Err = IdentifierError>>(
    field: &str,
    text: &str,
) -> Result<T, Status> {
    text.parse()
        .map_err(|error: IdentifierError| status::invalid_request(field, &error.to_string()))
}

fn filter(request: &ListSignedCheckpointsRequest) -> Result<Filter, Status> {
    let instant = |field, wire: Option<prost_types::Timestamp>| {
        wire.map(wire::instant)
            .transpose()
            .map_err(|error| status::invalid_request(field, &error.to_string()))
    };
    Ok(Filter {
        ledger_id: match request.ledger_id.as_str() {
            "" => None,
            text => Some(identifier("ledger_id", text)?),
        },
        key_id: match request.key_id.as_str() {
            "" => None,
            text => Some(identifier("key_id", text)?),
        },
        signed_from: instant("signed_from", request.signed_from)?,
        signed_until: instant("signed_until", request.signed_until)?,
    })
}

fn filter_digest(request: &ListSignedCheckpointsRequest) -> FilterDigest {
    FilterDigest::of(
        ListSignedCheckpointsRequest {
            page_size: 0,
            page_token: String::new(),
            ..request.clone()
        }
        .encode_to_vec(),
    )
}
