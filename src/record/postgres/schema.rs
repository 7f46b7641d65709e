//! Compares the schema with the one that this program makes: a trigger that is gone no longer refuses anything.
//!
//! The model is made by the same server, since each version of PostgreSQL words definitions its own way, in a transaction
//! that is taken back.

use deadpool_postgres::Object;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Row as SqlRow, Transaction};

use super::error::only_reads;
use super::session::begin_reading;
use super::{MIGRATIONS, StoreError};
use crate::record::schema::differences;
use crate::record::{StoreCheck, schema};

const SCHEMA: &str = "checkpoint_signer";
const MODEL: &str = "checkpoint_signer_model";

/// One row for each thing in a schema. Internal triggers are those of foreign keys, which can be switched off as well.
const OBJECTS: &str = "\
    WITH of AS (SELECT c.oid, c.relname, concat_ws(' ', c.relpersistence, c.relrowsecurity, c.relforcerowsecurity) AS kept FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v')) \
    SELECT 'table ' || relname, kept FROM of \
    UNION ALL SELECT 'column ' || relname || '.' || a.attname, \
        concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation, \
            pg_get_expr(d.adbin, d.adrelid)) \
        FROM of JOIN pg_attribute a ON a.attrelid = of.oid AND a.attnum > 0 AND NOT a.attisdropped \
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    UNION ALL SELECT 'constraint ' || relname || '.' || k.conname, pg_get_constraintdef(k.oid) || ' ' || k.convalidated \
        FROM of JOIN pg_constraint k ON k.conrelid = of.oid \
    UNION ALL SELECT 'trigger ' || relname || '.' || t.tgname, pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text \
        FROM of JOIN pg_trigger t ON t.tgrelid = of.oid AND NOT t.tgisinternal \
    UNION ALL SELECT 'foreign key of ' || relname, string_agg(t.tgenabled::text, '') \
        FROM of JOIN pg_trigger t ON t.tgrelid = of.oid AND t.tgisinternal GROUP BY relname \
    UNION ALL SELECT 'rule ' || tablename || '.' || rulename, definition FROM pg_rules WHERE schemaname = $1 \
    UNION ALL SELECT 'index ' || indexname, indexdef FROM pg_indexes WHERE schemaname = $1 \
    UNION ALL SELECT 'function ' || p.proname, pg_get_functiondef(p.oid) \
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 \
    ORDER BY 1";

/// What is missing, was changed, or is not the service's; or that whoever asks may not make the model.
pub(super) async fn compare(client: &mut Object) -> Result<StoreCheck, StoreError> {
    let transaction = begin_reading(client).await?;
    let compared = differing(&transaction).await;
    transaction.rollback().await?;
    match compared {
        Err(error) if may_not(&error) => {
            let why = error
                .as_db_error()
                .map_or_else(|| error.to_string(), |db| db.message().into());
            Ok(StoreCheck {
                problems: Vec::new(),
                unchecked: vec![format!(
                    "schema: its triggers, functions and constraints are not compared with the service's, which takes a primary \
                     and a role with CREATE on the database: {why}"
                )],
            })
        }
        compared => Ok(compared?.into()),
    }
}

/// Without the right to make a schema, or on a server that only reads.
fn may_not(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) || only_reads(error).is_some()
}

async fn differing(transaction: &Transaction<'_>) -> Result<Vec<String>, tokio_postgres::Error> {
    for migration in MIGRATIONS {
        let migration = migration.replace(SCHEMA, MODEL);
        transaction.batch_execute(&migration).await?;
    }
    // So that every name is told with its schema.
    let qualified = "SET LOCAL search_path = pg_catalog";
    transaction.batch_execute(qualified).await?;
    let expected = objects(transaction, MODEL).await?;
    let found = objects(transaction, SCHEMA).await?;
    let differing = differences(&expected, &found);
    Ok(differing.iter().map(ToString::to_string).collect())
}

async fn objects(
    transaction: &Transaction<'_>,
    schema: &str,
) -> Result<Vec<schema::Object>, tokio_postgres::Error> {
    let read = |row: &SqlRow| {
        let (name, definition): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        Ok((name, definition.replace(schema, SCHEMA)))
    };
    transaction
        .query(OBJECTS, &[&schema])
        .await?
        .iter()
        .map(read)
        .collect()
}
