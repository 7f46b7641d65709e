//! Compares the heads with the rows. The database keeps its own files right.

use deadpool_postgres::Object;
use tokio_postgres::Row as SqlRow;

use super::StoreError;
use crate::record::row::{HeadClaim, check_head};

/// Compares the head with the newest row, in one statement: one snapshot, whatever other replicas commit.
pub(super) async fn record_head(client: &Object) -> Result<Option<String>, StoreError> {
    let sql = "SELECT head.size, head.newest_signed_at, newest.position, newest.signed_at, \
               (SELECT min(resumed_from) FROM checkpoint_signer.clock_resumption WHERE after_rows = head.size) \
               FROM checkpoint_signer.record_head head LEFT JOIN LATERAL (SELECT position, signed_at FROM checkpoint_signer.signed_checkpoint \
               ORDER BY position DESC LIMIT 1) newest ON true";
    let row = client.query_one(sql, &[]).await?;
    let claim = HeadClaim {
        size: row.try_get(0)?,
        newest_signed_at: row.try_get(1)?,
        resumed_from: row.try_get(4)?,
    };
    let (position, signed_at): (Option<i64>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
    Ok(check_head(&claim, position.zip(signed_at)))
}

/// The ledgers after one, and whether their heads are their newest rows: one that has rows and no head would take
/// any entry_count.
pub(super) async fn ledger_heads(
    client: &Object,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, bool)>, StoreError> {
    let sql = "WITH RECURSIVE ledger (id) AS ( \
                 SELECT min(ledger_id) FROM checkpoint_signer.signed_checkpoint WHERE ledger_id > $1 \
                 UNION ALL SELECT (SELECT min(ledger_id) FROM checkpoint_signer.signed_checkpoint WHERE ledger_id > ledger.id) \
                 FROM ledger WHERE ledger.id IS NOT NULL), \
               either AS ((SELECT id FROM ledger WHERE id IS NOT NULL LIMIT $2) UNION \
                 (SELECT ledger_id FROM checkpoint_signer.ledger_head WHERE ledger_id > $1 ORDER BY ledger_id LIMIT $2)) \
               SELECT either.id, (head.entry_count, head.cumulative_hash, head.total_volume, head.timestamp) \
                 IS NOT DISTINCT FROM \
                 (newest.entry_count, newest.cumulative_hash, newest.total_volume, newest.timestamp) \
               FROM either LEFT JOIN checkpoint_signer.ledger_head head ON head.ledger_id = either.id \
               LEFT JOIN LATERAL (SELECT entry_count, cumulative_hash, total_volume, timestamp FROM checkpoint_signer.signed_checkpoint \
                 WHERE ledger_id = either.id ORDER BY entry_count DESC, position DESC LIMIT 1) newest ON true \
               ORDER BY either.id LIMIT $2";
    let rows = client.query(sql, &[&after, &limit]).await?;
    let read = |row: &SqlRow| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(read).collect()
}
