//! Making and opening a record, and what PostgreSQL itself refuses.

use std::sync::Arc;

use checkpoint_signer::record::Record;
use checkpoint_signer::record::check::check_record;
use checkpoint_signer::record::postgres::{DatabaseAddress, OpenError, PostgresRecord};

use crate::postgres::Database;
use crate::support::at;
use testing::record::{NOON, append, signed, with_key};

#[tokio::test]
async fn a_missing_record_is_refused_and_not_made() {
    let database = Database::new().await;
    let address = database.address();
    let missing = PostgresRecord::open(&address).await.err().unwrap();
    assert!(matches!(missing, OpenError::Missing(_)), "{missing}");
    assert!(!missing.to_string().contains("secret"), "{missing}");
    let client = database.client().await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'checkpoint_signer'";
    let count: i64 = client.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
}

#[tokio::test]
async fn of_those_who_make_a_record_at_the_same_time_one_is_not_told() {
    let address = Database::new().await.address();
    let making = (0..8).map(|_| PostgresRecord::init(&address));
    let made = futures_util::future::join_all(making).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for refused in made.iter().filter_map(|made| made.as_ref().err()) {
        assert!(matches!(refused, OpenError::Exists(_)), "{refused}");
    }
    let opening = (0..8).map(|_| PostgresRecord::open(&address));
    for opened in futures_util::future::join_all(opening).await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn a_later_version_is_left_alone() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let client = database.client().await;
    client
        .batch_execute("UPDATE record_version SET version = 99")
        .await
        .unwrap();
    let refused = PostgresRecord::open(&database.address())
        .await
        .err()
        .unwrap();
    assert!(
        matches!(refused, OpenError::Version { found: 99, .. }),
        "{refused}"
    );
    for way in ["`record export`", "`record import`", "docs/upgrade.md"] {
        assert!(refused.to_string().contains(way), "{refused}");
    }
}

#[tokio::test]
async fn tls_is_verified() {
    let database = Database::new().await;
    let server = database.server;
    let port = crate::tls::in_front_of(server.port, &server.folder).await;
    let ca = server.folder.join("ca.pem");
    let url = database
        .url()
        .replace(&format!(":{}/", server.port), &format!(":{port}/"));
    let with = |url: &str, query: &str| -> DatabaseAddress {
        format!("{url}?sslmode=require{query}").parse().unwrap()
    };
    let authority = format!("&sslrootcert={}", ca.display());
    let trusted = with(&url, &authority);
    PostgresRecord::init(&trusted).await.unwrap();
    let record = PostgresRecord::open(&trusted).await.unwrap();
    record.keyring().await.unwrap();
    let refused = async |address: DatabaseAddress| {
        let refused = PostgresRecord::open(&address)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(!refused.contains("secret"), "{refused}");
        refused
    };
    let stranger = refused(with(&url, "")).await;
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    let name = refused(with(&url.replace("127.0.0.1", "localhost"), &authority)).await;
    assert!(name.contains("not valid for name"), "{name}");
    let nothing = refused(with(&url, "&sslrootcert=/dev/null")).await;
    assert!(nothing.contains("sslrootcert"), "{nothing}");
    let wrong = url.replace("secret%20word", "wrong");
    let password = refused(with(&wrong, &authority)).await;
    assert!(
        password.contains("password authentication failed"),
        "{password}"
    );
    let plain = refused(with(&database.url(), "")).await;
    assert!(
        plain.contains("TLS"),
        "a server without TLS is not spoken to: {plain}"
    );
}

#[tokio::test]
async fn postgres_itself_refuses_what_the_rules_forbid() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let record: Arc<dyn Record> =
        Arc::new(PostgresRecord::open(&database.address()).await.unwrap());
    let key = with_key(&record).await;
    append(&record, vec![signed(&key, "a", "1", 5, "x", at(NOON))]).await;
    let client = database.client().await;
    let insert = |what: &str| {
        let columns = [
            "2",
            "ledger_id",
            "'2'",
            "entry_count",
            "cumulative_hash",
            "total_volume",
            "timestamp",
            "key_id",
            "signed_at",
            "payload",
            "signature",
        ];
        let columns = columns.join(", ");
        let (from, to) = what.split_once(" -> ").unwrap();
        format!(
            "INSERT INTO signed_checkpoint SELECT {} FROM signed_checkpoint",
            columns.replacen(from, to, 1)
        )
    };
    let cases = [
        "UPDATE signed_checkpoint SET signature = 'x'".to_owned(),
        "DELETE FROM signed_checkpoint".into(),
        "TRUNCATE signed_checkpoint".into(),
        "UPDATE key_version SET valid_until = valid_until + 1".into(),
        "DELETE FROM key_revocation".into(),
        "TRUNCATE key_endorsement".into(),
        "DELETE FROM ledger_head".into(),
        "UPDATE ledger_head SET entry_count = 1".into(),
        "UPDATE ledger_head SET timestamp = 1".into(),
        "UPDATE record_head SET size = 7".into(),
        "UPDATE record_head SET frontier = ''".into(),
        "DELETE FROM record_head".into(),
        insert("2 -> 3"),
        insert("entry_count -> 4"),
        insert("total_volume -> 7"),
        insert("timestamp -> timestamp - 1"),
        insert("'2' -> '1'"),
        insert("key_id -> 'nobody'"),
        insert("signed_at -> 0"),
    ];
    for case in cases {
        assert!(client.batch_execute(&case).await.is_err(), "{case}");
    }
    client
        .batch_execute(&insert("payload -> payload"))
        .await
        .expect("the cases differ from this in one thing each");
    // Written past the program, it is found.
    let found = check_record(record.as_ref()).await.unwrap();
    let told: Vec<String> = found.told.iter().map(ToString::to_string).collect();
    let beyond = "row 2 is beyond the head, which counts 1 row";
    assert_eq!((told, found.tree.size()), (vec![beyond.to_owned()], 1));
}
