//! A whole installation on loopback: the stacks of `deploy/` for production in moto, PostgreSQL, two replicas with mutual
//! TLS, a ledger that has checkpoints signed, and the machine of an operator.

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{TimeDelta, Utc};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::authority::{Authority, read};
use crate::cloud::Cloud;
use crate::faketime::same_day;
use crate::fargate::{DATABASE, FILES, Fargate};
use crate::ledger::Ledger;
use crate::port::HeldPort;
use crate::postgres::{Database, Server};
use crate::program::must;
use crate::proxy::Proxy;
use crate::tools;

const PROGRAM: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

pub const KEY: &str = "amply-checkpoint-key-2026";
pub const SECRET: &str = "amply/prod/checkpoint-signing-key";
/// Of the tests' server.
const SUPERUSER: &str = "postgres";
/// As RDS has one.
pub const ADMINISTRATOR: &str = "master";
/// The owner of production's record, as `deploy/README.md` has it made, and the name of its database.
pub const OWNER: &str = "checkpoint_signer_prod";
const LOG_GROUP: &str = "/checkpoint-signer/prod";
const LOG_STREAM: &str = "signer/tasks";
pub const SCRATCH: &str = "amply/prod/scratch-database-url";
pub const BUCKET: &str = "amply-checkpoint-backup";

/// Who may do what.
const ROLES: &str = r#"
[clients."URI:spiffe://amply.example/ledger"]
roles = ["signer"]
[clients."URI:spiffe://amply.example/operator"]
roles = ["operator", "auditor"]
"#;

pub struct Installation {
    pub fargate: Fargate,
    pub cloud: Cloud,
    pub authority: Authority,
    /// Where the operator works.
    pub desk: PathBuf,
    pub ledger: Ledger,
    /// The way of the tasks to Secrets Manager.
    pub proxy: Proxy,
    pub database: &'static Server,
    /// The names of the databases: the record's, and an empty one.
    names: [String; 2],
    /// Who owns the record's tables, and who may make roles.
    users: [&'static str; 2],
    /// Where a service may be tried.
    trial: HeldPort,
    pub runtime: Runtime,
    home: TempDir,
}

impl Installation {
    pub fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let (record, scratch) =
            runtime.block_on(async { (Database::new().await, Database::new().await) });
        let names = [record.name, scratch.name];
        Self::on(record.server, names, [SUPERUSER; 2], runtime)
    }

    /// With a database as `deploy/README.md` has it made by an administrator who is no superuser, on a server of its own.
    pub fn with_a_database_as_it_is_made() -> Self {
        let runtime = Runtime::new().unwrap();
        let server: &'static Server = Box::leak(Box::new(Server::start()));
        runtime.block_on(server.administrator(ADMINISTRATOR));
        crate::database::is_made(server);
        let scratch = runtime.block_on(server.database()).name;
        Self::on(
            server,
            [OWNER.into(), scratch],
            [OWNER, ADMINISTRATOR],
            runtime,
        )
    }

    /// With a PostgreSQL of its own, which may be stopped.
    pub fn with_own_database() -> Self {
        let runtime = Runtime::new().unwrap();
        let server: &'static Server = Box::leak(Box::new(Server::start()));
        let names = runtime
            .block_on(async { [server.database().await.name, server.database().await.name] });
        Self::on(server, names, [SUPERUSER; 2], runtime)
    }

    fn on(
        database: &'static Server,
        names: [String; 2],
        users: [&'static str; 2],
        runtime: Runtime,
    ) -> Self {
        let mut cloud = Cloud::with_stacks("prod");
        let home = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = home.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let (desk, bin, ledger) = (folder("desk"), folder("bin"), folder("ledger"));
        tools::put_into(&bin);
        let authority = Authority::new("the authority");
        let upstream = cloud.address.trim_start_matches("http://").to_owned();
        let proxy = runtime.block_on(Proxy::start(&upstream));
        let fargate = Fargate::new(home.path(), &proxy.url, 2);
        let servers =
            [0, 1].map(|replica| format!("https://localhost:{}", fargate.ports(replica).grpc));
        for folder in [&desk, &ledger] {
            std::fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
        }
        authority.issue(&desk, "operator", "spiffe://amply.example/operator");
        authority.issue(&ledger, "ledger", "spiffe://amply.example/ledger");
        fill_secrets(
            &mut cloud,
            &authority,
            home.path(),
            [
                database.url_of(users[0], &names[0]),
                database.url(&names[1]),
            ],
        );
        let mut installation = Self {
            fargate,
            cloud,
            authority,
            desk,
            ledger: Ledger::new(ledger, servers),
            proxy,
            database,
            names,
            users,
            trial: HeldPort::new(),
            runtime,
            home,
        };
        let stream = json!({ "logGroupName": LOG_GROUP, "logStreamName": LOG_STREAM });
        installation.cloud.ask("logs.create_log_stream", stream);
        installation.prepare_desk();
        installation.first_key();
        installation.must(&["record", "init"]);
        installation.deploy_replicas("2");
        for count in 1..=3 {
            installation.ledger.signs("org_1", count);
            installation.ledger.signs("org_2", count);
        }
        installation.ship_logs();
        installation
    }

    /// The operator's files: profiles, the database's password, and what the pages begin with.
    fn prepare_desk(&self) {
        let home = self.home.path();
        std::fs::create_dir(home.join(".aws")).unwrap();
        self.has_the_roles_of("");
        let password = home.join(".pgpass");
        std::fs::write(&password, "*:*:*:*:secret word\n").unwrap();
        let only_mine = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&password, only_mine).unwrap();
        let site = crate::page::folder().join("site.sh");
        std::fs::copy(site, self.desk.join("site.sh")).unwrap();
        std::fs::create_dir(self.desk.join("deploy")).unwrap();
        for template in ["deploy/service.yaml", "deploy/key.yaml"] {
            std::fs::copy(crate::cloud::path(template), self.desk.join(template)).unwrap();
        }
    }

    /// The operator's profiles: the roles of the stacks, in another region by `@REGION`.
    pub fn has_the_roles_of(&self, region: &str) {
        let profile = |name: &str, caller: &str| {
            format!("[{name}]\naws_access_key_id = {caller}\naws_secret_access_key = secret\n")
        };
        let profiles = profile("administrator", "administrator")
            + &profile("operator", &format!("key.OperatorRole{region}"))
            + &profile("record", &format!("key.RecordRole{region}"))
            + &profile("files", &format!("key.FilesRole{region}"))
            // What the organization lets these alone do, nothing here refuses (`organization.rs` holds each command against it).
            + &["deployment", "on-call", "trust"].map(|name| profile(name, "administrator")).concat();
        std::fs::write(self.home.path().join(".aws/credentials"), profiles).unwrap();
    }

    fn first_key(&self) {
        let day = |days| {
            (Utc::now() + TimeDelta::days(days))
                .format("%Y-%m-%d")
                .to_string()
        };
        let (from, until) = (day(-335), day(30));
        let window = ["--valid-from", &from, "--valid-until", &until];
        let first = ["rollover", "stage", "--key-id", KEY, "--bits", "2048"];
        self.must_as_operator(&[&first[..], &window].concat());
    }

    /// What `site.sh` would say of this installation.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let first = self.fargate.ports(0);
        let http = |port| format!("http://127.0.0.1:{port}");
        let text = |text: &str| text.to_owned();
        let [record, scratch] = self.names.clone();
        vec![
            ("AWS_REGION", text("eu-central-1")),
            ("CHECKPOINT_SIGNER_SERVER", self.ledger.servers[0].clone()),
            ("PUBLIC_URL", http(first.http)),
            ("METRICS_URL", http(first.metrics) + "/metrics"),
            ("PGHOST", text("127.0.0.1")),
            ("PGPORT", self.database.port.to_string()),
            ("PGUSER", text(self.users[0])),
            ("DATABASE_ADMIN", text(self.users[1])),
            ("PGDATABASE", record),
            ("SCRATCH_DATABASE", scratch),
            ("STACK", text("service")),
            ("KEY_STACK", text("key")),
            ("TRAIL_LOG_GROUP", text("trail")),
            ("DATABASE_SECRET", text(DATABASE)),
            ("TRIAL", format!("127.0.0.1:{}", self.trial.port)),
            ("BACKUP_BUCKET", text(BUCKET)),
        ]
    }

    /// A program on the operator's machine, as an administrator of the account.
    pub fn command(&self, program: &str) -> Command {
        let (home, path) = (self.home.path(), std::env::var("PATH").unwrap_or_default());
        let mut command = crate::starter::program(program);
        command
            .current_dir(&self.desk)
            .env_clear()
            .envs(same_day())
            .env("PATH", format!("{}/bin:{path}", home.display()))
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            .env("AWS_ENDPOINT_URL", &self.cloud.address)
            .env("AWS_DEFAULT_REGION", "eu-central-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // Less than a block may take, so that it is told which service does not have the key.
            .env("CHECKPOINT_SIGNER_WAIT", "200")
            .envs(self.variables());
        command
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(PROGRAM);
        // Whoever looks after the record has its address.
        let profile = match arguments[0] {
            "record" => "record",
            _ => "administrator",
        };
        command
            .args(arguments)
            .env("AWS_PROFILE", profile)
            .env("CHECKPOINT_SIGNER_ENVIRONMENT", "prod")
            .env(
                "CHECKPOINT_SIGNER_RECORD",
                "secretsmanager:amply/prod/checkpoint-record",
            )
            .env("CHECKPOINT_SIGNER_SERVER_CA", "ca.crt")
            .env("CHECKPOINT_SIGNER_CLIENT_CERTIFICATE", "operator.crt")
            .env("CHECKPOINT_SIGNER_CLIENT_KEY", "operator.key");
        command
    }

    pub fn must(&self, arguments: &[&str]) -> String {
        must(&mut self.program(arguments))
    }

    /// Changes the stack, as `service 2` in the guide to `deploy/` does.
    fn deploy_replicas(&mut self, count: &str) {
        let asked = json!({ "StackName": "service" });
        let stack = self.cloud.ask("cloudformation.describe_stacks", asked)["Stacks"][0].clone();
        let parameters = stack["Parameters"].as_array().unwrap().iter();
        let parameters = parameters.map(|parameter| match parameter["ParameterKey"].as_str() {
            Some("Replicas") => json!({ "ParameterKey": "Replicas", "ParameterValue": count }),
            key => json!({ "ParameterKey": key, "UsePreviousValue": true }),
        });
        let update = json!({
            "StackName": "service",
            "ChangeSetName": "replicas",
            "ChangeSetType": "UPDATE",
            "TemplateBody": crate::cloud::read("deploy/service.yaml"),
            "Parameters": parameters.collect::<Vec<_>>(),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        });
        self.cloud.ask("cloudformation.create_change_set", update);
        let execute = json!({ "StackName": "service", "ChangeSetName": "replicas" });
        self.cloud.ask("cloudformation.execute_change_set", execute);
        self.follow();
    }

    /// Where the empty database is.
    pub fn scratch_url(&self) -> String {
        self.database.url(&self.names[1])
    }

    /// Where the record is.
    pub fn record_url(&self) -> String {
        self.database.url_of(self.users[0], &self.names[0])
    }

    /// Where the tasks find the record, by its secret.
    pub fn address_on_record(&mut self) -> String {
        let current = json!({ "SecretId": DATABASE, "VersionStage": "AWSCURRENT" });
        let found = self.cloud.ask("secretsmanager.get_secret_value", current);
        found["SecretString"].as_str().unwrap().into()
    }

    /// A session of somebody who has this address, and does not leave.
    pub fn session(&self, address: &str) -> tokio_postgres::Client {
        self.runtime.block_on(async {
            let connected = tokio_postgres::connect(address, tokio_postgres::NoTls).await;
            let (client, connection) = connected.unwrap();
            tokio::spawn(connection);
            client
        })
    }

    /// Whether a session ended.
    pub fn is_cut_off(&self, session: &tokio_postgres::Client) -> bool {
        self.runtime
            .block_on(session.batch_execute("SELECT 1"))
            .is_err()
    }

    /// From now on the service answers for the record in this folder: its head, its keyring, its export.
    pub fn gives(&self, folder: &Path) {
        let (folder, real) = (folder.display(), PROGRAM);
        let script = format!(
            "#!/bin/sh\ncase \"$1 $2\" in\n'record head') exec cat {folder}/head.jws ;;\n'keys export') exec cat {folder}/keyring.json ;;\n\
             'record export') exec cp {folder}/record.ndjson \"$4\" ;;\nesac\nexec {real} \"$@\"\n"
        );
        let path = self.home.path().join("bin/checkpoint-signer");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, script).unwrap();
        let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, runs).unwrap();
    }

    pub fn must_as_operator(&self, arguments: &[&str]) -> String {
        must(self.program(arguments).env("AWS_PROFILE", "operator"))
    }

    /// Lets ECS and CloudWatch Logs do what they were told. While replicas are replaced, the ledger signs on.
    pub fn follow(&mut self) {
        let ledger = &self.ledger;
        self.fargate
            .follow(&mut self.cloud, || ledger.signs_something());
        self.ship_logs();
    }

    fn ship_logs(&mut self) {
        let now = Utc::now().timestamp_millis();
        let lines = self.fargate.new_log().into_iter();
        let events: Vec<_> = lines
            .map(|line| json!({ "timestamp": now, "message": line }))
            .collect();
        if !events.is_empty() {
            let put = json!({ "logGroupName": LOG_GROUP, "logStreamName": LOG_STREAM, "logEvents": events });
            self.cloud.ask("logs.put_log_events", put);
        }
    }
}

/// What the guide to `deploy/` has put into them.
fn fill_secrets(
    cloud: &mut Cloud,
    authority: &Authority,
    folder: &Path,
    [record, scratch]: [String; 2],
) {
    let server = authority.issue(folder, "server", "localhost");
    let files = json!({
        "certificate": read(&server.certificate),
        "key": read(&server.key),
        "client_ca": authority.pem(),
        "roles": ROLES,
        "database_ca": authority.pem(),
    });
    let record_of_operators = ("amply/prod/checkpoint-record", record.clone());
    for (secret, value) in [
        (FILES, files.to_string()),
        (DATABASE, record),
        record_of_operators,
    ] {
        let put = json!({ "SecretId": secret, "SecretString": value });
        cloud.ask("secretsmanager.put_secret_value", put);
    }
    let scratch = json!({ "Name": SCRATCH, "SecretString": scratch });
    cloud.ask("secretsmanager.create_secret", scratch);
    let here = json!({ "LocationConstraint": "eu-central-1" });
    let bucket = json!({ "Bucket": BUCKET, "CreateBucketConfiguration": here });
    cloud.ask("s3.create_bucket", bucket);
}
