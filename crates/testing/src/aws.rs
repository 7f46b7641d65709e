//! moto, its operator, and a service that takes its keys from there.

use std::path::Path;
use std::process::Output;
use std::sync::{Arc, LazyLock};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::config::{Credentials, SharedCredentialsProvider};
use checkpoint_signer::client::Servers;
use checkpoint_signer::clock::Clock;
use checkpoint_signer::grpc::access::Access;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::rollover::{Rollover, SecretStore};
use checkpoint_signer::service::{Parts, Service};
use checkpoint_signer::source::SecretsManagerSource;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{
    KeySourceStatus, ListKeysRequest, RefreshKeysRequest, SignCheckpointRequest, SignedCheckpoint,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Status;
use tonic::transport::Channel;

use crate::faketime::same_day;
use crate::proxy::Proxy;
use crate::support::{at, checkpoint};
use crate::talk::Talk;
use crate::{starter, wait};

/// One moto server for all tests of this process; each has secrets of its own.
static MOTO: LazyLock<Moto> = LazyLock::new(Moto::start);

struct Moto {
    address: String,
    talk: Talk,
}

impl Moto {
    fn start() -> Self {
        let (talk, told) = Talk::start("secrets_manager.py");
        Self {
            address: told["address"].as_str().unwrap().into(),
            talk,
        }
    }
}

/// A boto3 call as the operator.
pub fn boto3(call: &str, arguments: Value) -> Value {
    let request = json!({ "call": call, "arguments": arguments });
    let answer = MOTO.talk.ask(&request);
    answer.unwrap_or_else(|error| panic!("{call}: {error}"))
}

pub fn create(secret: &str, document: &str) {
    boto3(
        "create_secret",
        json!({ "Name": secret, "SecretString": document }),
    );
}

/// Puts a version as AWSPENDING, and gives its id.
pub fn stage(secret: &str, document: &str) -> String {
    let stages = ["AWSPENDING"];
    let put = json!({ "SecretId": secret, "SecretString": document, "VersionStages": stages });
    boto3("put_secret_value", put)["VersionId"]
        .as_str()
        .unwrap()
        .into()
}

/// Moves AWSCURRENT to a version; the version before becomes AWSPREVIOUS.
pub fn make_current(secret: &str, version: &str) {
    let current = json!({ "SecretId": secret, "VersionStage": "AWSCURRENT" });
    let current = &boto3("get_secret_value", current)["VersionId"];
    let label = json!({
        "SecretId": secret, "VersionStage": "AWSCURRENT",
        "RemoveFromVersionId": current, "MoveToVersionId": version,
    });
    boto3("update_secret_version_stage", label);
}

/// Makes a version that is staged the current one.
pub fn promote(secret: &str, version: &str) {
    make_current(secret, version);
    let label = json!({
        "SecretId": secret, "VersionStage": "AWSPENDING", "RemoveFromVersionId": version,
    });
    boto3("update_secret_version_stage", label);
}

/// Puts a new current version, by staging and promoting.
pub fn rotate(secret: &str, document: &str) {
    promote(secret, &stage(secret, document));
}

fn config(endpoint: &str) -> SdkConfig {
    configured(endpoint, "service")
}

/// What reaches AWS at an address, as somebody.
pub fn configured(endpoint: &str, access_key: &str) -> SdkConfig {
    let credentials = Credentials::new(access_key, "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

/// The rollover in the test's own process, by a clock of its own; it asks the services that are named, and goes on where none is.
pub fn rollover(secret: &str, clock: &Clock, servers: &[&str]) -> Rollover {
    let address = format!("http://{}", MOTO.address);
    rollover_at(&config(&address), secret, clock, servers)
}

/// The same by a configuration of AWS.
pub fn rollover_at(shared: &SdkConfig, secret: &str, clock: &Clock, servers: &[&str]) -> Rollover {
    let urls = servers.iter().map(|url| (*url).to_owned()).collect();
    let services = Servers {
        urls,
        ..Servers::default()
    };
    let store = SecretStore::with_config(shared, secret);
    let rollover = Rollover::new(store, clock.clone(), Box::new(services), false);
    rollover.without_asking(servers.is_empty())
}

/// The operator's command line, in an empty folder of its own, against moto behind a proxy.
pub struct Operator {
    pub proxy: Proxy,
    folder: TempDir,
}

/// How a command ended, and all that it printed.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub text: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        Self {
            code: output.status.code().unwrap(),
            text: String::from_utf8(text).unwrap(),
        }
    }
}

impl Operator {
    pub async fn new() -> Self {
        Self {
            proxy: AwsService::proxy().await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::from(starter::binary());
        command.args(arguments);
        in_aws(&mut command, &self.proxy.url, self.folder.path());
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Ended {
        let what = format!("{arguments:?} to end");
        let output = wait::within(&what, self.command(arguments).output());
        output.await.unwrap().into()
    }

    /// Runs a step that is to end well.
    pub async fn must(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.text);
        ended.text
    }

    /// Runs a step that is to be refused.
    pub async fn refused(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, 1, "{arguments:?}: {}", ended.text);
        ended.text
    }

    /// Names of files that the commands left behind.
    pub fn left_behind(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files
            .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }
}

/// The environment of a process that reaches Secrets Manager through a proxy, and nothing else.
pub fn in_aws(command: &mut tokio::process::Command, endpoint: &str, folder: &Path) {
    command
        .current_dir(folder)
        .env_clear()
        .envs(same_day())
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "operator")
        .env("AWS_SECRET_ACCESS_KEY", "operator")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .kill_on_drop(true);
}

/// A service whose keys come from a secret, through a proxy that can spoil that.
pub struct AwsService {
    pub clock: Clock,
    pub proxy: Proxy,
    pub channel: Channel,
    pub url: String,
    signing: SigningServiceClient<Channel>,
    pub keys: KeyServiceClient<Channel>,
    _service: Service,
    _folder: TempDir,
}

impl AwsService {
    pub async fn start(secret: &str, now: &str) -> Self {
        Self::start_behind(Proxy::start(&MOTO.address).await, secret, now, false).await
    }

    pub async fn start_reading_older(secret: &str, now: &str) -> Self {
        Self::start_behind(Proxy::start(&MOTO.address).await, secret, now, true).await
    }

    pub async fn start_behind(proxy: Proxy, secret: &str, now: &str, older: bool) -> Self {
        Self::start_at(proxy, secret, Clock::simulated(at(now)), older).await
    }

    /// Once the first reading has ended, well or badly, for which a slow machine takes its time.
    pub async fn start_at(proxy: Proxy, secret: &str, clock: Clock, older: bool) -> Self {
        let mut service = Self::start_unread(proxy, secret, clock, older).await;
        wait::until("the first reading of the secret", async || {
            let status = service.status().await;
            status.last_success.is_some() || !status.faults.is_empty()
        })
        .await;
        service
    }

    /// Without waiting for that.
    pub async fn start_unread(proxy: Proxy, secret: &str, clock: Clock, older: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("record.sqlite");
        SqliteRecord::init(&record).unwrap();
        let shared = config(&proxy.url);
        let service = Service::start(Parts {
            clock: clock.clone(),
            source: Box::new(SecretsManagerSource::with_config(&shared, secret, older)),
            record: Arc::new(SqliteRecord::open(&record).unwrap()),
            log: "test-record".parse().unwrap(),
            max_entry_jump: Default::default(),
            witnesses: Default::default(),
            grpc: ([127, 0, 0, 1], 0).into(),
            access: Access::Open,
            http: None,
            public_url: None,
            metrics: None,
        });
        let service = service.await.unwrap();
        let url = format!("http://{}", service.grpc());
        let channel = Channel::from_shared(url.clone()).unwrap();
        let channel = channel.connect().await.unwrap();
        Self {
            clock,
            proxy,
            url,
            signing: SigningServiceClient::new(channel.clone()),
            keys: KeyServiceClient::new(channel.clone()),
            channel,
            _service: service,
            _folder: folder,
        }
    }

    /// Ends it, and gives the folder and the place of its record.
    pub async fn stop(self) -> (TempDir, String) {
        assert!(self._service.drain().await);
        let place = self._folder.path().join("record.sqlite");
        let place = format!("sqlite:{}", place.display());
        (self._folder, place)
    }

    pub async fn proxy() -> Proxy {
        Proxy::start(&MOTO.address).await
    }

    /// Signs the n-th checkpoint, and gives the key that did.
    pub async fn sign(&mut self, n: u64) -> Result<SignedCheckpoint, Status> {
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint(&format!("chk_{n}"), n, &n.to_string())),
            omit_content: false,
        };
        let answer = self.signing.sign_checkpoint(request).await?;
        Ok(answer.into_inner().signed_checkpoint.unwrap())
    }

    pub async fn key_of(&mut self, n: u64) -> String {
        self.sign(n).await.unwrap().key_id
    }

    pub async fn refresh(&mut self) -> Result<(), Status> {
        self.keys
            .refresh_keys(RefreshKeysRequest {})
            .await
            .map(|_| ())
    }

    pub async fn status(&mut self) -> KeySourceStatus {
        let list = self
            .keys
            .list_keys(ListKeysRequest {})
            .await
            .unwrap()
            .into_inner();
        list.source_status.unwrap()
    }

    pub async fn key_ids(&mut self) -> Vec<String> {
        let list = self
            .keys
            .list_keys(ListKeysRequest {})
            .await
            .unwrap()
            .into_inner();
        list.keys.into_iter().map(|key| key.key_id).collect()
    }
}
