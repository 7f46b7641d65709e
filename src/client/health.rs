//! `/health` of a service, by HTTP without TLS: for who stands beside it, and needs no certificate then.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Uri;

/// Far below what a container's health check waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where it is told.
const PATH: &str = "/health";

/// An answer is some hundred bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHealth {
    /// Whether a key can sign.
    pub signing: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoHealth {
    /// The URL is not one that is asked.
    #[error(
        "is no http://HOST:PORT/health; expected such as http://127.0.0.1:9464/health, the port of --metrics"
    )]
    Url,
    /// What stands there as its port is none.
    #[error(
        "has a port that is none; expected 1 to 65535, such as http://127.0.0.1:9464/health, the port of --metrics"
    )]
    Port,
    /// It has a user or a password in it.
    #[error(
        "has a user or a password in it, which nobody asks for; expected such as http://127.0.0.1:9464/health"
    )]
    Credentials,
    /// It leads to another machine, without TLS.
    #[error(
        "is not on this machine, and without TLS anybody between could answer; expected a loopback address, such as \
         http://127.0.0.1:9464/health, or --server https://... for another machine"
    )]
    Elsewhere,
    /// It cannot be reached, or ended in the middle.
    #[error("does not answer: {0}")]
    Io(#[from] std::io::Error),
    /// It takes too long.
    #[error("does not answer within {} seconds", PATIENCE.as_secs())]
    Silent,
    /// Something else answers.
    #[error(
        "answers something else than a health ({0}); expected the port of --metrics, or that of --http"
    )]
    Other(String),
}

/// Asks.
///
/// # Errors
/// [`NoHealth`] when it is not known how it is.
pub async fn http_health(url: &str) -> Result<HttpHealth, NoHealth> {
    let uri: Uri = url.parse().map_err(|_| NoHealth::Url)?;
    let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(NoHealth::Url);
    };
    if authority.as_str().contains('@') {
        return Err(NoHealth::Credentials);
    }
    if !is_loopback(authority.host()) {
        return Err(NoHealth::Elsewhere);
    }
    if uri.path() != PATH || uri.query().is_some() {
        return Err(NoHealth::Url);
    }
    // The library says of a number beyond all ports that there is no port.
    let port = match authority.as_str() == authority.host() {
        true => 80,
        false => match authority.port_u16() {
            Some(port) if port != 0 => port,
            _ => return Err(NoHealth::Port),
        },
    };
    let answer = tokio::time::timeout(PATIENCE, ask(authority.host(), port, uri.path()));
    read(&answer.await.map_err(|_| NoHealth::Silent)??)
}

/// By the name alone: nobody is asked where a name leads.
fn is_loopback(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    address.map_or_else(
        |_| host.eq_ignore_ascii_case("localhost"),
        |address| address.is_loopback(),
    )
}

async fn ask(host: &str, port: u16, path: &str) -> std::io::Result<Vec<u8>> {
    let address = (host.trim_matches(['[', ']']), port);
    let mut stream = TcpStream::connect(address).await?;
    let question = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// 200 and 503 are a service's own words, with a body that says the same.
fn read(answer: &[u8]) -> Result<HttpHealth, NoHealth> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.lines().next().unwrap_or_default();
    let other = || NoHealth::Other(status.chars().take(80).collect());
    let code = status
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    if !matches!(code, Some("200" | "503")) {
        return Err(other());
    }
    let body: Value = serde_json::from_str(body).map_err(|_| other())?;
    let signing = body.get("signing").and_then(Value::as_bool);
    let reason = body.get("reason").and_then(Value::as_str);
    Ok(HttpHealth {
        signing: signing.ok_or_else(other)?,
        reason: reason.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &str) -> Result<HttpHealth, String> {
        read(answer.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_health_is_read_and_nothing_else_is_taken_for_one() {
        let signs = of("HTTP/1.1 200 OK\r\na: b\r\n\r\n{\"signing\":true,\"reason\":null}");
        assert_eq!(
            signs,
            Ok(HttpHealth {
                signing: true,
                reason: None
            })
        );
        let body = "{\"signing\":false,\"reason\":\"no key\"}";
        let not = of(&format!("HTTP/1.1 503 Service Unavailable\r\n\r\n{body}"));
        let reason = Some("no key".into());
        assert_eq!(
            not,
            Ok(HttpHealth {
                signing: false,
                reason
            })
        );
        for other in [
            "",
            "HTTP/1.1 200 OK\r\n\r\nok",
            "HTTP/1.1 503 Service Unavailable\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\n\r\n{\"signing\":true}",
            "\u{15}\u{3}\u{3}",
        ] {
            assert!(of(other).unwrap_err().contains("something else"), "{other}");
        }
    }
}
