//! What judges and keeps rows inside of the database, besides this program: read back in the transaction that appends, since
//! whoever owns the tables may switch it off, and a dump may be restored without it. No judgement of this program rests on it
//! (rows.rs); a database in which it is off takes rows from others that nobody judges.
//!
//! Whatever changes it takes a number, as every transaction of a server does that writes anything. So the catalogue need not be read
//! again where the transaction before this one, by number, was this process's last that found it right, and nothing else was under
//! way beside either.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use deadpool_postgres::{GenericClient, Object};
use sha2::{Digest, Sha256};

use super::look::Look;
use super::session::begin_reading;
use super::{MIGRATIONS, StoreError, check as store};
use crate::record::home::Home;
use crate::record::{RecordError, damaged, unjudged};
use checkpoint::hex::Hex;

/// One line for each thing: its name, a tab, and what it must be. From the catalogue alone. Beside it, what the statement sees.
const FOUND: &str = "\
    WITH of AS (SELECT c.oid, c.relname, c.relpersistence FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                WHERE n.nspname = 'checkpoint_signer' AND c.relkind = 'r') \
    SELECT coalesce(string_agg(line, chr(10)), ''), pg_current_snapshot()::text FROM ( \
      SELECT 'trigger ' || relname || '.' || t.tgname || chr(9) \
        || CASE WHEN t.tgenabled IN ('O', 'A') AND t.tgqual IS NULL AND t.tgattr::text = '' THEN t.tgtype::text ELSE 'off' END \
        || ' ' || p.proname || ' ' || encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex') AS line \
        FROM of JOIN pg_trigger t ON t.tgrelid = of.oid AND NOT t.tgisinternal JOIN pg_proc p ON p.oid = t.tgfoid \
      UNION ALL SELECT 'foreign key of ' || relname || chr(9) || 'off' \
        FROM of JOIN pg_trigger t ON t.tgrelid = of.oid AND t.tgisinternal AND t.tgenabled NOT IN ('O', 'A') GROUP BY relname \
      UNION ALL SELECT 'constraint ' || relname || '.' || k.conname || chr(9) || k.contype::text \
        FROM of JOIN pg_constraint k ON k.conrelid = of.oid AND k.contype IN ('p', 'u', 'f') \
      UNION ALL SELECT 'table ' || relname || ', which a crash empties' || chr(9) FROM of WHERE relpersistence <> 'p' \
      UNION ALL SELECT 'a policy of row security on ' || relname || chr(9) FROM of WHERE row_security_active(oid) \
      UNION ALL SELECT 'permission to ' || privilege || ' on ' || relname || chr(9) FROM of JOIN (VALUES \
        ('signed_checkpoint', 'SELECT'), ('signed_checkpoint', 'INSERT'), ('ledger_head', 'SELECT'), ('ledger_head', 'INSERT'), \
        ('ledger_head', 'UPDATE'), ('record_head', 'SELECT'), ('record_head', 'UPDATE'), ('tree_node', 'SELECT'), \
        ('tree_node', 'INSERT'), ('key_version', 'SELECT'), ('key_revocation', 'SELECT')) AS needed (name, privilege) \
        ON needed.name = relname WHERE NOT has_table_privilege(oid, privilege) \
      UNION ALL SELECT 'rule ' || relname || '.' || r.rulename || chr(9) || 'on' \
        FROM of JOIN pg_rewrite r ON r.ev_class = of.oid) found";

/// The keys, as PostgreSQL names them.
const KEYS: [&str; 15] = [
    "record_version.record_version_pkey\tp",
    "key_version.key_version_pkey\tp",
    "key_version.key_version_public_key_key\tu",
    "key_endorsement.key_endorsement_pkey\tp",
    "key_endorsement.key_endorsement_key_id_fkey\tf",
    "key_revocation.key_revocation_key_id_fkey\tf",
    "signed_checkpoint.signed_checkpoint_pkey\tp",
    "signed_checkpoint.signed_checkpoint_key_id_fkey\tf",
    "signed_checkpoint.signed_checkpoint_ledger_id_checkpoint_id_key\tu",
    "ledger_head.ledger_head_pkey\tp",
    "record_head.record_head_pkey\tp",
    "record_home.record_home_pkey\tp",
    "record_environment.record_environment_pkey\tp",
    "tree_node.tree_node_pkey\tp",
    "clock_resumption.clock_resumption_pkey\tp",
];

static EXPECTED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let keys = KEYS.iter().map(|key| format!("constraint {key}"));
    let schema = MIGRATIONS.concat();
    let triggers = schema.split("CREATE TRIGGER ").skip(1);
    let triggers = triggers.filter_map(|rest| trigger(&schema, rest));
    keys.chain(triggers).collect()
});

/// The line of a trigger, by the words after CREATE TRIGGER in the schema.
fn trigger(schema: &str, rest: &str) -> Option<String> {
    let (statement, _) = rest.split_once(';')?;
    let words: Vec<&str> = statement.split_whitespace().collect();
    let after = |word| {
        let at = words.iter().position(|found| *found == word)?;
        words.get(at + 1).copied()
    };
    // pg_trigger.tgtype is a set of bits.
    let bits = [
        ("ROW", 1),
        ("BEFORE", 2),
        ("INSERT", 4),
        ("DELETE", 8),
        ("UPDATE", 16),
        ("TRUNCATE", 32),
    ];
    let bits = bits.iter().filter(|(word, _)| words.contains(word));
    let kind: i32 = bits.map(|(_, bit)| bit).sum();
    let (name, table) = (words.first()?, after("ON")?);
    let function = after("FUNCTION")?.trim_end_matches("()");
    let (_, source) = schema.rsplit_once(&format!("CREATE FUNCTION {function}()"))?;
    let mut source = source.split("$$");
    let digest = Sha256::digest(source.nth(1)?);
    Some(format!(
        "trigger {table}.{name}\t{kind} {function} {}",
        Hex(&digest)
    ))
}

/// A transaction in which all was as it must be, on a server that has not been started again since.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Right {
    number: u64,
    here: Home,
    server: String,
}

impl Right {
    /// One that is under way.
    pub(super) fn here(number: u64, found: &Look) -> Self {
        Self {
            number,
            here: found.here.clone(),
            server: found.server.clone(),
        }
    }

    /// Whether by number nothing was between it and this one.
    pub(super) fn is_before(&self, this: &Self) -> bool {
        (self.number + 1, &self.here, &self.server) == (this.number, &this.here, &this.server)
    }

    /// Whether, by what a statement of it sees (`pg_current_snapshot`), all transactions of lower numbers have ended and none of a
    /// higher one has.
    pub(super) fn is_alone(&self, snapshot: &str) -> bool {
        let number = self.number;
        snapshot == format!("{number}:{number}:")
    }
}

/// The last such transaction of this process that was alone when the catalogue was read, or need not be. Whoever appends takes it
/// away, and puts back its own when it is committed.
#[derive(Default)]
pub(super) struct LastRight(Mutex<Option<Right>>);

impl LastRight {
    pub(super) fn take(&self) -> Option<Right> {
        self.lock().take()
    }

    pub(super) fn put(&self, right: Right) {
        *self.lock() = Some(right);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Right>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong when one is missing, switched off, or another one; or which transactions were seen.
async fn seen(client: &impl GenericClient) -> Result<Result<String, RecordError>, StoreError> {
    let statement = client.prepare_cached(FOUND).await?;
    let row = client.query_one(&statement, &[]).await?;
    let found: String = row.try_get(0)?;
    let found: BTreeSet<String> = found.lines().map(str::to_owned).collect();
    let differ = EXPECTED.symmetric_difference(&found);
    let names = differ.filter_map(|line| Some(line.split_once('\t')?.0));
    let names: BTreeSet<&str> = names.collect();
    if !names.is_empty() {
        return Ok(Err(unjudged(names, "PostgreSQL does not answer")));
    }
    Ok(Ok(row.try_get(1)?))
}

/// Refuses to go on then; waiting does not help. Otherwise, it gives which transactions were seen.
pub(super) async fn check(client: &impl GenericClient) -> Result<String, StoreError> {
    Ok(seen(client).await??)
}

/// The same by itself, and whether the head is that of the rows, so that health tells it before anybody signs.
pub(super) async fn ask(client: &mut Object) -> Result<Option<RecordError>, StoreError> {
    let transaction = begin_reading(client).await?;
    if let Err(error) = seen(&transaction).await? {
        return Ok(Some(error));
    }
    transaction.commit().await?;
    Ok(store::record_head(client).await?.map(damaged))
}
