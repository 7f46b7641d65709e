//! The task as the template defines it, without a container: the first container's command writes the files, the second
//! one's variables start the service, its health check asks it. Paths and ports are this machine's.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::actors::first_key;
use crate::authority::{Authority, read};
use crate::client::get;
use crate::cloud::Cloud;
use crate::program::{Serving, as_role, must, run};

fn containers(cloud: &mut Cloud) -> BTreeMap<String, Value> {
    let task = json!({ "taskDefinition": "checkpoint-signer-staging" });
    let task = cloud.ask("ecs.describe_task_definition", task);
    let containers = &task["taskDefinition"]["containerDefinitions"];
    let containers = containers.as_array().unwrap().iter();
    containers
        .map(|c| (c["name"].as_str().unwrap().into(), c.clone()))
        .collect()
}

/// What the files' secret holds, by its members.
fn members(folder: &Path) -> BTreeMap<&'static str, String> {
    let authority = Authority::new("the authority");
    let server = authority.issue(folder, "server", "signer.example.org");
    let roles = "[clients.\"URI:spiffe://amply.example/ledger\"]\nroles = [\"signer\"]\n";
    BTreeMap::from([
        ("certificate", read(&server.certificate)),
        ("key", read(&server.key)),
        ("client_ca", authority.pem().into()),
        ("roles", roles.into()),
        ("database_ca", authority.pem().into()),
    ])
}

#[test]
fn the_task_writes_its_files_starts_and_is_healthy() {
    let mut cloud = Cloud::with_stacks("staging");
    let folder = tempfile::tempdir().unwrap();
    first_key(&cloud, &folder);
    let containers = containers(&mut cloud);
    let targets = cloud.ask("elbv2.describe_target_groups", json!({}));
    let here = folder.path().to_str().unwrap();
    let put = |text: &Value| {
        text.as_str()
            .unwrap()
            .replace("/files", &format!("{here}/files"))
    };

    // As AWS gives it to the user of the image, whose folder of that name is declared as a volume.
    std::fs::create_dir(folder.path().join("files")).unwrap();
    let files = &containers["files"];
    assert_eq!(files["image"], containers["signer"]["image"]);
    let words = |container: &Value| -> Vec<String> {
        let words = container["command"].as_array().unwrap().iter();
        words.map(put).collect()
    };
    let mut writer = crate::starter::binary();
    writer.args(words(files));
    let secret = &files["secrets"].as_array().unwrap()[..];
    assert_eq!(secret.len(), 1);
    let whole = secret[0]["valueFrom"].as_str().unwrap();
    let files_secret = cloud.secret_arn("amply/staging/checkpoint-signer-files");
    assert_eq!(whole, files_secret, "all members at once");
    let members = serde_json::to_string(&members(folder.path())).unwrap();
    writer.env(secret[0]["name"].as_str().unwrap(), members);
    must(&mut writer);

    let signer = &containers["signer"];
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for variable in signer["environment"].as_array().unwrap() {
        variables.insert(
            variable["name"].as_str().unwrap().into(),
            put(&variable["value"]),
        );
    }
    let here = [
        ("CHECKPOINT_SIGNER_RECORD", "sqlite:record.sqlite"),
        ("CHECKPOINT_SIGNER_GRPC", "127.0.0.1:0"),
        ("CHECKPOINT_SIGNER_HTTP", "127.0.0.1:0"),
        ("CHECKPOINT_SIGNER_METRICS", "127.0.0.1:0"),
    ];
    let health_port = variables["CHECKPOINT_SIGNER_METRICS"].replace("0.0.0.0:", "");
    variables.extend(here.map(|(name, value)| (name.into(), value.into())));
    let command = |variables: &BTreeMap<String, String>, arguments: &[&str]| {
        let mut command = as_role(&cloud, "key.ServiceRole", folder.path(), arguments);
        command.envs(variables);
        command
    };
    // As the one-off task of deploy/README.md.
    must(&mut command(&variables, &["record", "init"]));
    let serve = words(signer);
    let serve: Vec<&str> = serve.iter().map(String::as_str).collect();
    let mut service = Serving::start(&mut command(&variables, &serve));

    let metrics = service.metrics();
    let check = signer["healthCheck"]["command"].as_array().unwrap().iter();
    let check: Vec<String> = check
        .map(|w| {
            w.as_str()
                .unwrap()
                .replace("http://127.0.0.1:9464", &metrics)
        })
        .collect();
    let check: Vec<&str> = check.iter().map(String::as_str).collect();
    assert_eq!(check[..2], ["CMD", "/usr/bin/checkpoint-signer"]);
    assert_eq!(check.last(), Some(&&*format!("{metrics}/health")));
    // No certificate is needed for it, so that none can end.
    let health = must(&mut command(&variables, &check[2..]));
    assert_eq!(health, "SERVING\n");
    // The load balancer's checks, of both its targets.
    for target in targets["TargetGroups"].as_array().unwrap() {
        assert_eq!(target["HealthCheckPort"], health_port, "{target}");
        let path = target["HealthCheckPath"].as_str().unwrap();
        let status = get(&metrics, path).status.to_string();
        let expected = target["Matcher"]["HttpCode"].as_str().unwrap();
        assert!(expected.split(',').any(|code| code == status), "{status}");
    }
    // The record belongs to the environment of the task that made it.
    variables.insert("CHECKPOINT_SIGNER_ENVIRONMENT".into(), "prod".into());
    drop(service);
    let other = run(&mut command(&variables, &serve));
    assert_eq!(other.code, 2, "{}", other.text);
    assert!(other.text.contains("environment staging"), "{}", other.text);
}
