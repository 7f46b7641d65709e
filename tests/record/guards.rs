//! The database's own triggers and keys are switched off beneath a service that runs, and none of its rules rests on them.

use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::{Record, sqlite::SqliteRecord};
use checkpoint_signer::wire::proto::SignCheckpointRequest;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::cluster::{Log, Replica, Trouble, sign};
use crate::history::{Answer, Request};
use crate::postgres::Database;
use crate::support::{at, key_with, write_keys};
use crate::wait;
use testing::record::{NOON, append, key, signed};

fn keys() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = key_with("key-old", "2020-01-01", "2099-01-01", 0);
    write_keys(folder.path(), &key);
    folder
}

fn request(ledger: &str, entry_count: u64) -> Request {
    Request {
        ledger_id: ledger.into(),
        checkpoint_id: format!("chk_{entry_count}"),
        entry_count,
        ..crate::backup::request(entry_count)
    }
}

/// Signs, asked once.
async fn once(replica: &Replica, request: &Request) -> Result<(), tonic::Status> {
    let mut client = SigningServiceClient::new(replica.channel());
    let checkpoint = Some(request.checkpoint());
    let asked = client.sign_checkpoint(SignCheckpointRequest {
        checkpoint,
        ..Default::default()
    });
    asked.await.map(drop)
}

async fn status(replica: &Replica) -> ServingStatus {
    let mut client = HealthClient::new(replica.channel());
    let service = "amply.checkpoint.v1.SigningService".into();
    let answer = client.check(HealthCheckRequest { service }).await.unwrap();
    answer.into_inner().status()
}

async fn becomes(replica: &Replica, expected: ServingStatus) {
    let what = format!("health to say {expected:?}");
    wait::until(&what, async || status(replica).await == expected).await;
}

async fn is_signed(replica: &Replica, request: &Request) {
    let (channels, log) = ([replica.channel()], Log::default());
    let answer = sign(&channels, 0, request, &log, Trouble::Database).await;
    assert!(matches!(answer, Answer::Signed(_)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_while_the_database_judges_no_row() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let owner = database.client().await;
    let folder = keys();
    let replica = Replica::start(folder.path(), &database.url()).await;
    is_signed(&replica, &request("a", 1)).await;
    let body = "SELECT pg_get_functiondef('checkpoint_signer.judge_row'::regproc)";
    let body: String = owner.query_one(body, &[]).await.unwrap().get(0);
    let weaker = "CREATE OR REPLACE FUNCTION judge_row() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS \
                  $$ BEGIN RETURN NEW; END $$";
    let judged = "CREATE TRIGGER signed_checkpoint_judged BEFORE INSERT ON signed_checkpoint FOR EACH ROW EXECUTE FUNCTION judge_row()";
    let blind = judged.replace("EXECUTE", "WHEN (false) EXECUTE");
    let again = "DROP TRIGGER signed_checkpoint_judged ON signed_checkpoint";
    let unique = "ALTER TABLE signed_checkpoint ADD CONSTRAINT signed_checkpoint_ledger_id_checkpoint_id_key UNIQUE (ledger_id, checkpoint_id)";
    let enable = "ALTER TABLE signed_checkpoint ENABLE TRIGGER ALL";
    let cases: [(&str, String, String, &str); 9] = [
        ("all triggers are disabled", "ALTER TABLE signed_checkpoint DISABLE TRIGGER ALL".into(), enable.into(), "signed_checkpoint_judged"),
        ("those of users are disabled", "ALTER TABLE signed_checkpoint DISABLE TRIGGER USER".into(), enable.into(), "append_only"),
        ("one is for replicas alone", "ALTER TABLE signed_checkpoint ENABLE REPLICA TRIGGER signed_checkpoint_judged".into(), enable.into(), "signed_checkpoint_judged"),
        ("one is dropped", again.into(), judged.into(), "signed_checkpoint_judged"),
        ("one never fires", format!("{again}; {blind}"), format!("{again}; {judged}"), "signed_checkpoint_judged"),
        ("its function is another one", weaker.into(), body, "signed_checkpoint_judged"),
        ("another one comes before", "CREATE TRIGGER a BEFORE INSERT ON signed_checkpoint FOR EACH ROW EXECUTE FUNCTION judge_row()".into(), "DROP TRIGGER a ON signed_checkpoint".into(), "signed_checkpoint.a"),
        ("a key is dropped", "ALTER TABLE signed_checkpoint DROP CONSTRAINT signed_checkpoint_ledger_id_checkpoint_id_key".into(), unique.into(), "signed_checkpoint_ledger_id_checkpoint_id_key"),
        ("a rule swallows rows", "CREATE RULE silent AS ON INSERT TO signed_checkpoint DO INSTEAD NOTHING".into(), "DROP RULE silent ON signed_checkpoint".into(), "signed_checkpoint.silent"),
    ];
    for ((what, off, on, named), count) in cases.iter().zip(2..) {
        owner.batch_execute(off).await.unwrap();
        let refused = once(&replica, &request("a", count)).await;
        let refused = refused.expect_err(what);
        assert_eq!(
            refused.code(),
            tonic::Code::Unavailable,
            "{what}: {refused}"
        );
        assert!(refused.message().contains(named), "{what}: {refused}");
        // What the rows alone tell is refused as ever.
        let fell = once(&replica, &request("a", 0)).await.expect_err(what);
        assert_eq!(
            fell.code(),
            tonic::Code::FailedPrecondition,
            "{what}: {fell}"
        );
        becomes(&replica, ServingStatus::NotServing).await;
        owner.batch_execute(on).await.unwrap();
        becomes(&replica, ServingStatus::Serving).await;
        is_signed(&replica, &request("a", count)).await;
    }
    // One that starts on it is told the same, before anybody has signed.
    let off = "ALTER TABLE signed_checkpoint DISABLE TRIGGER USER";
    owner.batch_execute(off).await.unwrap();
    let second = Replica::start(folder.path(), &database.url()).await;
    becomes(&second, ServingStatus::NotServing).await;
    assert!(second.log().contains("signed_checkpoint_judged"));
    second.stop().await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_found_whenever_it_was_begun_and_by_whomever_else_something_is_written() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let (owner, other) = (database.client().await, database.client().await);
    let folder = keys();
    let replica = Replica::start(folder.path(), &database.url()).await;
    let body = "SELECT pg_get_functiondef('checkpoint_signer.judge_row'::regproc)";
    let body: String = owner.query_one(body, &[]).await.unwrap().get(0);
    let weaker = "CREATE OR REPLACE FUNCTION judge_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$";
    let write = "SELECT pg_current_xact_id()";
    let mut count = 1;
    let mut some_are_signed = async || {
        for _ in 0..3 {
            is_signed(&replica, &request("a", count)).await;
            count += 1;
        }
        count
    };
    for others in ["", write] {
        for before_it in [true, false] {
            some_are_signed().await;
            // It takes no lock that a row would wait for, and its number when it writes.
            let begun = match before_it {
                true => format!("BEGIN; {weaker}"),
                false => "BEGIN".into(),
            };
            owner.batch_execute(&begun).await.unwrap();
            let next = some_are_signed().await;
            let rest = match before_it {
                true => "COMMIT".into(),
                false => format!("{weaker}; COMMIT"),
            };
            owner.batch_execute(&rest).await.unwrap();
            other.batch_execute(others).await.unwrap();
            for _ in 0..2 {
                let refused = once(&replica, &request("a", next)).await.unwrap_err();
                assert!(
                    refused.message().contains("signed_checkpoint_judged"),
                    "{refused}"
                );
                other.batch_execute(others).await.unwrap();
            }
            owner.batch_execute(&body).await.unwrap();
            becomes(&replica, ServingStatus::Serving).await;
        }
    }
    replica.stop().await;
}

/// How often triggers were looked up, or none while sessions are open, which tell it at their end.
const LOOKED_UP: &str = "\
    SELECT idx_scan FROM pg_stat_sys_tables WHERE relname = 'pg_trigger' AND NOT EXISTS \
      (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())";

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_is_not_read_again_for_a_row_while_nobody_else_writes() {
    const ROWS: u64 = 200;
    let server = crate::postgres::Server::start();
    let database = server.database().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let client = database.client().await;
    let folder = keys();
    let replica = Replica::start(folder.path(), &database.url()).await;
    let looked_up = || async { client.query_opt(LOOKED_UP, &[]).await.unwrap() };
    let before: i64 = client
        .query_one(
            "SELECT idx_scan FROM pg_stat_sys_tables WHERE relname = 'pg_trigger'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    for count in 1..=ROWS {
        is_signed(&replica, &request("a", count)).await;
    }
    replica.stop().await;
    let mut found = None;
    wait::until("all sessions to end", async || {
        found = looked_up().await;
        found.is_some()
    })
    .await;
    let found = found.unwrap().get::<_, i64>(0) - before;
    // A few for each session, and for health; each reading of the catalogue takes one for each table.
    assert!(found < i64::try_from(ROWS).unwrap() * 5, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_what_would_refuse_everybody_before_anybody_signs() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let owner = database.client().await;
    // Roles are of all databases.
    let role = format!("signer_{}", database.name);
    let tables = "ALL ON ALL TABLES IN SCHEMA checkpoint_signer";
    let grant = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA checkpoint_signer TO {role}; GRANT {tables} TO {role}"
    );
    owner.batch_execute(&grant).await.unwrap();
    let place = database
        .url()
        .replace("postgres:secret%20word", &format!("{role}:x"));
    let folder = keys();
    let replica = Replica::start(folder.path(), &place).await;
    is_signed(&replica, &request("a", 1)).await;
    let policy = "ALTER TABLE signed_checkpoint ENABLE ROW LEVEL SECURITY";
    let lost = "ALTER TABLE record_head DISABLE TRIGGER ALL; UPDATE record_head SET size = SIZE, frontier = frontier; \
                ALTER TABLE record_head ENABLE TRIGGER ALL";
    let logged = "ALTER TABLE tree_node SET LOGGED; ALTER TABLE signed_checkpoint SET LOGGED";
    let cases = [
        (
            format!("REVOKE INSERT ON signed_checkpoint FROM {role}"),
            format!("GRANT INSERT ON signed_checkpoint TO {role}"),
            "INSERT on signed_checkpoint",
        ),
        (
            policy.into(),
            policy.replace("ENABLE", "DISABLE"),
            "row security on signed_checkpoint",
        ),
        (
            "ALTER TABLE signed_checkpoint SET UNLOGGED; ALTER TABLE tree_node SET UNLOGGED".into(),
            logged.into(),
            "table signed_checkpoint, which a crash empties",
        ),
        (
            lost.replace("SIZE", "size + 1"),
            lost.replace("SIZE", "size - 1"),
            "the record is damaged",
        ),
    ];
    for ((off, on, named), count) in cases.iter().zip(2..) {
        owner.batch_execute(off).await.unwrap();
        becomes(&replica, ServingStatus::NotServing).await;
        let log = replica.log();
        let told = log
            .lines()
            .rfind(|line| line.contains("nothing can be recorded"));
        assert!(told.unwrap().contains(named), "{named}: {log}");
        // A refused signature does not make it healthy again.
        for _ in 0..3 {
            let refused = once(&replica, &request("a", count)).await;
            let refused = refused.expect_err(named).message().to_owned();
            assert!(refused.contains("(docs/incidents.md"), "{named}: {refused}");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            assert_eq!(status(&replica).await, ServingStatus::NotServing, "{named}");
        }
        owner.batch_execute(on).await.unwrap();
        becomes(&replica, ServingStatus::Serving).await;
        is_signed(&replica, &request("a", count)).await;
    }
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_is_held_by_the_rows_alone() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let record = PostgresRecord::open(&database.address()).await.unwrap();
    let record: std::sync::Arc<dyn Record> = std::sync::Arc::new(record);
    let key = key();
    record
        .register_key(key.version(), None, at(NOON))
        .await
        .unwrap();
    let row =
        |id: &str, count, history: &str, when| signed(&key, "a", id, count, history, at(when));
    assert_eq!(append(&record, vec![row("1", 10, "x", NOON)]).await, ["1"]);
    // What the trigger reads is gone, and so is the trigger.
    let owner = database.client().await;
    owner
        .batch_execute(
            "ALTER TABLE ledger_head DISABLE TRIGGER ALL; DELETE FROM ledger_head; \
             ALTER TABLE signed_checkpoint DISABLE TRIGGER ALL",
        )
        .await
        .unwrap();
    let asked = vec![
        row("2", 9, "w", NOON),
        row("3", 10, "other", NOON),
        row("1", 11, "x", NOON),
        row("4", 11, "y", "2025-06-01T11:59:00Z"),
        row("1", 10, "x", NOON),
    ];
    let refused = ["rollback", "other history", "other content", "clock", "1"];
    assert_eq!(append(&record, asked).await, refused);
    let revoked = checkpoint::keyring::Revocation {
        distrust_after: at(NOON),
        reason: "leaked".into(),
        revoked_at: at(NOON),
    };
    let key_id = &key.version().key_id;
    record.revoke_key(key_id, revoked).await.unwrap();
    assert_eq!(
        append(&record, vec![row("5", 11, "y", NOON)]).await,
        ["revoked"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_into_a_file_whose_triggers_are_gone() {
    let folder = keys();
    let path = folder.path().join("record.sqlite");
    SqliteRecord::init(&path).unwrap();
    let replica = Replica::start(folder.path(), &format!("sqlite:{}", path.display())).await;
    is_signed(&replica, &request("a", 10)).await;
    let owner = rusqlite::Connection::open(&path).unwrap();
    owner
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    let name = "signed_checkpoint_forwards";
    let sql = "SELECT sql FROM sqlite_schema WHERE name = ?1";
    let trigger: String = owner.query_row(sql, [name], |row| row.get(0)).unwrap();
    owner
        .execute_batch(&format!("DROP TRIGGER {name}"))
        .unwrap();
    let refused = once(&replica, &request("a", 11)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
    assert!(refused.message().contains(name), "{refused}");
    let fell = once(&replica, &request("a", 5)).await.unwrap_err();
    assert_eq!(fell.code(), tonic::Code::FailedPrecondition, "{fell}");
    becomes(&replica, ServingStatus::NotServing).await;
    owner.execute_batch(&trigger).unwrap();
    becomes(&replica, ServingStatus::Serving).await;
    is_signed(&replica, &request("a", 11)).await;
    replica.stop().await;
}
