//! Somebody who has the private key, and a service of their own.

use std::io::BufReader;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::faketime::same_day;
use crate::installation::Installation;
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
