//! A small HTTP client: one request a connection, everything of the answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        headers
            .find(|(found, _)| found == name)
            .map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Checks that it is a problem (RFC 9457) of this status and reason; gives its sentence.
    pub fn problem(&self, status: u16, reason: &str) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["reason"], reason, "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// Sends a request to `http://host:port` and reads until the server closes.
pub fn request(
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // The server may answer before it has read all of a body that is too large.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        panic!("expected the head of an answer; found {answer:?}, {read:?}");
    };
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    Answer {
        status: status.parse().unwrap(),
        headers: lines.map(header).collect(),
        body: body.into(),
    }
}

pub fn get(base: &str, path: &str) -> Answer {
    request(base, "GET", path, &[], b"")
}

pub fn post_json(base: &str, path: &str, body: &str) -> Answer {
    let headers = [("Content-Type", "application/json")];
    request(base, "POST", path, &headers, body.as_bytes())
}
