//! The blocks of deploy/README.md from the first to the last, as they are printed, in one region and then, as docs/disaster-recovery.md has it,
//! in a second one beside it. What is no part of AWS's API in moto is a stand-in: docker, zip, AWS Signer's jobs, and a task, which moto does not run
//! on Fargate.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cloud::{Cloud, REGION, path, read};
use crate::python::python;
use crate::readme::block;

const SECOND: &str = "eu-west-1";
const ADDRESS: &str =
    "postgres://checkpoint_signer_staging:word@db.example.org/checkpoint_signer_staging";

/// What is pushed is in the registry; what is copied out of an image is there. Nothing is built.
const DOCKER: &str = r#"#!/bin/sh
set -eu
case "$1" in
push)
  name="${2##*/}"
  aws ecr put-image --repository-name "${name%%:*}" --image-tag "${name#*:}" --image-manifest \
    '{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}' > pushed.json ;;
create) echo container ;;
cp) echo program > "$3/checkpoint-signer" ;;
login) cat > login.txt ;;
buildx | tag) ;;
*) echo "docker $1 is not known here" >&2; exit 1 ;;
esac
"#;

const ZIP: &str = "#!/bin/sh\ncat \"$3\" \"$4\" > \"$2\"\n";

/// The CLI itself, but for what moto does not have: a job that signs (the object says then by whom), and a task.
const AWS: &str = r#"#!/bin/bash
set -eu -o pipefail
part() { echo "$all" | sed -E "s/.*[{,]$1=([^,}]*)[,}].*/\1/"; }
case "$1 $2" in
'signer start-signing-job')
  all="$*"
  bucket="$(part bucketName)" key="$(part key)" version="$(part version)" prefix="$(part prefix)"
  profile="$(real-aws signer get-signing-profile --profile-name checkpoint_signer --query profileVersionArn --output text)"
  real-aws s3api get-object --bucket "$bucket" --key "$key" --version-id "$version" unsigned.zip > got.json
  real-aws s3api put-object --bucket "$bucket" --key "${prefix}1.zip" --body unsigned.zip --metadata "signed-by=$profile" > put.json
  echo "${prefix}1.zip" > job
  echo job-1 ;;
'signer wait') test -s job ;;
'signer describe-signing-job') cat job ;;
'ecs run-task')
  real-aws ecs describe-clusters --clusters "$4" --query 'clusters[0].clusterName' --output text | grep checkpoint-signer > task
  real-aws ecs describe-task-definition --task-definition "$6" > definition.json
  echo "arn:aws:ecs:$AWS_REGION:123456789012:task/$(cat task)/0123" ;;
'ecs wait') grep checkpoint-signer task ;;
'ecs describe-tasks') echo '[["files", 0, null], ["signer", '"${INIT_ENDS:-0}"', null]]' ;;
*) exec real-aws "$@" ;;
esac
"#;

/// A checkout, and the programs that are first on the path.
fn desk() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    symlink(path("deploy"), here.join("deploy")).unwrap();
    let bin = here.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let real = Path::new(python().get_program()).with_file_name("aws");
    symlink(real, bin.join("real-aws")).unwrap();
    symlink(testing::checkpoint_signer(), bin.join("checkpoint-signer")).unwrap();
    for (name, script) in [("docker", DOCKER), ("zip", ZIP), ("aws", AWS)] {
        std::fs::write(bin.join(name), script).unwrap();
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bin.join(name), runs).unwrap();
    }
    crate::files::write(here);
    folder
}

/// Somebody at the desk, in a region.
struct Reader<'a> {
    cloud: &'a Cloud,
    desk: &'a TempDir,
    exports: String,
}

impl Reader<'_> {
    /// Runs blocks one after the other in one shell, as somebody, who types.
    fn runs(&self, caller: &str, blocks: &[&str], typed: &str) -> String {
        let blocks: Vec<String> = blocks.iter().map(|text| block(text)).collect();
        self.types(caller, &blocks.join("\n"), typed)
    }

    fn types(&self, caller: &str, script: &str, typed: &str) -> String {
        let script = format!("{}\n{script}\n", self.exports);
        let mut command = self
            .cloud
            .command(caller, Path::new("bash"), self.desk.path());
        let bin = self.desk.path().join("bin");
        let mut child = command
            .args(["-eu", "-o", "pipefail", "-c", &script])
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("AWS_PAGER", "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{script}: {told}");
        told
    }
}

/// The exports of the walk in another region.
fn walk() -> String {
    let page = read("docs/disaster-recovery.md");
    let blocks = page.split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("\n```").next());
    blocks
        .find(|block| block.contains("create-bucket"))
        .unwrap()
        .into()
}

/// What a reader has adapted: the account's own network, in the region where he is.
fn exports(parameters: &Value, region: &str) -> String {
    let mut exports = block("export ENVIRONMENT=");
    match region {
        REGION => exports.push_str("\nCODE_BUCKET=code"),
        _ => {
            let walk = walk();
            let lines = walk.lines().filter(|line| line.starts_with("export "));
            let lines: Vec<&str> = lines.collect();
            exports = format!(
                "CHECKPOINT_SIGNER_ENVIRONMENT=staging\n{exports}\n{}",
                lines.join("\n")
            );
        }
    }
    for (variable, parameter) in [("VPC", "VpcId"), ("SUBNETS", "SubnetIds")] {
        let value = parameters[parameter].as_str().unwrap();
        exports.push_str(&format!("\nexport {variable}={value}"));
    }
    let begin =
        "git init -q . && git -c user.name=a -c user.email= commit -q --allow-empty -m reviewed";
    exports + &format!("\nTRAIL_LOG_GROUP=trail\n[ -d .git ] || {{ {begin}; }}")
}

/// The guide, in the region of the cloud.
fn guide(cloud: &mut Cloud, desk: &TempDir) {
    let region = cloud.region.clone();
    let parameters = cloud.service_parameters("staging");
    let mut reader = Reader {
        cloud,
        desk,
        exports: exports(&parameters, &region),
    };
    if region != REGION {
        reader.types("root", &walk(), "");
    }
    let told = reader.runs(
        "root",
        &[
            "aws ecr create-repository",
            "docker push",
            "put-signing-profile",
            "start-signing-job",
            "--template-file deploy/key.yaml",
        ],
        "",
    );
    assert!(told.contains("Successfully created"), "{told}");
    let role = |name: &str| format!("checkpoint-signer-key-staging.{name}@{region}");
    let told = reader.runs(
        &role("OperatorRole"),
        &["checkpoint-signer rollover stage"],
        "",
    );
    assert!(told.contains("made amply-checkpoint-key-"), "{told}");
    let typed = format!("{ADDRESS}\n");
    reader.runs(&role("RecordRole"), &["RECORD_ADDRESS"], &typed);
    // As one shell would still have it.
    reader.exports.push_str("\nDIGEST=\"$(aws ecr describe-images --repository-name checkpoint-signer --query 'imageDetails[0].imageDigest' --output text)\"");
    reader.runs("root", &["service() {"], "");
    reader.runs(&role("FilesRole"), &["--rawfile certificate"], &typed);
    let told = reader.runs(
        "root",
        &["service() {", "aws ecs run-task", "deploy/alarms.yaml"],
        "",
    );
    assert!(told.contains("signer"), "{told}");
}

#[test]
fn every_block_from_the_image_to_the_alarms_in_a_region_and_in_a_second_one_beside_it() {
    let mut cloud = Cloud::start();
    let desk = desk();
    for region in [REGION, SECOND] {
        cloud.region = region.into();
        cloud.prepare();
        guide(&mut cloud, &desk);
    }
    for region in [REGION, SECOND] {
        cloud.region = region.into();
        for stack in ["key", "service", "alarms", "trail"] {
            let name = format!("checkpoint-signer-{stack}-staging");
            let status = cloud.status(&name);
            let made = ["CREATE_COMPLETE", "UPDATE_COMPLETE"].contains(&status.as_str());
            assert!(made, "{region}: {stack} is {status}");
        }
        // The image is of the commit, and is what the tasks run.
        let images = json!({ "repositoryName": "checkpoint-signer" });
        let images = cloud.ask("ecr.describe_images", images)["imageDetails"].clone();
        let digest = images[0]["imageDigest"].as_str().unwrap();
        let tag = images[0]["imageTags"][0].as_str().unwrap();
        assert!(tag.ends_with("-amd64") && tag.len() == 46, "{tag}");
        let task = json!({ "taskDefinition": "checkpoint-signer-staging" });
        let task = cloud.ask("ecs.describe_task_definition", task)["taskDefinition"].clone();
        let image = task["containerDefinitions"][0]["image"].as_str().unwrap();
        assert!(image.ends_with(digest) && image.contains(region), "{image}");
        // The function is what was signed.
        let function = json!({ "FunctionName": "checkpoint-signer-rotation-staging" });
        let function = cloud.ask("lambda.get_function", function);
        assert_eq!(
            function["Configuration"]["Architectures"],
            json!(["x86_64"])
        );
        let record = json!({ "SecretId": "amply/staging/checkpoint-record" });
        let record = cloud.ask("secretsmanager.get_secret_value", record);
        assert_eq!(record["SecretString"], ADDRESS);
    }
    for left in ["files.json", "address"] {
        assert!(!desk.path().join(left).exists(), "{left}");
    }
}

/// Blocks that no test runs, by what is in them: they ask the internet, or need PostgreSQL (tests/docs runs that one).
const ELSEWHERE: [&str; 3] = ["ADVISORIES=required", "CREATE DATABASE", "\\connect"];

#[test]
fn every_block_of_the_guide_is_run_here_or_named() {
    let tests = [
        include_str!("guide.rs"),
        include_str!("readme.rs"),
        include_str!("service_readme.rs"),
    ];
    let quoted: Vec<&str> = tests.iter().flat_map(|text| text.split('"')).collect();
    let text = read("deploy/README.md");
    let blocks = text.split("```sh\n").skip(1);
    for block in blocks.filter_map(|rest| rest.split("\n```").next()) {
        let mut known = quoted.iter().filter(|text| text.len() > 8);
        let run = known.any(|text| block.contains(*text));
        let elsewhere = ELSEWHERE.iter().any(|text| block.contains(text));
        assert!(run || elsewhere, "nobody runs this block:\n{block}");
    }
}
