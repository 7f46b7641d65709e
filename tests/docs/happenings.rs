//! What happens to an installation.

use std::time::Duration;

use checkpoint_signer::wire::proto::RefreshKeysRequest;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use chrono::{DateTime, SecondsFormat, TimeDelta, Timelike as _, Utc};
use serde_json::{Value, json};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::authority::{Identity, read};
use crate::fargate::{CLUSTER, FILES, SERVICE};
use crate::installation::{Installation, SECRET};
use crate::program::must;

pub const NEXT_KEY: &str = "amply-checkpoint-key-2027";

/// Enough to make and promote a key on a slow machine.
const UNTIL_NEW_YEAR: TimeDelta = TimeDelta::seconds(90);

/// Of an image: the registry looks at no more.
const MANIFEST: &str =
    r#"{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}"#;

/// Of one that was pushed afterwards, by whomever.
const LATER: &str = r#"{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": []}"#;

impl Installation {
    /// The next key is promoted, and every task has read it. Gives the instant at which its window opens.
    pub fn has_the_next_key(&self) -> DateTime<Utc> {
        let opens = Utc::now().with_nanosecond(0).unwrap() + UNTIL_NEW_YEAR;
        let from = opens.to_rfc3339_opts(SecondsFormat::Secs, true);
        let stage = [
            "rollover",
            "stage",
            "--valid-from",
            &from,
            "--bits",
            "2048",
            "--without-asking",
        ];
        self.must_as_operator(&stage);
        self.must_as_operator(&["rollover", "promote"]);
        self.has_its_keys_read();
        opens
    }

    /// Has every task read the secret, which it otherwise does every five minutes. It may fail.
    pub fn has_its_keys_read(&self) {
        let ca = Certificate::from_pem(self.authority.pem());
        let operator = Identity::in_folder(&self.desk, "operator").pem();
        let tls = ClientTlsConfig::new().ca_certificate(ca).identity(operator);
        self.runtime.block_on(async {
            for server in &self.ledger.servers {
                let endpoint = Endpoint::from_shared(server.clone()).unwrap();
                let channel = endpoint.tls_config(tls.clone()).unwrap().connect().await;
                let mut keys = KeyServiceClient::new(channel.unwrap());
                let _ = keys.refresh_keys(RefreshKeysRequest {}).await;
            }
        });
    }

    /// Puts a certificate into the files' secret, and starts the tasks anew with it.
    pub fn serve_certificate(&mut self, identity: &Identity) {
        let asked = json!({ "SecretId": FILES, "VersionStage": "AWSCURRENT" });
        let found = self.cloud.ask("secretsmanager.get_secret_value", asked);
        let mut files: Value =
            serde_json::from_str(found["SecretString"].as_str().unwrap()).unwrap();
        files["certificate"] = read(&identity.certificate).into();
        files["key"] = read(&identity.key).into();
        let put = json!({ "SecretId": FILES, "SecretString": files.to_string() });
        self.cloud.ask("secretsmanager.put_secret_value", put);
        for desired in [0, 2] {
            let replicas =
                json!({ "cluster": CLUSTER, "service": SERVICE, "desiredCount": desired });
            self.cloud.ask("ecs.update_service", replicas);
            self.follow();
        }
    }

    /// ECS started a task and stopped it, for a reason. (The tests' cloud can run none of a definition that CloudFormation has made.)
    pub fn a_task_stopped(&mut self, reason: &str) {
        let container =
            json!({ "name": "signer", "image": "checkpoint-signer", "cpu": 1, "memory": 64 });
        let definition = json!({ "family": "stopped", "containerDefinitions": [container] });
        self.cloud.ask("ecs.register_task_definition", definition);
        let run =
            json!({ "cluster": CLUSTER, "taskDefinition": "stopped", "launchType": "FARGATE" });
        let task = self.cloud.ask("ecs.run_task", run)["tasks"][0]["taskArn"].clone();
        let stop = json!({ "cluster": CLUSTER, "task": task, "reason": reason });
        self.cloud.ask("ecs.stop_task", stop);
    }

    /// A commit that was checked out, and in the registry the image of it, and a later one.
    pub fn push_an_image(&mut self) {
        let git = |arguments: &[&str]| must(self.command("git").args(arguments));
        git(&["init", "--quiet"]);
        git(&[
            "-c",
            "user.name=reviewer",
            "-c",
            "user.email=",
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            "reviewed",
        ]);
        let commit = git(&["rev-parse", "HEAD"]).trim().to_owned();
        let repository = json!({ "repositoryName": "checkpoint-signer" });
        self.cloud.ask("ecr.create_repository", repository);
        for (manifest, tag) in [
            (MANIFEST, format!("{commit}-amd64")),
            (LATER, "later".into()),
        ] {
            let image = json!({ "repositoryName": "checkpoint-signer", "imageManifest": manifest, "imageTag": tag });
            self.cloud.ask("ecr.put_image", image);
        }
    }

    /// The ledger signs on after the backup and keeps what it got, somebody keeps a head; then all that is left is in the
    /// bucket, and in another region there is an empty database.
    pub fn goes_on_and_then_its_region_is_lost(&mut self) {
        for count in 4..=6 {
            self.ledger.signs("org_1", count);
        }
        // A head may be a second old.
        std::thread::sleep(Duration::from_secs(2));
        std::fs::write(self.desk.join("head.jws"), self.must(&["record", "head"])).unwrap();
        std::fs::write(self.desk.join("published.ndjson"), self.ledger.published()).unwrap();
        let none = json!({ "cluster": CLUSTER, "service": SERVICE, "desiredCount": 0 });
        self.cloud.ask("ecs.update_service", none);
        self.follow();
        let delete = json!({ "SecretId": SECRET, "ForceDeleteWithoutRecovery": true });
        self.cloud.ask("secretsmanager.delete_secret", delete);
    }

    /// What the guide to `deploy/` makes in the second region; the database is an empty one. The operator's profiles are its roles.
    pub fn makes_its_stacks_in(&mut self, region: &str) {
        let address = self.scratch_url();
        let first = std::mem::replace(&mut self.cloud.region, region.into());
        self.cloud.prepare();
        let key = self.cloud.key_parameters("prod");
        self.cloud.make("key", &key);
        let put = json!({ "SecretId": "amply/prod/checkpoint-record", "SecretString": address });
        self.cloud.ask("secretsmanager.put_secret_value", put);
        self.cloud.region = first;
        self.has_the_roles_of(&format!("@{region}"));
    }
}
