//! Who asks another thing than the service, or asks it wrongly, is told what is there, and a command that works when it is typed.

use std::path::Path;

use checkpoint_signer::client::{ClientTls, RemotePeer};
use checkpoint_signer::service::{Peer as _, PeerAnswer};

use crate::authority::Authority;
use crate::guarded::Guarded;
use crate::starter;
use crate::support::TestService;
use crate::wait;

/// Exit code, and all that was said.
fn run(folder: &Path, variables: &[(&str, &str)], command: &str) -> (i32, String) {
    let mut shell = starter::program("sh");
    let shell = shell.args(["-c", command]).current_dir(folder);
    let output = wait::output(shell.envs(variables.iter().copied()));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    (output.status.code().unwrap(), said)
}

/// A refusal says this, and its command works with the operator's files.
fn goes_on(
    folder: &Path,
    variables: &[(&str, &str)],
    arguments: &str,
    expected: &str,
    change: &[(&str, &str)],
) {
    let program = testing::checkpoint_signer();
    let (code, said) = run(
        folder,
        variables,
        &format!("{} {arguments}", program.display()),
    );
    assert!(code == 2 && said.contains(expected), "{arguments}: {said}");
    let (_, next) = said
        .split_once(". Next: ")
        .unwrap_or_else(|| panic!("{said}"));
    let mut next = next.lines().next().unwrap().to_owned();
    let files = [
        ("CA.pem", "ca.crt"),
        ("CLIENT.pem", "operator.crt"),
        ("CLIENT.key", "operator.key"),
    ];
    for (from, to) in files.iter().chain(change) {
        next = next.replace(from, to);
    }
    let (code, done) = run(folder, variables, &next);
    assert_eq!(code, 0, "{next}: {done}");
}

const OPERATOR: &str = "--client-certificate operator.crt --client-key operator.key";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_tls_that_is_asked_wrongly() {
    let guarded = Guarded::start().await;
    let folder = guarded.folder.path();
    Authority::new("another one").issue(folder, "x", "spiffe://amply.example/x");
    std::fs::write(
        folder.join("other.crt"),
        Authority::new("another one").pem(),
    )
    .unwrap();
    // The same name, with another key.
    std::fs::write(
        folder.join("namesake.crt"),
        Authority::new("the right one").pem(),
    )
    .unwrap();
    let port = guarded.port();
    let list = format!("keys list --server https://localhost:{port}");
    let http = format!("--server http://localhost:{port}");
    for (arguments, expected) in [
        (
            format!("keys list {http}"),
            "it speaks TLS there; expected https://",
        ),
        (
            format!("health {http}"),
            "it speaks TLS there; expected https://",
        ),
        (
            format!("keys export --server=http://localhost:{port}"),
            "it speaks TLS there",
        ),
        (
            format!("{list} --server-ca ca.crt"),
            "it asks for a client certificate, and none was given",
        ),
        (
            format!("{list} {OPERATOR}"),
            "its certificate is not of an authority that is trusted here",
        ),
        (
            format!("{list} {OPERATOR} --server-ca other.crt"),
            "expected --server-ca with the authority that issued it",
        ),
        (
            format!("{list} {OPERATOR} --server-ca namesake.crt"),
            "expected --server-ca with the authority that issued it",
        ),
        (
            format!(
                "{list} --server-ca ca.crt --client-certificate stranger.crt --client-key stranger.key"
            ),
            "it refuses the client certificate (",
        ),
        (
            format!(
                "{list} --server-ca ca.crt --client-certificate expired.crt --client-key expired.key"
            ),
            "it refuses the client certificate (CertificateExpired)",
        ),
        (
            format!("keys list --server https://127.0.0.1:{port} --server-ca ca.crt {OPERATOR}"),
            "its certificate is for other names (localhost); expected --server with a name of them",
        ),
    ] {
        goes_on(folder, &[], &arguments, expected, &[]);
    }
    // A peer is told of as well.
    let url = format!("http://localhost:{port}");
    let peer = RemotePeer {
        url,
        tls: ClientTls::default(),
    };
    match peer.tell().await.answer {
        PeerAnswer::None(why) => assert!(
            why.contains("it speaks TLS there; expected https://"),
            "{why}"
        ),
        _ => panic!("it answered"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_tls_that_is_asked_for_it_and_the_port_of_http() {
    let (guarded, plain) = (Guarded::start().await, TestService::new().await);
    let folder = guarded.folder.path();
    let (grpc, http) = (plain.grpc(), plain.http());
    let port = grpc.rsplit(':').next().unwrap();
    let over_tls = |url: &str| url.replace("http://", "https://");
    let wrong = "it does not speak TLS there; expected http://";
    goes_on(
        folder,
        &[],
        &format!("keys list --server {}", over_tls(&grpc)),
        wrong,
        &[],
    );
    let files = format!(
        "keys list --server-ca ca.crt {OPERATOR} --server {}",
        over_tls(&grpc)
    );
    goes_on(folder, &[], &files, wrong, &[]);
    let set = [
        ("CHECKPOINT_SIGNER_SERVER_CA", "ca.crt"),
        ("CHECKPOINT_SIGNER_SERVER", &over_tls(&grpc)),
    ];
    goes_on(folder, &set, "keys list", wrong, &[]);
    let wrong = "HTTP is served there (the page, the published keys), and no gRPC; expected the port of gRPC";
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/checkpoint.json");
    let program = testing::checkpoint_signer().display().to_string();
    let sign = format!("{program} sign {example} --server {grpc} > signed.json");
    let (code, said) = run(folder, &[], &sign);
    assert_eq!(code, 0, "{said}");
    for command in [
        "keys list",
        "health",
        "record head",
        "keys export",
        "verify signed.json",
    ] {
        let asked = format!("{command} --server {http}");
        goes_on(
            folder,
            &[],
            &asked,
            wrong,
            &[(":50051", &format!(":{port}"))],
        );
    }
    let (code, said) = run(
        folder,
        &[],
        &format!(
            "{} keys list --server {}",
            testing::checkpoint_signer().display(),
            over_tls(&http)
        ),
    );
    assert!(code == 2 && said.contains(wrong), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_certificate_has_ended() {
    let guarded = Guarded::start_with(|folder| {
        // The authority that signed the rest is gone: this one is told by its own file.
        let authority = Authority::new("of the service");
        authority.issue_until(folder, "server", "localhost", 2024);
        std::fs::write(folder.join("its-ca.crt"), authority.pem()).unwrap();
    });
    let guarded = guarded.await;
    let list = format!(
        "keys list --server https://localhost:{} --server-ca its-ca.crt {OPERATOR}",
        guarded.port()
    );
    let folder = guarded.folder.path();
    let (code, said) = run(
        folder,
        &[],
        &format!("{} {list}", testing::checkpoint_signer().display()),
    );
    assert!(
        code == 2
            && said
                .contains("its certificate is outside of its validity by this machine's clock ("),
        "{said}"
    );
    assert!(
        said.contains(&format!(
            "Next: {} {list}",
            testing::checkpoint_signer().display()
        )),
        "{said}"
    );
    // Once it has a new one, the command works.
    let authority = Authority::new("of the service");
    authority.issue(folder, "server", "localhost");
    std::fs::write(folder.join("its-ca.crt"), authority.pem()).unwrap();
    let asked = || {
        run(
            folder,
            &[],
            &format!("{} {list}", testing::checkpoint_signer().display()),
        )
        .0 == 0
    };
    wait::until("the new certificate to be read", async || asked()).await;
}
