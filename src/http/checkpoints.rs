//! The published checkpoints: one, the newest, and the record in pages.

use axum::extract::{RawQuery, State};

use super::Inner;
use super::problem::Problem;
use super::query::{Query, Segments, identifier};
use super::representation::{Keep, LIST_KEPT, Representation};
use crate::aside::Turn;
use crate::paging::{self, FilterDigest};
use crate::pools::Pool;
use crate::record::Filter;
use checkpoint::checkpoint::{CheckpointId, LedgerId};
use checkpoint::history::Receipt;
use checkpoint::key::parse_instant;
use checkpoint::reason::Reason;

/// Checkpoints on a page.
const PAGE: u32 = 100;

/// Checkpoints in the list of the newest.
const NEWEST: u32 = 20;

/// `GET /v1/checkpoints/{ledger}/{id}`: the published JSON, byte for byte.
pub(super) async fn one(
    State(inner): State<Inner>,
    Segments((ledger, id)): Segments<(String, String)>,
) -> Result<Representation, Problem> {
    let ledger_id: LedgerId = identifier("ledger", &ledger)?;
    let checkpoint_id: CheckpointId = identifier("id", &id)?;
    let _turn = turn(&inner).await?;
    let receipt = inner.core.record.get(&ledger_id, &checkpoint_id).await?;
    let receipt = receipt.ok_or_else(|| {
        let detail = format!("id: ledger {ledger_id} has no signed checkpoint {checkpoint_id}");
        Problem::new(Reason::CheckpointNotFound, detail)
    })?;
    let published = Pool::of_signed(&receipt.signed).read(|| receipt.signed.published_json());
    Ok(Representation::json(Keep::Immutable, published))
}

/// `GET /v1/checkpoints/newest`: the newest first.
pub(super) async fn newest(State(inner): State<Inner>) -> Result<Representation, Problem> {
    let _turn = turn(&inner).await?;
    let rows = inner.core.record.newest(NEWEST).await?;
    let shown = |row: &Receipt| Pool::of_signed(&row.signed).read(|| row.signed.published_json());
    let published: Vec<String> = rows.iter().map(shown).collect();
    Ok(list(&published, None))
}

/// `GET /v1/checkpoints`: the oldest first, in the order of the record.
pub(super) async fn page(
    State(inner): State<Inner>,
    query: RawQuery,
) -> Result<Representation, Problem> {
    let mut query = Query::read(query, &["ledger", "key", "from", "until", "page"]);
    let filter = Filter {
        ledger_id: query.take("ledger", str::parse),
        key_id: query.take("key", str::parse),
        signed_from: query.take("from", parse_instant),
        signed_until: query.take("until", parse_instant),
    };
    let digest = FilterDigest::of(format!("http {filter:?}"));
    let after = match query.text("page") {
        None => Some(0),
        Some("") => None,
        Some(token) => digest.position(token),
    };
    query.finish()?;
    let after = after.ok_or_else(no_such_page)?;
    let show = |row: &Receipt| {
        let published = row.signed.published_json();
        let bytes = published.len();
        (published, bytes)
    };
    let _turn = turn(&inner).await?;
    let page = paging::read(inner.core.record.as_ref(), &filter, after, PAGE, show).await?;
    let next = page.next.map(|last| digest.token(last));
    Ok(list(&page.items, next))
}

/// A turn to read what may be large: a connection asks for one at a time.
async fn turn(inner: &Inner) -> Result<Turn, Problem> {
    let turn = inner.turns.take(None).await;
    turn.ok_or_else(Problem::overloaded)
}

fn no_such_page() -> Problem {
    let detail =
        "page: is not of these filters; expected the next_page of a page with the same filters";
    Problem::new(Reason::PageNotFound, detail)
}

/// The published texts stand in the list as they are, so that each can be cut out and verified.
fn list(published: &[String], next: Option<String>) -> Representation {
    let mut body = format!(r#"{{"checkpoints":[{}]"#, published.join(","));
    if let Some(token) = next {
        // A token is base64url and needs no escaping.
        body.push_str(&format!(r#","next_page":"{token}""#));
    }
    body.push('}');
    Representation::json(Keep::For(LIST_KEPT), body)
}
