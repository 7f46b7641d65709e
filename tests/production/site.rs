//! Where the day happens: a folder, moto, PostgreSQL, certificates, and the operator's command line.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::authority::replace;
use crate::aws::{AwsService, create, in_aws};
use crate::certificates::Certificates;
use crate::postgres::Server;
use crate::proxy::{Mode, Proxy};
use crate::replica::{PROGRAM, Replica, Settings};
use crate::support::key_with;

pub const SECRET: &str = "amply/prod/checkpoint-signing-key";
pub const OLD: &str = "amply-checkpoint-key-2025";
pub const NEW: &str = "amply-checkpoint-key-2026";

const ROLES: &str = r#"
[clients."URI:spiffe://amply.example/ledger"]
roles = ["signer"]
ledgers = ["org_*"]

[clients."URI:spiffe://amply.example/operator"]
roles = ["operator"]
"#;

/// How long to wait for what comes by itself, such as a file's being read again.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Site {
    pub folder: TempDir,
    pub certificates: Certificates,
    pub postgres: Server,
    /// The service's way to Secrets Manager: with the permission that it has in production.
    pub service_aws: Proxy,
    operator_aws: Proxy,
    pub record: String,
}

/// A day relative to this one, as the command line reads it.
pub fn day(days: i64) -> String {
    (Utc::now() + TimeDelta::days(days))
        .format("%Y-%m-%d")
        .to_string()
}

impl Site {
    /// With an empty record, and a key that has 30 days left.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(folder.path());
        replace(&folder.path().join("roles.toml"), ROLES);
        create(SECRET, &key_with(OLD, &day(-335), &day(30), 0));
        let postgres = Server::start();
        let record = postgres.database().await.url();
        let service_aws = AwsService::proxy().await;
        service_aws.set(Mode::LeastPrivilege);
        let site = Self {
            folder,
            certificates,
            postgres,
            service_aws,
            operator_aws: AwsService::proxy().await,
            record,
        };
        site.operator(&["record", "init", "--record", &site.record])
            .await;
        site
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub async fn replica(&self, name: &'static str) -> Replica {
        Replica::start(Settings {
            folder: self.path(),
            name,
            aws: &self.service_aws.url,
            source: &format!("secretsmanager:{SECRET}"),
            record: &self.record,
        })
        .await
    }

    /// A command of the operator, who shows a certificate and trusts an authority.
    pub async fn run(&self, identity: &str, ca: &str, arguments: &[&str]) -> Output {
        let mut command = Command::from(crate::starter::program(PROGRAM));
        in_aws(&mut command, &self.operator_aws.url, self.path());
        let file = |name: String| self.path().join(name);
        command
            .env("CHECKPOINT_SIGNER_SERVER_CA", file(format!("{ca}.crt")))
            .env(
                "CHECKPOINT_SIGNER_CLIENT_CERTIFICATE",
                file(format!("{identity}.crt")),
            )
            .env(
                "CHECKPOINT_SIGNER_CLIENT_KEY",
                file(format!("{identity}.key")),
            )
            .args(arguments)
            .output()
            .await
            .unwrap()
    }

    /// A command that must end well; gives what it printed.
    pub async fn operator(&self, arguments: &[&str]) -> String {
        let output = self.run("operator", "ca", arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, as JSON.
    pub async fn told(&self, arguments: &[&str]) -> Value {
        let printed = self
            .operator(&[arguments, &["--format", "json"]].concat())
            .await;
        serde_json::from_str(&printed).unwrap()
    }

    /// Repeats a command until it ends well, or until it does not.
    pub async fn until(&self, good: bool, identity: &str, ca: &str, arguments: &[&str]) {
        let begun = Instant::now();
        loop {
            let output = self.run(identity, ca, arguments).await;
            if output.status.success() == good {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{identity} {ca} {arguments:?}: {output:?}"
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}
