//! Somebody who has the private key, and a service of their own.

use std::io::BufReader;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::faketime::same_day;
use crate::installation::{Installation, SECRET};
use crate::program::must;
use crate::{starter, wait};

/// The secret's value that was AWSCURRENT first.
pub fn first_value(installation: &mut Installation, secret: &str) -> String {
    let listed = json!({ "SecretId": secret, "IncludeDeprecated": true });
    let listed = installation
        .cloud
        .ask("secretsmanager.list_secret_version_ids", listed);
    let versions = listed["Versions"].as_array().unwrap().iter();
    let values = versions.map(|version| {
        let one = json!({ "SecretId": secret, "VersionId": version["VersionId"] });
        let value = installation
            .cloud
            .ask("secretsmanager.get_secret_value", one);
        value["SecretString"].as_str().unwrap().to_owned()
    });
    let found: Vec<String> = values
        .filter(|value| value.contains(crate::installation::KEY))
        .collect();
    found.into_iter().next().unwrap()
}

/// Somebody's own service with the key, in a folder.
struct Own {
    folder: TempDir,
    child: Child,
    server: String,
}

impl Own {
    fn start(installation: &mut Installation, secret: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stolen = first_value(installation, secret);
        std::fs::write(folder.path().join("key.json"), stolen).unwrap();
        must(program(&folder, &["record", "init"]).args(RECORD));
        let serve = [
            "serve",
            "--source",
            "file:key.json",
            "--log-name",
            "amply-prod",
        ];
        let mut child = program(&folder, &serve)
            .args(RECORD)
            .args(["--grpc", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let line = wait::line(child.id(), &mut stdout, "a service to say where it listens");
        let server = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self {
            folder,
            child,
            server,
        }
    }

    fn asks(&self, arguments: &[&str]) -> String {
        must(program(&self.folder, arguments).args(["--server", &self.server]))
    }

    fn ends(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.folder
    }
}

const RECORD: [&str; 2] = ["--record", "sqlite:record.sqlite"];

fn program(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = starter::binary();
    command
        .args(arguments)
        .env_clear()
        .envs(same_day())
        .current_dir(folder.path());
    command
}

/// A published checkpoint that was never on record here.
pub fn signs_with_what_it_stole(installation: &mut Installation, secret: &str) -> String {
    let own = Own::start(installation, secret);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/checkpoint.json");
    let signed = own.asks(&["sign", example]);
    own.ends();
    signed
}

/// The head, the keyring and the export of another record of this name, with ten rows.
pub fn a_second_record(installation: &mut Installation, secret: &str) -> TempDir {
    let own = Own::start(installation, secret);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/checkpoint.json");
    let example = std::fs::read_to_string(example).unwrap();
    for number in 0..10 {
        let other = example.replace("org_xyz789", &format!("org_{number}"));
        let path = own.folder.path().join("other.json");
        std::fs::write(&path, other).unwrap();
        own.asks(&["sign", path.to_str().unwrap()]);
    }
    std::thread::sleep(Duration::from_secs(2));
    for (name, arguments) in [
        ("head.jws", ["record", "head"]),
        ("keyring.json", ["keys", "export"]),
    ] {
        std::fs::write(own.folder.path().join(name), own.asks(&arguments)).unwrap();
    }
    let export = ["record", "export", "--out", "record.ndjson"];
    must(program(&own.folder, &export).args(RECORD));
    own.ends()
}

const OPERATOR: &str = "checkpoint-signer-operator-prod-eu-central-1";

/// Changes who may come to the key, in each of the ways; gives what was before, and the KMS key.
pub fn opens_everything(installation: &mut Installation) -> [String; 4] {
    let cloud = &mut installation.cloud;
    let key = cloud.output("key", "SecretsKeyArn").unwrap();
    let before = policies(cloud, &key);
    let eve = json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "Who", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::123456789012:user/eve" }, "Action": "*", "Resource": "*",
    }] });
    let eve = eve.to_string();
    let own = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] });
    let policy = json!({ "SecretId": SECRET, "ResourcePolicy": eve });
    cloud.ask("secretsmanager.put_resource_policy", policy);
    let mut more: serde_json::Value = serde_json::from_str(&before[1]).unwrap();
    let statement: serde_json::Value = serde_json::from_str(&eve).unwrap();
    let statements = more["Statement"].as_array_mut().unwrap();
    statements.push(statement["Statement"][0].clone());
    let policy = json!({ "KeyId": key, "PolicyName": "default", "Policy": more.to_string() });
    cloud.ask("kms.put_key_policy", policy);
    let trust = json!({ "RoleName": OPERATOR, "PolicyDocument": eve });
    cloud.ask("iam.update_assume_role_policy", trust);
    let inline =
        json!({ "RoleName": OPERATOR, "PolicyName": "mine", "PolicyDocument": own.to_string() });
    cloud.ask("iam.put_role_policy", inline);
    let policy = json!({ "PolicyName": "AdministratorAccess", "PolicyDocument": own.to_string() });
    let managed = cloud.ask("iam.create_policy", policy)["Policy"]["Arn"].clone();
    let attached = json!({ "RoleName": OPERATOR, "PolicyArn": managed });
    cloud.ask("iam.attach_role_policy", attached);
    let grant = json!({
        "KeyId": key, "GranteePrincipal": "arn:aws:iam::123456789012:user/eve", "Operations": ["Decrypt"],
    });
    cloud.ask("kms.create_grant", grant);
    assert_ne!(policies(cloud, &key), before);
    let [secret, of_key, trust] = before;
    [secret, of_key, trust, key]
}

/// All of it is as it was.
pub fn finds_all_closed(installation: &mut Installation, before: &[String; 4]) {
    let cloud = &mut installation.cloud;
    let [secret, of_key, trust, key] = before;
    let found = policies(cloud, key);
    assert_eq!(found.each_ref(), [secret, of_key, trust]);
    let of_role = json!({ "RoleName": OPERATOR });
    let inline = cloud.ask("iam.list_role_policies", of_role.clone())["PolicyNames"].to_string();
    assert!(!inline.contains("mine") && inline.len() > 2, "{inline}");
    let attached = cloud.ask("iam.list_attached_role_policies", of_role);
    assert_eq!(attached["AttachedPolicies"], json!([]));
    let grants = cloud.ask("kms.list_grants", json!({ "KeyId": key }));
    assert_eq!(grants["Grants"], json!([]));
}

/// The policies of the secret and of the KMS key, and whom the operator's role trusts.
fn policies(cloud: &mut crate::cloud::Cloud, key: &str) -> [String; 3] {
    let secret = json!({ "SecretId": SECRET });
    let secret = cloud.ask("secretsmanager.get_resource_policy", secret)["ResourcePolicy"].clone();
    let asked = json!({ "KeyId": key, "PolicyName": "default" });
    let of_key = cloud.ask("kms.get_key_policy", asked)["Policy"].clone();
    let role = cloud.ask("iam.get_role", json!({ "RoleName": OPERATOR }))["Role"].clone();
    // As values, whatever the order of their members.
    let sorted = |policy: &serde_json::Value| {
        let text = policy.as_str();
        text.map_or(policy.clone(), |text| serde_json::from_str(text).unwrap())
            .to_string()
    };
    [
        sorted(&secret),
        sorted(&of_key),
        sorted(&role["AssumeRolePolicyDocument"]),
    ]
}
