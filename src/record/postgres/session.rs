//! What the promises rest on in a session of the database: set, and read back, inside of each transaction.
//!
//! What is asked for when a session begins may never reach the server (poolers drop it), may be another's who had the session
//! before, and may be changed by the role's or the database's own settings. So none of it is relied on. Every name in a
//! statement has its schema, so that no table in `public` or of the session alone is taken for one of the record.

use std::sync::LazyLock;
use std::time::Duration;

use deadpool_postgres::{GenericClient, Object, Transaction, TransactionBuilder};
use tokio_postgres::error::SqlState;
use tokio_postgres::{IsolationLevel, Row};

use super::StoreError;
use crate::record::with_page;

/// Set first, by names that no search path leads elsewhere: the functions and operators of the statements after it are PostgreSQL's
/// own. For the rest of the transaction. It gives back what each has become.
///
/// In milliseconds: a statement, a wait for a lock, and a transaction whose client is silent (a frozen replica) are ended by
/// the server, so that the other replicas go on. A policy that hides rows is an error. A commit is answered when it is
/// durable, on a synchronous standby too; who asked for more keeps it. That a wait for the standby was ended is told by a warning,
/// which the session must not keep to itself. Names that are read back are quoted only where they must be.
///
/// A plan is made once a session, and each statement is written so that there is one way to carry it out, by one index, in its order:
/// one that was made by what the database knew of a small table would read all of it when it has grown.
const SETTINGS: [(&str, &str); 17] = [
    ("quote_all_identifiers", "'off'"),
    ("search_path", "'pg_catalog, pg_temp'"),
    ("client_min_messages", "'notice'"),
    ("statement_timeout", "'4000'"),
    ("lock_timeout", "'3000'"),
    ("idle_in_transaction_session_timeout", "'3000'"),
    ("standard_conforming_strings", "'on'"),
    ("row_security", "'off'"),
    ("plan_cache_mode", "'force_generic_plan'"),
    ("jit", "'off'"),
    ("enable_seqscan", "'off'"),
    ("enable_bitmapscan", "'off'"),
    ("enable_sort", "'off'"),
    ("enable_incremental_sort", "'off'"),
    ("enable_hashjoin", "'off'"),
    ("enable_mergejoin", "'off'"),
    (
        "synchronous_commit",
        "CASE WHEN pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'remote_apply' \
         THEN 'remote_apply' ELSE 'on' END",
    ),
];

static SET: LazyLock<String> = LazyLock::new(|| {
    let set = SETTINGS
        .iter()
        .map(|(name, value)| format!("pg_catalog.set_config('{name}', {value}, true) AS {name}"));
    let set: Vec<String> = set.collect();
    format!("SELECT {}, {OTHERS}", set.join(", "))
});

/// What is only told.
const OTHERS: &str = "\
    pg_catalog.current_setting('transaction_isolation') AS transaction_isolation, \
    pg_catalog.current_setting('session_replication_role') AS session_replication_role, \
    pg_catalog.current_setting('client_encoding') AS client_encoding, \
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'on' ELSE 'off' END AS in_recovery, \
    pg_catalog.current_setting('transaction_read_only') AS transaction_read_only";

/// Asked after that, by another statement: whether it was set in a transaction, and each statement goes to the same session.
pub(super) static READ_BACK: LazyLock<String> = LazyLock::new(|| {
    let set = SETTINGS.iter().map(|(name, _)| name);
    let demanded = set.filter(|set| DEMANDS.iter().any(|(name, _)| name == *set));
    let kept = demanded.map(|name| format!("pg_catalog.current_setting('{name}') AS {name}"));
    let kept: Vec<String> = kept.collect();
    format!("{}, {OTHERS}", kept.join(", "))
});

static ASK_BACK: LazyLock<String> = LazyLock::new(|| format!("SELECT {}", *READ_BACK));

/// What is read back, and what it may be.
const DEMANDS: [(&str, &[&str]); 8] = [
    ("search_path", &["pg_catalog, pg_temp"]),
    ("client_min_messages", &["notice"]),
    ("synchronous_commit", &["on", "remote_apply"]),
    ("row_security", &["off"]),
    ("standard_conforming_strings", &["on"]),
    ("transaction_isolation", &["read committed"]),
    // As "replica", no trigger judges a row.
    ("session_replication_role", &["origin", "local"]),
    ("client_encoding", &["UTF8"]),
];

/// What is demanded besides of a session that writes.
const WRITING: [(&str, &[&str]); 2] = [
    // A standby: what it has is older than what the primary gave out.
    ("in_recovery", &["off"]),
    ("transaction_read_only", &["off"]),
];

/// Begins a transaction that may write, in a session that is as it must be.
pub(super) async fn begin(client: &mut Object) -> Result<Transaction<'_>, StoreError> {
    let transaction = begun(client.build_transaction()).await?;
    check_writing(&transaction).await?;
    Ok(transaction)
}

/// The same also for a role that otherwise only reads: to wait for the standby, something is written into the log. Not on a
/// standby.
pub(super) async fn begin_to_wait(client: &mut Object) -> Result<Transaction<'_>, StoreError> {
    let transaction = begun(client.build_transaction().read_only(false)).await?;
    check_writing(&transaction).await?;
    Ok(transaction)
}

/// Begins a transaction that only reads, also where nothing can be written.
pub(super) async fn begin_reading(client: &mut Object) -> Result<Transaction<'_>, StoreError> {
    let transaction = begin_unchecked(client).await?;
    check_reading(&transaction).await?;
    Ok(transaction)
}

/// Begins a transaction of which nothing is believed, and in which nothing is written, before [`check_reading`] or [`check_writing`] has
/// answered. Sent before the statements that it is about, in the same round trip, it is also answered before them.
pub(super) async fn begin_unchecked(client: &mut Object) -> Result<Transaction<'_>, StoreError> {
    begun(client.build_transaction()).await
}

/// Before [`start`]: what has to be prepared is sent later than what is sent together with it.
pub(super) async fn make_ready(client: &Object, first: &str) -> Result<(), StoreError> {
    client.prepare_cached(&SET).await?;
    client.prepare_cached(first).await?;
    Ok(())
}

/// Begins a transaction in the round trip of what is sent after it: first [`check_set`]. It ends by [`commit`], by [`roll_back`], or
/// with its session.
pub(super) async fn start(client: &Object) -> Result<(), StoreError> {
    let begin = "START TRANSACTION ISOLATION LEVEL READ COMMITTED";
    Ok(client.batch_execute(begin).await?)
}

/// Ends it; all that was written is durable.
pub(super) async fn commit(client: &Object) -> Result<(), StoreError> {
    Ok(client.batch_execute("COMMIT").await?)
}

/// Ends it; nothing was written.
pub(super) async fn roll_back(client: &Object) -> Result<(), StoreError> {
    Ok(client.batch_execute("ROLLBACK").await?)
}

/// Sets and reads back what every transaction rests on.
pub(super) async fn check_reading(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    check(&established(transaction).await?, &DEMANDS)
}

/// The same for one that writes.
pub(super) async fn check_writing(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    check_all(&established(transaction).await?)
}

/// The same in one statement, for one that reads back later, with what it writes ([`READ_BACK`], [`check_all`]).
pub(super) async fn check_set(client: &impl GenericClient) -> Result<(), StoreError> {
    check_all(&set(client).await?)
}

/// Reads back, before a commit.
pub(super) async fn check_kept(client: &impl GenericClient) -> Result<(), StoreError> {
    check_all(&read_back(client).await?)
}

/// Judges what a statement of one that writes tells by the columns of [`READ_BACK`].
pub(super) fn check_all(row: &Row) -> Result<(), StoreError> {
    check(row, &DEMANDS)?;
    check(row, &WRITING)
}

/// Whether anything can be recorded at all.
pub(super) async fn may_write(client: &mut Object) -> Result<(), StoreError> {
    begin(client).await.map(drop)
}

async fn begun(transaction: TransactionBuilder<'_>) -> Result<Transaction<'_>, StoreError> {
    let transaction = transaction.isolation_level(IsolationLevel::ReadCommitted);
    let transaction = transaction.start().await?;
    // What has to be prepared is sent later than what is sent together with it.
    transaction.prepare_cached(&SET).await?;
    Ok(transaction)
}

/// Sets what [`check_reading`] sets; alone, it is for a statement on which nothing rests.
pub(super) async fn set(client: &impl GenericClient) -> Result<Row, StoreError> {
    let set = client.prepare_cached(&SET).await?;
    Ok(client.query_one(&set, &[]).await?)
}

async fn read_back(client: &impl GenericClient) -> Result<Row, StoreError> {
    let read_back = client.prepare_cached(&ASK_BACK).await?;
    Ok(client.query_one(&read_back, &[]).await?)
}

async fn established(transaction: &Transaction<'_>) -> Result<Row, StoreError> {
    let (_, row) = tokio::try_join!(biased; set(transaction), read_back(transaction))?;
    Ok(row)
}

/// Another session may be right, so that it is asked again on another one.
fn check(row: &Row, demands: &[(&str, &[&str])]) -> Result<(), StoreError> {
    for (name, expected) in demands {
        let found: Option<&str> = row.try_get(*name)?;
        let found = found.unwrap_or("nothing");
        if !expected.contains(&found) {
            let expected = expected.join(" or ");
            return Err(StoreError::Passing(with_page(format!(
                "the database's session has {name} = {found}; expected {expected}, or what is promised does not hold"
            ))));
        }
    }
    Ok(())
}

/// What the server itself does not do for durability, a sentence each.
pub(super) async fn unsafe_settings(
    transaction: &Transaction<'_>,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT name FROM unnest(ARRAY['fsync', 'full_page_writes']) name WHERE current_setting(name) <> 'on'";
    let rows = transaction.query(sql, &[]).await?;
    let warn = |name: String| {
        format!(
            "the database server has {name} = off: a crash of its machine may lose signatures that were handed out"
        )
    };
    let names = rows.iter().map(|row| row.try_get(0).map(warn));
    Ok(names.collect::<Result<_, _>>()?)
}

/// How long a pooler may take to find a server for one of two transactions.
const SECOND_SERVER_WITHIN: Duration = Duration::from_secs(3);

/// Refuses a pooler that gives each transaction another session and does not keep prepared statements: while one session holds
/// the server that the other one was just given, a statement that the other has prepared must still be there.
pub(super) async fn keeps_statements(first: &Object, second: &mut Object) -> Result<(), String> {
    let told = |error: tokio_postgres::Error| match StoreError::from(error) {
        StoreError::Slow(problem) | StoreError::Passing(problem) => problem,
        StoreError::Final(error) => error.to_string(),
    };
    let statement = first.prepare("SELECT 1").await.map_err(told)?;
    let held = second.transaction().await.map_err(told)?;
    held.batch_execute("SELECT 1").await.map_err(told)?;
    let asked = tokio::time::timeout(SECOND_SERVER_WITHIN, first.query(&statement, &[])).await;
    match asked {
        Ok(Ok(_)) => held.rollback().await.map_err(told),
        Ok(Err(error)) if error.code() != Some(&SqlState::INVALID_SQL_STATEMENT_NAME) => Err(told(error)),
        _ => Err("a pooler between gives each transaction another session and keeps no prepared statements; expected one \
                  whose sessions are clients' own (pgbouncer: pool_mode = session), or that keeps them \
                  (max_prepared_statements, from pgbouncer 1.21 on)"
            .into()),
    }
}
