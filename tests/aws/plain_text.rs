//! Whoever starts a task can say where its calls go: in plain text they go nowhere but to this machine.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use tokio::process::Command;

use crate::aws::{Ended, Operator};
use crate::wait;

/// An address that is none of this machine's by its text, and leads to a listener that nothing must reach.
struct Elsewhere {
    listener: TcpListener,
    url: String,
}

impl Elsewhere {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        Self {
            listener,
            url: format!("http://0.0.0.0:{port}"),
        }
    }

    fn was_left_alone(&self) {
        let reached = self.listener.accept();
        assert!(reached.is_err(), "something was sent: {reached:?}");
    }
}

const STATUS: [&str; 4] = ["rollover", "status", "--secret", "some"];
const VERIFY: [&str; 4] = ["record", "verify", "--record", "secretsmanager:some"];

async fn ends(mut command: Command) -> Ended {
    let output = wait::within("the command to end", command.output());
    output.await.unwrap().into()
}

#[tokio::test]
async fn by_each_variable_that_leads_secrets_manager_elsewhere() {
    let (operator, elsewhere) = (Operator::new().await, Elsewhere::new());
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
        for arguments in [STATUS, VERIFY] {
            let mut command = operator.command(&arguments);
            command.env(variable, &elsewhere.url);
            let ended = ends(command).await;
            assert_ne!(ended.code, 0, "{}", ended.text);
            let told = format!("{}: is plain http", elsewhere.url);
            assert!(ended.text.contains(&told), "{}", ended.text);
            let by = format!("it is there by {variable}");
            assert!(ended.text.contains(&by), "{}", ended.text);
        }
    }
    elsewhere.was_left_alone();
}

#[tokio::test]
async fn by_the_profile_for_all_services_and_for_one() {
    let (operator, elsewhere) = (Operator::new().await, Elsewhere::new());
    let url = &elsewhere.url;
    let all = format!("[default]\nendpoint_url = {url}\n");
    // By AWS's documentation it is `secrets_manager`; the SDK reads it with a hyphen.
    let led = |name: &str| format!("{name} =\n  endpoint_url = {url}\n");
    let one = ["secrets_manager", "secrets-manager"].map(led).concat();
    let one = format!("[default]\nservices = led\n[services led]\n{one}");
    for profile in [all, one] {
        let mut command = operator.command(&STATUS);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &profile).unwrap();
        command
            .env_remove("AWS_ENDPOINT_URL")
            .env("AWS_CONFIG_FILE", file.path());
        let ended = ends(command).await;
        let told = "is plain http";
        assert!(ended.text.contains(told), "{profile}: {}", ended.text);
        assert!(ended.text.contains("~/.aws/config"), "{}", ended.text);
    }
    elsewhere.was_left_alone();
}

#[tokio::test]
async fn by_what_gives_the_credentials() {
    let (operator, elsewhere) = (Operator::new().await, Elsewhere::new());
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "a token that is good for an hour").unwrap();
    let mut command = operator.command(&STATUS);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token.path())
        .env("AWS_ENDPOINT_URL_STS", &elsewhere.url);
    let ended = ends(command).await;
    assert_ne!(ended.code, 0, "{}", ended.text);
    assert!(ended.text.contains("is plain http"), "{}", ended.text);
    assert!(
        ended.text.contains("AWS_ENDPOINT_URL_STS"),
        "{}",
        ended.text
    );
    assert!(!ended.text.contains("a token"), "{}", ended.text);
    elsewhere.was_left_alone();
}

#[tokio::test]
async fn by_the_addresses_that_are_for_credentials_alone() {
    let operator = Operator::new().await;
    for link in ["http://169.254.170.2", "http://169.254.169.254:8080"] {
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
            let mut command = operator.command(&STATUS);
            command.env(variable, link);
            let ended = ends(command).await;
            let told = format!("{link}: is plain http");
            assert!(ended.text.contains(&told), "{}", ended.text);
        }
    }
}

/// The agent of a container, which gives credentials, and tells the requests that came.
fn agent() -> (String, std::sync::mpsc::Receiver<String>) {
    const GIVEN: &str = r#"{"AccessKeyId":"id","SecretAccessKey":"secret","Token":"token","Expiration":"2099-01-01T00:00:00Z"}"#;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/credentials", listener.local_addr().unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = BufReader::new(connection.unwrap());
            let mut first = String::new();
            let _ = connection.read_line(&mut first);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{GIVEN}",
                GIVEN.len()
            );
            let _ = connection.get_mut().write_all(answer.as_bytes());
            let _ = tell.send(first);
        }
    });
    (url, told)
}

#[tokio::test]
async fn by_no_proxy_that_the_environment_names() {
    let (operator, proxy) = (Operator::new().await, Elsewhere::new());
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let (url, told) = agent();
        let mut command = operator.command(&STATUS);
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
            .env(variable, &proxy.url);
        let ended = ends(command).await;
        assert!(ended.text.contains("no such secret"), "{}", ended.text);
        let asked = told.try_recv();
        assert!(
            asked.is_ok_and(|first| first.starts_with("GET /credentials ")),
            "{variable}"
        );
        proxy.was_left_alone();
    }
}
