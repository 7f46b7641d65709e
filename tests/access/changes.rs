//! Certificates, authorities and roles that change while the service runs.

use std::time::{Duration, Instant};

use checkpoint_signer::wire::proto::ListKeysRequest;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use tonic::Code;
use tonic::transport::Channel;

use crate::authority::{Authority, read, replace};
use crate::guarded::{Guarded, ROLES, Running, prepare};
use crate::support::refusal;

/// Far longer than it should take; a test that waits for it fails.
pub const PATIENCE: Duration = Duration::from_secs(180);

pub async fn lists(channel: &Channel) -> Result<(), tonic::Status> {
    let mut client = KeyServiceClient::new(channel.clone());
    client.list_keys(ListKeysRequest {}).await.map(drop)
}

/// Waits until the call ends like this.
async fn until(channel: impl Fn() -> Channel, expected: Option<Code>) -> Option<tonic::Status> {
    let start = Instant::now();
    loop {
        let status = lists(&channel()).await.err();
        if status.as_ref().map(tonic::Status::code) == expected {
            return status;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "expected {expected:?}, found {status:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_taken_away_ends_on_connections_that_are_open() {
    let service = Guarded::start().await;
    let (auditor, operator) = (
        service.client(Some("auditor")),
        service.client(Some("operator")),
    );
    lists(&auditor).await.unwrap();
    lists(&operator).await.unwrap();
    replace(
        &service.path("roles.toml"),
        &ROLES.replace("auditor.amply.example", "other.amply.example"),
    );
    let status = until(|| auditor.clone(), Some(Code::PermissionDenied))
        .await
        .unwrap();
    assert_eq!(refusal(status).1, "ROLE_REQUIRED");
    lists(&operator).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_ends_on_connections_that_are_open_and_on_new_ones() {
    let service = Guarded::start().await;
    let stolen = service
        .authority
        .issue(service.folder.path(), "stolen", "auditor.amply.example");
    let open = service.client(Some("stolen"));
    lists(&open).await.unwrap();
    replace(
        &service.path("ca.crl"),
        &service.authority.revocation_list(&[&stolen]),
    );
    let status = until(|| open.clone(), Some(Code::Unauthenticated))
        .await
        .unwrap();
    let (_, reason) = refusal(status);
    assert_eq!(reason, "CERTIFICATE_REFUSED");
    let again = lists(&service.client(Some("stolen"))).await.unwrap_err();
    assert!(again.details().is_empty(), "the handshake fails: {again:?}");
    lists(&service.client(Some("auditor"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_list_that_has_expired_is_told_of_once_and_still_revokes() {
    let (folder, authority) = prepare();
    let folder = folder.path();
    let stolen = authority.issue(folder, "stolen", "auditor.amply.example");
    let list = |until| authority.revocation_list_until(&[&stolen], until);
    replace(&folder.join("ca.crl"), &list(2021));
    let running = Running::start_with(folder, &["--tls-client-crl", "ca.crl"]);
    let client = |file| running.client(folder, &authority, file);
    for file in ["auditor", "operator", "auditor"] {
        lists(&client(file)).await.unwrap();
    }
    lists(&client("stolen")).await.unwrap_err();
    let told = || {
        read(&folder.join("log"))
            .matches("--tls-client-crl has expired")
            .count()
    };
    assert_eq!(told(), 1);
    // Once more for each change.
    replace(&folder.join("ca.crl"), &list(2022));
    let start = Instant::now();
    while told() != 2 {
        assert!(start.elapsed() < PATIENCE);
        lists(&client("auditor")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authority_and_the_certificates_are_replaced_without_a_restart() {
    let service = Guarded::start().await;
    let before = service.client(Some("auditor"));
    lists(&before).await.unwrap();
    // First both are believed, as an operator would do it; then the new one alone.
    let next = Authority::new("the next one");
    next.issue(
        service.folder.path(),
        "new-auditor",
        "auditor.amply.example",
    );
    let both = [
        service.authority.revocation_list(&[]),
        next.revocation_list(&[]),
    ];
    replace(&service.path("ca.crl"), &both.concat());
    replace(
        &service.path("ca.crt"),
        &format!("{}{}", service.authority.pem(), next.pem()),
    );
    until(|| service.client(Some("new-auditor")), None).await;
    lists(&before).await.unwrap();
    replace(&service.path("ca.crt"), next.pem());
    replace(&service.path("ca.crl"), &next.revocation_list(&[]));
    until(|| before.clone(), Some(Code::Unauthenticated)).await;
    lists(&service.client(Some("new-auditor"))).await.unwrap();
    // And the server's own: a client that believes the next authority alone.
    next.issue(service.folder.path(), "server", "localhost");
    let by_next = || {
        let ca = tonic::transport::Certificate::from_pem(next.pem());
        let tls = tonic::transport::ClientTlsConfig::new()
            .ca_certificate(ca)
            .domain_name("localhost");
        let tls = tls.identity(service.identity("new-auditor").pem());
        let url = format!("https://127.0.0.1:{}", service.port());
        let endpoint = tonic::transport::Endpoint::from_shared(url).unwrap();
        endpoint.tls_config(tls).unwrap().connect_lazy()
    };
    until(by_next, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_wrong_changes_nothing() {
    let service = Guarded::start().await;
    let before = read(&service.path("roles.toml"));
    replace(&service.path("roles.toml"), "clients = 1");
    replace(&service.path("server.crt"), "nothing");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(7) {
        lists(&service.client(Some("auditor"))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // What is right again is in force again.
    replace(
        &service.path("roles.toml"),
        &before.replace("auditor.amply.example", "other.amply.example"),
    );
    service
        .authority
        .issue(service.folder.path(), "server", "localhost");
    until(
        || service.client(Some("auditor")),
        Some(Code::PermissionDenied),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_list_that_its_authority_did_not_sign_changes_nothing() {
    let (folder, authority) = prepare();
    let folder = folder.path();
    replace(&folder.join("ca.crl"), &authority.revocation_list(&[]));
    let running = Running::start_with(folder, &["--tls-client-crl", "ca.crl"]);
    let auditor = || running.client(folder, &authority, "auditor");
    let open = auditor();
    lists(&open).await.unwrap();
    let told = |part: &str| read(&folder.join("log")).contains(part);
    // An authority that was made anew under its name, and a file that is none.
    let again = Authority::new("the right one").revocation_list(&[]);
    let garbage = "-----BEGIN X509 CRL-----\nMAMCAQE=\n-----END X509 CRL-----\n";
    for (list, expected) in [
        (
            again.as_str(),
            "was not signed by the authority of this name",
        ),
        (garbage, "has a revocation list that cannot be read"),
    ] {
        replace(&folder.join("ca.crl"), list);
        let start = Instant::now();
        while !told(expected) {
            assert!(start.elapsed() < PATIENCE, "{expected}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(told("--tls-client-crl: ca.crl: has a revocation list"));
        lists(&open).await.unwrap();
        lists(&auditor()).await.unwrap();
    }
    drop(running);
    let said = crate::start::refused(
        folder,
        &[&crate::start::TLS[..], &["--tls-client-crl", "ca.crl"]].concat(),
    );
    assert!(said.contains("--tls-client-crl: ca.crl: "), "{said}");
}

/// Its own certificates are good until 2099; TLS itself would go on with them.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_by_an_authority_that_has_ended_is_refused() {
    let service = Guarded::start().await;
    let yore = Authority::new("of yore");
    yore.issue(service.folder.path(), "of-yore", "auditor.amply.example");
    let revoked = [
        service.authority.revocation_list(&[]),
        yore.revocation_list(&[]),
    ];
    replace(&service.path("ca.crl"), &revoked.concat());
    let believe = |pem: &str| {
        let both = format!("{}{pem}", service.authority.pem());
        replace(&service.path("ca.crt"), &both);
    };
    believe(yore.pem());
    until(|| service.client(Some("of-yore")), None).await;
    let open = service.client(Some("of-yore"));
    lists(&open).await.unwrap();
    believe(&yore.as_if_ended("of yore", 2024));
    until(|| open.clone(), Some(Code::Unauthenticated)).await;
    lists(&service.client(Some("of-yore"))).await.unwrap_err();
    lists(&service.client(Some("auditor"))).await.unwrap();
}
