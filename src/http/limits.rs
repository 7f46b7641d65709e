//! What a request and its answer may take, and what of HTTP is not spoken.
//!
//! Attack: bodies that take many times their bytes in memory, pages that nobody reads, and codings that expand. axum bounds one body, and not all.
//! Shown by `tests/web/attack.rs` (`send_json`, `read_nothing_of_http`) and `framing.rs`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::budget::{Budget, Part, kib};
use checkpoint::checkpoint::MAX_PAYLOAD_BYTES;
use checkpoint::fault::{FieldFault, excerpt};
use checkpoint::reason::Reason;

/// Largest body, in bytes: the largest published checkpoint in its canonical form. Its signature by a key of 8192 bits has 1,366
/// characters, the header before it some 300.
pub(super) const MAX_BODY_BYTES: usize = MAX_PAYLOAD_BYTES + 4096;

/// What a body may take for each of its bytes while it is verified: its values take up to eight, and they are made twice at the
/// worst, when a list of them grows.
const WEIGHT: usize = 16;

/// A body of more bytes than this needs room to arrive, and a part of the budget before it is verified. Those below, as ordinary checkpoints are, need to wait
/// for nobody.
const LARGE_BODY_BYTES: usize = 16 * 1024;

/// What all large bodies that arrive may take together, in KiB: some thirty of the largest.
const ARRIVING_KIB: usize = 16 * 1024;

/// What all large bodies that are verified may take together, in KiB: four of the largest. Behind a load balancer, all come from one address, which has at
/// most half of it.
const BODIES_KIB: usize = 34 * 1024;

/// How long a large body, or a large answer, waits for its part.
const BUDGET_PATIENCE: Duration = Duration::from_secs(5);

/// An answer of more bytes than this needs a part of the budget of answers until the network has taken it.
const LARGE_ANSWER_BYTES: usize = 16 * 1024;

/// What all large answers that were not taken yet may have together, in KiB: some fifteen of the largest pages, and half of them for one
/// address.
const ANSWERS_KIB: usize = 24 * 1024;

/// Largest head of a request, in bytes: the longest path and query are below 1 KiB.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Who asks: the address of the connection.
#[derive(Clone, Debug)]
pub(super) struct Asker(pub(super) Arc<str>);

impl Asker {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(address.to_string().into())
    }
}

/// What requests and answers may take.
#[derive(Clone)]
pub(super) struct Limits {
    arriving: Arc<Budget>,
    bodies: Arc<Budget>,
    answers: Arc<Budget>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            arriving: Budget::new(ARRIVING_KIB),
            bodies: Budget::new(BODIES_KIB),
            answers: Budget::new(ANSWERS_KIB),
        }
    }
}

impl Limits {
    /// Room for the body of a request to arrive, by what its head announces.
    ///
    /// # Errors
    /// It is too large, or there is no room for it now.
    pub(super) async fn room_for_body(
        &self,
        headers: &HeaderMap,
        asker: Option<Asker>,
    ) -> Result<Option<Part>, Problem> {
        let announced = headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes: usize = announced.unwrap_or(MAX_BODY_BYTES);
        match bytes {
            0..=LARGE_BODY_BYTES => Ok(None),
            _ if bytes > MAX_BODY_BYTES => Err(too_large()),
            _ => part(&self.arriving, asker, bytes).await.map(Some),
        }
    }

    /// The part that is needed to verify a body that is there.
    ///
    /// # Errors
    /// There is none now.
    pub(super) async fn part_for_body(
        &self,
        body: &[u8],
        asker: Option<Asker>,
    ) -> Result<Option<Part>, Problem> {
        match body.len() {
            0..=LARGE_BODY_BYTES => Ok(None),
            bytes => part(&self.bodies, asker, bytes * WEIGHT).await.map(Some),
        }
    }
}

async fn part(budget: &Arc<Budget>, asker: Option<Asker>, bytes: usize) -> Result<Part, Problem> {
    let asker = asker.map_or_else(|| Arc::from(""), |asker| asker.0);
    let part = Arc::clone(budget).take(asker, kib(bytes));
    let part = tokio::time::timeout(BUDGET_PATIENCE, part).await;
    part.map_err(|_| Problem::overloaded())
}

/// The body is larger than any checkpoint.
pub(super) fn too_large() -> Problem {
    let detail = format!("body: is too large; expected at most {MAX_BODY_BYTES} bytes");
    Problem::new(Reason::BodyTooLarge, detail)
}

/// Refuses requests of which two readers could think that they are for two hosts (RFC 9112, section 3.2).
pub(super) async fn check_host(request: Request, next: Next) -> Response {
    let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().collect();
    let problem = match hosts.as_slice() {
        [] if request.version() < Version::HTTP_11 => None,
        [] => Some("is missing"),
        [host] if host.is_empty() => None,
        [host] => {
            let authority = Authority::try_from(host.as_bytes());
            let names_one = authority.is_ok_and(|authority| !authority.as_str().contains('@'));
            (!names_one).then_some("is no host")
        }
        _ => Some("stands there twice"),
    };
    match problem {
        None => next.run(request).await,
        Some(problem) => {
            let fault = FieldFault::new("Host", format!("{problem}; expected one HOST:PORT"));
            Problem::invalid(vec![fault]).into_response()
        }
    }
}

/// Refuses what no answer could be right for: heads that are too large, and bodies in another coding.
pub(super) async fn check_head(request: Request, next: Next) -> Response {
    match check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let uri = request.uri().path_and_query();
    let lines = headers.iter();
    let size = lines.map(|(name, value)| name.as_str().len() + value.len() + 4);
    let size = size.sum::<usize>() + uri.map_or(0, |uri| uri.as_str().len());
    if size > MAX_HEAD_BYTES {
        let detail = format!("head: has {size} bytes; expected at most {MAX_HEAD_BYTES}");
        return Err(Problem::new(Reason::HeadTooLarge, detail));
    }
    if let Some(found) = other(headers, header::CONTENT_ENCODING, "identity") {
        let detail = format!(
            "Content-Encoding: is {}; expected none: bodies are taken uncompressed",
            excerpt(&found)
        );
        return Err(Problem::new(Reason::ContentEncodingNotSupported, detail));
    }
    if let Some(found) = other(headers, header::TRANSFER_ENCODING, "chunked") {
        let detail = format!(
            "Transfer-Encoding: is {}; expected chunked, or none",
            excerpt(&found)
        );
        return Err(Problem::new(Reason::TransferEncodingNotSupported, detail));
    }
    Ok(())
}

/// What a header says beside the one thing that it may say.
fn other(headers: &HeaderMap, name: header::HeaderName, known: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut values = values.filter(|value| !value.trim().eq_ignore_ascii_case(known));
    values.next()
}

/// Lets no more large answers wait for their readers than there is room for.
pub(super) async fn bound_answers(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Response {
    let asker = request.extensions().get::<Asker>().cloned();
    let (head, body) = next.run(request).await.into_parts();
    // It is in memory already, in one piece.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Problem::overloaded().into_response();
    };
    if bytes.len() <= LARGE_ANSWER_BYTES {
        return Response::from_parts(head, Body::from(bytes));
    }
    match part(&limits.answers, asker, bytes.len()).await {
        Ok(part) => Response::from_parts(head, Body::from(part.held_by(bytes))),
        Err(problem) => problem.into_response(),
    }
}
