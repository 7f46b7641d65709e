//! What a signature costs PostgreSQL does not grow with the record, also while the database knows nothing of its size.

use checkpoint_signer::record::postgres::PostgresRecord;

use crate::cluster::{Log, Replica, Trouble, sign};
use crate::history::{Answer, Request};
use crate::postgres::Server;
use crate::support::{key_with, write_keys};
use crate::wait;

const ROWS: u64 = 200;

/// Far fewer than the record has on average meanwhile: a handful for each way in which a row is found.
const READ_FOR_EACH: i64 = 40;

/// Rows and entries of indexes that were read, or none while sessions are open, which tell it at their end.
const READ: &str = "\
    SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'signed_checkpoint') \
      + (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'signed_checkpoint') \
    WHERE NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())";

#[tokio::test(flavor = "multi_thread")]
async fn few_rows_are_read_for_each_signature_after_an_empty_record_was_analyzed() {
    let server = Server::start();
    let database = server.database().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let client = database.client().await;
    client.batch_execute("ANALYZE").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_keys(
        folder.path(),
        &key_with("key", "2020-01-01", "2099-01-01", 0),
    );
    let replica = Replica::start(folder.path(), &database.url()).await;
    let (channel, log) = ([replica.channel()], Log::default());
    for n in 1..=ROWS {
        let request = Request {
            ledger_id: format!("org_{}", n % 50),
            checkpoint_id: format!("chk_{n}"),
            entry_count: n,
            history: n.to_string(),
        };
        // And a retry.
        for _ in 0..2 {
            let answer = sign(&channel, 0, &request, &log, Trouble::None).await;
            assert!(matches!(answer, Answer::Signed(_)), "{answer:?}");
        }
    }
    replica.stop().await;

    let mut read = None;
    wait::until("all sessions to end", async || {
        read = client.query_opt(READ, &[]).await.unwrap();
        read.is_some()
    })
    .await;
    let read: i64 = read.unwrap().get(0);
    let most = i64::try_from(ROWS).unwrap() * 2 * READ_FOR_EACH;
    assert!(read < most, "{read} of {most}");
}
