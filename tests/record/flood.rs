//! Many ask for pages, and hang up: signing goes on.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::{Filter, Record};
use checkpoint_signer::wire::proto::SignCheckpointRequest;
use futures_util::poll;
use tokio_postgres::Client;
use tonic::Request;

use crate::client::get;
use crate::pages::{Sqlite, by, long_service};
use crate::postgres::Database;
use crate::support::{at, checkpoint};
use testing::record::{NOON, append, key, signed, with_key};

/// How long a caller waits for a signature.
const DEADLINE: Duration = Duration::from_secs(5);

/// Pages that are asked for at once: many more than there are threads or connections to read them.
const PAGES: usize = 2000;

#[tokio::test]
async fn what_signing_asks_of_sqlite_does_not_queue_behind_pages() {
    let store = Sqlite::new().await;
    let record = &store.record;
    let begun = Arc::new(AtomicUsize::new(0));
    let page = || {
        let (record, begun) = (Arc::clone(record), Arc::clone(&begun));
        tokio::spawn(async move {
            begun.fetch_add(1, Ordering::Relaxed);
            record.list(&by("key-b", None), 0, 100).await.unwrap()
        })
    };
    let pages: Vec<_> = (0..PAGES).map(|_| page()).collect();
    while begun.load(Ordering::Relaxed) < PAGES {
        tokio::task::yield_now().await;
    }
    let next = signed(&key(), "a", "2", 2, "2", at(NOON));
    record.ledger_state(&next.checkpoint).await.unwrap();
    record.head().await.unwrap();
    record.keyring().await.unwrap();
    // In a common queue, about half of them would have been read before.
    let read = pages.iter().filter(|page| page.is_finished()).count();
    assert!(read < PAGES / 4, "{read} pages were read before");
    pages.iter().for_each(|page| page.abort());
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_goes_on_while_many_ask_for_pages_and_hang_up() {
    let service = long_service().await;
    let http = service.http();
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let caller = |key: &'static str| {
        let address = http.trim_start_matches("http://").to_owned();
        let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
        std::thread::spawn(move || {
            let request =
                format!("GET /v1/checkpoints?key={key} HTTP/1.1\r\nHost: {address}\r\n\r\n");
            while !stop.load(Ordering::Relaxed) {
                // The answer is not waited for. One that is turned away has asked, too.
                let mut stream = TcpStream::connect(&address).unwrap();
                let sent = stream.write_all(request.as_bytes());
                asked.fetch_add(usize::from(sent.is_ok()), Ordering::Relaxed);
            }
        })
    };
    let callers = ["nobody", "key-b"].map(caller);
    let mut n = 0;
    while n < 40 || asked.load(Ordering::Relaxed) < PAGES {
        n += 1;
        let mut request = Request::new(SignCheckpointRequest {
            checkpoint: Some(checkpoint(&format!("chk_{n}"), 100_000 + n, &n.to_string())),
            ..Default::default()
        });
        request.set_timeout(DEADLINE);
        let signed = service.signing.clone().sign_checkpoint(request).await;
        signed.unwrap_or_else(|status| panic!("{n}: {status:?}"));
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(
        get(&http, "/v1/checkpoints?key=nobody").body,
        r#"{"checkpoints":[]}"#
    );
    service.stop().await;
}

/// A record in which every page with a time takes longer than the database lets a statement, and a client that sees it.
async fn slow_pages(database: &Database<'_>) -> (Arc<dyn Record>, Client) {
    PostgresRecord::init(&database.address()).await.unwrap();
    let client = database.client().await;
    let slow = "CREATE SEQUENCE asked; \
                CREATE OR REPLACE FUNCTION rows_before(instant BIGINT) RETURNS BIGINT LANGUAGE plpgsql STRICT \
                SET search_path = checkpoint_signer AS $$ \
                BEGIN PERFORM nextval('asked'), pg_sleep(600); RETURN 0; END $$";
    client.batch_execute(slow).await.unwrap();
    let record = PostgresRecord::open(&database.address()).await.unwrap();
    (Arc::new(record), client)
}

fn since_noon() -> Filter {
    Filter {
        signed_from: Some(at(NOON)),
        ..Default::default()
    }
}

/// How often a slow page was begun.
async fn asked(client: &Client) -> i64 {
    let sql = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM asked";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// The server's processes whose newest statement has a text in it.
async fn processes(client: &Client, text: &str) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
               AND strpos(query, $1) > 0";
    let rows = client.query(sql, &[&text]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_page_that_the_database_ends_is_not_asked_for_again() {
    let database = Database::new().await;
    let (record, client) = slow_pages(&database).await;
    let error = record.list(&since_noon(), 0, 10).await.unwrap_err();
    assert!(error.to_string().contains("57014"), "{error}");
    assert_eq!(asked(&client).await, 1);
}

#[tokio::test]
async fn a_connection_is_not_used_again_when_its_caller_hung_up() {
    let database = Database::new().await;
    let (record, client) = slow_pages(&database).await;
    let filter = since_noon();
    let mut page = record.list(&filter, 0, 10);
    while asked(&client).await == 0 {
        assert!(poll!(&mut page).is_pending());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let busy = processes(&client, "rows_before").await;
    drop(page);
    let (ledger, id) = ("a".parse().unwrap(), "1".parse().unwrap());
    assert!(record.get(&ledger, &id).await.unwrap().is_none());
    // The last that is said on its connection: it has only read.
    let mut used = Vec::new();
    for _ in 0..1000 {
        used = processes(&client, "ROLLBACK").await;
        if !used.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((busy.len(), used.len()), (1, 1));
    assert_ne!(busy, used);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_goes_on_while_postgres_is_busy_with_pages() {
    let database = Database::new().await;
    let (record, client) = slow_pages(&database).await;
    let key = with_key(&record).await;
    let page = || {
        let record = Arc::clone(&record);
        tokio::spawn(async move { while record.list(&since_noon(), 0, 10).await.is_err() {} })
    };
    let pages: Vec<_> = (0..20).map(|_| page()).collect();
    while asked(&client).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for n in 1..=10 {
        let row = signed(&key, "a", &n.to_string(), n, &n.to_string(), at(NOON));
        let sign = async {
            record.ledger_state(&row.checkpoint).await.unwrap();
            assert_eq!(append(&record, vec![row]).await, [n.to_string()]);
            assert_eq!(record.head().await.unwrap().size(), n);
            record.keyring().await.unwrap();
        };
        tokio::time::timeout(DEADLINE, sign).await.expect("in time");
    }
    // They were all this time waiting for connections of their own.
    assert!(pages.iter().all(|page| !page.is_finished()));
    pages.iter().for_each(|page| page.abort());
}
