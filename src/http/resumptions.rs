//! `GET /v1/clock-resumptions`: where operators let signing go on from the true time, after a clock had run ahead.

use axum::extract::State;
use serde_json::json;

use super::Inner;
use super::problem::Problem;
use super::representation::{Keep, LIST_KEPT, Representation};
use crate::key::instant_text;
use crate::record::Resumption;

/// All of them, the oldest first.
pub(super) async fn list(State(inner): State<Inner>) -> Result<Representation, Problem> {
    let show = |resumption: &Resumption| {
        json!({
            "after_rows": resumption.after_rows,
            "newest_signed_at": instant_text(resumption.newest_signed_at),
            "resumed_from": instant_text(resumption.resumed_from),
            "by": resumption.by,
            "reason": resumption.reason,
        })
    };
    let resumptions = inner.record.resumptions().await?;
    let shown: Vec<_> = resumptions.iter().map(show).collect();
    let body = json!({ "clock_resumptions": shown }).to_string();
    Ok(Representation::json(Keep::For(LIST_KEPT), body))
}
