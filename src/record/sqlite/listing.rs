//! Pages of rows. There is no index by time or key (schema.sql): where rows of these can be is found by halving.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::pulse;
use super::rows::{read_head, read_row, select};
use crate::record::listing::{MAX_LOOKED_AT, PageBuilder, Recorded, RowRange};
use crate::record::row::to_signed;
use crate::record::{Filter, Listing, RecordError};
use checkpoint::checkpoint::LedgerId;

/// A page, in the caller's snapshot.
pub(super) fn list(
    connection: &Connection,
    filter: &Filter,
    after: u64,
    limit: u32,
) -> Result<Listing, RecordError> {
    let Some(row_range) = row_range(connection, filter, after)? else {
        return Ok(Listing::default());
    };
    // Those of a ledger are found by its index, to which the plus leaves them.
    let (positions, order) = match filter.ledger_id {
        None => ("position", "position"),
        // Within a ledger, entry_count never falls: this is the order of the positions, and that of the index.
        Some(_) => ("+position", "entry_count, position"),
    };
    let mut conditions = format!(" WHERE {positions} BETWEEN ? AND ?");
    let mut values = vec![
        SqlValue::from(row_range.first),
        SqlValue::from(row_range.last),
    ];
    let mut bound = |condition: &str, value: SqlValue| {
        conditions.push_str(condition);
        values.push(value);
    };
    if let Some(ledger_id) = &filter.ledger_id {
        bound(" AND ledger_id = ?", ledger_id.as_str().to_owned().into());
        bound(" AND entry_count >= ?", row_range.counts.0.into());
        bound(" AND entry_count <= ?", row_range.counts.1.into());
    }
    if let Some(key_id) = &filter.key_id {
        bound(" AND key_id = ?", key_id.as_str().to_owned().into());
    }
    if let Some(from) = filter.signed_from {
        bound(" AND signed_at >= ?", from.timestamp().into());
    }
    if let Some(until) = filter.signed_until {
        bound(" AND signed_at < ?", until.timestamp().into());
    }
    let sql = select(&format!("{conditions} ORDER BY {order} LIMIT {limit}"));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = PageBuilder::new(limit);
    while let Some(row) = rows.next()? {
        if !page.take(read_row(row)?)? {
            break;
        }
    }
    Ok(page.end(row_range.cut))
}

/// None when no row can pass.
fn row_range(
    connection: &Connection,
    filter: &Filter,
    after: u64,
) -> Result<Option<RowRange>, RecordError> {
    let window = match &filter.key_id {
        None => None,
        Some(key_id) => match window(connection, key_id.as_str())? {
            None => return Ok(None),
            window => window,
        },
    };
    let recorded = match pulse::went_back(connection)? {
        true => Recorded::anywhere(),
        false => Recorded::of(filter, window),
    };
    let after = to_signed(after);
    let size = to_signed(read_head(connection)?.frontier.size());
    let (mut first, mut last) = (after.saturating_add(1), size);
    if let Some(from) = recorded.from {
        first = first.max(1 + count_before(connection, size, from)?);
    }
    if let Some(until) = recorded.until {
        last = last.min(count_before(connection, size, until)?);
    }
    if first > last {
        return Ok(None);
    }
    let Some(ledger_id) = filter.ledger_id.as_ref().map(LedgerId::as_str) else {
        return Ok(Some(RowRange::of_all(first, last)));
    };
    let begin = count_at(connection, ledger_id, after)?;
    let end = end_of_page(connection, ledger_id, begin, after)?;
    Ok(Some(RowRange::of_ledger(first, last, begin, end)))
}

fn window(connection: &Connection, key_id: &str) -> Result<Option<(i64, i64)>, RecordError> {
    let sql = "SELECT valid_from, valid_until FROM key_version WHERE key_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let window = statement.query_row([key_id], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(window.optional()?)
}

/// The entry_count of the row after which a page begins; 0 when it is not one of this ledger.
fn count_at(connection: &Connection, ledger_id: &str, position: i64) -> Result<i64, RecordError> {
    let sql = "SELECT entry_count FROM signed_checkpoint WHERE position = ?1 AND ledger_id = ?2";
    let count: Option<i64> = connection
        .prepare_cached(sql)?
        .query_row(params![position, ledger_id], |row| row.get(0))
        .optional()?;
    Ok(count.unwrap_or(0))
}

/// The entry_count and position of the last row of a ledger that a page looks at; none when it has no more. The index
/// alone is read.
fn end_of_page(
    connection: &Connection,
    ledger_id: &str,
    begin: i64,
    after: i64,
) -> Result<Option<(i64, i64)>, RecordError> {
    let sql = "SELECT entry_count, position FROM signed_checkpoint \
               WHERE ledger_id = ?1 AND entry_count >= ?2 AND +position > ?3 \
               ORDER BY entry_count, position LIMIT 1 OFFSET ?4";
    let values = params![ledger_id, begin, after, MAX_LOOKED_AT - 1];
    let mut statement = connection.prepare_cached(sql)?;
    let end = statement.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(end.optional()?)
}

/// How many of the first rows were signed before an instant, as far as their order tells: of two rows, the later
/// one was signed no more than the tolerance before the earlier.
fn count_before(connection: &Connection, size: i64, instant: i64) -> Result<i64, RecordError> {
    let mut statement =
        connection.prepare_cached("SELECT signed_at FROM signed_checkpoint WHERE position = ?1")?;
    let (mut before, mut not_before) = (0, size + 1);
    while not_before - before > 1 {
        let middle = before + (not_before - before) / 2;
        let signed_at: Option<i64> = statement.query_row([middle], |row| row.get(0)).optional()?;
        match signed_at {
            Some(signed_at) if signed_at < instant => before = middle,
            _ => not_before = middle,
        }
    }
    Ok(before)
}
