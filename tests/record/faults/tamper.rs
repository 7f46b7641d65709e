//! Rows that somebody edited who may do anything in the database: `record verify` names them.

use checkpoint::history::rules::MaxEntryJump;
use checkpoint::log::tree::Frontier;
use checkpoint::signing::KeySecret;
use checkpoint_signer::record::Record;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use rusqlite::Connection;

use super::host::Host;
use crate::postgres::Database;
use crate::support::{at, key_with};
use testing::record::{key, signed};

/// What is done to a record of five rows, and what `record verify` says of it. (`KEY` is another key's DER.)
const CASES: &[(&str, &str)] = &[
    (
        "UPDATE signed_checkpoint SET signature = (SELECT signature FROM signed_checkpoint WHERE position = 2) \
         WHERE position = 3",
        "row 3: INVALID_SIGNATURE",
    ),
    (
        "UPDATE signed_checkpoint SET payload = (SELECT payload FROM signed_checkpoint WHERE position = 2) \
         WHERE position = 3",
        "row 3: ",
    ),
    (
        "UPDATE signed_checkpoint SET total_volume = 7 WHERE position = 3",
        "row 3: ",
    ),
    (
        "UPDATE signed_checkpoint SET signed_at = signed_at + 1 WHERE position = 4",
        "row 4: ",
    ),
    (
        "DELETE FROM signed_checkpoint WHERE position = 3",
        "row 4: is where row 3 is expected",
    ),
    (
        "DELETE FROM signed_checkpoint WHERE position = 5",
        "rows 5 to 5 are missing",
    ),
    (
        "UPDATE signed_checkpoint SET position = 99 WHERE position = 2; \
         UPDATE signed_checkpoint SET position = 2 WHERE position = 3; \
         UPDATE signed_checkpoint SET position = 3 WHERE position = 99",
        "row 3: entry_count",
    ),
    (
        "INSERT INTO signed_checkpoint SELECT 6, ledger_id, 'chk_6', entry_count, cumulative_hash, total_volume, \
         timestamp, key_id, signed_at, payload, signature FROM signed_checkpoint WHERE position = 5",
        "row 6 is beyond the head",
    ),
    (
        "UPDATE record_head SET frontier = FRONTIER",
        "the head's root is",
    ),
    (
        "UPDATE record_head SET newest_signed_at = newest_signed_at - 3600",
        "the head's newest_signed_at is not that of the rows",
    ),
    (
        "UPDATE record_head SET size = 6",
        "the head counts 6 rows, but the newest is row 5",
    ),
    (
        "UPDATE record_head SET size = 7",
        "the head's frontier does not fit its size",
    ),
    (
        "UPDATE key_version SET public_key = KEY",
        "row 1: INVALID_SIGNATURE",
    ),
];

/// As [`CASES`], of a record of [`MANY`] rows.
const NODE_CASES: &[(&str, &str)] = &[
    ("DELETE FROM tree_node", "tree node 0 of level 8 is missing"),
    (
        "UPDATE tree_node SET hash = (SELECT cumulative_hash FROM signed_checkpoint WHERE position = 1)",
        "tree node 0 of level 8 is not that of its rows",
    ),
    (
        "INSERT INTO tree_node SELECT 8, 1, hash FROM tree_node",
        "tree node 1 of level 8 is beyond the head",
    ),
    (
        "INSERT INTO tree_node SELECT 56, 0, hash FROM tree_node",
        "tree node 0 of level 56 is beyond the head",
    ),
];

/// Enough for one kept node of the tree, and some more.
const MANY: u64 = 300;

/// The statements in a database's own words for bytes.
fn in_words_of(sql: &str, bytes: fn(&str) -> String) -> String {
    let other = KeySecret::parse(&key_with("other", "2025-01-01", "2026-01-01", 9), None);
    let other = other.unwrap().into_signing_key();
    let der = other.version().public_key.to_der();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut frontier = Frontier::default();
    (0..5).for_each(|n| frontier.push(checkpoint::log::tree::TreeHash::leaf(&[n])));
    sql.replace("FRONTIER", &bytes(&hex(&frontier.to_bytes())))
        .replace("KEY", &bytes(&hex(der)))
}

async fn fill(record: &dyn Record, rows: u64) {
    let (key, noon) = (key(), at("2025-06-01T12:00:00Z"));
    record
        .register_key(key.version(), None, noon)
        .await
        .unwrap();
    let row = |n: u64| signed(&key, "a", &format!("chk_{n}"), n, &n.to_string(), noon).into();
    for answer in record
        .append((1..=rows).map(row).collect(), MaxEntryJump::ANY)
        .await
    {
        answer.unwrap();
    }
}

fn verify(place: &str) -> (i32, String) {
    let mut command = crate::starter::binary();
    let output = command
        .args(["record", "verify", "--record", place])
        .output();
    let output = output.unwrap();
    let shown = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(shown).unwrap(),
    )
}

fn assert_found(case: &str, line: &str, (code, shown): (i32, String)) {
    let told = shown
        .lines()
        .any(|shown| shown.starts_with(&format!("WRONG {line}")));
    assert!(code == 1 && told, "{case}\nends in {code}:\n{shown}");
}

#[tokio::test]
async fn what_was_edited_in_sqlite_is_found() {
    edit_sqlite(5, CASES).await;
    edit_sqlite(MANY, NODE_CASES).await;
}

async fn edit_sqlite(rows: u64, cases: &[(&str, &str)]) {
    let host = Host::plain();
    SqliteRecord::init(&host.record()).unwrap();
    fill(&SqliteRecord::open(&host.record()).unwrap(), rows).await;
    let sound = host.on_disk("sound.sqlite");
    let sqlite = Connection::open(host.record()).unwrap();
    let copy = format!("VACUUM INTO '{}'", sound.display());
    sqlite.execute_batch(&copy).unwrap();
    assert_eq!(verify(&format!("sqlite:{}", sound.display())).0, 0);
    for (number, (case, line)) in cases.iter().enumerate() {
        let edited = host.on_disk(&format!("{number}.sqlite"));
        std::fs::copy(&sound, &edited).unwrap();
        let place = format!("sqlite:{}", edited.display());
        let sqlite = Connection::open(&edited).unwrap();
        let triggers = without_triggers(&sqlite);
        let edit = in_words_of(case, |hex| format!("x'{hex}'"));
        sqlite.execute_batch(&edit).unwrap();
        sqlite.execute_batch(&triggers).unwrap();
        drop(sqlite);
        assert_found(case, line, verify(&place));
    }
}

/// Drops them; gives what makes them again.
fn without_triggers(sqlite: &Connection) -> String {
    let sql = "SELECT 'DROP TRIGGER ' || name || ';', sql || ';' FROM sqlite_schema WHERE type = 'trigger'";
    let mut triggers = sqlite.prepare(sql).unwrap();
    let triggers = triggers.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let (drop, make): (Vec<String>, Vec<String>) = triggers.unwrap().map(Result::unwrap).unzip();
    sqlite.execute_batch(&drop.concat()).unwrap();
    make.concat()
}

#[tokio::test]
async fn a_trigger_or_an_index_that_is_gone_is_found_and_no_service_starts() {
    let host = Host::plain();
    for what in [
        "TRIGGER signed_checkpoint_no_update",
        "INDEX signed_checkpoint_by_id",
    ] {
        let _ = std::fs::remove_file(host.record());
        SqliteRecord::init(&host.record()).unwrap();
        let sqlite = Connection::open(host.record()).unwrap();
        sqlite.execute_batch(&format!("DROP {what}")).unwrap();
        drop(sqlite);
        let name = what.to_lowercase();
        assert_found(
            what,
            &format!("schema: {name} is missing or was changed"),
            verify(&host.place()),
        );
        let (code, shown) = host.refused_start(false);
        assert!(code == 2 && shown.contains("backup"), "{what}: {shown}");
        assert!(shown.contains(&host.place()), "{what}: {shown}");
    }
}

#[tokio::test]
async fn what_was_edited_in_postgres_is_found() {
    let heads = [
        (
            "DELETE FROM ledger_head",
            "ledger a: its ledger_head is not its newest row",
        ),
        (
            "UPDATE ledger_head SET entry_count = 1",
            "ledger a: its ledger_head is not its newest row",
        ),
        (
            "UPDATE ledger_head SET timestamp = 1",
            "ledger a: its ledger_head is not its newest row",
        ),
        (
            "INSERT INTO ledger_head VALUES ('z', 1, '', 1, 1)",
            "ledger z: its ledger_head is not its newest row",
        ),
    ];
    edit_postgres(5, &[CASES, &heads].concat()).await;
    edit_postgres(MANY, NODE_CASES).await;
}

#[tokio::test]
async fn a_schema_that_was_changed_in_postgres_is_found() {
    let weaker = "CREATE OR REPLACE FUNCTION checkpoint_signer.judge_row() RETURNS trigger LANGUAGE plpgsql \
                  SET search_path = checkpoint_signer AS $$ BEGIN RETURN NEW; END $$";
    let cases = [
        (
            "DROP TRIGGER append_only ON key_version",
            "schema: trigger key_version.append_only is missing or was changed",
        ),
        (
            "ALTER TABLE signed_checkpoint DISABLE TRIGGER signed_checkpoint_judged",
            "schema: trigger signed_checkpoint.signed_checkpoint_judged is missing or was changed",
        ),
        (
            "ALTER TABLE signed_checkpoint DISABLE TRIGGER ALL",
            "schema: foreign key of signed_checkpoint is missing or was changed",
        ),
        (
            weaker,
            "schema: function judge_row is missing or was changed",
        ),
        (
            "DROP INDEX signed_checkpoint_by_place",
            "schema: index signed_checkpoint_by_place is missing or was changed",
        ),
        (
            "ALTER TABLE tree_node DROP CONSTRAINT tree_node_hash_check",
            "schema: constraint tree_node.tree_node_hash_check is missing or was changed",
        ),
        (
            "ALTER TABLE signed_checkpoint ALTER COLUMN key_id DROP NOT NULL",
            "schema: column signed_checkpoint.key_id is missing or was changed",
        ),
        (
            "CREATE RULE silent AS ON INSERT TO key_revocation DO INSTEAD NOTHING",
            "schema: rule key_revocation.silent is not the service's",
        ),
        (
            "ALTER TABLE tree_node SET UNLOGGED",
            "schema: table tree_node is missing or was changed",
        ),
        (
            "CREATE TABLE notes (text TEXT)",
            "schema: table notes is not the service's",
        ),
    ];
    edit_postgres(2, &cases).await;
}

#[tokio::test]
async fn who_may_only_read_verifies_the_rows_and_is_told_that_the_schema_is_not_compared() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let client = database.client().await;
    let read_only = format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name
    );
    client.batch_execute(&read_only).await.unwrap();
    let (code, shown) = verify(&database.url());
    assert_eq!(code, 2, "{shown}");
    assert!(
        shown.contains("NOT CHECKED schema") && shown.contains("0 rows"),
        "{shown}"
    );
}

async fn edit_postgres(rows: u64, cases: &[(&str, &str)]) {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let record = PostgresRecord::open(&database.address()).await.unwrap();
    fill(&record, rows).await;
    // A database that is copied has no connections.
    drop(record);
    assert_eq!(verify(&database.url()).0, 0);
    let client = database.server.client("postgres").await;
    for (number, (case, line)) in cases.iter().enumerate() {
        let name = format!("{}_{number}", database.name);
        let copy = format!("CREATE DATABASE {name} TEMPLATE {}", database.name);
        client.batch_execute(&copy).await.unwrap();
        let edited = Database {
            server: database.server,
            name,
        };
        let edit = in_words_of(case, |hex| format!("'\\x{hex}'"));
        let no_triggers = "SET session_replication_role = replica";
        let edit = format!("{no_triggers}; {edit}");
        edited.client().await.batch_execute(&edit).await.unwrap();
        assert_found(case, line, verify(&edited.url()));
    }
}
