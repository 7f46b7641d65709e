//! What another replica recorded decides, however little a replica has heard of it.

use std::sync::Arc;

use checkpoint_signer::record::postgres::PostgresRecord;
use tonic::transport::Channel;

use crate::cluster::{Log, Replica, Trouble, sign};
use crate::history::{Answer, Request};
use crate::postgres::Server;
use crate::support::{key_with, write_keys};

fn request(ledger_id: &str, id: &str, entry_count: u64, history: &str) -> Request {
    Request {
        ledger_id: ledger_id.into(),
        checkpoint_id: id.into(),
        entry_count,
        history: history.into(),
    }
}

async fn ask(replica: &[Channel], log: &Log, request: &Request) -> Answer {
    sign(replica, 0, request, log, Trouble::None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn decides_about_a_ledger_of_which_this_one_knows_an_older_row() {
    let server = Server::start();
    let database = server.database().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_keys(
        folder.path(),
        &key_with("key", "2020-01-01", "2099-01-01", 0),
    );
    let mut replicas = Vec::new();
    for _ in 0..2 {
        replicas.push(Replica::start(folder.path(), &database.url()).await);
    }
    let [one, other] = [0, 1].map(|n| [replicas[n].channel()]);
    let log = Arc::new(Log::default());

    for (ledger, asked, expected) in [
        ("retry", ("chk_2", 2, "two"), None),
        (
            "other content",
            ("chk_2", 9, "nine"),
            Some(Answer::Equivocation),
        ),
        (
            "other history",
            ("chk_x", 2, "x"),
            Some(Answer::Equivocation),
        ),
        ("back", ("chk_x", 4, "four"), Some(Answer::Rollback)),
    ] {
        let ledger = ledger.replace(' ', "_");
        let ledger = ledger.as_str();
        let first = ask(&one, &log, &request(ledger, "chk_1", 1, "one")).await;
        assert!(matches!(first, Answer::Signed(_)), "{first:?}");
        let second = ask(&other, &log, &request(ledger, "chk_2", 2, "two")).await;
        let third = ask(&other, &log, &request(ledger, "chk_5", 5, "five")).await;
        assert!(matches!(third, Answer::Signed(_)), "{third:?}");
        let (id, count, history) = asked;
        for _ in 0..2 {
            let answer = ask(&one, &log, &request(ledger, id, count, history)).await;
            assert_eq!(&answer, expected.as_ref().unwrap_or(&second), "{ledger}");
        }
        let next = ask(&one, &log, &request(ledger, "chk_6", 6, "six")).await;
        assert!(matches!(next, Answer::Signed(_)), "{next:?}");
    }
    for replica in replicas {
        replica.stop().await;
    }
}
