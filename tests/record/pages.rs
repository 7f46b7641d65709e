//! Pages of a long record, of which hardly any row is asked for.

use std::sync::Arc;

use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::signing::KeySecret;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::record::{Filter, MAX_LOOKED_AT, Record};
use checkpoint_signer::wire::proto::ListSignedCheckpointsRequest;
use chrono::DateTime;
use rusqlite::Connection;

use crate::client::get;
use crate::postgres::Database;
use crate::support::{TestService, at, checkpoint, key_of, key_with, versions};
use testing::record::{NOON, append, signed, with_key};

/// Copies of the first row, under other names: two pages and a half of rows that are looked at.
const COPIES: u64 = 25_000;

/// The only row besides these.
const LAST: u64 = COPIES + 2;

/// Puts the copies after the first row of a record that has no other. Nobody reads them but as columns, since their
/// payload is another's.
fn copies(bytes: fn(&str) -> String) -> String {
    let mut frontier = Frontier::default();
    (0..=COPIES).for_each(|_| frontier.push(TreeHash::leaf(&[])));
    let hex: String = frontier
        .to_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!(
        "INSERT INTO signed_checkpoint \
         WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n <= {COPIES}) \
         SELECT n, ledger_id, 'copy_' || n, n, cumulative_hash, total_volume, timestamp, key_id, signed_at, payload, \
         signature FROM numbers JOIN signed_checkpoint ON position = 1 ORDER BY n; \
         UPDATE record_head SET size = {}, frontier = {}",
        COPIES + 1,
        bytes(&hex)
    )
}

fn put_copies(path: &std::path::Path) {
    let sqlite = Connection::open(path).unwrap();
    sqlite
        .execute_batch(&copies(|hex| format!("x'{hex}'")))
        .unwrap();
}

/// The first row is by `key-2025`, as are the copies; the last is by `key-b`, and `key-2030` signed none.
async fn fill(record: &Arc<dyn Record>, put_copies: impl AsyncFnOnce()) {
    let key = with_key(record).await;
    let other = |id: &str, from, until| {
        let secret = KeySecret::parse(&key_with(id, from, until, 0), None);
        secret.unwrap().into_signing_key()
    };
    let by = other("key-b", "2025-01-01", "2026-01-01");
    for version in [
        by.version(),
        other("key-2030", "2030-01-01", "2031-01-01").version(),
    ] {
        record.register_key(version, None, at(NOON)).await.unwrap();
    }
    assert_eq!(
        append(record, vec![signed(&key, "a", "1", 1, "x", at(NOON))]).await,
        ["1"]
    );
    put_copies().await;
    let last = signed(&by, "a", "last", LAST, "y", at(NOON));
    assert_eq!(append(record, vec![last]).await, [LAST.to_string()]);
}

pub struct Sqlite {
    _folder: tempfile::TempDir,
    pub record: Arc<dyn Record>,
}

impl Sqlite {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.sqlite");
        SqliteRecord::init(&path).unwrap();
        let record: Arc<dyn Record> = Arc::new(SqliteRecord::open(&path).unwrap());
        fill(&record, async || put_copies(&path)).await;
        Self {
            _folder: folder,
            record,
        }
    }
}

async fn postgres(database: &Database<'_>) -> Arc<dyn Record> {
    PostgresRecord::init(&database.address()).await.unwrap();
    let record = PostgresRecord::open(&database.address()).await.unwrap();
    Arc::new(record)
}

pub fn by(key_id: &str, ledger_id: Option<&str>) -> Filter {
    Filter {
        key_id: Some(key_id.parse().unwrap()),
        ledger_id: ledger_id.map(|id| id.parse().unwrap()),
        ..Default::default()
    }
}

/// The positions on each page, and where the next one begins.
async fn pages(record: &Arc<dyn Record>, filter: &Filter) -> Vec<(Vec<u64>, Option<u64>)> {
    let (mut pages, mut after) = (Vec::new(), Some(0));
    while let Some(position) = after {
        let page = record.list(filter, position, 100).await.unwrap();
        after = page.next;
        pages.push((
            page.rows.iter().map(|row| row.position).collect(),
            page.next,
        ));
    }
    pages
}

async fn a_page_looks_at_so_many_rows_and_leads_on(record: &Arc<dyn Record>) {
    let cut = |pages: u64| (vec![], Some(pages * u64::from(MAX_LOOKED_AT)));
    for ledger_id in [None, Some("a")] {
        let found = pages(record, &by("key-b", ledger_id)).await;
        assert_eq!(found, [cut(1), cut(2), (vec![LAST], None)], "{ledger_id:?}");
        // Of these no row is looked at: a page would be cut.
        for key_id in ["nobody", "key-2030"] {
            let found = pages(record, &by(key_id, ledger_id)).await;
            assert_eq!(found, [(vec![], None)], "{key_id} {ledger_id:?}");
        }
    }
    assert_eq!(
        pages(record, &by("key-b", Some("b"))).await,
        [(vec![], None)]
    );
}

/// A record of another program, or one of this before it had bounds, may have any window.
async fn a_key_for_all_times_is_listed(record: &Arc<dyn Record>) {
    let version = {
        let secret = KeySecret::parse(&key_with("key-ever", "2025-01-01", "2026-01-01", 1), None);
        let mut version = secret.unwrap().into_signing_key().version().clone();
        let (first, last) = (
            DateTime::UNIX_EPOCH,
            DateTime::from_timestamp(8_210_266_876_799, 0),
        );
        version.window = checkpoint::key::ValidityWindow::new(first, last.unwrap()).unwrap();
        version
    };
    record.register_key(&version, None, at(NOON)).await.unwrap();
    // More often than there are threads that read.
    for _ in 0..5 {
        let page = record.list(&by("key-ever", None), LAST, 100).await.unwrap();
        assert!(page.rows.is_empty() && page.next.is_none());
    }
}

#[tokio::test]
async fn pages_of_sqlite_are_bounded_in_what_they_look_at() {
    let store = Sqlite::new().await;
    a_page_looks_at_so_many_rows_and_leads_on(&store.record).await;
    a_key_for_all_times_is_listed(&store.record).await;
}

#[tokio::test]
async fn pages_of_postgres_are_bounded_in_what_they_look_at() {
    let database = Database::new().await;
    let record = postgres(&database).await;
    let client = database.client().await;
    let copies = copies(|hex| format!("'\\x{hex}'"));
    fill(&record, async || {
        client.batch_execute(&copies).await.unwrap()
    })
    .await;
    a_page_looks_at_so_many_rows_and_leads_on(&record).await;
    a_key_for_all_times_is_listed(&record).await;
}

/// A service whose record has the copies, and one row by `key-b` at its end.
pub async fn long_service() -> TestService {
    let mut service = TestService::new().await;
    service.sign(checkpoint("first", 1, "x")).await.unwrap();
    put_copies(&service.record_path());
    let current = key_with("key-b", "2025-01-01", "2026-01-01", 0);
    let both = versions(&[(&current, "AWSCURRENT"), (&key_of(2025), "AWSPREVIOUS")]);
    service.use_keys(&both).await.unwrap();
    service.sign(checkpoint("last", LAST, "y")).await.unwrap();
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_to_the_end_over_pages_without_a_row() {
    let mut service = long_service().await;
    let mut path = "/v1/checkpoints?key=key-b".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = get(&service.http(), &path).json();
        sizes.push(page["checkpoints"].as_array().unwrap().len());
        let Some(next) = page["next_page"].as_str() else {
            break;
        };
        path = format!("/v1/checkpoints?key=key-b&page={next}");
    }
    assert_eq!(sizes, [0, 0, 1]);
    let mut request = ListSignedCheckpointsRequest {
        key_id: "key-b".into(),
        ..Default::default()
    };
    let mut sizes = Vec::new();
    while sizes.is_empty() || !request.page_token.is_empty() {
        let page = service
            .record
            .list_signed_checkpoints(request.clone())
            .await;
        let page = page.unwrap().into_inner();
        sizes.push(page.signed_checkpoints.len());
        request.page_token = page.next_page_token;
    }
    assert_eq!(sizes, [0, 0, 1]);
    service.stop().await;
}
