//! What a flood costs, and what a silent client gets.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use futures_util::future::join_all;

use crate::client::{get, post_json};
use crate::publication::Publication;
use crate::support::{TestService, key_of, versions};
use crate::wait::{PATIENCE, until};

/// Many at once, each on a thread and a connection of its own.
async fn flood<T: Send + 'static>(
    count: usize,
    ask: impl Fn() -> T + Send + Clone + 'static,
) -> Vec<T> {
    let asking = (0..count).map(|_| tokio::task::spawn_blocking(ask.clone()));
    let answers = join_all(asking).await.into_iter();
    answers.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_for_the_signed_keyring_costs_one_signature() {
    let mut service = TestService::new().await;
    let http = service.http();
    let ask = move || get(&http, "/.well-known/jwks.jwt");
    let answers = flood(60, ask.clone()).await;
    // PS256 has a random salt: two signatures are never the same.
    let mut bodies: Vec<_> = answers.into_iter().map(|answer| answer.body).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    let keys = versions(&[
        (&key_of(2026), "AWSCURRENT"),
        (&key_of(2025), "AWSPREVIOUS"),
    ]);
    service.use_keys(&keys).await.unwrap();
    until("the new key to be published", async || {
        ask().body != bodies[0]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_bound_verifications_are_turned_away_and_told_when_to_come_back() {
    let publication = Publication::new().await;
    let (http, valid) = (publication.service.http(), publication.read("valid.json"));
    let answers = flood(300, move || post_json(&http, "/v1/verify", &valid)).await;
    for answer in &answers {
        match answer.status {
            200 => assert_eq!(answer.json()["verdict"], "VALID"),
            _ => {
                answer.problem(503, "OVERLOADED");
                assert_eq!(answer.header("retry-after"), "1");
            }
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_loses_its_connection() {
    let service = TestService::new().await;
    let http = service.http();
    let address = http.trim_start_matches("http://");
    let mut silent = TcpStream::connect(address).unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    let mut answer = Vec::new();
    for stream in [&mut silent, &mut slow] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_to_end(&mut answer).expect("the end of it");
    }
    assert_eq!(get(&http, "/health").status, 200);
}
