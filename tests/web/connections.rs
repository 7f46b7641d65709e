//! Connections that say nothing, as many as there are places and more: who comes then is told so, and the operator's port
//! has places of its own.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use checkpoint_signer::record::sqlite::SqliteRecord;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::get;
use crate::cluster::Replica;
use crate::support::{key_with, write_keys};

/// As many as the public has places.
const PLACES: usize = 512;

/// More than are told that there is no place.
const MORE: usize = 100;

/// Far longer than it should take; a test that waits for it fails.
const PATIENCE: Duration = Duration::from_secs(180);

fn dial(base: &str, count: usize) -> Vec<TcpStream> {
    let address = base.trim_start_matches("http://");
    (0..count)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect()
}

/// The files that a process may open by default are too few for the connections.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_places_are_taken_nobody_waits_and_the_operators_port_answers() {
    raise_open_files();
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.sqlite");
    SqliteRecord::init(&record).unwrap();
    let key = key_with("key", "2020-01-01", "2120-01-01", 0);
    write_keys(folder.path(), &key);
    let place = format!("sqlite:{}", record.display());
    let ports = ["--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    let mut service = Replica::start_with(folder.path(), &place, &ports).await;
    let http = service.next_address().await;
    let metrics = service.next_address().await;
    let own = metrics.trim_end_matches("/metrics");
    assert_eq!(get(&http, "/health").status, 200);

    let silent = dial(&http, PLACES);
    let refused = get(&http, "/health");
    refused.problem(503, "OVERLOADED");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(get(own, "/health").json()["signing"], true);
    assert_eq!(get(own, "/metrics").status, 200);
    // What comes beyond is let go, too.
    for mut stream in dial(&http, MORE) {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let ended = match stream.read(&mut [0; 1]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        assert!(ended, "{stream:?}");
    }
    drop(silent);
    let start = Instant::now();
    while get(&http, "/health").status != 200 {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    service.stop().await;
}
