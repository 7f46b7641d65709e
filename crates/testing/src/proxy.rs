//! A proxy on loopback in front of moto: it records what is asked for, and spoils the answer when told to.
//!
//! It also holds AWS's rule that a version is never changed, which moto leaves out for versions that are
//! AWSPENDING: a token that was used for another value is refused (AWS, PutSecretValue).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything goes through.
    Open,
    /// GetSecretValue goes through, everything else is denied: the role of the service.
    LeastPrivilege,
    /// An answer with this status and error code.
    Error(u16, &'static str),
    /// This is what AWS says to requests for this action, of this label or version, or to all (""): a status, a code and a message. The others
    /// go through.
    Says(&'static str, u16, &'static str, &'static str),
    /// A page of HTML in place of each answer, as a proxy in between gives it.
    Page,
    /// No answer at all.
    Silent,
    /// So many requests go through; the last of these is carried out, but never answered.
    CutAfter(usize),
    /// The next request for this action is carried out, and answered with a server's error.
    LoseAnswer(&'static str),
    /// Requests for this action, or of this label, wait until [`Proxy::release`], also when they are sent again since they were not
    /// answered in time; the others go through.
    Hold(&'static str),
}

/// The value that was put with a token into a secret of a server, whichever proxy it came by.
static VALUES: Mutex<BTreeMap<(String, String, String), String>> = Mutex::new(BTreeMap::new());

/// What its answers have for a `Date`.
#[derive(Clone, Copy, Debug)]
pub enum Dated {
    /// So many seconds behind the machine's clock.
    Behind(i64),
    /// This text.
    As(&'static str),
    /// None.
    Not,
}

#[derive(Clone)]
struct Inner {
    upstream: String,
    mode: Arc<Mutex<Mode>>,
    asked: Arc<Mutex<Vec<String>>>,
    dated: Arc<Mutex<Dated>>,
    reached: Arc<Notify>,
    released: Arc<Notify>,
}

#[derive(Clone)]
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
            dated: Arc::new(Mutex::new(Dated::Behind(0))),
            reached: Arc::default(),
            released: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(inner.clone());
        tokio::spawn(serve(listener, router));
        Self { url, inner }
    }

    pub fn set(&self, mode: Mode) {
        self.inner.set(mode);
    }

    /// Shows another Date from now on.
    pub fn show_date(&self, dated: Dated) {
        *self.inner.dated.lock().unwrap() = dated;
    }

    /// Returns once the request is there that is held or cut.
    pub async fn reached(&self) {
        self.inner.reached.notified().await;
    }

    /// Lets what is held go on, and all else.
    pub fn release(&self) {
        self.inner.set(Mode::Open);
        self.inner.released.notify_waiters();
    }

    /// The actions asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }
}

/// Without the `Date` that a server adds by itself.
async fn serve(listener: TcpListener, router: Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            server.auto_date_header(false);
            // A client that goes away is no matter.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn pass(State(inner): State<Inner>, request: Request) -> Response {
    let dated = inner.clone();
    dated.date(answer(inner, request).await)
}

async fn answer(inner: Inner, request: Request) -> Response {
    let target = request.headers()["x-amz-target"]
        .to_str()
        .unwrap()
        .to_owned();
    let action = target.trim_start_matches("secretsmanager.").to_owned();
    inner.asked.lock().unwrap().push(action.clone());
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap();
    let asked = serde_json::from_slice::<serde_json::Value>(&body).unwrap();
    let (stage, version) = (&asked["VersionStage"], &asked["VersionId"]);
    let forward = async || forward(&inner, &head, &body).await;
    let mode = *inner.mode.lock().unwrap();
    let denied = mode == Mode::LeastPrivilege && action != "GetSecretValue";
    match mode {
        _ if denied => error(400, "AccessDeniedException"),
        Mode::Error(status, code) => error(status, code),
        Mode::Says(to, status, code, message)
            if to.is_empty() || to == action || stage == to || version == to =>
        {
            refusal(status, code, message)
        }
        Mode::Page => {
            let page = "<!DOCTYPE html><title>Sign in</title>";
            ([("content-type", "text/html")], page).into_response()
        }
        Mode::Silent => std::future::pending().await,
        Mode::CutAfter(left) => {
            inner.set(Mode::CutAfter(left.saturating_sub(1)));
            if left > 1 {
                return forward().await;
            }
            if left == 1 {
                forward().await;
            }
            inner.reached.notify_one();
            std::future::pending().await
        }
        Mode::Hold(held) if held == action || stage == held => {
            let mut released = std::pin::pin!(inner.released.notified());
            released.as_mut().enable();
            inner.reached.notify_one();
            if *inner.mode.lock().unwrap() == mode {
                released.await;
            }
            forward().await
        }
        Mode::LoseAnswer(lost) if lost == action => {
            inner.set(Mode::Open);
            forward().await;
            error(500, "InternalServiceError")
        }
        Mode::Open
        | Mode::LeastPrivilege
        | Mode::Says(..)
        | Mode::Hold(_)
        | Mode::LoseAnswer(_) => forward().await,
    }
}

impl Inner {
    fn date(&self, mut response: Response) -> Response {
        let date = match *self.dated.lock().unwrap() {
            Dated::Not => return response,
            Dated::As(text) => text.to_owned(),
            Dated::Behind(seconds) => {
                let shown = chrono::Utc::now() - chrono::TimeDelta::seconds(seconds);
                shown.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
            }
        };
        response.headers_mut().insert("date", date.parse().unwrap());
        response
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// Whether the value may be put: the token was not used for another one.
    fn may_put(&self, body: &[u8]) -> bool {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let mut values = VALUES.lock().unwrap();
        let server = self.upstream.clone();
        let place = (server, text("SecretId"), text("ClientRequestToken"));
        let value = text("SecretString");
        *values.entry(place).or_insert_with(|| value.clone()) == value
    }
}

fn error(status: u16, code: &str) -> Response {
    refusal(status, code, "injected")
}

fn refusal(status: u16, code: &str, message: &str) -> Response {
    let body = serde_json::json!({ "__type": code, "message": message }).to_string();
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        [("content-type", "application/x-amz-json-1.1")],
        body,
    )
        .into_response()
}

/// One request, one connection: as plain as HTTP/1.1 can be.
async fn forward(inner: &Inner, head: &Parts, body: &[u8]) -> Response {
    let upstream = &inner.upstream;
    if head.headers["x-amz-target"] == "secretsmanager.PutSecretValue" && !inner.may_put(body) {
        return error(400, "ResourceExistsException");
    }
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
    stream.write_all(body).await.unwrap();
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
