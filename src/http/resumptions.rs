//! `GET /v1/clock-resumptions`: where operators let signing go on from the true time, after a clock had run ahead.

use axum::extract::State;

use super::Inner;
use super::problem::Problem;
use super::representation::{Keep, LIST_KEPT, Representation};
use checkpoint::history::resumption::to_published;

/// All of them, the oldest first.
pub(super) async fn list(State(inner): State<Inner>) -> Result<Representation, Problem> {
    let resumptions = inner.core.record.resumptions().await?;
    let body = to_published(&resumptions);
    Ok(Representation::json(Keep::For(LIST_KEPT), body))
}
