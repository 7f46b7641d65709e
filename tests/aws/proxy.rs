//! A proxy on loopback in front of moto: it records what is asked for, and spoils the answer when told to.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything goes through.
    Open,
    /// GetSecretValue goes through, everything else is denied: the role of the service.
    LeastPrivilege,
    /// An answer with this status and error code.
    Error(u16, &'static str),
    /// No answer at all.
    Silent,
}

#[derive(Clone)]
struct Inner {
    upstream: String,
    mode: Arc<Mutex<Mode>>,
    asked: Arc<Mutex<Vec<String>>>,
}

pub struct Proxy {
    pub url: String,
    inner: Inner,
}

impl Proxy {
    pub async fn start(upstream: &str) -> Self {
        let inner = Inner {
            upstream: upstream.into(),
            mode: Arc::new(Mutex::new(Mode::Open)),
            asked: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    pub fn set(&self, mode: Mode) {
        *self.inner.mode.lock().unwrap() = mode;
    }

    /// The actions asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }
}

async fn pass(State(inner): State<Inner>, request: Request) -> Response {
    let target = request.headers()["x-amz-target"]
        .to_str()
        .unwrap()
        .to_owned();
    let action = target.trim_start_matches("secretsmanager.").to_owned();
    inner.asked.lock().unwrap().push(action.clone());
    let mode = *inner.mode.lock().unwrap();
    let denied = mode == Mode::LeastPrivilege && action != "GetSecretValue";
    match mode {
        _ if denied => error(400, "AccessDeniedException"),
        Mode::Error(status, code) => error(status, code),
        Mode::Silent => std::future::pending().await,
        Mode::Open | Mode::LeastPrivilege => forward(&inner.upstream, request).await,
    }
}

fn error(status: u16, code: &str) -> Response {
    let body = format!(r#"{{"__type":"{code}","message":"injected"}}"#);
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        [("content-type", "application/x-amz-json-1.1")],
        body,
    )
        .into_response()
}

/// One request, one connection: as plain as HTTP/1.1 can be.
async fn forward(upstream: &str, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap();
    let mut text = format!("POST / HTTP/1.1\r\nHost: {upstream}\r\nConnection: close\r\n");
    for name in [
        "content-type",
        "x-amz-target",
        "x-amz-date",
        "authorization",
    ] {
        let value = head.headers[name].to_str().unwrap();
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(upstream).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12])
        .unwrap()
        .parse()
        .unwrap();
    let body = Bytes::copy_from_slice(&answer[end + 4..]);
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        [("content-type", "application/x-amz-json-1.1")],
        body,
    )
        .into_response()
}
