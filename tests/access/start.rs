//! What `serve` refuses to start with, and what it says.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use checkpoint_signer::grpc::access::{Access, MinimumTls, OpenToAll, TlsFiles};
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, replace};
use crate::guarded::{Running, files, prepare};

/// `serve` in a folder, which must not start.
pub fn refused(folder: &Path, arguments: &[&str]) -> String {
    let mut command = crate::starter::binary();
    let output: Output = command
        .current_dir(folder)
        .args([
            "serve",
            "--source",
            "file:keys.json",
            "--record",
            "sqlite:record.sqlite",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

pub const TLS: [&str; 8] = [
    "--tls-certificate",
    "server.crt",
    "--tls-key",
    "server.key",
    "--tls-client-ca",
    "ca.crt",
    "--roles",
    "roles.toml",
];

#[test]
fn without_tls_there_is_loopback_alone() {
    let (folder, _) = prepare();
    let said = refused(folder.path(), &["--grpc", "0.0.0.0:0"]);
    assert!(
        said.contains("--grpc: 0.0.0.0:0 can be reached from other machines"),
        "{said}"
    );
    for address in ["[::]:1", "10.0.0.1:1"] {
        let address = address.parse().unwrap();
        assert_eq!(Access::loopback(address).err(), Some(OpenToAll(address)));
    }
    for address in ["127.9.9.9:1", "[::1]:1"] {
        assert!(Access::loopback(address.parse().unwrap()).is_ok());
    }
}

#[test]
fn every_wrong_file_is_named_at_once() {
    let (folder, _) = prepare();
    let path = folder.path();
    replace(&path.join("server.key"), "no key");
    replace(&path.join("ca.crt"), "");
    replace(
        &path.join("roles.toml"),
        "[clients.\"DNS:a\"]\nroles = [\"admin\"]",
    );
    let said = refused(path, &TLS);
    for expected in [
        "--tls-key: server.key: is not a private key in PEM",
        "--tls-client-ca: ca.crt: has no certificate; expected PEM (CERTIFICATE)",
        "--roles: roles.toml: line 2: unknown variant `admin`, expected one of `signer`, `auditor`, `operator`",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    std::fs::remove_file(path.join("server.crt")).unwrap();
    assert!(refused(path, &TLS).contains("--tls-certificate: server.crt: No such file"));
}

#[test]
fn some_of_the_files_are_not_enough() {
    let (folder, _) = prepare();
    let said = refused(folder.path(), &TLS[..4]);
    assert!(
        said.contains("--tls-client-ca") && said.contains("--roles"),
        "{said}"
    );
}

#[tokio::test]
async fn the_key_of_another_certificate_is_refused() {
    let (folder, _) = prepare();
    replace(
        &folder.path().join("server.key"),
        &KeyPair::generate().unwrap().serialize_pem(),
    );
    let faults = Access::certificates(files(folder.path()), CancellationToken::new()).await;
    let faults = faults.err().unwrap();
    assert_eq!(faults.len(), 1);
    let fault = faults[0].to_string();
    assert!(
        fault.starts_with("--tls-key: ") && fault.contains("expected the key of that certificate"),
        "{fault}"
    );
}

#[tokio::test]
async fn what_is_read_is_bounded() {
    let (folder, _) = prepare();
    replace(&folder.path().join("roles.toml"), &"#".repeat(5_000_000));
    let files = TlsFiles {
        minimum: MinimumTls::Tls12,
        ..files(folder.path())
    };
    let faults = Access::certificates(files, CancellationToken::new())
        .await
        .err()
        .unwrap();
    assert!(
        faults[0]
            .to_string()
            .contains("has 5000000 bytes; expected at most 4194304")
    );
}

/// What a client that offers this version alone gets in the handshake.
async fn handshake(
    folder: &Path,
    port: u16,
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
) -> Result<Option<rustls::ProtocolVersion>, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
        .unwrap();
    let certificate = CertificateDer::from_pem_file(folder.join("auditor.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("auditor.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let connected = connector
        .connect(name, stream)
        .await
        .map_err(|error| error.to_string())?;
    Ok(connected.get_ref().1.protocol_version())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_is_spoken_where_it_is_configured_alone() {
    use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
    use rustls::version::{TLS12, TLS13};
    for (minimum, expected) in [("1.3", None), ("1.2", Some(TLSv1_2))] {
        let (folder, authority) = prepare();
        let path = folder.path();
        let running = Running::start_with(path, &["--tls-minimum", minimum]);
        let old = handshake(path, running.port, &authority, &TLS12).await;
        assert_eq!(old.clone().ok().flatten(), expected, "{old:?}");
        let new = handshake(path, running.port, &authority, &TLS13).await;
        assert_eq!(new, Ok(Some(TLSv1_3)));
    }
}
