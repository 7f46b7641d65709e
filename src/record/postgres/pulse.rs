//! What is cheap to ask, and where signing was let go on from the true time.

use deadpool_postgres::{GenericClient, Object, Transaction};
use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;

use super::StoreError;
use super::head::{LOCKED_HEAD, read_head, store_clock};
use super::session::begin;
use super::view::View;
use crate::record::row::{instant, to_signed};
use crate::record::{Pulse, ResumeError};
use checkpoint::history::rules::{check_ahead, check_behind};
use checkpoint::history::{NotResumed, ResumeOrder, Resumption};

pub(super) async fn pulse(client: &Object) -> Result<Pulse, StoreError> {
    let sql = "SELECT newest_signed_at, (SELECT count(*) FROM checkpoint_signer.key_version) \
         + (SELECT count(*) FROM checkpoint_signer.key_endorsement) \
         + (SELECT count(*) FROM checkpoint_signer.key_revocation), \
               (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM checkpoint_signer.record_head";
    let statement = client.prepare_cached(sql).await?;
    let row = client.query_one(&statement, &[]).await?;
    let (newest, key_rows): (Option<i64>, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Pulse {
        store_clock: Some(store_clock(&row, 2)?),
        newest_signed_at: newest.map(instant).transpose()?,
        key_rows: key_rows.unsigned_abs(),
    })
}

pub(super) async fn resumptions(
    client: &impl GenericClient,
) -> Result<Vec<Resumption>, StoreError> {
    let sql = "SELECT after_rows, newest_signed_at, resumed_from, resumed_by, reason \
               FROM checkpoint_signer.clock_resumption ORDER BY after_rows, resumed_from DESC";
    let rows = client.query(sql, &[]).await?;
    let read = |row: &SqlRow| {
        Ok(Resumption {
            after_rows: row.try_get::<_, i64>(0)?.unsigned_abs(),
            newest_signed_at: instant(row.try_get(1)?)?,
            resumed_from: instant(row.try_get(2)?)?,
            by: row.try_get(3)?,
            reason: row.try_get(4)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Whether the order of the rows is not that of their times.
pub(super) async fn went_back(transaction: &Transaction<'_>) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM checkpoint_signer.clock_resumption)";
    let statement = transaction.prepare_cached(sql).await?;
    Ok(transaction.query_one(&statement, &[]).await?.try_get(0)?)
}

/// The outer error is asked again; what is decided is within.
pub(super) async fn resume_clock(
    client: &mut Object,
    order: &ResumeOrder,
    view: &View,
) -> Result<Result<Resumption, ResumeError>, StoreError> {
    let mark = view.mark();
    let transaction = begin(client).await?;
    // After a batch that is under way, and before the next one.
    let head = read_head(&transaction, LOCKED_HEAD).await?;
    let found = view.look(&transaction, &mark).await?;
    view.judge(&mark, &found)?;
    if let Some(store) = head.store_clock.filter(|_| order.is_now) {
        let agree = check_ahead(order.now, store).and_then(|()| check_behind(order.now, store));
        if let Err(violation) = agree {
            return Ok(Err(violation.into()));
        }
    }
    let resumption = match order.judge(head.frontier.size(), head.newest_signed_at) {
        Ok(resumption) if !order.dry_run => resumption,
        // The answer to a commit may have been lost, and this be asked again.
        Err(refusal @ NotResumed::NotBehind { .. }) => {
            let done = resumptions(&transaction).await?.pop();
            let is_this = |done: &Resumption| {
                done.after_rows == head.frontier.size()
                    && done.resumed_from.timestamp() == order.now.timestamp()
                    && (&done.by, &done.reason) == (&order.by, &order.reason)
            };
            let refusal = refusal.beside(head.frontier.size(), done.as_ref());
            return Ok(done.filter(is_this).ok_or(refusal.into()));
        }
        judged => return Ok(judged.map_err(ResumeError::from)),
    };
    let resumed_from = resumption.resumed_from.timestamp();
    let sql = "INSERT INTO checkpoint_signer.clock_resumption \
               (after_rows, newest_signed_at, resumed_from, resumed_by, reason) VALUES ($1, $2, $3, $4, $5)";
    let values: [&(dyn ToSql + Sync); 5] = [
        &to_signed(resumption.after_rows),
        &resumption.newest_signed_at.timestamp(),
        &resumed_from,
        &resumption.by,
        &resumption.reason,
    ];
    transaction.execute(sql, &values).await?;
    let sql = "UPDATE checkpoint_signer.record_head SET newest_signed_at = $1";
    transaction.execute(sql, &[&resumed_from]).await?;
    transaction.commit().await?;
    Ok(Ok(resumption))
}
