//! Connections that say nothing, as many as there are places and more: who comes then is told so, and the operator's port
//! has places of its own.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use checkpoint_signer::record::sqlite::SqliteRecord;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use testing::wait;

use crate::client::get;
use crate::cluster::Replica;
use crate::support::{key_with, write_keys};

/// As many as the public has places.
const PLACES: usize = 512;

/// More than are told that there is no place.
const MORE: usize = 100;

/// Fewer than have a place, and more than a system keeps for a service that does not ask for room.
const MANY: usize = 400;

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

/// A service that also has the ports of HTTP, as a program.
async fn start(folder: &Path) -> Replica {
    let record = folder.join("record.sqlite");
    SqliteRecord::init(&record).unwrap();
    let key = key_with("key", "2020-01-01", "2120-01-01", 0);
    write_keys(folder, &key);
    let place = format!("sqlite:{}", record.display());
    let ports = ["--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
    Replica::start_with(folder, &place, &ports).await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_places_are_taken_nobody_waits_and_the_operators_port_answers() {
    raise_open_files();
    let folder = tempfile::tempdir().unwrap();
    let mut service = start(folder.path()).await;
    let http = service.next_address().await;
    let metrics = service.next_address().await;
    let own = metrics.trim_end_matches("/metrics");
    assert_eq!(get(&http, "/health").status, 200);

    let mut silent = dial(&http, PLACES);
    // On a slow machine, some of them have given way already.
    let mut refused = get(&http, "/health");
    wait::until("a refusal", async || {
        silent.extend(dial(&http, 1));
        refused = get(&http, "/health");
        refused.status != 200
    })
    .await;
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

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_come_keep_nobody_out() {
    raise_open_files();
    let folder = tempfile::tempdir().unwrap();
    let mut service = start(folder.path()).await;
    let http = service.next_address().await;
    let half = b"POST /v1/verify HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let mut begun = dial(&http, PLACES);
    for stream in &mut begun {
        stream.write_all(half).unwrap();
    }
    // Each that comes takes the place of one of them, and keeps it.
    let address = http.trim_start_matches("http://");
    for n in 0..10 {
        wait::until(&format!("answer {n}"), async || {
            let mut stream = TcpStream::connect(address).unwrap();
            let is_answered = asks(&mut stream);
            begun.extend(is_answered.then_some(stream));
            is_answered
        })
        .await;
    }
    drop(begun);
    service.stop().await;
}

/// Asks for something small, and reads the answer; whether it came.
fn asks(stream: &mut TcpStream) -> bool {
    let asked = stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut answer = [0; 4096];
    let read = asked.and_then(|()| stream.read(&mut answer));
    read.is_ok_and(|read| {
        answer
            .get(..read)
            .is_some_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
    })
}

/// A connection from an address of our own.
async fn dial_from(base: &str, last: u8) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 2, last], 0).into()).unwrap();
    let address = base.trim_start_matches("http://").parse().unwrap();
    let stream = socket.connect(address).await.unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_has_all_places_and_never_falls_silent_keeps_no_other_out() {
    raise_open_files();
    let folder = tempfile::tempdir().unwrap();
    let mut service = start(folder.path()).await;
    let http = service.next_address().await;
    let mut busy = dial(&http, PLACES);
    let stop = Arc::new(AtomicBool::new(false));
    let asking = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                busy.retain_mut(asks);
            }
        }
    });
    for last in 1..=10 {
        wait::until(&format!("a place for 127.0.2.{last}"), async || {
            asks(&mut dial_from(&http, last).await)
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    asking.join().unwrap();
    service.stop().await;
}

/// Beyond what the system keeps for it, a connection waits for a second or more before it is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_while_the_service_stands_still_is_connected_and_answered_afterwards() {
    raise_open_files();
    let folder = tempfile::tempdir().unwrap();
    let mut service = start(folder.path()).await;
    let http = service.next_address().await;
    service.signal(Signal::STOP);
    let address = http.trim_start_matches("http://").parse().unwrap();
    let connect = |_| TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    let mut waiting: Vec<TcpStream> = (0..MANY).map(connect).collect();
    service.signal(Signal::CONT);
    for stream in &mut waiting {
        let request =
            format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    service.stop().await;
}
