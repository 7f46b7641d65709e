//! The HTTP edge.

use std::io::{Read, Write};
use std::net::TcpStream;

use checkpoint::keyring::Keyring;

use crate::support::{TestService, at, key_of, versions};

/// Status line, headers and body of a GET.
fn get(base: &str, path: &str) -> (String, String, String) {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    (status.into(), headers.to_lowercase(), body.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyring_is_published_without_staged_keys() {
    let keys = versions(&[
        (&key_of(2024), "AWSPREVIOUS"),
        (&key_of(2025), "AWSCURRENT"),
        (&key_of(2026), "AWSPENDING"),
    ]);
    let service = TestService::with(&keys, "2025-06-01").await;
    let (status, headers, body) = get(&service.http(), "/.well-known/jwks.json");
    assert!(status.contains("200"), "{status}");
    assert!(headers.contains("application/jwk-set+json"), "{headers}");
    let jwks: serde_json::Value = serde_json::from_str(&body).unwrap();
    let kids: Vec<_> = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| &k["kid"])
        .collect();
    assert_eq!(kids, ["key-2025", "key-2024"]);
    for member in ["kty", "n", "e", "alg", "use", "nbf", "exp"] {
        assert!(!jwks["keys"][0][member].is_null(), "{member}");
    }
    for private in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(jwks["keys"][0][private].is_null(), "{private}");
    }
    assert_eq!(
        Keyring::from_jwks(body.as_bytes()).unwrap().entries().len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_whether_a_key_can_sign_and_why_not() {
    let service = TestService::new().await;
    let (status, _, body) = get(&service.http(), "/health");
    assert!(
        status.contains("200") && body.contains("\"key_id\":\"key-2025\""),
        "{status} {body}"
    );
    service.clock.set(at("2026-01-01"));
    let (status, _, body) = get(&service.http(), "/health");
    assert!(
        status.contains("503") && body.contains("which has passed"),
        "{status} {body}"
    );
    let (status, ..) = get(&service.http(), "/nothing");
    assert!(status.contains("404"), "{status}");
}
