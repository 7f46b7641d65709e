//! Requests that HTTP has other forms for than those that are taken: each is a problem with its reason.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::client::{post_json, request};
use crate::publication::Publication;
use crate::support::TestService;

type Headers<'a> = &'a [(&'a str, &'a str)];

#[tokio::test(flavor = "multi_thread")]
async fn other_codings_types_methods_and_sizes_are_problems_with_their_reasons() {
    let service = TestService::new().await;
    let http = service.http();
    let json = ("Content-Type", "application/json");
    let huge = "x".repeat(20_000);
    let cases: [(&str, Headers<'_>, &[u8], u16, &str); 9] = [
        (
            "POST",
            &[json, ("Content-Encoding", "gzip")],
            b"{}",
            415,
            "CONTENT_ENCODING_NOT_SUPPORTED",
        ),
        (
            "POST",
            &[json, ("Content-Encoding", "br")],
            b"{}",
            415,
            "CONTENT_ENCODING_NOT_SUPPORTED",
        ),
        (
            "POST",
            &[json, ("Transfer-Encoding", "gzip, chunked")],
            b"",
            501,
            "TRANSFER_ENCODING_NOT_SUPPORTED",
        ),
        (
            "POST",
            &[("Content-Type", "text/plain")],
            b"{}",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            "POST",
            &[("Content-Type", "application/json5")],
            b"{}",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        ("POST", &[], b"{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("GET", &[], b"", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", &[], b"", 405, "METHOD_NOT_ALLOWED"),
        (
            "POST",
            &[json, ("X-More", &huge)],
            b"{}",
            431,
            "HEAD_TOO_LARGE",
        ),
    ];
    for (method, headers, body, status, reason) in cases {
        let answer = request(&http, method, "/v1/verify", headers, body);
        answer.problem(status, reason);
        if status == 405 {
            assert_eq!(answer.header("allow"), "POST");
        }
    }
    let identity = [json, ("Content-Encoding", "identity")];
    let answer = request(&http, "POST", "/v1/verify", &identity, b"{}");
    assert_eq!(
        (answer.status, &answer.json()["verdict"]),
        (200, &"MALFORMED".into())
    );
}

/// The first line of the answer to a request, and the rest.
fn answer_to(http: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(http.trim_start_matches("http://")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_says_once_for_which_host_it_is() {
    let service = TestService::new().await;
    let http = service.http();
    for (head, status, told) in [
        ("GET /v1/keys HTTP/1.1\r\n", 400, "Host: is missing"),
        ("OPTIONS /v1/keys HTTP/1.1\r\n", 400, "Host: is missing"),
        ("GET /nowhere HTTP/1.1\r\n", 400, "Host: is missing"),
        (
            "GET http://a.example/v1/keys HTTP/1.1\r\n",
            400,
            "Host: is missing",
        ),
        (
            "GET /v1/keys HTTP/1.1\r\nHost: a\r\nHost: a\r\n",
            400,
            "Host: stands there twice",
        ),
        (
            "GET /v1/keys HTTP/1.0\r\nHost: a\r\nHost: b\r\n",
            400,
            "Host: stands there twice",
        ),
        (
            "GET /v1/keys HTTP/1.1\r\nHost: a, b\r\n",
            400,
            "Host: is no host",
        ),
        (
            "GET /v1/keys HTTP/1.1\r\nHost: u@a\r\n",
            400,
            "Host: is no host",
        ),
        ("GET /v1/keys HTTP/1.1\r\nHost: a.example:80\r\n", 200, ""),
        ("GET /v1/keys HTTP/1.1\r\nHost: [::1]:80\r\n", 200, ""),
        ("GET /v1/keys HTTP/1.1\r\nHost:\r\n", 200, ""),
        ("GET /v1/keys HTTP/1.0\r\n", 200, ""),
    ] {
        let answer = answer_to(&http, &format!("{head}Connection: close\r\n\r\n"));
        let (first, _) = answer.split_once("\r\n").unwrap();
        assert!(first.contains(&format!(" {status} ")), "{head}: {answer}");
        assert!(answer.contains(told), "{head}: {answer}");
        assert_eq!(
            answer.contains("\"reason\":\"INVALID_REQUEST\""),
            status == 400
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_at_most_the_bytes_and_the_values_of_a_checkpoint() {
    let publication = Publication::new().await;
    let http = publication.service.http();
    let valid = publication.read("valid.json");
    let padded = |bytes: usize| format!("{valid}{}", " ".repeat(bytes - valid.len()));
    let answer = post_json(&http, "/v1/verify", &padded(528_384));
    assert_eq!(answer.json()["verdict"], "VALID");
    post_json(&http, "/v1/verify", &padded(528_385)).problem(413, "TOO_LARGE");
    let many = format!(r#"{{"a":[{}]}}"#, vec![r#"{"":0}"#; 70_000].join(","));
    let answer = post_json(&http, "/v1/verify", &many).json();
    assert_eq!(answer["verdict"], "MALFORMED");
    let explanation = answer["explanation"].as_str().unwrap();
    assert!(explanation.contains("65536 values"), "{explanation}");
    // It is announced: nobody waits for it.
    let mut stream = TcpStream::connect(http.trim_start_matches("http://")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    let head = "POST /v1/verify HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}
