//! A service with certificates, on a clock that the test moves.

use std::sync::Arc;

use checkpoint_signer::clock::Clock;
use checkpoint_signer::grpc::access::{Access, MinimumTls, TlsFiles};
use checkpoint_signer::http::MetricsPlace;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::service::{Parts, Service};
use checkpoint_signer::source::FileSource;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::authority::{Authority, replace};
use crate::scrape::Scrape;
use crate::support::{at, key_of, write_keys};

const ROLES: &str = r#"
[clients."URI:spiffe://amply.example/ledger"]
roles = ["signer"]
"#;

pub struct Guarded {
    pub folder: TempDir,
    pub authority: Authority,
    pub clock: Clock,
    service: Service,
    _reading: DropGuard,
}

impl Guarded {
    /// With a certificate that ends on 31 January 2026, and an authority that does not.
    pub async fn start(start: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let authority = Authority::new("of clients and servers");
        authority.issue_until(folder.path(), "server", "localhost", 2026);
        replace(&path("ca.crt"), authority.pem());
        replace(&path("roles.toml"), ROLES);
        write_keys(folder.path(), &key_of(2025));
        SqliteRecord::init(&path("record.sqlite")).unwrap();
        let reading = CancellationToken::new();
        let files = TlsFiles {
            certificate: path("server.crt"),
            key: path("server.key"),
            client_ca: path("ca.crt"),
            client_crl: None,
            roles: path("roles.toml"),
            minimum: MinimumTls::Tls13,
        };
        let clock = Clock::simulated(at(start));
        let service = Service::start(Parts {
            clock: clock.clone(),
            source: Box::new(FileSource::new(&path("keys.json"))),
            record: Arc::new(SqliteRecord::open(&path("record.sqlite")).unwrap()),
            log: "test-record".parse().unwrap(),
            max_entry_jump: Default::default(),
            witnesses: Default::default(),
            grpc: ([127, 0, 0, 1], 0).into(),
            access: Access::certificates(files, reading.clone()).await.unwrap(),
            http: None,
            public_url: None,
            metrics: Some(MetricsPlace::Own(([127, 0, 0, 1], 0).into())),
        });
        let service = service.await.unwrap();
        Self {
            folder,
            authority,
            clock,
            service,
            _reading: reading.drop_guard(),
        }
    }

    pub async fn scrape(&self) -> Scrape {
        let address = format!("http://{}", self.service.metrics().unwrap());
        let scraped = tokio::task::spawn_blocking(move || Scrape::of(&address));
        scraped.await.unwrap()
    }

    /// When a file's first certificate ends, as the metrics have it.
    pub async fn shown(&self, file: &str) -> Option<f64> {
        let series = format!("certificate_expiration_timestamp_seconds{{file=\"{file}\"}}");
        self.scrape().await.get(&series)
    }

    /// From when on that one is valid.
    pub async fn begins(&self, file: &str) -> Option<f64> {
        let series = format!("certificate_not_before_timestamp_seconds{{file=\"{file}\"}}");
        self.scrape().await.get(&series)
    }
}
