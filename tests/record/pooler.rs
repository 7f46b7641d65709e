//! A pooler between the service and its database, and sessions that are not as they must be.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Output, Stdio};

use tempfile::TempDir;

use crate::backup::sign_all;
use crate::cluster::{Replica, refused};
use crate::debian::Package;
use crate::port::HeldPort;
use crate::postgres::{Database, Server};
use crate::support::{key_with, write_keys};
use crate::wait;

/// One as it comes: it refuses options with which a session begins.
struct Pooler {
    child: Child,
    port: HeldPort,
    _folder: TempDir,
}

impl Pooler {
    async fn start(server: &Server, mode: &str) -> Self {
        let package = Package::get(
            "pgbouncer",
            &["pgbouncer", "libevent-2\\.1-7*", "libc-ares2*"],
        );
        let folder = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let (users, port) = (folder.path().join("users"), HeldPort::new());
        std::fs::write(&users, "\"postgres\" \"secret word\"\n").unwrap();
        let configuration = folder.path().join("pgbouncer.ini");
        let as_nobody = match rustix::process::geteuid().is_root() {
            true => "user = nobody\n",
            false => "",
        };
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n\
             server_login_retry = 1\n{as_nobody}",
            server.port,
            port.port,
            users.display()
        );
        std::fs::write(&configuration, text).unwrap();
        let child = package
            .command()
            .arg(&configuration)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listens = async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port.port))
                .await
                .is_ok()
        };
        wait::until("pgbouncer to listen", listens).await;
        Self {
            child,
            port,
            _folder: folder,
        }
    }

    fn url(&self, database: &str) -> String {
        let port = self.port.port;
        format!("postgresql://postgres:secret%20word@127.0.0.1:{port}/{database}")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(arguments: &[&str]) -> Output {
    crate::starter::binary().args(arguments).output().unwrap()
}

fn init(place: &str) {
    let output = run(&["record", "init", "--record", place]);
    assert!(output.status.success(), "{output:?}");
}

fn keys() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = key_with("key-old", "2020-01-01", "2099-01-01", 0);
    write_keys(folder.path(), &key);
    folder
}

async fn count(client: &tokio_postgres::Client, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_through_a_pooler_that_takes_no_options_outlives_a_crash_of_the_database() {
    let server = Server::start();
    let database = server.database().await;
    let client = server.client("postgres").await;
    // What is not waited for is lost with the next crash.
    for lose in [
        "ALTER SYSTEM SET wal_writer_delay = '10s'".to_owned(),
        "ALTER SYSTEM SET wal_writer_flush_after = '1GB'".to_owned(),
        "ALTER SYSTEM SET synchronous_commit = off".to_owned(),
        format!("ALTER DATABASE {} SET search_path = public", database.name),
        "SELECT pg_reload_conf()".to_owned(),
    ] {
        client.batch_execute(&lose).await.unwrap();
    }
    init(&database.url());
    let own = server.client(&database.name).await;
    // Tables of the same names, without triggers.
    own.batch_execute(
        "DO $$ DECLARE t text; BEGIN \
         FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'checkpoint_signer' LOOP \
         EXECUTE format('CREATE TABLE public.%I AS SELECT * FROM checkpoint_signer.%I', t, t); END LOOP; END $$",
    )
    .await
    .unwrap();
    let (folder, pooler) = (keys(), Pooler::start(&server, "session").await);
    let replica = Replica::start(folder.path(), &pooler.url(&database.name)).await;
    sign_all(&replica, 1..=3).await;
    server.control("kill");
    server.control("start");
    let own = server.client(&database.name).await;
    assert_eq!(count(&own, "checkpoint_signer.signed_checkpoint").await, 3);
    assert_eq!(count(&own, "public.signed_checkpoint").await, 0);
    assert_eq!(count(&own, "public.key_version").await, 0);
    replica.kill().await;
    // It remembers for a moment that the server was away.
    let verifies = async || {
        let place = pooler.url(&database.name);
        let verified = run(&["record", "verify", "--record", &place]);
        String::from_utf8_lossy(&verified.stdout).contains("3 rows") && verified.status.success()
    };
    wait::until("the record to be verified through the pooler", verifies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_gives_each_transaction_another_session_is_refused_with_the_reason() {
    let database = Database::new().await;
    init(&database.url());
    let (folder, pooler) = (keys(), Pooler::start(database.server, "transaction").await);
    let message = refused(folder.path(), &pooler.url(&database.name), &[]).await;
    assert!(message.contains("pool_mode = session"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_in_a_session_that_is_not_as_it_must_be() {
    let database = Database::new().await;
    init(&database.url());
    let client = database.server.client(&database.name).await;
    let folder = keys();
    for (setting, value) in [
        // No trigger would judge a row.
        ("session_replication_role", "replica"),
        ("default_transaction_read_only", "on"),
    ] {
        let name = &database.name;
        let set = format!("ALTER DATABASE {name} SET {setting} = {value}");
        client.batch_execute(&set).await.unwrap();
        let message = refused(folder.path(), &database.url(), &[]).await;
        let named = setting.trim_start_matches("default_");
        assert!(
            message.contains(named) && message.contains(value),
            "{message}"
        );
        let reset = format!(
            "SET default_transaction_read_only = off; ALTER DATABASE {name} RESET {setting}"
        );
        client.batch_execute(&reset).await.unwrap();
    }
    // Those that can be set right are.
    let name = &database.name;
    for setting in [
        "synchronous_commit = off",
        "row_security = on",
        "statement_timeout = 1",
        "standard_conforming_strings = off",
        "client_min_messages = error",
        "quote_all_identifiers = on",
        "DateStyle = 'German, DMY'",
        "TimeZone = 'Pacific/Chatham'",
        "IntervalStyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = -5",
        "array_nulls = off",
        "transform_null_equals = on",
        "default_transaction_isolation = serializable",
        "default_transaction_deferrable = on",
        "check_function_bodies = off",
        "lc_messages = 'C'",
    ] {
        let set = format!("ALTER DATABASE {name} SET {setting}");
        client.batch_execute(&set).await.unwrap();
    }
    let replica = Replica::start(folder.path(), &database.url()).await;
    sign_all(&replica, 1..=2).await;
    assert_eq!(
        count(&client, "checkpoint_signer.signed_checkpoint").await,
        2
    );
    let verified = run(&["record", "verify", "--record", &database.url()]);
    let shown = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(shown.contains("all is well"), "{shown} {verified:?}");
    // Who looks at the server from another zone takes it for the same.
    let reset = format!("ALTER DATABASE {name} SET TimeZone = 'UTC'");
    client.batch_execute(&reset).await.unwrap();
    sign_all(&replica, 3..=3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_record_verify_could_not_check_is_said_and_is_exit_code_2() {
    let database = Database::new().await;
    init(&database.url());
    let client = database.server.client(&database.name).await;
    let role = format!("auditor_of_{}", database.name);
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'auditor'; GRANT USAGE ON SCHEMA checkpoint_signer TO {role}; \
             GRANT SELECT ON ALL TABLES IN SCHEMA checkpoint_signer TO {role}"
        ))
        .await
        .unwrap();
    let place = format!(
        "postgres://{role}:auditor@127.0.0.1:{}/{}",
        database.server.port, database.name
    );
    let text = run(&["record", "verify", "--record", &place]);
    let shown = String::from_utf8(text.stdout).unwrap();
    assert_eq!(text.status.code(), Some(2), "{shown}");
    assert!(
        shown.contains("NOT CHECKED schema") && !shown.contains("all is well"),
        "{shown}"
    );
    let json = run(&["record", "verify", "--record", &place, "--format", "json"]);
    let found: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json.status.code(), Some(2), "{found}");
    assert_eq!(found["problems"], 0);
    assert!(
        found["not_checked"][0].as_str().unwrap().contains("schema"),
        "{found}"
    );
    // What is wrong is exit code 1 all the same.
    client
        .batch_execute(
            "INSERT INTO checkpoint_signer.tree_node SELECT 8, 0, decode(repeat('00', 32), 'hex')",
        )
        .await
        .unwrap_err();
    client
        .batch_execute("ALTER TABLE checkpoint_signer.record_head DISABLE TRIGGER ALL; UPDATE checkpoint_signer.record_head SET size = 5")
        .await
        .unwrap();
    let wrong = run(&["record", "verify", "--record", &place]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
}
