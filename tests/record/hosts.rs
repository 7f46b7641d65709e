//! An address with several hosts, as libpq documents it.

use crate::backup::sign_all;
use crate::cluster::{Replica, refused};
use crate::port::HeldPort;
use crate::postgres::{Database, Server};
use crate::support::{key_with, write_keys};

fn keys() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = key_with("key-old", "2020-01-01", "2099-01-01", 0);
    write_keys(folder.path(), &key);
    folder
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = crate::starter::binary().args(arguments).output().unwrap();
    let shown = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(shown).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_host_that_answers_and_takes_rows_is_used() {
    let database = Database::new().await;
    // One that refuses to write, as a standby does, and one that does not answer.
    let (reads, closed) = (Server::start(), HeldPort::new());
    let client = reads.client("postgres").await;
    client
        .batch_execute(&format!("CREATE DATABASE {}", database.name))
        .await
        .unwrap();
    client
        .batch_execute("ALTER SYSTEM SET default_transaction_read_only = on")
        .await
        .unwrap();
    client
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    let (user, name) = ("postgres:secret%20word", &database.name);
    let (dead, standby, primary) = (closed.port, reads.port, database.server.port);
    let here = "127.0.0.1";
    let places = [
        format!("postgres://{user}@{here}:{dead},{here}:{standby},{here}:{primary}/{name}"),
        format!(
            "postgres://{user}@{here}:{dead},{here}:{standby},{here}:{primary}/{name}?target_session_attrs=read-write"
        ),
        format!(
            "postgresql://{user}@/{name}?host={here},{here}&port={dead},{primary}&target_session_attrs=primary"
        ),
        format!("postgresql+asyncpg://{user}@/{name}?host={here}:{standby}&host={here}:{primary}"),
    ];
    let alone = format!("postgres://{user}@{here}:{standby}/{name}");
    let (code, shown) = run(&["record", "init", "--record", &alone]);
    assert_eq!(code, Some(2), "{shown}");
    assert!(
        shown.contains("it is a standby, or a server that only reads")
            && shown.contains("expected the primary (cannot execute CREATE SCHEMA"),
        "{shown}"
    );
    let (code, shown) = run(&["record", "init", "--record", &places[0]]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains(&format!(
            "{here}:{dead},{here}:{standby},{here}:{primary}/{name}"
        )),
        "{shown}"
    );
    assert!(!shown.contains("secret"), "{shown}");
    let folder = keys();
    for (place, count) in places.iter().zip(1..) {
        let replica = Replica::start(folder.path(), place).await;
        sign_all(&replica, count..=count).await;
        replica.stop().await;
    }
    let (code, shown) = run(&["record", "verify", "--record", &database.url()]);
    assert!(code == Some(0) && shown.contains("4 rows"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_address_asks_for_in_vain_is_named() {
    let folder = keys();
    for (query, named) in [
        ("target_session_attrs=standby", "target_session_attrs"),
        ("sslcert=/client.pem", "sslcert"),
        ("options=-c%20geqo%3Doff", "options"),
        ("port=1,2,3", "port"),
        ("host=127.0.0.1&host=127.0.0.2", "host: stands there twice"),
    ] {
        let place = format!("postgres://u:hidden@127.0.0.1:1,127.0.0.1:2/d?{query}");
        let message = refused(folder.path(), &place, &[]).await;
        assert!(
            message.contains(named) && !message.contains("hidden"),
            "{message}"
        );
    }
}
