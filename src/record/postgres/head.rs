//! The head of the record: its tree, the time of its newest signature, and the database's clock beside them.

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use tokio_postgres::Row as SqlRow;

use super::StoreError;
use crate::record::RecordError;
use crate::record::row::instant;
use checkpoint::log::batch::Head;
use checkpoint::log::tree::Frontier;

pub(super) const HEAD: &str = "SELECT size, frontier, newest_signed_at, \
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM checkpoint_signer.record_head";
pub(super) const LOCKED_HEAD: &str = "SELECT size, frontier, newest_signed_at, \
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint, pg_current_xact_id()::text \
    FROM checkpoint_signer.record_head FOR UPDATE";

pub(super) async fn read_head(client: &impl GenericClient, sql: &str) -> Result<Head, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    head(&client.query_one(&statement, &[]).await?)
}

/// Locks the head, and gives the number of the transaction beside it.
pub(super) async fn lock_head(client: &impl GenericClient) -> Result<(Head, u64), StoreError> {
    let statement = client.prepare_cached(LOCKED_HEAD).await?;
    let row = client.query_one(&statement, &[]).await?;
    let number: String = row.try_get(4)?;
    let number = number.parse().map_err(|_| {
        let problem = format!("the database numbers its transaction {number}");
        RecordError::Unavailable(problem)
    })?;
    Ok((head(&row)?, number))
}

fn head(row: &SqlRow) -> Result<Head, StoreError> {
    let newest: Option<i64> = row.try_get(2)?;
    Ok(Head {
        frontier: frontier(row.try_get(0)?, row.try_get(1)?)?,
        newest_signed_at: newest.map(instant).transpose()?,
        store_clock: Some(store_clock(row, 3)?),
    })
}

pub(super) fn frontier(size: i64, bytes: &[u8]) -> Result<Frontier, RecordError> {
    let damaged = || RecordError::Damaged("the head's frontier does not fit its size".into());
    Frontier::from_bytes(size.unsigned_abs(), bytes).ok_or_else(damaged)
}

/// The database's clock, in milliseconds since 1970: that of the moment (`clock_timestamp`), not of the transaction's begin.
pub(super) fn store_clock(row: &SqlRow, column: usize) -> Result<DateTime<Utc>, StoreError> {
    let milliseconds: i64 = row.try_get(column)?;
    let clock = DateTime::from_timestamp_millis(milliseconds);
    let damaged = || RecordError::Damaged(format!("the database's clock shows {milliseconds} ms"));
    Ok(clock.ok_or_else(damaged)?)
}
