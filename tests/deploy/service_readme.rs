//! The blocks of deploy/README.md on the service, as they are printed: run by a shell with the AWS CLI and jq.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cloud::{Cloud, path};
use crate::python::python;
use crate::readme::block;

const STACK: &str = "checkpoint-signer-service-staging";
const ADDRESS: &str =
    "postgres://checkpoint_signer_staging:word@db.example.org/checkpoint_signer_staging";

/// The line of exports, as the reader has adapted it, and what the block on the image leaves behind.
fn variables(parameters: &Value) -> String {
    let mut exports = block("export ENVIRONMENT=");
    for (variable, parameter) in [("VPC", "VpcId"), ("SUBNETS", "SubnetIds")] {
        let value = parameters[parameter].as_str().unwrap();
        exports.push_str(&format!("\nexport {variable}={value}"));
    }
    let digest = parameters["ImageDigest"].as_str().unwrap();
    format!("{exports}\nDIGEST={digest}\n")
}

/// What somebody has in front of him: the repository's templates and the files of the environment.
fn desk() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::os::unix::fs::symlink(path("deploy"), here.join("deploy")).unwrap();
    std::fs::create_dir(here.join("bin")).unwrap();
    let aws = Path::new(python().get_program()).with_file_name("aws");
    std::os::unix::fs::symlink(aws, here.join("bin/aws")).unwrap();
    crate::files::write(here);
    folder
}

/// Runs a script there, as somebody, who types.
fn shell(cloud: &Cloud, desk: &TempDir, caller: &str, script: &str, typed: &str) -> String {
    let mut command = cloud.command(caller, Path::new("bash"), desk.path());
    let bin = desk.path().join("bin");
    let mut child = command
        .args(["-eu", "-o", "pipefail", "-c", script])
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("AWS_PAGER", "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(typed.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script}: {told}");
    told
}

#[test]
fn the_service_is_deployed_its_secrets_are_put_and_its_stack_is_made_again() {
    let mut cloud = Cloud::start();
    cloud.prepare();
    let key = cloud.key_parameters("staging");
    cloud.make("key", &key);
    let parameters = cloud.service_parameters("staging");
    let (desk, variables) = (desk(), variables(&parameters));
    let with = |block: &str| format!("{variables}{block}");
    let service = block("service() {");
    shell(&cloud, &desk, "root", &with(&service), "");
    assert_eq!(cloud.status(STACK), "CREATE_COMPLETE");

    // Nobody but who may.
    let put = with(&block("--rawfile certificate"));
    shell(
        &cloud,
        &desk,
        "key.FilesRole",
        &put,
        &format!("{ADDRESS}\n"),
    );
    let mut value = |name: &str| {
        let secret = json!({ "SecretId": format!("amply/staging/checkpoint-signer-{name}") });
        let value = cloud.ask("secretsmanager.get_secret_value", secret);
        value["SecretString"].as_str().unwrap().to_owned()
    };
    assert_eq!(value("database"), ADDRESS);
    let files = value("files");
    for left in ["files.json", "address"] {
        assert!(!desk.path().join(left).exists(), "{left}");
    }
    // It is what the program makes files of.
    let to = desk.path().join("files");
    std::fs::create_dir(&to).unwrap();
    let mut command = crate::starter::binary();
    let written = command.arg("files").arg("--to").arg(&to);
    let written = crate::program::must(written.env("FILES_SECRET", files));
    assert!(written.contains("5 files"), "{written}");
    assert!(!written.contains("not used"), "{written}");

    shell(&cloud, &desk, "root", &with(&(service + "\nservice 2")), "");
    let services =
        json!({ "cluster": "checkpoint-signer-staging", "services": ["checkpoint-signer"] });
    let services = cloud.ask("ecs.describe_services", services);
    assert_eq!(services["services"][0]["desiredCount"], 2);

    cloud.delete(STACK);
    let kept = cloud.secret_arn("amply/staging/checkpoint-signer-database");
    shell(&cloud, &desk, "root", &with(&block("retained()")), "");
    let task = json!({ "taskDefinition": "checkpoint-signer-staging" });
    let task = cloud.ask("ecs.describe_task_definition", task)["taskDefinition"].clone();
    let containers = task["containerDefinitions"].as_array().unwrap().iter();
    let secrets = containers.map(|container| &container["secrets"][0]);
    let secrets: Vec<_> = secrets.map(|secret| secret["valueFrom"].clone()).collect();
    assert!(secrets.contains(&json!(kept)), "{secrets:?}");
}

#[test]
fn the_repository_refuses_another_image_of_a_tag() {
    let mut cloud = Cloud::start();
    let desk = desk();
    let exports = block("export ENVIRONMENT=");
    let script = format!("{exports}\n{}", block("aws ecr create-repository"));
    shell(&cloud, &desk, "root", &script, "");
    let made = cloud.ask("ecr.describe_repositories", json!({}));
    assert_eq!(made["repositories"][0]["imageTagMutability"], "IMMUTABLE");
}
