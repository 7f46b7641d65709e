//! The blocks of deploy/README.md on the image and on the alarms, as they are printed, in moto. docker and zip are stand-ins: nothing is built.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::cloud::{Cloud, path, read};
use crate::program::must;
use crate::python::python;

/// What is pushed is in the registry, and was scanned; what is copied out of an image is there.
const DOCKER: &str = r#"#!/bin/sh
set -eu
case "$1" in
push)
  name="${2##*/}"
  aws ecr put-image --repository-name "${name%%:*}" --image-tag "${name#*:}" --image-manifest \
    '{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}' > pushed.json
  aws ecr start-image-scan --repository-name "${name%%:*}" --image-id imageTag="${name#*:}" > scan.json ;;
create) echo container ;;
cp) echo program > "$3/checkpoint-signer" ;;
login) cat > login.txt ;;
build | buildx | tag) ;;
*) echo "docker $1 is not known here" >&2; exit 1 ;;
esac
"#;

const ZIP: &str = "#!/bin/sh\ncat \"$3\" \"$4\" > \"$2\"\n";

/// The block that has a text.
fn block(with: &str) -> String {
    let text = read("deploy/README.md");
    let blocks = text.split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("\n```").next());
    let found = blocks.find(|block| block.contains(with));
    found
        .unwrap_or_else(|| panic!("no block has {with}"))
        .into()
}

/// A checkout, and the programs that are first on the path.
fn desk() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    symlink(path("deploy"), here.join("deploy")).unwrap();
    let bin = here.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let aws = Path::new(python().get_program()).with_file_name("aws");
    symlink(aws, bin.join("aws")).unwrap();
    for (name, script) in [("docker", DOCKER), ("zip", ZIP)] {
        std::fs::write(bin.join(name), script).unwrap();
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bin.join(name), runs).unwrap();
    }
    folder
}

/// Runs a script there, with what the guide begins with.
fn shell(cloud: &Cloud, desk: &TempDir, script: &str) -> String {
    let exports = block("export ENVIRONMENT=");
    let begin =
        "git init -q . && git -c user.name=a -c user.email= commit -q --allow-empty -m reviewed";
    let script = format!(
        "{exports}\nCODE_BUCKET=code TRAIL_LOG_GROUP=trail\n[ -d .git ] || {{ {begin}; }}\n{script}\n"
    );
    let mut command = cloud.command("root", Path::new("bash"), desk.path());
    let bin = desk.path().join("bin");
    command
        .args(["-eu", "-o", "pipefail", "-c", &script])
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("AWS_PAGER", "");
    must(&mut command)
}

#[test]
fn the_image_is_pushed_by_its_commit_and_the_alarms_are_deployed() {
    let mut cloud = Cloud::start();
    cloud.prepare();
    let key = cloud.key_parameters("staging");
    cloud.make("key", &key);
    let service = cloud.service_parameters("staging");
    cloud.make("service", &service);
    let repository = json!({ "repositoryName": "checkpoint-signer" });
    cloud.ask("ecr.create_repository", repository);
    let desk = desk();
    let shown = shell(
        &cloud,
        &desk,
        &(block("docker push") + "\necho \"is $DIGEST of $(git rev-parse HEAD)\""),
    );
    let last = shown.lines().last().unwrap();
    let (digest, commit) = last.trim_start_matches("is ").split_once(" of ").unwrap();
    assert!(digest.starts_with("sha256:"), "{shown}");
    let images = json!({ "repositoryName": "checkpoint-signer" });
    let images = cloud.ask("ecr.describe_images", images);
    let image = &images["imageDetails"][0];
    assert_eq!(image["imageDigest"], digest, "{images}");
    let tag = image["imageTags"][0].as_str().unwrap();
    assert!(tag.starts_with(commit), "{tag} {commit}");
    shell(&cloud, &desk, &block("--template-file deploy/alarms.yaml"));
    assert_eq!(
        cloud.status("checkpoint-signer-alarms-staging"),
        "CREATE_COMPLETE"
    );
}
