//! Three replicas on one PostgreSQL, and 32 clients that want the same places.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use checkpoint_signer::record::check::check_record;
use checkpoint_signer::record::postgres::PostgresRecord;
use rustix::process::Signal;
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::cluster::{Log, Replica, Trouble, sign};
use crate::history::{Answer, Call, Request};
use crate::judgement;
use crate::postgres::{Database, Server};
use crate::support::{key_with, write_keys};
use crate::wait;

const REPLICAS: usize = 3;
const CLIENTS: usize = 32;
const LEDGERS: usize = 4;

/// How long a replica is frozen: longer than the database waits for one that is silent in a transaction (3 s), for a
/// lock (3 s) or for a statement (4 s).
const FROZEN: Duration = Duration::from_secs(5);

struct Race {
    _folder: TempDir,
    replicas: Vec<Replica>,
    client: tokio_postgres::Client,
    log: Arc<Log>,
}

impl Race {
    async fn start(database: &Database<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = key_with("key-race", "2020-01-01", "2099-01-01", 0);
        write_keys(folder.path(), &keys);
        PostgresRecord::init(&database.address()).await.unwrap();
        let mut replicas = Vec::new();
        for n in 0..REPLICAS {
            let url = format!("{}?application_name=replica_{n}", database.url());
            replicas.push(Replica::start(folder.path(), &url).await);
        }
        Self {
            _folder: folder,
            replicas,
            client: database.client().await,
            log: Arc::default(),
        }
    }

    fn channels(&self) -> Vec<Channel> {
        self.replicas.iter().map(Replica::channel).collect()
    }

    /// Lets the clients fight, place after place, until they are told to stop.
    fn clients(
        &self,
        trouble: Trouble,
        stop: &Arc<AtomicBool>,
    ) -> Vec<tokio::task::JoinHandle<()>> {
        let newest: Arc<[AtomicU64; LEDGERS]> = Arc::default();
        let client = |client| {
            let (channels, log) = (self.channels(), Arc::clone(&self.log));
            let (stop, newest) = (Arc::clone(stop), Arc::clone(&newest));
            tokio::spawn(async move {
                for ledger in (0..LEDGERS).cycle() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // Whoever was slow wants the next place all the same.
                    let entry_count = newest[ledger].load(Ordering::Relaxed) + 1;
                    let request = request(ledger, client, entry_count);
                    let first = client % REPLICAS;
                    sign(&channels, first, &request, &log, trouble).await;
                    newest[ledger].fetch_max(entry_count, Ordering::Relaxed);
                }
            })
        };
        (0..CLIENTS).map(client).collect()
    }

    /// How many rows are committed.
    async fn size(&self) -> i64 {
        let size = "SELECT size FROM record_head";
        self.client.query_one(size, &[]).await.unwrap().get(0)
    }

    /// Waits until some places of each ledger more are signed.
    async fn grows(&self, what: &str) {
        let enough = self.size().await + 2 * LEDGERS as i64;
        wait::until(what, async || self.size().await >= enough).await;
    }

    /// Ends the replicas, in order, and compares.
    async fn judge(self, database: &Database<'_>) {
        for replica in self.replicas {
            assert!(!replica.log().contains("panicked"), "{}", replica.log());
            replica.stop().await;
        }
        let record = PostgresRecord::open(&database.address()).await.unwrap();
        let found = check_record(&record).await.unwrap();
        assert_eq!(found.problems, 0, "{:?}", found.told);
        // The old connection may be one of those that were cut.
        let rows = judgement::postgres_rows(&database.client().await).await;
        let calls = Arc::into_inner(self.log).unwrap().into_calls();
        assert_one_winner(&calls);
        let counts = judgement::judge(&rows, &calls);
        assert!(
            counts.signed > 5 && counts.equivocations > counts.signed,
            "{counts:?}"
        );
    }
}

/// What a client wants: the place of all others, for a history of its own. Half of them want the name as well.
fn request(ledger: usize, client: usize, entry_count: u64) -> Request {
    let checkpoint_id = match client % 2 {
        0 => format!("chk_{entry_count}"),
        _ => format!("chk_{entry_count}_{client}"),
    };
    Request {
        ledger_id: format!("org_{ledger}"),
        checkpoint_id,
        entry_count,
        history: format!("by {client}"),
    }
}

fn assert_one_winner(calls: &[Call]) {
    let mut winners: HashMap<(&str, u64), HashSet<&str>> = HashMap::new();
    for call in calls {
        let Request {
            ledger_id,
            entry_count,
            history,
            ..
        } = &call.request;
        let place = winners.entry((ledger_id, *entry_count)).or_default();
        if matches!(call.answer, Answer::Signed(_)) {
            place.insert(history);
        }
    }
    for (place, winners) in winners {
        assert!(winners.len() <= 1, "{place:?}: {winners:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_want_a_place_at_the_same_time_one_gets_it() {
    let database = Database::new().await;
    let race = Race::start(&database).await;
    let channels = race.channels();
    for entry_count in 1..=12 {
        let calls = (0..LEDGERS).flat_map(|ledger| {
            let (channels, log) = (&channels, &race.log);
            (0..CLIENTS).map(move |client| async move {
                let request = request(ledger, client, entry_count);
                let first = client % REPLICAS;
                (
                    ledger,
                    sign(channels, first, &request, log, Trouble::None).await,
                )
            })
        });
        let answers = futures_util::future::join_all(calls).await;
        for ledger in 0..LEDGERS {
            let answers = answers.iter().filter(|(of, _)| *of == ledger);
            let (won, lost): (Vec<_>, Vec<_>) =
                answers.partition(|(_, answer)| matches!(answer, Answer::Signed(_)));
            assert_eq!((won.len(), lost.len()), (1, CLIENTS - 1));
        }
    }
    assert_eq!(race.size().await, 12 * LEDGERS as i64);
    race.judge(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stops_and_starts_forks_nothing() {
    let server = Server::start();
    let database = server.database().await;
    let mut race = Race::start(&database).await;
    let stop = Arc::default();
    let clients = race.clients(Trouble::Database, &stop);
    for command in ["stop", "kill"] {
        race.grows("the replicas to sign").await;
        server.control(command);
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.control("start");
        race.client = database.client().await;
    }
    race.grows("the replicas to find it again").await;
    stop.store(true, Ordering::Relaxed);
    futures_util::future::try_join_all(clients).await.unwrap();
    race.judge(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_fork_nothing() {
    let database = Database::new().await;
    let race = Race::start(&database).await;
    let stop = Arc::default();
    let clients = race.clients(Trouble::Database, &stop);
    let (mut cut, mut pause) = (0, Duration::from_millis(100));
    // On a busy machine, longer pauses: what is cut has begun something.
    while cut <= 30 || race.size().await < 20 {
        tokio::time::sleep(pause).await;
        pause += Duration::from_millis(10);
        assert!(
            pause < Duration::from_secs(3),
            "{cut} connections were cut, and hardly a row was made"
        );
        let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                         WHERE datname = current_database() AND application_name LIKE 'replica_%'";
        let row = race.client.query_one(terminate, &[]).await.unwrap();
        cut += row.get::<_, i64>(0);
    }
    stop.store(true, Ordering::Relaxed);
    futures_util::future::try_join_all(clients).await.unwrap();
    race.judge(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_freezes_in_the_middle_of_a_commit_forks_nothing() {
    let database = Database::new().await;
    let race = Race::start(&database).await;
    let stop = Arc::default();
    let clients = race.clients(Trouble::Service, &stop);
    freeze_in_a_transaction(&race).await;
    tokio::time::sleep(FROZEN).await;
    race.grows("the others to go on without it").await;
    race.replicas[0].signal(Signal::CONT);
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    futures_util::future::try_join_all(clients).await.unwrap();
    race.judge(&database).await;
}

/// Stops the first replica at a moment when it holds the head's lock.
async fn freeze_in_a_transaction(race: &Race) {
    let holds = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid) \
                 WHERE datname = current_database() AND application_name = 'replica_0' \
                 AND relation = 'record_head'::regclass AND mode = 'RowShareLock' AND granted \
                 AND state = 'idle in transaction')";
    for _ in 0..2000 {
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..10))).await;
        race.replicas[0].signal(Signal::STOP);
        // What it had sent already is done by then.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let row = race.client.query_one(holds, &[]).await.unwrap();
        if row.get(0) {
            return;
        }
        race.replicas[0].signal(Signal::CONT);
    }
    panic!("it was never in a transaction");
}
