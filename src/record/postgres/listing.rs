//! Pages of rows. There is no index by time or key (schema.sql): where rows of these can be is found by halving.

use deadpool_postgres::{Object, Transaction};
use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;

use super::knowledge::Rests;
use super::rows::{COLUMNS, read_row};
use super::session::begin_reading;
use super::view::View;
use super::{StoreError, pulse};
use crate::record::listing::{MAX_LOOKED_AT, PageBuilder, Recorded, RowRange};
use crate::record::row::to_signed;
use crate::record::{Filter, Listing};
use checkpoint::checkpoint::LedgerId;
use checkpoint::key::KeyId;

/// Rows that are fetched first: a page is ended by its bytes as well, and of large rows two end it.
const FIRST_CHUNK: i32 = 2;

/// The most that are fetched at once, when those before were small.
const CHUNK: i32 = 64;

/// A page, and what it rests on.
pub(super) async fn list(
    client: &mut Object,
    filter: &Filter,
    after: u64,
    limit: u32,
    view: &View,
) -> Result<(Listing, Rests), StoreError> {
    let mark = view.mark();
    let transaction = begin_reading(client).await?;
    let page = page(&transaction, filter, after, limit).await?;
    let last = page.rows.iter().map(|row| row.position).max();
    let found = view.look(&transaction, &mark).await?;
    let rests = view.guard_all(&mark, &found, last)?;
    Ok((page, rests))
}

async fn page(
    transaction: &Transaction<'_>,
    filter: &Filter,
    after: u64,
    limit: u32,
) -> Result<Listing, StoreError> {
    let Some(row_range) = row_range(transaction, filter, after).await? else {
        return Ok(Listing::default());
    };
    // Those of a ledger are found by its index, to which the sum leaves them.
    let (positions, order) = match filter.ledger_id {
        None => ("position", "position"),
        // Within a ledger, entry_count never falls: this is the order of the positions, and that of the index.
        Some(_) => ("position + 0", "entry_count, position"),
    };
    let ledger = match filter.ledger_id {
        None => "$3::text IS NULL AND $4::bigint <= $5::bigint",
        Some(_) => "ledger_id = $3 AND entry_count BETWEEN $4 AND $5",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM checkpoint_signer.signed_checkpoint WHERE {positions} BETWEEN $1 AND $2 AND {ledger} \
         AND ($6::text IS NULL OR key_id = $6) \
         AND ($7::bigint IS NULL OR signed_at >= $7) AND ($8::bigint IS NULL OR signed_at < $8) \
         ORDER BY {order} LIMIT $9"
    );
    let statement = transaction.prepare_cached(&sql).await?;
    let values: [&(dyn ToSql + Sync); 9] = [
        &row_range.first,
        &row_range.last,
        &filter.ledger_id.as_ref().map(LedgerId::as_str),
        &row_range.counts.0,
        &row_range.counts.1,
        &filter.key_id.as_ref().map(KeyId::as_str),
        &filter.signed_from.map(|from| from.timestamp()),
        &filter.signed_until.map(|until| until.timestamp()),
        &i64::from(limit),
    ];
    let portal = transaction.bind(&statement, &values).await?;
    let (mut page, mut chunk) = (PageBuilder::new(limit), FIRST_CHUNK);
    loop {
        let rows = transaction.query_portal(&portal, chunk).await?;
        chunk = CHUNK.min(chunk * 8);
        for row in &rows {
            if !page.take(read_row(row)?)? {
                return Ok(page.end(row_range.cut));
            }
        }
        if rows.is_empty() {
            return Ok(page.end(row_range.cut));
        }
    }
}

/// None when no row can pass.
async fn row_range(
    transaction: &Transaction<'_>,
    filter: &Filter,
    after: u64,
) -> Result<Option<RowRange>, StoreError> {
    let window = match &filter.key_id {
        None => None,
        Some(key_id) => match window(transaction, key_id.as_str()).await? {
            None => return Ok(None),
            window => window,
        },
    };
    let recorded = match pulse::went_back(transaction).await? {
        true => Recorded::anywhere(),
        false => Recorded::of(filter, window),
    };
    let after = to_signed(after);
    // Of numbers and NULL, the greatest and the least are numbers.
    let sql = "SELECT 1 + greatest($1, checkpoint_signer.rows_before($2)), least(size, checkpoint_signer.rows_before($3)) FROM checkpoint_signer.record_head";
    let statement = transaction.prepare_cached(sql).await?;
    let values: [&(dyn ToSql + Sync); 3] = [&after, &recorded.from, &recorded.until];
    let row = transaction.query_one(&statement, &values).await?;
    let (first, last): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if first > last {
        return Ok(None);
    }
    let Some(ledger_id) = filter.ledger_id.as_ref().map(LedgerId::as_str) else {
        return Ok(Some(RowRange::of_all(first, last)));
    };
    let begin = count_at(transaction, ledger_id, after).await?;
    let end = end_of_page(transaction, ledger_id, begin, after).await?;
    Ok(Some(RowRange::of_ledger(first, last, begin, end)))
}

async fn window(
    transaction: &Transaction<'_>,
    key_id: &str,
) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT valid_from, valid_until FROM checkpoint_signer.key_version WHERE key_id = $1";
    let statement = transaction.prepare_cached(sql).await?;
    let row = transaction.query_opt(&statement, &[&key_id]).await?;
    row.map(pair).transpose()
}

/// The entry_count of the row after which a page begins; 0 when it is not one of this ledger.
async fn count_at(
    transaction: &Transaction<'_>,
    ledger_id: &str,
    position: i64,
) -> Result<i64, StoreError> {
    let sql = "SELECT entry_count FROM checkpoint_signer.signed_checkpoint WHERE position = $1 AND ledger_id = $2";
    let statement = transaction.prepare_cached(sql).await?;
    let values: [&(dyn ToSql + Sync); 2] = [&position, &ledger_id];
    let row = transaction.query_opt(&statement, &values).await?;
    let count = row.map(|row| row.try_get(0)).transpose()?;
    Ok(count.unwrap_or(0))
}

/// The entry_count and position of the last row of a ledger that a page looks at; none when it has no more. The index
/// alone is read.
async fn end_of_page(
    transaction: &Transaction<'_>,
    ledger_id: &str,
    begin: i64,
    after: i64,
) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT entry_count, position FROM checkpoint_signer.signed_checkpoint \
               WHERE ledger_id = $1 AND (entry_count, position) > ($2, $3) \
               ORDER BY entry_count, position LIMIT 1 OFFSET $4";
    let statement = transaction.prepare_cached(sql).await?;
    let further = i64::from(MAX_LOOKED_AT) - 1;
    let values: [&(dyn ToSql + Sync); 4] = [&ledger_id, &begin, &after, &further];
    let row = transaction.query_opt(&statement, &values).await?;
    row.map(pair).transpose()
}

fn pair(row: SqlRow) -> Result<(i64, i64), StoreError> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}
