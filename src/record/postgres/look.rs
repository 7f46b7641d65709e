//! One look at the record: its head, the row that was the newest when this process looked last, and where it lives. It is taken
//! in the transaction that it is about, so that it is of the same server.

use deadpool_postgres::{GenericClient, Object};
use tokio_postgres::Row as SqlRow;

use super::StoreError;
use super::head::frontier;
use super::session::begin_reading;
use crate::record::RecordError;
use crate::record::environment::{Environment, of_row};
use crate::record::high_water_mark::Mark;
use crate::record::home::{Acceptance, Accepted, Home};
use crate::record::row::{instant, to_signed};
use checkpoint::log::tree::Frontier;

/// What was found.
pub(super) struct Look {
    pub(super) tree: Frontier,
    /// The signature of the newest row.
    pub(super) newest: Option<String>,
    /// The signature of the row that was the newest.
    pub(super) marked: Option<String>,
    pub(super) here: Home,
    /// When the server was started.
    pub(super) server: String,
    pub(super) accepted: Option<Accepted>,
    /// The environment that it belongs to.
    pub(super) bound: Option<Environment>,
    /// How many rows say something of keys: they are only ever added.
    pub(super) keys: u64,
}

/// The first 8 digits of a WAL file's name are the timeline that is written to, from the moment of a promotion on.
const LOOK: &str = "\
    SELECT head.size, head.frontier, newest.signature, marked.signature, \
      control.system_identifier::text, \
      CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END, \
      (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), \
      to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), home.number, home.system, home.timeline, home.database, home.token, \
      (SELECT count(*) FROM checkpoint_signer.key_version) + (SELECT count(*) FROM checkpoint_signer.key_endorsement) \
        + (SELECT count(*) FROM checkpoint_signer.key_revocation), \
      (SELECT environment FROM checkpoint_signer.record_environment WHERE id = 1) \
    FROM checkpoint_signer.record_head head CROSS JOIN pg_control_system() control \
    LEFT JOIN LATERAL (SELECT position, signature FROM checkpoint_signer.signed_checkpoint \
      WHERE position >= head.size ORDER BY position LIMIT 1) newest ON newest.position = head.size \
    LEFT JOIN LATERAL (SELECT position, signature FROM checkpoint_signer.signed_checkpoint \
      WHERE position >= $1 ORDER BY position LIMIT 1) marked ON marked.position = $1 \
    LEFT JOIN LATERAL (SELECT * FROM checkpoint_signer.record_home ORDER BY number DESC LIMIT 1) home ON true";

/// Looks.
pub(super) async fn look(client: &impl GenericClient, mark: &Mark) -> Result<Look, StoreError> {
    let statement = client.prepare_cached(LOOK).await?;
    let row = client
        .query_one(&statement, &[&to_signed(mark.rows())])
        .await?;
    let timeline: Option<String> = row.try_get(5)?;
    let timeline = match timeline {
        // A standby, which is only ever read.
        None => 0,
        Some(digits) => u32::from_str_radix(&digits, 16).map_err(|_| {
            RecordError::Unavailable(format!(
                "the timeline of the database is {digits}, which is not a hexadecimal number"
            ))
        })?,
    };
    Ok(Look {
        tree: frontier(row.try_get(0)?, row.try_get(1)?)?,
        newest: row.try_get(2)?,
        marked: row.try_get(3)?,
        here: Home {
            system: row.try_get(4)?,
            timeline,
            database: number(row.try_get(6)?),
        },
        server: row.try_get(7)?,
        accepted: accepted(&row)?,
        bound: row
            .try_get::<_, Option<&str>>(14)?
            .map(of_row)
            .transpose()?,
        keys: row.try_get::<_, i64>(13)?.unsigned_abs(),
    })
}

fn accepted(row: &SqlRow) -> Result<Option<Accepted>, StoreError> {
    let Some(number_) = row.try_get(8)? else {
        return Ok(None);
    };
    let home = Home {
        system: row.try_get(9)?,
        timeline: number(row.try_get(10)?),
        database: number(row.try_get(11)?),
    };
    Ok(Some(Accepted {
        number: number_,
        home,
        token: row.try_get(12)?,
    }))
}

/// Both are numbers of 32 bits in PostgreSQL.
fn number(value: i64) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

/// Writes down that signing goes on where the record is.
pub(super) async fn accept(
    client: &impl GenericClient,
    found: &Look,
    acceptance: &Acceptance,
) -> Result<Accepted, StoreError> {
    let number = found.accepted.as_ref().map_or(0, |last| last.number) + 1;
    let Home {
        system,
        timeline,
        database,
    } = &found.here;
    let sql = "INSERT INTO checkpoint_signer.record_home VALUES ($1, $2, $3, $4, gen_random_uuid()::text, $5, $6, $7, $8) \
               RETURNING token";
    let (timeline, database) = (i64::from(*timeline), i64::from(*database));
    let (rows, at) = (to_signed(found.tree.size()), acceptance.at.timestamp());
    let row = client
        .query_one(
            sql,
            &[
                &number,
                system,
                &timeline,
                &database,
                &rows,
                &acceptance.who,
                &acceptance.reason,
                &at,
            ],
        )
        .await?;
    Ok(Accepted {
        number,
        home: found.here.clone(),
        token: row.try_get(0)?,
    })
}

/// Why signing goes on there.
pub(super) async fn acceptance_of(
    client: &impl GenericClient,
    accepted: &Accepted,
) -> Result<Acceptance, StoreError> {
    let sql =
        "SELECT who, reason, accepted_at FROM checkpoint_signer.record_home WHERE number = $1";
    let row = client.query_one(sql, &[&accepted.number]).await?;
    Ok(Acceptance {
        who: row.try_get(0)?,
        reason: row.try_get(1)?,
        at: instant(row.try_get(2)?)?,
    })
}

/// All of them, the oldest first.
pub(super) async fn acceptances(
    client: &mut Object,
) -> Result<Vec<(Home, Acceptance)>, StoreError> {
    let sql = "SELECT system, timeline, database, who, reason, accepted_at FROM checkpoint_signer.record_home ORDER BY number";
    let transaction = begin_reading(client).await?;
    let rows = transaction.query(sql, &[]).await?;
    let read = |row: &SqlRow| {
        let home = Home {
            system: row.try_get(0)?,
            timeline: number(row.try_get(1)?),
            database: number(row.try_get(2)?),
        };
        let acceptance = Acceptance {
            who: row.try_get(3)?,
            reason: row.try_get(4)?,
            at: instant(row.try_get(5)?)?,
        };
        Ok((home, acceptance))
    };
    rows.iter().map(read).collect()
}

/// Writes down where a record is made.
pub(super) async fn accept_first(
    client: &impl GenericClient,
    made: &Acceptance,
) -> Result<Accepted, StoreError> {
    let found = look(client, &Mark::default()).await?;
    accept(client, &found, made).await
}
