//! The blocks of deploy/README.md on the key, as they are printed: run by a shell with the AWS CLI, on whatever day it is.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::actors::serve;
use crate::cloud::{Cloud, SIGNING_PROFILE, path, read};
use crate::program::{as_role, must, run};
use crate::python::python;

const STACK: &str = "checkpoint-signer-key-staging";

/// The block that has a text.
pub fn block(with: &str) -> String {
    let text = read("deploy/README.md");
    let blocks = text.split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("\n```").next());
    let found = blocks.find(|block| block.contains(with));
    found
        .unwrap_or_else(|| panic!("no block has {with}"))
        .into()
}

/// The line of exports, as the reader has adapted it, and what the blocks on the image and on the signature leave behind.
fn variables(cloud: &mut Cloud) -> String {
    let exports = block("export ENVIRONMENT=");
    let code = cloud.put_code(Some(SIGNING_PROFILE));
    let key = "checkpoint-signer/lambda.zip";
    format!(
        "{exports}\nCODE_BUCKET=code CODE_KEY={key} CODE_VERSION={code} PROFILE={SIGNING_PROFILE}"
    )
}

fn tools(folder: &Path) {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let aws = Path::new(python().get_program()).with_file_name("aws");
    for (name, program) in [
        ("aws", aws),
        ("checkpoint-signer", testing::checkpoint_signer()),
    ] {
        std::os::unix::fs::symlink(program, bin.join(name)).unwrap();
    }
}

/// Runs a block from the root of the repository, as somebody.
fn shell(cloud: &Cloud, folder: &TempDir, caller: &str, script: &str) -> String {
    let mut command: Command = cloud.command(caller, Path::new("bash"), folder.path());
    let bin = folder.path().join("bin");
    command
        .args(["-eu", "-o", "pipefail", "-c", script])
        .current_dir(path("."))
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("AWS_PAGER", "");
    must(&mut command)
}

#[test]
fn the_key_is_deployed_signs_at_once_and_its_stack_is_made_again() {
    let mut cloud = Cloud::start();
    cloud.prepare();
    let folder = tempfile::tempdir().unwrap();
    tools(folder.path());
    let variables = variables(&mut cloud);
    let with = |block: String| format!("{variables}\n{block}");
    let deploy = with(block("--template-file deploy/key.yaml"));
    shell(&cloud, &folder, "root", &deploy);
    assert_eq!(cloud.status(STACK), "CREATE_COMPLETE");
    // The operator's role is assumed; a second time, there is a key already.
    let operator = format!("{STACK}.OperatorRole");
    let stage = with(block("checkpoint-signer rollover stage"));
    let made = shell(&cloud, &folder, &operator, &stage);
    assert!(made.contains("made amply-checkpoint-key-"), "{made}");
    let example = path("examples/checkpoint.json");
    let service = serve(&cloud, &format!("{STACK}.ServiceRole"), &folder);
    let sign = ["sign", example.to_str().unwrap(), "--server", &service.grpc];
    let signed = must(&mut as_role(&cloud, "nobody", folder.path(), &sign));
    assert!(signed.contains("\"signature\""), "{signed}");

    let delete = json!({ "StackName": STACK });
    cloud.ask("cloudformation.delete_stack", delete);
    shell(&cloud, &folder, "root", &with(block("RetainedSecret=")));
    let status = [
        "rollover",
        "status",
        "--environment",
        "staging",
        "--server",
        &service.grpc,
    ];
    let shown = run(&mut as_role(&cloud, &operator, folder.path(), &status));
    assert!(shown.text.contains("<- signs now"), "{}", shown.text);
    assert!(!shown.text.contains("WARNING"), "{}", shown.text);
}
