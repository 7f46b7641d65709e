//! A service that asks for certificates, its authority, and a client of each kind.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;

use checkpoint_signer::clock::Clock;
use checkpoint_signer::grpc::access::{Access, MinimumTls, TlsFiles};
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::service::{Parts, Service};
use checkpoint_signer::source::FileSource;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::authority::{Authority, Identity, replace};
use crate::support::{at, key_of, key_with, write_keys};

pub const ROLES: &str = r#"
[clients."URI:spiffe://amply.example/ledger"]
roles = ["signer"]

[clients."URI:spiffe://amply.example/ledger-of-one"]
roles = ["signer"]
ledgers = ["org_2", "eu_*"]

[clients."DNS:auditor.amply.example"]
roles = ["auditor"]

[clients."URI:spiffe://amply.example/operator"]
roles = ["operator"]
"#;

pub struct Guarded {
    pub folder: TempDir,
    pub authority: Authority,
    pub service: Service,
    _reading: tokio_util::sync::DropGuard,
}

/// The folder with the files of TLS and of the service, before it starts.
pub fn prepare() -> (TempDir, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let authority = Authority::new("the right one");
    authority.issue(path, "server", "localhost");
    for (file, name) in [
        ("ledger", "spiffe://amply.example/ledger"),
        ("ledger-of-one", "spiffe://amply.example/ledger-of-one"),
        ("auditor", "auditor.amply.example"),
        ("operator", "spiffe://amply.example/operator"),
        ("nobody", "spiffe://amply.example/nobody"),
    ] {
        authority.issue(path, file, name);
    }
    authority.issue_until(path, "expired", "spiffe://amply.example/ledger", 2024);
    Authority::new("the wrong one").issue(path, "stranger", "spiffe://amply.example/ledger");
    replace(&path.join("ca.crt"), authority.pem());
    replace(&path.join("roles.toml"), ROLES);
    replace(&path.join("ca.crl"), &authority.revocation_list(&[]));
    write_keys(path, &key_of(2025));
    SqliteRecord::init(&path.join("record.sqlite")).unwrap();
    (folder, authority)
}

pub fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("server.crt"),
        key: folder.join("server.key"),
        client_ca: folder.join("ca.crt"),
        client_crl: Some(folder.join("ca.crl")),
        roles: folder.join("roles.toml"),
        minimum: MinimumTls::Tls13,
    }
}

impl Guarded {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With files that were changed before.
    pub async fn start_with(change: impl FnOnce(&Path)) -> Self {
        let (folder, authority) = prepare();
        change(folder.path());
        let reading = CancellationToken::new();
        let mut files = files(folder.path());
        files.client_crl = files.client_crl.filter(|list| list.exists());
        let access = Access::certificates(files, reading.clone());
        let service = Service::start(Parts {
            clock: Clock::simulated(at("2025-06-01T12:00:00Z")),
            source: Box::new(FileSource::new(&folder.path().join("keys.json"))),
            record: Arc::new(SqliteRecord::open(&folder.path().join("record.sqlite")).unwrap()),
            log: "test-record".parse().unwrap(),
            max_entry_jump: Default::default(),
            witnesses: Default::default(),
            grpc: ([127, 0, 0, 1], 0).into(),
            access: access.await.unwrap(),
            http: None,
            public_url: None,
            metrics: None,
        });
        Self {
            service: service.await.unwrap(),
            folder,
            authority,
            _reading: reading.drop_guard(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn identity(&self, file: &str) -> Identity {
        Identity::in_folder(self.folder.path(), file)
    }

    pub fn port(&self) -> u16 {
        self.service.grpc().port()
    }

    /// A client with this certificate, or with none. It connects when it is used.
    pub fn client(&self, file: Option<&str>) -> Channel {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.authority.pem()))
            .domain_name("localhost");
        if let Some(file) = file {
            tls = tls.identity(self.identity(file).pem());
        }
        let url = format!("https://127.0.0.1:{}", self.port());
        let endpoint = Endpoint::from_shared(url).unwrap();
        endpoint.tls_config(tls).unwrap().connect_lazy()
    }
}

/// The binary, with TLS, in a folder that [`prepare`] made.
pub struct Running {
    pub child: Child,
    pub port: u16,
}

impl Running {
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub fn start_with(folder: &Path, arguments: &[&str]) -> Self {
        // The binary's clock is the machine's.
        write_keys(folder, &key_with("key-now", "2020-01-01", "2099-01-01", 0));
        let mut command = crate::starter::binary();
        let mut child = command
            .current_dir(folder)
            .args(["--log-level", "error", "serve", "--grpc", "127.0.0.1:0"])
            .args([
                "--source",
                "file:keys.json",
                "--record",
                "sqlite:record.sqlite",
            ])
            .args(["--tls-certificate", "server.crt", "--tls-key", "server.key"])
            .args(["--tls-client-ca", "ca.crt", "--roles", "roles.toml"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let what = "a service to say where it listens";
        let line = crate::wait::line(child.id(), &mut stdout, what);
        let port = line.rsplit(':').next().unwrap().parse().unwrap();
        assert!(line.starts_with("gRPC on https://127.0.0.1:"), "{line}");
        Self { child, port }
    }

    pub fn client(&self, folder: &Path, authority: &Authority, file: &str) -> Channel {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(authority.pem()))
            .identity(Identity::in_folder(folder, file).pem())
            .domain_name("localhost");
        let url = format!("https://127.0.0.1:{}", self.port);
        Endpoint::from_shared(url)
            .unwrap()
            .tls_config(tls)
            .unwrap()
            .connect_lazy()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
