//! The statements: from rows to types and back. A batch takes three round trips however large it is: what it is judged by, as its
//! transaction begins; its rows; the commit.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use deadpool_postgres::{GenericClient, Object, Transaction};
use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;

use super::guards::Right;
use super::head::{HEAD, LOCKED_HEAD, lock_head, read_head};
use super::knowledge::Rests;
use super::session::{READ_BACK, begin_reading, begin_unchecked};
use super::session::{
    check_all, check_kept, check_reading, check_set, commit, make_ready, roll_back, start,
};
use super::view::{View, emit};
use super::{StoreError, guards, nodes};
use crate::record::high_water_mark::Mark;
use crate::record::row::{Row, instant, parse, timestamp, to_signed};
use crate::record::{AppendError, RecordError};
use checkpoint::checkpoint::{Checkpoint, CheckpointId, CumulativeHash, LedgerId};
use checkpoint::history::Receipt;
use checkpoint::history::rules::{HistoryPoint, LedgerState, MaxEntryJump};
use checkpoint::log::batch::{Batch, Candidate, Head};
use checkpoint::log::tree::Frontier;

pub(super) const COLUMNS: &str = "position, ledger_id, checkpoint_id, entry_count, cumulative_hash, total_volume, timestamp, \
                       key_id, signed_at, payload, signature";

pub(super) fn read_row(row: &SqlRow) -> Result<Row<'_>, StoreError> {
    Ok(Row {
        position: row.try_get(0)?,
        ledger_id: row.try_get(1)?,
        checkpoint_id: row.try_get(2)?,
        entry_count: row.try_get(3)?,
        cumulative_hash: row.try_get(4)?,
        total_volume: row.try_get(5)?,
        timestamp: row.try_get(6)?,
        key_id: row.try_get(7)?,
        signed_at: row.try_get(8)?,
        payload: row.try_get(9)?,
        signature: row.try_get(10)?,
    })
}

fn receipt(row: &SqlRow) -> Result<Receipt, StoreError> {
    Ok(read_row(row)?.into_receipt()?)
}

/// The head, and what it rests on.
pub(super) async fn head(
    client: &mut Object,
    view: &View,
) -> Result<(Frontier, Rests), StoreError> {
    let mark = view.mark();
    let transaction = begin_reading(client).await?;
    let found = view.look(&transaction, &mark).await?;
    view.judge(&mark, &found)?;
    let rests = Rests::on_rows(&found, found.tree.size());
    Ok((found.tree, rests))
}

/// What the record holds for the places that some checkpoints ask for, and what a retry's answer rests on, each by itself.
pub(super) async fn ledger_states(
    transaction: &Transaction<'_>,
    mark: &Mark,
    wanted: &[Checkpoint],
    view: &View,
) -> Result<Vec<Result<(LedgerState, Rests), RecordError>>, StoreError> {
    // One round trip: they are sent one after the other, and answered in that order.
    let ((), head, states, found) = tokio::try_join!(
        biased;
        check_reading(transaction),
        read_head(transaction, HEAD),
        read_ledger_states(transaction, wanted),
        view.look(transaction, mark),
    )?;
    let mut answers = Vec::with_capacity(states.len());
    for state in states {
        let answer = async {
            let state = state?;
            let recorded = state.same_id.as_ref().map(|same| same.position);
            let rests = view.guard(transaction, mark, &found, recorded).await?;
            let state = LedgerState {
                newest_signed_at: head.newest_signed_at,
                store_clock: head.store_clock,
                ..state
            };
            Ok((state, rests))
        };
        answers.push(match answer.await {
            Err(StoreError::Final(error)) => Err(error),
            answer => Ok(answer?),
        });
    }
    Ok(answers)
}

/// The same for one.
pub(super) async fn ledger_state(
    client: &mut Object,
    wanted: &Checkpoint,
    view: &View,
) -> Result<Result<(LedgerState, Rests), RecordError>, StoreError> {
    let mark = view.mark();
    let transaction = begin_unchecked(client).await?;
    let mut states = ledger_states(&transaction, &mark, std::slice::from_ref(wanted), view).await?;
    let missing = || Err(RecordError::Unavailable("no answer".into()));
    Ok(states.pop().unwrap_or_else(missing))
}

/// What the record holds for each place, but for the time of its newest signature, or how its row is damaged. By the rows alone:
/// `ledger_head` is written by the trigger that reads it.
async fn read_ledger_states(
    client: &impl GenericClient,
    wanted: &[Checkpoint],
) -> Result<Vec<Result<LedgerState, StoreError>>, StoreError> {
    let sql = format!(
        "SELECT {}, wanted.place, newest.entry_count, newest.timestamp, taken.checkpoint_id, \
         taken.cumulative_hash, taken.total_volume \
         FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY \
           AS wanted (ledger_id, checkpoint_id, entry_count, place) \
         LEFT JOIN LATERAL (SELECT entry_count, timestamp FROM checkpoint_signer.signed_checkpoint \
           WHERE ledger_id = wanted.ledger_id ORDER BY entry_count DESC, position DESC LIMIT 1) newest ON true \
         LEFT JOIN LATERAL (SELECT * FROM checkpoint_signer.signed_checkpoint \
           WHERE (ledger_id, checkpoint_id) >= (wanted.ledger_id, wanted.checkpoint_id) \
           ORDER BY ledger_id, checkpoint_id LIMIT 1) same \
           ON same.ledger_id = wanted.ledger_id AND same.checkpoint_id = wanted.checkpoint_id \
         LEFT JOIN LATERAL (SELECT ledger_id, entry_count, checkpoint_id, cumulative_hash, total_volume \
           FROM checkpoint_signer.signed_checkpoint \
           WHERE (ledger_id, entry_count, position) >= (wanted.ledger_id, wanted.entry_count, 0) \
           ORDER BY ledger_id, entry_count, position LIMIT 1) taken \
           ON taken.ledger_id = wanted.ledger_id AND taken.entry_count = wanted.entry_count ORDER BY wanted.place",
        COLUMNS
            .split(", ")
            .map(|column| format!("same.{column}"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let statement = client.prepare_cached(&sql).await?;
    let places = || wanted.iter().map(|wanted| wanted.fields());
    let ledgers: Vec<&str> = places().map(|place| place.ledger_id.as_str()).collect();
    let ids: Vec<&str> = places().map(|place| place.checkpoint_id.as_str()).collect();
    let counts = places().map(|place| to_signed(place.entry_count.get()));
    let counts: Vec<i64> = counts.collect();
    let rows = client.query(&statement, &[&ledgers, &ids, &counts]).await?;
    let rows = rows.iter().zip(wanted);
    Ok(rows
        .map(|(row, wanted)| read_ledger_state(row, wanted))
        .collect())
}

fn read_ledger_state(row: &SqlRow, wanted: &Checkpoint) -> Result<LedgerState, StoreError> {
    let same: Option<i64> = row.try_get(0)?;
    let newest: Option<i64> = row.try_get(12)?;
    let newest_timestamp: Option<i64> = row.try_get(13)?;
    let taken: Option<String> = row.try_get(14)?;
    let same_count = match taken {
        None => None,
        Some(checkpoint_id) => {
            let hash: Vec<u8> = row.try_get(15)?;
            let hash: Result<[u8; 32], _> = hash.try_into();
            let damaged = |_| RecordError::Damaged("cumulative_hash: is not of 32 bytes".into());
            Some(HistoryPoint {
                checkpoint_id: parse("checkpoint_id", &checkpoint_id)?,
                cumulative_hash: CumulativeHash::from(hash.map_err(damaged)?),
                total_volume: row.try_get(16)?,
            })
        }
    };
    Ok(LedgerState {
        same_id: match same {
            Some(_) => Some(read_row(row)?.into_receipt_for(wanted)?),
            None => None,
        },
        same_count,
        newest_count: newest.map(i64::unsigned_abs),
        newest_timestamp: newest_timestamp.map(timestamp).transpose()?,
        newest_signed_at: None,
        store_clock: None,
    })
}

/// Records a batch in one transaction. The head is locked first: what is read after that is what every other
/// replica has committed, and none commits anything before this one has.
pub(super) async fn append(
    client: &mut Object,
    candidates: &[Candidate],
    max_jump: MaxEntryJump,
    view: &View,
) -> Result<Vec<Result<Receipt, AppendError>>, StoreError> {
    let appended = append_begun(client, candidates, max_jump, view).await;
    if let Err(StoreError::Final(_)) = appended {
        // The session is used again. After every other error, it is closed.
        roll_back(client).await?;
    }
    appended
}

async fn append_begun(
    client: &Object,
    candidates: &[Candidate],
    max_jump: MaxEntryJump,
    view: &View,
) -> Result<Vec<Result<Receipt, AppendError>>, StoreError> {
    let mark = view.mark();
    let wanted = candidates.iter().map(|c| c.signed().checkpoint.clone());
    let wanted: Vec<Checkpoint> = wanted.collect();
    make_ready(client, LOCKED_HEAD).await?;
    // One round trip. Whoever has the head locked is waited for before the others are asked: each sees what was committed when it
    // begins.
    let ((), (), (head, number), revoked, ledger_states, found) = tokio::try_join!(
        biased;
        start(client),
        check_set(client),
        lock_head(client),
        revoked(client, candidates),
        read_ledger_states(client, &wanted),
        view.look(client, &mark),
    )?;
    view.judge(&mark, &found)?;
    let mut batch = Batch::new(head, max_jump, revoked);
    let (mut answers, mut rows) = (Vec::with_capacity(candidates.len()), Vec::new());
    for (candidate, ledger_state) in candidates.iter().zip(ledger_states) {
        let answer = batch.judge(candidate, ledger_state?).map(|recorded| {
            recorded.unwrap_or_else(|| {
                rows.push(Row::new(to_signed(batch.next_position()), candidate));
                batch.take(candidate.clone())
            })
        });
        answers.push(answer.map_err(AppendError::from));
    }
    let (head, completed) = batch.finish();
    let last_right = &view.knowledge.right;
    let (before, right) = (last_right.take(), Right::here(number, &found));
    let is_next = before.is_some_and(|before| before.is_before(&right));
    let mut is_alone = false;
    if !rows.is_empty() {
        client.prepare_cached(&INSERT).await?;
        // One round trip, and nothing of it is committed unless all of it is as it must be. The guards come after the rows: whoever
        // switches a trigger off waits until they are committed.
        let (taken, checked, (), seen) = tokio::try_join!(
            biased;
            insert(client, &rows),
            check_guards(client, !is_next),
            nodes::keep(client, &completed),
            update(client, &head),
        )?;
        let seen = match checked {
            Some(checked) => checked,
            None if right.is_alone(&seen) => seen,
            None => guards::check(client).await?,
        };
        is_alone = right.is_alone(&seen);
        if usize::try_from(taken) != Ok(rows.len()) {
            let rows = rows.len();
            let problem = format!("the database took {taken} rows of {rows}");
            return Err(RecordError::Unavailable(problem).into());
        }
    } else {
        // Others have recorded it, or an earlier attempt whose commit was not confirmed: this one is to wait for that. So is a
        // refusal, which a row is the reason for.
        tokio::try_join!(biased; emit(client), check_kept(client))?;
    }
    commit(client).await?;
    if is_alone {
        last_right.put(right);
    }
    let newest = rows.last().map(|row| row.signature);
    view.confirm(&found, &head.frontier, newest.or(found.newest.as_deref()))?;
    Ok(answers)
}

/// The keys that are, and from when on.
async fn revoked(
    client: &Object,
    candidates: &[Candidate],
) -> Result<HashMap<String, DateTime<Utc>>, StoreError> {
    let sql = "SELECT key_id, min(distrust_after) FROM checkpoint_signer.key_revocation \
               WHERE key_id = ANY ($1) GROUP BY key_id";
    let statement = client.prepare_cached(sql).await?;
    let keys = candidates
        .iter()
        .map(|candidate| candidate.signed().jws.header().kid.as_str());
    let mut keys: Vec<&str> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    let rows = client.query(&statement, &[&keys]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, instant(row.try_get(1)?)?)))
        .collect()
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO checkpoint_signer.signed_checkpoint ({COLUMNS}) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], \
         $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[], $10::bytea[], $11::text[]) \
         ORDER BY 1"
    )
});

/// Gives how many were taken.
async fn insert(client: &Object, rows: &[Row<'_>]) -> Result<u64, StoreError> {
    let statement = client.prepare_cached(&INSERT).await?;
    let number = |number: fn(&Row<'_>) -> i64| rows.iter().map(number).collect::<Vec<_>>();
    let text = |text: for<'a> fn(&Row<'a>) -> &'a str| rows.iter().map(text).collect::<Vec<_>>();
    let bytes =
        |bytes: for<'a> fn(&Row<'a>) -> &'a [u8]| rows.iter().map(bytes).collect::<Vec<_>>();
    let taken = client
        .execute(
            &statement,
            &[
                &number(|row| row.position),
                &text(|row| row.ledger_id),
                &text(|row| row.checkpoint_id),
                &number(|row| row.entry_count),
                &bytes(|row| row.cumulative_hash),
                &number(|row| row.total_volume),
                &number(|row| row.timestamp),
                &text(|row| row.key_id),
                &number(|row| row.signed_at),
                &bytes(|row| row.payload),
                &text(|row| row.signature),
            ],
        )
        .await?;
    Ok(taken)
}

async fn check_guards(client: &Object, needed: bool) -> Result<Option<String>, StoreError> {
    match needed {
        true => guards::check(client).await.map(Some),
        false => Ok(None),
    }
}

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE checkpoint_signer.record_head SET size = $1, frontier = $2, newest_signed_at = $3 \
         RETURNING pg_current_snapshot()::text AS snapshot, {}",
        *READ_BACK
    )
});

/// Gives which transactions it sees. Written last, it reads back that the session is still as it was set.
async fn update(client: &Object, head: &Head) -> Result<String, StoreError> {
    let statement = client.prepare_cached(&UPDATE).await?;
    let newest = head.newest_signed_at.map(|newest| newest.timestamp());
    let (size, frontier) = (to_signed(head.frontier.size()), head.frontier.to_bytes());
    let row = client
        .query_one(&statement, &[&size, &frontier, &newest])
        .await?;
    check_all(&row)?;
    Ok(row.try_get("snapshot")?)
}

pub(super) async fn by_id(
    client: &mut Object,
    ledger_id: &LedgerId,
    checkpoint_id: &CheckpointId,
    view: &View,
) -> Result<(Option<Receipt>, Rests), StoreError> {
    let mark = view.mark();
    let transaction = begin_reading(client).await?;
    let sql = format!(
        "SELECT * FROM (SELECT {COLUMNS} FROM checkpoint_signer.signed_checkpoint \
           WHERE (ledger_id, checkpoint_id) >= ($1, $2) ORDER BY ledger_id, checkpoint_id LIMIT 1) next \
         WHERE ledger_id = $1 AND checkpoint_id = $2"
    );
    let statement = transaction.prepare_cached(&sql).await?;
    let values: [&(dyn ToSql + Sync); 2] = [&ledger_id.as_str(), &checkpoint_id.as_str()];
    let read = async { Ok::<_, StoreError>(transaction.query_opt(&statement, &values).await?) };
    let (row, found) = tokio::try_join!(read, view.look(&transaction, &mark))?;
    let receipt = row.as_ref().map(receipt).transpose()?;
    let position = receipt.as_ref().map(|receipt| receipt.position);
    let rests = view.guard(&transaction, &mark, &found, position).await?;
    Ok((receipt, rests))
}

pub(super) async fn newest(
    client: &mut Object,
    limit: u32,
    view: &View,
) -> Result<(Vec<Receipt>, Rests), StoreError> {
    let mark = view.mark();
    let transaction = begin_reading(client).await?;
    let sql = format!(
        "SELECT {COLUMNS} FROM checkpoint_signer.signed_checkpoint ORDER BY position DESC LIMIT $1"
    );
    let rows = transaction.query(&sql, &[&i64::from(limit)]).await?;
    let receipts: Vec<_> = rows.iter().map(receipt).collect::<Result<_, _>>()?;
    let newest = receipts.first().map(|receipt| receipt.position);
    let found = view.look(&transaction, &mark).await?;
    let rests = view.guard_all(&mark, &found, newest)?;
    Ok((receipts, rests))
}
